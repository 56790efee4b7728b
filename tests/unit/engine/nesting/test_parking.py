"""A job that waits for its own gives back all that it holds: every nesting works with one slot."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias

import pytest

from paceline import (
    AttemptTimeout,
    Engine,
    GroupPolicy,
    Job,
    JobContext,
    JobFailed,
    Lane,
    RetryPolicy,
    current_job,
)
from paceline.testing import VirtualClock

Nested: TypeAlias = Callable[["Kit"], Awaitable[Any]]


class Kit:
    """What a nested job works with; counts how many of them run at once."""

    def __init__(self, **options: Any) -> None:
        self.running = 0
        self.most = 0
        self.engine = Engine(self, **options)

    async def execute(self, job: Job, ctx: JobContext) -> object:
        if not isinstance(job.payload, int):
            return await job.payload(self)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return await asyncio.sleep(1, job.payload)
        finally:
            self.running -= 1


def ctx() -> JobContext:
    here = current_job()
    assert here is not None
    return here


def now() -> float:
    return asyncio.get_running_loop().time()


async def a_handle(kit: Kit) -> Any:
    return await (await kit.engine.submit(1, lane=ctx().job.lane))


async def wait_for_a_handle(kit: Kit) -> Any:
    return (await (await kit.engine.submit(1, lane=ctx().job.lane)).wait()).output


async def a_spawned_child(kit: Kit) -> Any:
    return await (await ctx().spawn(1))


async def gathered_children(kit: Kit) -> Any:
    handles = [await ctx().spawn(1) for _ in range(5)]
    return sum(await asyncio.gather(*handles)) / 5


async def children_in_a_task_group(kit: Kit) -> Any:
    handles = [await ctx().spawn(1) for _ in range(3)]

    async def one(number: int) -> int:
        return int(await handles[number])

    async with asyncio.TaskGroup() as tasks:
        awaited = [tasks.create_task(one(number)) for number in range(3)]
    return sum(task.result() for task in awaited) / 3


async def group_results(kit: Kit) -> Any:
    group = await kit.engine.submit_group(
        f"below {ctx().job.id}", primer=1, followers=[1, 1], lane=ctx().job.lane
    )
    return sum([result.output for result in await group.results()]) / 3


async def as_completed(kit: Kit) -> Any:
    group = await kit.engine.submit_group(
        f"below {ctx().job.id}", primer=1, followers=[1, 1], lane=ctx().job.lane
    )
    return sum([result.output async for result in group.as_completed()]) / 3


async def an_open_group(kit: Kit) -> Any:
    async with kit.engine.open_group(f"below {ctx().job.id}", lane=ctx().job.lane) as group:
        primer = await group.submit_primer(1)
        await primer
        follower = await group.add_follower(1)
    return (await primer + await follower) / 2


async def a_map(kit: Kit) -> Any:
    outputs = [each.output async for each in kit.engine.map([1] * 5, window=2, lane=ctx().job.lane)]
    return sum(outputs) / 5


async def a_timeout_around(kit: Kit) -> Any:
    child = await ctx().spawn(1)
    with suppress(TimeoutError):
        async with asyncio.timeout(0.25):
            await child
    return await child


WAYS: list[Nested] = [
    a_handle,
    wait_for_a_handle,
    a_spawned_child,
    gathered_children,
    children_in_a_task_group,
    group_results,
    as_completed,
    an_open_group,
    a_map,
    a_timeout_around,
]


def deeper(levels: int, way: Nested) -> Nested:
    """The way, below so many jobs that wait for a child each."""

    async def nested(kit: Kit) -> Any:
        return await (await ctx().spawn(deeper(levels - 1, way)))

    return nested if levels > 1 else way


@pytest.mark.parametrize("levels", [1, 3])
@pytest.mark.parametrize("way", WAYS)
def test_every_nesting_works_with_one_slot(way: Nested, levels: int) -> None:
    kit = Kit(slots=1)

    async def main() -> None:
        async with kit.engine as engine:
            handles = [await engine.submit(deeper(levels, way)) for _ in range(3)]
            assert [await handle for handle in handles] == [1, 1, 1]
            assert engine.snapshot().slots_used == 0
            assert engine.snapshot().parked == 0

    VirtualClock().run(main)
    assert kit.most == 1


@pytest.mark.parametrize("way", WAYS)
def test_every_nesting_works_in_a_lane_that_runs_one_job_at_once(way: Nested) -> None:
    kit = Kit(slots=4, lanes=[Lane("one", max_running=1)])

    async def main() -> None:
        async with kit.engine as engine:
            handles = [await engine.submit(deeper(3, way), lane="one") for _ in range(3)]
            assert [await handle for handle in handles] == [1, 1, 1]
            assert engine.snapshot().lanes["one"].running == 0

    VirtualClock().run(main)
    assert kit.most == 1


@pytest.mark.parametrize("way", WAYS)
def test_every_nesting_works_in_a_group_with_one_job_in_flight(way: Nested) -> None:
    kit = Kit(slots=2)

    async def main() -> None:
        async with kit.engine as engine:
            group = await engine.submit_group(
                "top", primer=way, followers=[way, way], policy=GroupPolicy(in_flight=1)
            )
            assert [result.output for result in await group.results()] == [1, 1, 1]

    VirtualClock().run(main)


@pytest.mark.parametrize("way", WAYS)
def test_nesting_is_never_held_back_by_max_pending_or_max_active_groups(way: Nested) -> None:
    kit = Kit(slots=1, max_pending=1, max_active_groups=1)

    async def main() -> None:
        async with kit.engine as engine:
            group = await engine.submit_group("top", primer=way, followers=[way, way])
            single = await engine.submit(deeper(2, way))
            assert await single == 1
            assert [result.output for result in await group.results()] == [1, 1, 1]

    VirtualClock().run(main)


@pytest.mark.parametrize("seed", range(5))
def test_code_runs_only_with_a_slot_of_its_own(seed: int) -> None:
    """What a job does after its await, it does with its slot back: never two at once with one slot."""
    busy = 0

    async def step() -> None:
        nonlocal busy
        assert busy == 0
        busy += 1
        await asyncio.sleep(1)
        busy -= 1

    async def parent(kit: Kit) -> int:
        await step()
        for _ in range(2):
            await (await ctx().spawn(child))
            await step()
        return 1

    async def child(kit: Kit) -> int:
        await step()
        await (await ctx().spawn(leaf))
        await step()
        return 1

    async def leaf(kit: Kit) -> int:
        await step()
        return 1

    kit = Kit(slots=1)

    async def main() -> float:
        async with kit.engine as engine:
            for _ in range(4):
                await engine.submit(parent)
        return now()

    assert VirtualClock(seed).run(main) == 4 * (3 + 2 * 3)


def test_a_parked_job_goes_on_ahead_of_new_jobs_of_its_lane() -> None:
    order: list[str] = []

    async def parent(kit: Kit) -> None:
        await (await ctx().spawn(1))
        order.append("parent")

    async def other(kit: Kit) -> None:
        order.append("other")
        await asyncio.sleep(1)

    kit = Kit(slots=1)

    async def main() -> None:
        async with kit.engine as engine:
            await engine.submit(parent)
            await asyncio.sleep(0.5)
            for _ in range(5):
                await engine.submit(other, priority=100)

    VirtualClock().run(main)
    assert order == ["parent"] + ["other"] * 5


def test_a_parked_job_holds_no_slot() -> None:
    async def parent(kit: Kit) -> None:
        await (await ctx().spawn(1, lane="slow"))

    kit = Kit(slots=2, lanes=[Lane("slow", max_running=1)])

    async def main() -> None:
        async with kit.engine as engine:
            handles = [await engine.submit(parent) for _ in range(50)]
            await asyncio.sleep(0.5)
            snapshot = engine.snapshot()
            assert snapshot.parked == 50
            assert snapshot.slots_used == 1
            assert snapshot.counts["running"] == 51
            assert handles[0].status == "running"
            for handle in handles:
                handle.cancel()

    VirtualClock().run(main)


def test_a_timeout_around_an_await_leaves_the_child_running_and_takes_the_slot_back_first() -> None:
    times: list[float] = []

    async def parent(kit: Kit) -> None:
        child = await ctx().spawn(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.25):
                await child
        times.append(now())
        assert child.status == "succeeded"

    kit = Kit(slots=1)

    async def main() -> None:
        async with kit.engine as engine:
            await (await engine.submit(parent))

    VirtualClock().run(main)
    assert times == [1]


def test_cancelling_a_parked_job_ends_it_and_its_children_at_once() -> None:
    async def parent(kit: Kit) -> None:
        await asyncio.gather(await ctx().spawn(deeper(2, a_handle)), await ctx().spawn(1))

    kit = Kit(slots=1)

    async def main() -> None:
        async with kit.engine as engine:
            handle = await engine.submit(parent)
            await asyncio.sleep(0.5)
            handle.cancel("enough")
            assert handle.status == "cancelled"
            assert engine.snapshot().counts["cancelled"] >= 3
            assert engine.snapshot().slots_used == 0
            await (await engine.submit(1))
            assert now() == 1.5
            assert engine.snapshot().abandoned == ()

    VirtualClock().run(main)


def test_an_attempts_timeout_runs_on_while_it_is_parked() -> None:
    async def parent(kit: Kit) -> str:
        if ctx().attempt == 2:
            return "second"
        return str(await (await ctx().spawn(slow)))

    async def slow(kit: Kit) -> None:
        await asyncio.sleep(100)

    kit = Kit(slots=1)

    async def main() -> None:
        async with kit.engine as engine:
            once = await engine.submit(parent, timeout=3)
            with pytest.raises(JobFailed) as caught:
                await once
            assert isinstance(caught.value.__cause__, AttemptTimeout)
            assert now() == 3
            assert engine.snapshot().slots_used == 0
            again = await engine.submit(parent, timeout=3, retry=RetryPolicy(attempts=2, base=0))
            assert await again == "second"
            assert now() == 6
            assert engine.snapshot().counts["cancelled"] == 2

    VirtualClock().run(main)


def test_a_job_that_is_cancelled_while_it_waits_for_its_slot_back_ends_at_once() -> None:
    """Its await timed out while the child has the only slot; then it is cancelled."""
    ended: list[float] = []

    async def parent(kit: Kit) -> None:
        try:
            async with asyncio.timeout(0.25):
                await kit.engine.submit_group("below", followers=[1])
                await (await ctx().spawn(1))
        finally:
            ended.append(now())

    kit = Kit(slots=1)

    async def main() -> None:
        async with kit.engine as engine:
            handle = await engine.submit(parent)
            await asyncio.sleep(0.5)
            assert handle.waiting is not None
            assert handle.waiting.kind == "slot"
            handle.cancel()
            assert handle.status == "cancelled"
            await asyncio.sleep(0.01)
            assert engine.snapshot().abandoned == ()
            assert engine.snapshot().slots_used == 0

    VirtualClock().run(main)
    assert ended == [0.5]


def test_waiting_for_another_engines_job_holds_the_slot() -> None:
    """Parking is for one's own: nothing of this engine could be waiting for that slot in vain."""

    async def main() -> None:
        inner = Kit(slots=1)

        async def parent(kit: Kit) -> Any:
            return await (await inner.engine.submit(1))

        outer = Kit(slots=1)
        async with inner.engine, outer.engine as engine:
            handle = await engine.submit(parent)
            await asyncio.sleep(0.5)
            assert engine.snapshot().slots_used == 1
            assert engine.snapshot().parked == 0
            assert await handle == 1

    VirtualClock().run(main)


def test_an_await_of_what_has_ended_does_not_park() -> None:
    async def parent(kit: Kit) -> int:
        child = await ctx().spawn(1)
        await child
        before = kit.engine.snapshot().slots_used
        assert await child == 1
        assert (await child.wait()).output == 1
        return before

    kit = Kit(slots=1)

    async def main() -> None:
        async with kit.engine as engine:
            assert await (await engine.submit(parent)) == 1

    VirtualClock().run(main)


def test_a_parent_that_catches_its_childs_failure_goes_on() -> None:
    async def failing(kit: Kit) -> None:
        raise OSError("the child's")

    async def parent(kit: Kit) -> str:
        with pytest.raises(JobFailed, match="the child's"):
            await (await ctx().spawn(failing))
        return str(await (await ctx().spawn(1)))

    kit = Kit(slots=1)

    async def main() -> None:
        async with kit.engine as engine:
            assert await (await engine.submit(parent)) == "1"

    VirtualClock().run(main)


@pytest.mark.parametrize("seed", range(5))
def test_threads_that_wait_for_their_own_jobs_park_too(seed: int) -> None:
    def parent(payload: int) -> Any:
        if not payload:
            return 1
        futures = [engine.submit_threadsafe(payload - 1) for _ in range(2)]
        return sum(future.result().output for future in futures)

    engine = Engine(parent, slots=1)

    async def main() -> None:
        async with engine:
            assert await (await engine.submit(3)) == 8
            assert engine.snapshot().slots_used == 0

    VirtualClock(seed).run(main)
