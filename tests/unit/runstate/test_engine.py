"""The state that is made of events is that of the engine that wrote them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pytest

from paceline import (
    Engine,
    From,
    GroupPolicy,
    JsonlSink,
    Lane,
    Limits,
    MemorySink,
    RetryPolicy,
    Snapshot,
    Suspend,
    Usage,
    current_job,
    dag,
    flow,
    task,
)
from paceline.testing import VirtualClock
from paceline_integrations.runstate import RunState, load

SECONDS = 12
"""A look is taken in the middle of each of so many."""
TOLD = {"dependency", "release", "settle", "backoff", "reply"}
"""Reasons that events tell at once."""
SAMPLED = {"lock", "limit", "slot", "lane_share", "lane_cap", "group_in_flight"}
"""Reasons that are sampled once a second, and so may be a little old."""


class Model:
    """Answers after a second; some payloads make trouble."""

    resources = ("model",)

    async def execute(self, job: Any, ctx: Any) -> object:
        await asyncio.sleep(0.6)
        ctx.emit("first ")
        if job.payload == "fails" or (job.payload == "fails once" and ctx.attempt == 1):
            ctx.usage(Usage(10, 0, None, 1))
            raise ValueError("no")
        if job.payload == "asks" and job.reply is None:
            return Suspend("May I?")
        if job.payload == "hangs":
            await asyncio.sleep(1_000)
        ctx.usage(Usage(100, 40, None, 5))
        await asyncio.sleep(0.6)
        return job.payload


@task
async def load_numbers() -> list[int]:
    await asyncio.sleep(1.2)
    return [1, 2]


@task
async def add(numbers: Annotated[list[int], From(load_numbers)]) -> int:
    await asyncio.sleep(1.2)
    return sum(numbers)


@dag
async def report() -> int:
    return await add(await load_numbers())


@flow
async def research() -> str:
    job = current_job()
    assert job is not None
    return f"{len(await load_numbers())} {await job.ask('How deep?')}"


async def scenario(engine: Engine, snapshots: list[Snapshot]) -> None:
    policy = GroupPolicy(settle=1.0, in_flight=2)
    first = await engine.submit_group(
        "first", primer="intro", followers=["a", "b", "fails", "c"], policy=policy
    )
    await engine.submit_group("second", primer="fails", followers=["d"], lane="fast")
    await engine.submit("after", after=first, lane="fast")
    asks = await engine.submit("asks", lane="fast")
    await engine.submit("fails once", lane="fast")
    locked = [await engine.submit(each, lock="user:7") for each in ("x", "y")]
    hangs = await engine.submit("hangs", lane="fast")
    graph = await report.start(engine=engine)
    asked = await research.start(engine=engine)
    for second in range(SECONDS):
        await asyncio.sleep(0.5)
        snapshots.append(engine.snapshot())
        await asyncio.sleep(0.5)
        if second == 7:
            await engine.reply(asks.id, answer=True)
            hangs.cancel("enough")
        if second == 8:
            for job, questions in engine.snapshot().questions.items():
                await engine.reply(job, "deep", question=questions[0].id)
    del locked, graph, asked


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[MemorySink, list[Snapshot], RunState]:
    path = tmp_path_factory.mktemp("run") / "events.jsonl"
    sink = MemorySink(waits=True)
    snapshots: list[Snapshot] = []

    async def main() -> None:
        async with Engine(
            Model(),
            slots=4,
            lanes=[Lane("fast", weight=2.0, max_running=3)],
            limits={"model": Limits(concurrency=3)},
            retry=RetryPolicy(attempts=2),
            sinks=[sink, JsonlSink(path, content="full")],
        ) as engine:
            await scenario(engine, snapshots)

    VirtualClock(seed=3).run(main)
    return sink, snapshots, load(path)


def test_at_each_moment_the_counts_are_those_of_the_engine(
    run: tuple[MemorySink, list[Snapshot], RunState],
) -> None:
    sink, snapshots, _ = run
    state, events = RunState(), list(sink.events)
    offset = events[0].time - (snapshots[0].time - 0.5)
    for snapshot in snapshots:
        while events and events[0].time <= snapshot.time + offset:
            state.apply(events.pop(0))
        both = {status: count + state.bodies.by[status] for status, count in state.counts.by.items()}
        assert both == dict(snapshot.counts), snapshot.time
        given_up = {
            (job.id, each.number)
            for job in state.jobs.values()
            for each in job.attempts
            if each.abandoned and each.gone is None
        }
        assert given_up == {(each.job, each.attempt) for each in snapshot.abandoned}


def test_at_each_moment_the_reasons_are_those_of_the_engine(
    run: tuple[MemorySink, list[Snapshot], RunState],
) -> None:
    sink, snapshots, _ = run
    state, events = RunState(), list(sink.events)
    offset = events[0].time - (snapshots[0].time - 0.5)
    compared: set[str] = set()
    for snapshot in snapshots:
        while events and events[0].time <= snapshot.time + offset:
            state.apply(events.pop(0))
        for job in state.jobs.values():
            if job.status not in ("waiting", "suspended"):
                continue
            reason, why = snapshot.waiting[job.id], state.why(job)
            compared.add(reason.kind)
            if reason.kind in TOLD:
                assert why.kind == reason.kind, (snapshot.time, job.name, why, reason)
            else:
                assert why.kind in SAMPLED, (snapshot.time, job.name, why, reason)
            if reason.kind in TOLD and reason.until is not None:
                assert why.until is not None
                assert abs(why.until - reason.until - offset) < 1e-6
    assert compared >= {*TOLD, "lock", "limit"}


def test_in_the_end_it_adds_up_to_what_the_run_said(
    run: tuple[MemorySink, list[Snapshot], RunState],
) -> None:
    sink, snapshots, state = run
    last = sink.events[-1]
    assert last.type == "run.ended"
    counts = {status: count + state.bodies.by[status] for status, count in state.counts.by.items()}
    assert last.counts == {status: counts[status] for status in last.counts}
    assert (state.run.outcome, state.whole, state.counts.unfinished) == ("completed", True, 0)
    assert {name: lane.weight for name, lane in state.lanes.items()} == {"default": 1.0, "fast": 2.0}
    served = {name: lane.served for name, lane in snapshots[-1].lanes.items()}
    assert {name: lane.served for name, lane in state.lanes.items()} == served
    usages = [job.usage for job in state.jobs.values() if job.usage is not None]
    assert state.totals.input_tokens == sum(each.input_tokens or 0 for each in usages)
    assert {group.name: group.outcome for group in state.groups.values()} == {
        "first": "failed",
        "second": "failed",
    }
    assert [node.name for node in state.roots()][:2] == ["first", "second"]
