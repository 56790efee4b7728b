"""Who goes first, and who waits to be let in."""

import asyncio

import pytest

from paceline import Engine, EngineNotOpen, Handle, Job, JobContext, UnknownName
from paceline.testing import DelayExecutor, FaultExecutor, Hang, VirtualClock


def now() -> float:
    return asyncio.get_running_loop().time()


def test_larger_priorities_go_first_and_equal_ones_in_order() -> None:
    order: list[object] = []

    async def run(payload: object) -> None:
        order.append(payload)

    async def main() -> None:
        async with Engine(run, slots=1) as engine:
            await engine.submit("running")
            for name, priority in (("b1", 0), ("c", -5), ("a", 7), ("b2", 0), ("top", 100)):
                await engine.submit(name, priority=priority)
        assert order == ["running", "top", "a", "b1", "b2", "c"]

    VirtualClock().run(main)


def test_submit_waits_while_max_pending_jobs_wait_and_lets_in_as_they_start() -> None:
    async def main() -> None:
        async with Engine(DelayExecutor(10, 10), slots=1, max_pending=2) as engine:
            accepted: list[float] = []
            for i in range(6):
                await engine.submit(i)
                accepted.append(now())
            assert accepted == [0, 0, 0, 10, 20, 30]  # one runs and two wait; then one as each ends

    VirtualClock().run(main)


def test_who_waits_for_room_is_let_in_in_order() -> None:
    async def main() -> None:
        async with Engine(DelayExecutor(1, 1), slots=1, max_pending=1) as engine:
            ids: list[tuple[str, int]] = []

            async def submit(number: int) -> None:
                ids.append(((await engine.submit(number)).id, number))

            async with asyncio.TaskGroup() as tasks:
                for number in range(20):
                    tasks.create_task(submit(number))
                    await asyncio.sleep(0)
            assert [number for _, number in sorted(ids)] == list(range(20))

    VirtualClock().run(main)


def test_who_is_cancelled_while_waiting_for_room_leaves_the_place_to_the_next() -> None:
    async def main() -> None:
        async with Engine(DelayExecutor(10, 10), slots=1, max_pending=1) as engine:
            await engine.submit("runs")
            await engine.submit("waits")
            waiting = [asyncio.create_task(engine.submit(i)) for i in range(3)]
            await asyncio.sleep(1)
            waiting[0].cancel()
            await asyncio.sleep(10)
            assert [task.done() for task in waiting] == [True, True, False]
            assert waiting[0].cancelled()
            await waiting[2]
            assert now() == 20

    VirtualClock().run(main)


def test_a_place_is_not_lost_when_its_owner_is_cancelled_or_refused_in_the_very_moment() -> None:
    async def main() -> None:
        async with Engine(DelayExecutor(10, 10), slots=1, max_pending=1) as engine:
            running = await engine.submit("runs")
            await engine.submit("waits")
            lucky = asyncio.create_task(engine.submit("cancelled"))
            wrong = asyncio.create_task(engine.submit("refused", lane="nowhere"))
            last = asyncio.create_task(engine.submit("last"))
            await asyncio.sleep(1)
            running.cancel()  # makes room for the first...
            lucky.cancel()  # ...which is given up before it could take it
            await last
            assert now() == 1
            assert lucky.cancelled()
            assert isinstance(wrong.exception(), UnknownName)

    VirtualClock().run(main)


def test_children_of_a_running_job_are_never_held_back() -> None:
    class Parent:
        async def execute(self, job: Job, ctx: JobContext) -> int:
            if job.payload == "child":
                return 1
            children = [await ctx.spawn("child") for _ in range(10)]
            children += [await engine.submit("child") for _ in range(10)]
            return sum([await child for child in children])

    engine = Engine(Parent(), slots=1, max_pending=1)

    async def main() -> None:
        async with engine:
            parents = [await engine.submit("parent") for _ in range(3)]
            assert [await parent for parent in parents] == [20] * 3

    VirtualClock().run(main)


@pytest.mark.parametrize("by_error", [True, False])
def test_who_waits_for_room_when_the_engine_is_left_is_refused(by_error: bool) -> None:
    async def main() -> None:
        waiting: list[asyncio.Task[Handle]] = []

        async def fill() -> None:
            async with Engine(DelayExecutor(1, 1), slots=1, max_pending=1) as engine:
                await engine.submit(1)
                await engine.submit(2)
                waiting.extend(asyncio.create_task(engine.submit(i)) for i in range(3))
                await asyncio.sleep(0.5)
                if by_error:
                    raise ZeroDivisionError

        if by_error:
            with pytest.raises(ZeroDivisionError):
                await fill()
        else:
            await fill()
        for task in waiting:
            with pytest.raises(EngineNotOpen, match="takes no more jobs"):
                await task

    VirtualClock().run(main)


def test_a_suspended_or_running_job_takes_no_room() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor(), slots=2, max_pending=1) as engine:
            hanging = [await engine.submit(Hang()) for _ in range(3)]
            assert engine.snapshot().counts["waiting"] == 1
            hanging[0].cancel()
            await engine.submit("fits")
            for handle in hanging:
                handle.cancel()
            assert now() == 0

    VirtualClock().run(main)
