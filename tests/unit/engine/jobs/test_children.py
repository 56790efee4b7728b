"""Jobs that jobs start: whose they are, where they run, and that waiting for them takes no slot."""

import asyncio

import pytest

from paceline import Engine, Handle, Job, JobContext, JobFailed, Lane, MemorySink, PacelineError, RetryPolicy
from paceline._events import JobSubmitted
from paceline.testing import VirtualClock


def test_a_spawned_job_is_a_child_in_its_parents_lane_and_one_submitted_is_a_child_in_its_own() -> None:
    sink = MemorySink()

    class Parent:
        async def execute(self, job: Job, ctx: JobContext) -> list[object]:
            if job.payload != "parent":
                return [job.lane, job.parent]
            spawned = await ctx.spawn("child")
            moved = await ctx.spawn("child", lane="default")
            submitted = await engine.submit("child")
            return [await spawned, await moved, await submitted]

    engine = Engine(Parent(), lanes=[Lane("mine")], sinks=[sink], slots=1)

    async def main() -> None:
        async with engine:
            handle = await engine.submit("parent", lane="mine")
            assert await handle == [["mine", handle.id], ["default", handle.id], ["default", handle.id]]
        assert [event.parent for event in sink.of(JobSubmitted)] == [None] + [handle.id] * 3

    VirtualClock().run(main)


def test_a_job_submitted_by_what_a_job_left_behind_is_nobodys_child() -> None:
    left: list[asyncio.Task[Handle]] = []

    async def leave(payload: object) -> None:
        async def later() -> Handle:
            await asyncio.sleep(1)
            return await engine.submit("orphan", executor=lambda _: None)

        left.append(asyncio.create_task(later()))

    engine = Engine(leave)

    async def main() -> None:
        async with engine:
            await (await engine.submit(1))
            orphan = await left[0]
            assert (await orphan.wait()).ok

    VirtualClock().run(main)


class Nursery:
    """Spawns a child that sleeps; then ends as told."""

    def __init__(self) -> None:
        self.children: list[Handle] = []

    async def execute(self, job: Job, ctx: JobContext) -> str:
        if job.payload == "child":
            await asyncio.sleep(100)
            return "grown up"
        self.children.append(await ctx.spawn("child"))
        await asyncio.sleep(1)
        if job.payload == "fail" or (job.payload == "retry" and ctx.attempt == 1):
            raise ValueError(job.payload)
        if job.payload == "hang":
            await asyncio.sleep(1000)
        return "done"


def test_a_retry_cancels_the_children_of_the_attempt_before() -> None:
    nursery = Nursery()

    async def main() -> None:
        async with Engine(nursery, retry=RetryPolicy(base=0)) as engine:
            assert await (await engine.submit("retry")) == "done"
            old, new = nursery.children
            assert old.status == "cancelled"
            assert await new == "grown up"

    VirtualClock().run(main)


@pytest.mark.parametrize(
    ("payload", "options"), [("fail", {}), ("hang", {"timeout": 5}), ("hang", {"deadline": 5})]
)
def test_a_job_that_fails_takes_its_children_with_it(payload: str, options: dict[str, float]) -> None:
    nursery = Nursery()

    async def main() -> None:
        async with Engine(nursery) as engine:
            handle = await engine.submit(payload, **options)  # type: ignore[arg-type,misc,unused-ignore]
            with pytest.raises(JobFailed):
                await handle
            [child] = nursery.children
            assert child.status == "cancelled"

    VirtualClock().run(main)


def test_a_job_that_succeeds_leaves_its_children_running_and_the_engine_waits_for_them() -> None:
    nursery = Nursery()

    async def main() -> None:
        async with Engine(nursery) as engine:
            assert await (await engine.submit("succeed")) == "done"
        assert await nursery.children[0] == "grown up"

    clock = VirtualClock()
    clock.run(main)
    assert clock.time() == 100


def test_jobs_may_nest_as_deep_as_they_like_with_one_slot() -> None:
    class Deep:
        async def execute(self, job: Job, ctx: JobContext) -> int:
            if not job.payload:
                return 0
            below: int = await (await ctx.spawn(job.payload - 1))
            return 1 + below

    async def main() -> None:
        async with Engine(Deep(), slots=1, max_pending=1, lanes=[Lane("narrow", max_running=1)]) as engine:
            assert await (await engine.submit(50, lane="narrow")) == 50

    VirtualClock().run(main)


def test_a_job_is_parked_while_it_waits_for_its_own_and_goes_on_ahead_of_new_ones() -> None:
    order: list[str] = []

    class Parent:
        async def execute(self, job: Job, ctx: JobContext) -> None:
            if job.payload == "parent":
                child = await ctx.spawn("child")
                await child
            order.append(str(job.payload))
            await asyncio.sleep(1)

    async def main() -> None:
        async with Engine(Parent(), slots=1) as engine:
            parent = await engine.submit("parent")
            await asyncio.sleep(0.5)
            snapshot = engine.snapshot()
            assert (snapshot.parked, snapshot.slots_used, parent.status) == (1, 1, "running")
            assert str(parent.waiting) == "waits for jobs of its own"
            for i in range(3):
                await engine.submit(f"new {i}")
        assert order == ["child", "parent", "new 0", "new 1", "new 2"]

    VirtualClock().run(main)


def test_a_timeout_around_the_await_of_a_child_leaves_both_well() -> None:
    class Impatient:
        async def execute(self, job: Job, ctx: JobContext) -> str:
            if job.payload == "child":
                await asyncio.sleep(10)
                return "late"
            child = await ctx.spawn("child")
            try:
                async with asyncio.timeout(1):
                    await child
            except TimeoutError:
                return str(await child)
            return "in time"

    async def main() -> None:
        async with Engine(Impatient(), slots=1) as engine:
            assert await (await engine.submit("parent")) == "late"
            assert engine.snapshot().slots_used == 0

    VirtualClock().run(main)


def test_a_parent_that_is_cancelled_while_parked_ends_at_once_and_holds_nothing() -> None:
    async def main() -> None:
        nursery = Nursery()

        async def await_child(payload: object) -> None:
            await (await engine.submit("child", executor=nursery))

        engine = Engine(await_child, slots=1)
        async with engine:
            parent = await engine.submit(1)
            await asyncio.sleep(1)
            parent.cancel()
            await asyncio.sleep(0.1)
            snapshot = engine.snapshot()
            assert (snapshot.slots_used, snapshot.parked, snapshot.counts["cancelled"]) == (0, 0, 2)
            assert snapshot.lanes["default"].running == 0

    clock = VirtualClock()
    clock.run(main)
    assert clock.time() == 1.1


def test_ask_in_an_executor_names_suspend() -> None:
    class Ask:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            return await ctx.ask("may I?")

    async def main() -> None:
        async with Engine(Ask()) as engine:
            result = await (await engine.submit(1)).wait()
            assert result.error is not None
            assert isinstance(result.error.exception, PacelineError)
            assert "Suspend('may I?'" in result.error.message

    VirtualClock().run(main)


def test_usage_of_the_wrong_kind_is_refused_where_it_is_said() -> None:
    class Careless:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            ctx.usage({"input_tokens": 3})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            return None

    async def main() -> None:
        async with Engine(Careless()) as engine:
            with pytest.raises(JobFailed, match=r"takes a paceline\.Usage, not dict"):
                await (await engine.submit(1))

    VirtualClock().run(main)


def test_a_parent_may_wait_for_many_at_once_with_one_slot() -> None:
    class Many:
        async def execute(self, job: Job, ctx: JobContext) -> list[object]:
            if job.payload != "parent":
                await asyncio.sleep(float(job.payload))
                return [job.payload]
            children = [await ctx.spawn(seconds) for seconds in (3, 1, 2)]
            return await asyncio.gather(*[child.wait() for child in children])

    async def main() -> None:
        async with Engine(Many(), slots=1) as engine:
            results = await (await engine.submit("parent"))
            assert [result.output for result in results] == [[3], [1], [2]]
            assert engine.snapshot().slots_used == 0

    VirtualClock().run(main)


def test_a_job_whose_time_is_up_while_it_waits_to_go_on_goes_on_with_its_slot() -> None:
    """The inner timeout ends the wait, the outer one comes while the job queues for its slot."""
    held: list[int] = []

    class Doubly:
        async def execute(self, job: Job, ctx: JobContext) -> str:
            if job.payload != "parent":
                await asyncio.sleep(10)
                return "late"
            child = await ctx.spawn("child")
            try:
                async with asyncio.timeout(2):
                    try:
                        async with asyncio.timeout(1):
                            await child
                    finally:
                        held.append(engine.snapshot().slots_used)
            except TimeoutError:
                return "timed out"
            return "in time"

    engine = Engine(Doubly(), slots=1)

    async def main() -> None:
        async with engine:
            assert await (await engine.submit("parent")) == "timed out"
        assert held == [1]

    clock = VirtualClock()
    clock.run(main)
    assert clock.time() == 10


def test_a_job_that_awaits_itself_is_told_so_instead_of_hanging() -> None:
    async def main() -> None:
        handles: list[Handle] = []

        async def await_itself(payload: object) -> object:
            return await handles[0]

        async with Engine(await_itself) as engine:
            handles.append(await engine.submit(1, name="ouroboros"))
            with pytest.raises(JobFailed, match="job 'ouroboros' awaits itself"):
                await handles[0]

    VirtualClock().run(main)
