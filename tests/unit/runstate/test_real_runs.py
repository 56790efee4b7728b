"""States of runs that engines really wrote, compared with what the engines said of themselves."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest

from paceline import (
    Budget,
    Engine,
    From,
    GroupPolicy,
    Handle,
    Job,
    JobContext,
    JsonlSink,
    Lane,
    Limits,
    RetryPolicy,
    Snapshot,
    Suspend,
    Usage,
    current_job,
    dag,
    flow,
    task,
)
from paceline.events import Event
from paceline.testing import VirtualClock
from paceline_integrations.runstate import LogReader, RunState, load

UNSURE = {"slot", "lane_share", "lock", "budget", "active_groups", "backoff", "children", "running"}
"""Reasons that are told by samples, of which the last may be a second old."""
Look = Callable[[float], Awaitable[None]]
Scenario = Callable[[Engine, Look], Awaitable[None]]


class Model:
    """Does what its payload says, in a little less than a second."""

    resources = ("model",)

    async def execute(self, job: Job, ctx: JobContext) -> object:
        await asyncio.sleep(0.31)
        ctx.emit("first ")
        if job.payload == "fails" or (job.payload == "fails once" and ctx.attempt == 1):
            ctx.usage(Usage(10, 0, None, 1))
            raise ValueError("no")
        if job.payload == "asks" and job.reply is None:
            return Suspend("May I?")
        if job.payload == "hangs":
            await asyncio.sleep(1_000)
        ctx.usage(Usage(100, 40, None, 5))
        await asyncio.sleep(0.52)
        return job.payload


@task
async def number() -> int:
    await asyncio.sleep(0.7)
    return 3


@task
async def permission() -> Any:
    at_work = current_job()
    assert at_work is not None
    return Suspend("May I?") if at_work.job.reply is None else 1


@task
async def plus(one: Annotated[int, From(number)], two: Annotated[int, From(permission)]) -> int:
    return one + two


@dag
async def total() -> int:
    return await plus(await number(), await permission())


@flow
async def inner() -> Any:
    return await permission()


@flow
async def outer() -> Any:
    return await inner() + await number()


def all_counts(state: RunState) -> dict[str, int]:
    """Jobs by status, graphs, flows and maps among them."""
    return {status: count + state.bodies.by[status] for status, count in state.counts.by.items()}


def record(path: Path, scenario: Scenario, *, append: bool = False, **options: Any) -> list[Snapshot]:
    """Run it on a virtual clock; return what the engine said of itself, at first when it was opened."""
    looks: list[Snapshot] = []

    async def main() -> None:
        given: dict[str, Any] = {"slots": 4, "retry": RetryPolicy(attempts=2), **options}
        sink = JsonlSink(path, content="full", chunks=True, append=append)
        async with Engine(Model(), sinks=[sink], **given) as engine:
            looks.append(engine.snapshot())

            async def look(seconds: float) -> None:
                """Let time pass, and look."""
                await asyncio.sleep(seconds)
                looks.append(engine.snapshot())
                await asyncio.sleep(0.0013)  # so that nothing else happens at that very time

            await scenario(engine, look)

    VirtualClock(seed=7).run(main)
    return looks


async def answer_all(engine: Engine) -> None:
    for job, questions in engine.snapshot().questions.items():
        for question in questions:
            await engine.reply(job, answer=True, question=question.id)


async def groups(engine: Engine, look: Look) -> None:
    """Groups whose names come again, one that is open, one whose primer asks, one that is cancelled."""
    policy = GroupPolicy(settle=0.7, in_flight=2)
    await engine.submit_group("a", primer="p", followers=["x", "fails", "fails once", "y"], policy=policy)
    asks = await engine.submit_group("b", primer="asks", followers=["x", "y"], lane="fast")
    await engine.submit("late", after=asks)
    async with engine.open_group("open", lane="fast") as group:
        await look(0.5)
        await group.submit_primer("p")
        for each in range(4):
            await group.add_follower(each)
            await look(0.5)
    hangs = await engine.submit_group("c", primer="hangs", followers=["x"])
    await look(1.0)
    await look(1.0)
    hangs.cancel("enough")
    for _ in range(3):
        await look(1.0)
    await answer_all(engine)
    for _ in range(5):
        await look(1.0)
    await engine.submit_group("a", primer="p", followers=["again"])
    await look(0.5)
    await look(1.0)


async def bodies(engine: Engine, look: Look) -> None:
    """A graph and nested flows of which jobs ask."""
    await total.start(engine=engine)
    await outer.start(engine=engine)
    for _ in range(4):
        await look(0.5)
    await answer_all(engine)
    for _ in range(4):
        await look(0.5)
    await total.start(engine=engine)
    await look(0.5)
    await look(0.5)
    await look(0.5)


async def held(engine: Engine, look: Look) -> None:
    """Jobs at a budget and a limit, locked ones, some that are skipped."""
    locked = [await engine.submit(each, lock="user:7") for each in ("a", "b", "fails")]
    await engine.submit("skipped", after=locked)
    for each in range(40):
        await engine.submit(each, lane="fast" if each % 2 else "default")
    for _ in range(12):
        await look(0.5)


async def mapped(engine: Engine, look: Look) -> None:
    """A map of very many."""

    async def consume() -> int:
        return len([each async for each in engine.map(range(2_000))])

    consuming = asyncio.create_task(consume())
    while not consuming.done():
        await look(0.5)


RUNS: list[tuple[Scenario, dict[str, Any]]] = [
    (groups, {"lanes": [Lane("fast", weight=2.0, max_running=3)]}),
    (groups, {"lanes": [Lane("fast", weight=2.0, max_running=3)], "slots": 1, "max_active_groups": 1}),
    (bodies, {}),
    (bodies, {"slots": 1}),
    (held, {"lanes": [Lane("fast")], "limits": {"model": Limits(requests_per_minute=60, burst=0.1)}}),
    (held, {"lanes": [Lane("fast")], "budget": Budget(tokens=2_500)}),
    (mapped, {"slots": 64}),
]


def compare(path: Path, looks: list[Snapshot]) -> Iterator[tuple[Snapshot, RunState]]:
    """Read the log up to each look, and compare."""
    events = LogReader(path).read()
    state = RunState()
    offset = events[0].time - looks[0].time
    at = 0
    for look in looks[1:]:
        while at < len(events) and events[at].time <= look.time + offset:
            state.apply(events[at])
            at += 1
        assert all_counts(state) == dict(look.counts), look.time
        assert {each.name for each in state.groups.values() if each.ended is None} == set(look.groups)
        questions = {job: [each.id for each in asked] for job, asked in look.questions.items()}
        assert {name: [each.id for each in job.questions] for name, job in state.asking.items()} == questions
        yield look, state
    state.apply_all(events[at:])
    last = events[-1]
    assert last.type == "run.ended"
    assert all_counts(state).items() >= last.counts.items()
    assert state.whole


@pytest.mark.parametrize(("scenario", "options"), RUNS)
def test_what_events_tell_is_what_the_engine_says_at_each_moment(
    tmp_path: Path, scenario: Scenario, options: dict[str, Any]
) -> None:
    path = tmp_path / "events.jsonl"
    for look, state in compare(path, record(path, scenario, **options)):
        for job in state.jobs.values():
            reason, why = look.waiting.get(job.id), state.why(job)
            if reason is not None and why.kind != reason.kind:
                assert {why.kind, reason.kind} <= UNSURE, (look.time, job.name, why, reason)


def test_a_body_whose_job_asks_rests_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"

    async def scenario(engine: Engine, look: Look) -> None:
        await outer.start(engine=engine)
        await look(1.0)

    record(path, scenario)
    state = RunState()
    for event in LogReader(path).read():
        if event.type == "run.ended":
            break
        state.apply(event)
    told = {job.name: (job.status, state.why(job).text) for job in state.jobs.values() if not job.done}
    rests = ("suspended", "waits for jobs of its own, one of which asks a question")
    assert told == {"outer": rests, "inner": rests, "permission": ("suspended", "asks: May I?")}
    assert [job.name for job in state.asking.values()] == ["permission"]
    assert [(each.jobs, each.text) for each in state.stuck()] == [(1, "asks: May I?")]


def test_a_second_run_in_the_same_log_is_told_by_itself_though_its_jobs_have_the_same_ids(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events.jsonl"

    async def first(engine: Engine, look: Look) -> None:
        await engine.submit_group("a", primer="p", followers=["x", "fails"])
        await look(1.0)

    async def second(engine: Engine, look: Look) -> None:
        await engine.submit_group("a", primer="p", followers=["x"])
        await look(1.0)

    record(path, first, run_id="same")
    ids = {event.job for event in LogReader(path).read() if event.type == "job.submitted"}
    record(path, second, run_id="same", append=True)
    state = load(path)
    assert set(state.jobs) < ids
    assert (state.counts.total, state.counts.succeeded, state.earlier_runs, state.foreign) == (2, 2, 1, 0)
    assert [node.name for node in state.roots()] == ["a"]


def test_a_log_that_is_replaced_while_it_is_read_in_small_pieces_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    record(path, held, lanes=[Lane("fast")])
    whole = path.read_bytes()
    middle = whole.index(b"\n", len(whole) // 2) + 1
    path.write_bytes(whole[: middle - 20])
    reader, found = LogReader(path), list[Event]()
    for size in range(1, 60):
        found += reader.read(size)
    path.rename(tmp_path / "events.jsonl.1")
    path.write_bytes(whole[middle : middle + 50])
    with (tmp_path / "events.jsonl.1").open("ab") as old:
        old.write(whole[middle - 20 : middle])  # its writer had it open yet
    while reader.position < 50 or found[-1].seq < 10:
        found += reader.read(333)
    for end in range(middle + 50, len(whole), 777):
        with path.open("ab") as file:
            file.write(whole[end : end + 777])
        found += reader.read(500)
    while not reader.at_end:
        found += reader.read(500)
    assert [event.seq for event in found] == list(range(1, len(found) + 1))
    assert (len(found), reader.damaged) == (whole.count(b"\n"), 0)


class Whatever:
    """Jobs, groups, graphs and flows, submitted, answered and cancelled in an order that the seed decides."""

    def __init__(self, seed: int) -> None:
        self._chance: random.Random = random.Random(seed)
        self._jobs: list[Handle] = []

    async def __call__(self, engine: Engine, look: Look) -> None:
        """Do forty things."""
        for _ in range(40):
            steps = [self._submit, self._submit, self._submit_group, self._start, answer_all, self._cancel]
            await self._chance.choice(steps)(engine)
            await look(self._chance.choice([0.11, 0.3, 0.9]))
        for each in self._jobs:
            each.cancel("enough")
        await look(3.0)

    def _payload(self) -> str:
        return self._chance.choice(["x", "x", "x", "x", "fails", "fails once", "asks", "hangs"])

    async def _submit(self, engine: Engine) -> None:
        chance = self._chance
        after = [chance.choice(self._jobs)] if self._jobs and chance.random() < 0.3 else []
        lock, timeout = chance.choice([None, "user:7"]), chance.choice([None, 0.5])
        job = await engine.submit(self._payload(), lane="fast", after=after, lock=lock, timeout=timeout)
        self._jobs.append(job)

    async def _submit_group(self, engine: Engine) -> None:
        chance = self._chance
        policy = GroupPolicy(settle=chance.choice([0.0, 0.7]), in_flight=chance.choice([None, 1, "auto"]))
        name = f"group-{len(self._jobs)}"
        followers = [self._payload() for _ in range(chance.randrange(5))]
        group = await engine.submit_group(name, primer=self._payload(), followers=followers, policy=policy)
        self._jobs += [each for each in (group.primer, *group.followers) if each is not None]

    async def _start(self, engine: Engine) -> None:
        await (total if self._chance.random() < 0.5 else outer).start(engine=engine)

    async def _cancel(self, engine: Engine) -> None:
        for each in self._jobs[-1:]:
            each.cancel("enough")


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_in_a_run_its_events_tell_how_it_stands(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "events.jsonl"
    looks = record(path, Whatever(seed), slots=1 + seed % 3, lanes=[Lane("fast", max_running=2)])
    assert len([look for look, _ in compare(path, looks)]) == 41
