"""A flow and its calls are jobs like any other: contexts, middleware, events, memory, order."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest

from paceline import (
    Engine,
    Handle,
    Job,
    JobFailed,
    JobSuspended,
    MemorySink,
    Scope,
    current_job,
    dag,
    events,
    flow,
    gather,
    task,
)
from paceline.testing import VirtualClock

tenant: ContextVar[str] = ContextVar("tenant", default="nobody")


@task
async def work(seconds: float = 1, says: Any = None) -> Any:
    return await asyncio.sleep(seconds, says)


@task
def whose() -> str:
    return tenant.get()


def test_context_variables_are_seen_in_the_jobs_as_they_were_at_the_call() -> None:
    @flow
    async def inner() -> str:
        return await whose()

    @flow
    async def body() -> Any:
        tenant.set("first")
        one = whose()
        tenant.set("second")
        two = inner()
        tenant.set("third")
        return await one, await two

    async def main() -> Any:
        tenant.set("outside")
        return await body(), await inner(), tenant.get()

    assert VirtualClock().run(main) == (("first", "second"), "outside", "outside")


class Watching:
    """Middleware that notes scopes and submits."""

    def __init__(self) -> None:
        self.scopes: dict[str, Scope] = {}
        self.ended: list[tuple[str, str | None]] = []
        self.submits: list[tuple[str, str, str | None]] = []

    def on_submit(self, job: Job) -> None:
        self.submits.append((job.name, tenant.get(), job.parent))

    def on_begin(self, scope: Scope) -> None:
        self.scopes[scope.name] = scope

    def on_end(self, scope: Scope, error: BaseException | None) -> None:
        self.ended.append((scope.name, None if error is None else type(error).__name__))


@dag
async def graph() -> str:
    return await whose()


@flow(metadata={"owner": "me"})
async def inner() -> str:
    tenant.set("inner")
    await graph()
    raise KeyError("x")


@flow
async def outer() -> str:
    tenant.set("outer")
    with pytest.raises(JobFailed):
        await inner()
    return await whose()


def test_middleware_sees_flows_as_scopes_and_calls_in_the_context_of_the_call() -> None:
    watching = Watching()

    async def main() -> Any:
        async with Engine(middleware=[watching], run_id="r") as engine:
            run = await outer.start(engine)
            await run
            return run

    run = VirtualClock().run(main)
    kinds = {name: each.kind for name, each in watching.scopes.items() if each.kind != "run"}
    assert kinds == {"outer": "flow", "inner": "flow", "graph": "graph"}
    begun = watching.scopes
    assert (begun["outer"].id, begun["outer"].parent, begun["outer"].lane) == (run.id, None, "default")
    assert (begun["inner"].parent, begun["inner"].metadata) == (run.id, {"owner": "me"})
    assert begun["graph"].parent == begun["inner"].id
    assert watching.ended[:3] == [("graph", None), ("inner", "KeyError"), ("outer", None)]
    assert watching.submits == [
        ("outer", "nobody", None),
        ("inner", "outer", run.id),
        ("graph", "inner", begun["inner"].id),
        ("whose", "inner", begun["graph"].id),
        ("whose", "outer", run.id),
    ]


def test_the_scope_of_a_flow_that_rests_at_the_end_is_ended_with_the_run() -> None:
    watching = Watching()

    @flow
    async def asks() -> None:
        job = current_job()
        assert job is not None
        await job.ask("?")

    async def main() -> None:
        async with Engine(middleware=[watching]) as engine:
            run = await asks.start(engine)
        with pytest.raises(JobSuspended):
            await run

    VirtualClock().run(main)
    assert [name for name, _ in watching.ended][:1] == ["asks"]
    assert len(watching.ended) == 2


def test_the_events_of_calls_carry_their_key_and_parent() -> None:
    sink = MemorySink()

    async def main() -> str:
        async with Engine(sinks=[sink]) as engine:
            run = await outer.start(engine)
            await run
            return run.id

    root = VirtualClock().run(main)
    submitted = [each for each in sink.events if isinstance(each, events.JobSubmitted)]
    found = {each.key: (each.name, each.role) for each in submitted}
    assert (
        found
        == {
            "outer": ("outer", "flow"),
            "outer/0": ("inner", "flow"),
            "outer/0/0": ("graph", "graph"),
            "outer/0/0/whose": ("whose", "job"),
            "outer/1": ("whose", "job"),
        }
        or found["outer/0/0/whose"][1] == "job"
    )
    parents = {each.key: each.parent for each in submitted}
    assert (parents["outer"], parents["outer/0"], parents["outer/1"]) == (None, root, root)


def test_a_flow_is_an_executor_too() -> None:
    @flow(max_running=2)
    async def twice(number: int, factor: int = 2) -> int:
        return int(await work(1, number * factor))

    async def main() -> Any:
        async with Engine(twice, slots=1) as engine:
            one = await engine.submit({"number": 2})
            two = await engine.submit({"number": 2, "factor": 5}, executor=twice, key="mine")
            wrong = await (await engine.submit(2)).wait()
            assert wrong.error is not None
            assert "arguments by name, as a mapping; it is 2" in wrong.error.message
            results = [each.output async for each in engine.map([{"number": 1}, {"number": 2}])]
            return await one, await two, results, (await two.wait()).role, two.name

    assert VirtualClock().run(main) == (4, 10, [2, 4], "flow", "mine")


def test_wrong_arguments_are_refused_where_the_flow_is_started() -> None:
    async def main() -> None:
        async with Engine() as engine:
            with pytest.raises(TypeError, match="flow 'outer': got an unexpected keyword argument 'goal'"):
                await outer.start(engine, goal="x")
            with pytest.raises(TypeError, match="flow 'outer': too many positional"):
                outer("x")  # type: ignore[call-arg]

    VirtualClock().run(main)


def test_run_uses_the_engine_of_the_job_that_asks_and_else_one_of_its_own() -> None:
    @flow
    async def where() -> Any:
        job = current_job()
        assert job is not None
        return job.run_id, job.job.parent, job.job.lane

    @task
    async def asks() -> Any:
        job = current_job()
        assert job is not None
        return (await where.run()).output, await where(), job.job.id

    async def main() -> None:
        async with Engine(slots=1, run_id="mine") as engine:
            by_run, by_call, parent = await (await engine.submit({}, executor=asks))
            assert by_run == by_call == ("mine", parent, "default")
            assert (await where.run(engine)).output == ("mine", None, "default")
        assert (await where.run(run_id="other")).output == ("other", None, "default")
        assert (await where())[0] not in {"mine", "other"}

    VirtualClock().run(main)


class Token:
    """Something whose end can be seen."""


@task
async def make(token: Token) -> Token:
    return token


@pytest.mark.parametrize("reported", [False, True])
def test_a_long_flow_keeps_nothing_of_calls_that_have_ended_unless_a_report_is_wanted(reported: bool) -> None:
    alive: weakref.WeakSet[Token] = weakref.WeakSet()

    @flow
    async def long() -> int:
        most = 0
        for _ in range(2_000):
            token = Token()
            alive.add(token)
            await make(token)
            del token
            most = max(most, len(alive))
        gc.collect()
        return len(alive)

    async def main() -> Any:
        async with Engine() as engine:
            if reported:
                run = await long.start(engine)
                return await run, len((await run.report()).tasks)
            return await (await engine.submit({}, executor=long)), 0

    kept, tasks = VirtualClock().run(main)
    assert kept <= 2 if not reported else kept >= 2_000
    assert tasks == (2_000 if reported else 0)


def test_a_flow_makes_ten_thousand_calls_at_once_and_in_a_loop() -> None:
    @flow
    async def body() -> tuple[int, int]:
        at_once = await gather(*(work(1, number) for number in range(10_000)))
        in_turn = [await work(0, number) for number in range(1_000)]
        return sum(at_once), sum(in_turn)

    async def main() -> Any:
        async with Engine(slots=10_000) as engine:
            return await (await engine.submit({}, executor=body)), asyncio.get_running_loop().time()

    assert VirtualClock().run(main) == ((49_995_000, 499_500), 1)


def schedule(seed: int) -> list[str]:
    """What ran when, of a flow with much at once."""
    log: list[str] = []

    @task
    async def step(name: str, seconds: float) -> None:
        log.append(name)
        await asyncio.sleep(seconds)
        log.append(f"{name}.")

    @flow
    async def branch(name: str) -> None:
        await gather(*(step(f"{name}{number}", 1 + number % 2) for number in range(4)), max_running=2)
        await step.map([f"{name}x", f"{name}y"], seconds=1)

    @flow(max_running=3)
    async def body() -> None:
        await gather(*(branch(name) for name in "abc"))

    async def main() -> None:
        async with Engine(slots=4) as engine:
            await (await body.start(engine))

    VirtualClock(seed).run(main)
    return log


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert schedule(3) == schedule(3)
    assert len({tuple(schedule(seed)) for seed in range(8)}) > 1


@task
async def fails(seconds: float) -> None:
    await asyncio.sleep(seconds)
    raise ValueError("no luck")


@pytest.mark.parametrize("seconds", [1, 3], ids=["has failed", "will fail"])
def test_to_look_at_the_handle_of_a_call_is_not_to_wait_for_it(seconds: float) -> None:
    @flow
    async def body() -> str:
        call = fails(seconds)
        await asyncio.sleep(2)
        return call.handle.status

    with pytest.raises(JobFailed, match="no luck"):
        VirtualClock().run(body)


async def awaits(handle: Handle) -> None:
    with pytest.raises(JobFailed):
        await handle


async def waits(handle: Handle) -> None:
    assert (await handle.wait()).status == "failed"


async def cancels(handle: Handle) -> None:
    assert handle.cancel()


@pytest.mark.parametrize(
    ("seconds", "learns"), [(1, awaits), (3, awaits), (1, waits), (3, waits), (3, cancels)]
)
def test_who_waits_by_the_handle_or_cancels_by_it_knows_what_becomes_of_the_call(
    seconds: float, learns: Callable[[Handle], Awaitable[None]]
) -> None:
    @flow
    async def body() -> str:
        call = fails(seconds)
        await asyncio.sleep(2)
        await learns(call.handle)
        return "done"

    assert VirtualClock().run(body) == "done"


def test_to_cancel_a_call_that_has_failed_changes_nothing() -> None:
    @flow
    async def body() -> None:
        call = fails(1)
        await asyncio.sleep(2)
        assert not call.handle.cancel()

    with pytest.raises(JobFailed, match="no luck"):
        VirtualClock().run(body)
