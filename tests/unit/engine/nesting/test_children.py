"""Children are cancelled with their parent, whatever that does, and are traced under it."""

import asyncio
from typing import Any

import pytest

from paceline import (
    Engine,
    EngineNotOpen,
    Handle,
    Job,
    JobContext,
    Lane,
    MemorySink,
    PacelineError,
    RetryPolicy,
    current_job,
    events,
)
from paceline.testing import VirtualClock


class Calls:
    """Calls each payload with the context, or sleeps for that long."""

    async def execute(self, job: Job, ctx: JobContext) -> object:
        if isinstance(job.payload, int):
            return await asyncio.sleep(job.payload, job.payload)
        return await job.payload(ctx)


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_child_knows_its_parent_and_runs_in_its_lane() -> None:
    sink = MemorySink()
    seen: list[Job] = []

    async def child(ctx: JobContext) -> None:
        seen.append(ctx.job)

    async def parent(ctx: JobContext) -> str:
        await (await ctx.spawn(child))
        await (await ctx.spawn(child, lane="default"))
        return ctx.job.id

    async def main() -> str:
        async with Engine(Calls(), lanes=[Lane("a")], sinks=[sink]) as engine:
            return str(await (await engine.submit(parent, lane="a")))

    parent_id = VirtualClock().run(main)
    assert [(job.parent, job.lane) for job in seen] == [(parent_id, "a"), (parent_id, "default")]
    assert [event.parent for event in sink.of(events.JobSubmitted)] == [None, parent_id, parent_id]


def test_what_a_job_submits_by_the_engine_is_its_child_too() -> None:
    """Jobs, groups and maps alike: all are cancelled with it."""
    handles: list[Handle] = []

    async def parent(ctx: JobContext) -> None:
        handles.append(await engine.submit(100))
        group = await engine.submit_group("g", primer=100, followers=[100])
        handles.extend([*group.followers, *([group.primer] if group.primer else [])])
        async for _ in engine.map([100, 100]):
            pytest.fail("nothing ends here")

    async def main() -> None:
        async with engine:
            handle = await engine.submit(parent)
            await asyncio.sleep(1)
            assert engine.snapshot().counts["running"] == 5
            handle.cancel()
            assert [each.status for each in handles] == ["cancelled"] * 3
            assert engine.snapshot().counts["cancelled"] == 6
            assert engine.snapshot().groups == ()
            assert now() == 1

    engine = Engine(Calls())
    VirtualClock().run(main)


@pytest.mark.parametrize("depth", [1, 5, 200])
def test_a_cancelled_job_takes_its_descendants_with_it_however_deep(depth: int) -> None:
    def level(left: int) -> Any:
        async def nested(ctx: JobContext) -> None:
            await (await ctx.spawn(level(left - 1) if left else 100))

        return nested

    async def main() -> None:
        async with Engine(Calls(), slots=2) as engine:
            handle = await engine.submit(level(depth))
            await asyncio.sleep(1)
            handle.cancel("the root")
            counts = engine.snapshot().counts
            assert (counts["cancelled"], counts["running"], counts["waiting"]) == (depth + 2, 0, 0)

    VirtualClock().run(main)


def test_a_job_that_swallows_its_cancellation_brings_no_children_back() -> None:
    tried: list[str] = []

    async def stubborn(ctx: JobContext) -> str:
        child = await ctx.spawn(100)
        async with engine.open_group("mine") as group:
            await group.submit_primer(100)
            try:
                await child
            except (asyncio.CancelledError, PacelineError):
                for name, attempt in (
                    ("spawn", lambda: ctx.spawn(1)),
                    ("submit", lambda: engine.submit(1)),
                    ("group", lambda: engine.submit_group("late", followers=[1])),
                    ("follower", lambda: group.add_follower(1)),
                ):
                    try:
                        await attempt()
                    except PacelineError:
                        tried.append(name)
        return "as if nothing had happened"

    async def main() -> None:
        async with engine:
            handle = await engine.submit(stubborn)
            await asyncio.sleep(1)
            handle.cancel()
            await asyncio.sleep(1)
            assert handle.status == "cancelled"
            counts = engine.snapshot().counts
            assert (counts["cancelled"], counts["succeeded"], counts["running"]) == (3, 0, 0)
            assert engine.snapshot().groups == ()

    engine = Engine(Calls())
    VirtualClock().run(main)
    assert tried == ["spawn", "submit", "group", "follower"]


def test_a_retried_parent_begins_without_its_earlier_children() -> None:
    children: list[Handle] = []

    async def parent(ctx: JobContext) -> int:
        children.append(await ctx.spawn(100))
        await asyncio.sleep(1)
        if ctx.attempt == 1:
            raise OSError
        return 7

    async def main() -> None:
        async with Engine(Calls()) as engine:
            handle = await engine.submit(parent, retry=RetryPolicy(attempts=2, base=0))
            assert await handle == 7
            assert [each.status for each in children] == ["cancelled", "running"]
            children[1].cancel()

    VirtualClock().run(main)


def test_a_child_that_nobody_awaits_goes_on_after_its_parents_success() -> None:
    children: list[Handle] = []

    async def parent(ctx: JobContext) -> None:
        children.append(await ctx.spawn(9))

    async def main() -> None:
        async with Engine(Calls()) as engine:
            await (await engine.submit(parent))
            assert [each.status for each in children] == ["running"]
        assert [each.status for each in children] == ["succeeded"]
        assert now() == 9

    VirtualClock().run(main)


def test_an_attempt_that_is_over_spawns_no_more() -> None:
    kept: list[JobContext] = []

    async def parent(ctx: JobContext) -> None:
        kept.append(ctx)

    async def main() -> None:
        async with Engine(Calls()) as engine:
            await (await engine.submit(parent))
            with pytest.raises(EngineNotOpen):
                await kept[0].spawn(1)

    VirtualClock().run(main)


def test_a_group_that_a_job_left_open_does_not_hold_up_the_engine() -> None:
    async def careless(ctx: JobContext) -> None:
        group = await engine.open_group("left open").__aenter__()
        await group.add_follower(3)

    async def main() -> None:
        async with engine:
            await (await engine.submit(careless))
        assert engine.snapshot().groups == ()
        assert engine.snapshot().counts["succeeded"] == 2

    engine = Engine(Calls())
    VirtualClock().run(main)


def test_there_is_no_current_job_outside_of_any() -> None:
    async def look(ctx: JobContext) -> bool:
        return current_job() == ctx

    async def main() -> None:
        async with Engine(Calls()) as engine:
            assert await (await engine.submit(look)) is True
            assert current_job() is None

    VirtualClock().run(main)


def test_a_handle_that_is_awaited_by_many_jobs_ends_for_all() -> None:
    async def waiting(ctx: JobContext) -> object:
        return await shared[0]

    shared: list[Handle] = []

    async def main() -> None:
        async with Engine(Calls(), slots=2) as engine:
            shared.append(await engine.submit(5))
            handles = [await engine.submit(waiting) for _ in range(20)]
            assert [await handle for handle in handles] == [5] * 20

    VirtualClock().run(main)
