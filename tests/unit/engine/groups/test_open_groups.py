"""Groups whose members arrive over time."""

import asyncio
import gc
import weakref
from typing import Any

import pytest

from paceline import Closed, Engine, EngineNotOpen, Group, Job, JobContext, JobResult, current_job
from paceline.testing import EchoExecutor, FaultExecutor, Hang, Raise, VirtualClock


async def work(payload: Any) -> object:
    if isinstance(payload, BaseException):
        raise payload
    return await asyncio.sleep(payload, payload)


def statuses(results: list[JobResult]) -> list[str]:
    return [result.status for result in results]


def now() -> float:
    return asyncio.get_running_loop().time()


def test_followers_may_come_before_the_primer() -> None:
    order: list[str] = []

    class Noting:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            order.append(job.role)
            await asyncio.sleep(1)
            return None

    async def main() -> None:
        async with Engine(Noting()) as engine:
            async with engine.open_group("g") as group:
                early = await group.add_follower("x")
                await asyncio.sleep(5)
                assert early.status == "waiting"
                assert early.waiting is not None
                assert early.waiting.kind == "release"
                await group.submit_primer("x")
                await group.add_follower("x")
            assert statuses(await group.results()) == ["succeeded"] * 3

    VirtualClock().run(main)
    assert order == ["primer", "follower", "follower"]


def test_closing_without_a_primer_frees_the_followers() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            async with engine.open_group("g") as group:
                await group.add_follower(1)
                await group.add_follower(2)
                await asyncio.sleep(10)
                assert [each.status for each in group.followers] == ["waiting", "waiting"]
            assert statuses(await group.results()) == ["succeeded", "succeeded"]
            assert group.primer is None
            assert now() == 12

    VirtualClock().run(main)


def test_a_follower_of_a_failed_primer_is_skipped_with_its_error_however_late_it_comes() -> None:
    error = OSError("no prefix")

    async def main() -> None:
        async with Engine(work) as engine, engine.open_group("g") as group:
            primer = await group.submit_primer(error)
            assert (await primer.wait()).status == "failed"
            late = await group.add_follower(1)
            result = await late.wait()
            assert result.status == "skipped"
            assert result.error is not None
            assert result.error.exception is error

    VirtualClock().run(main)


def test_a_closed_group_takes_no_more() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            async with engine.open_group("g") as group:
                await group.submit_primer(1)
            with pytest.raises(Closed, match="group 'g'"):
                await group.add_follower(1)
            whole = await engine.submit_group("h", followers=[1])
            with pytest.raises(Closed, match="group 'h'"):
                await whole.add_follower(1)
            with pytest.raises(Closed, match="group 'h'"):
                await whole.submit_primer(1)

    VirtualClock().run(main)


def test_a_second_primer_is_refused_and_the_first_goes_on() -> None:
    async def main() -> None:
        async with Engine(work) as engine, engine.open_group("g") as group:
            first = await group.submit_primer(1)
            with pytest.raises(Closed, match="a group has one"):
                await group.submit_primer(1)
            assert group.primer == first
            assert await first == 1
            with pytest.raises(Closed, match="a group has one"):
                await group.submit_primer(1)

    VirtualClock().run(main)


def test_leaving_by_an_error_cancels_what_has_not_ended() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            opened: list[Group] = []

            async def feed() -> None:
                async with engine.open_group("g") as group:
                    opened.append(group)
                    await group.submit_primer(1)
                    await group.add_follower(1)
                    await group.add_follower(100)
                    await asyncio.sleep(5)
                    raise ZeroDivisionError("the feeder broke")

            with pytest.raises(ZeroDivisionError):
                await feed()
            results = await opened[0].results()
            assert statuses(results) == ["succeeded", "succeeded", "cancelled"]
            assert results[2].error is not None
            assert "the feeder broke" in results[2].error.message
            assert now() == 5

    VirtualClock().run(main)


def test_an_open_group_is_not_over_between_its_members() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            async with engine.open_group("g") as group:
                await (await group.submit_primer(1))
                assert engine.group("g") is group
                assert await (await group.add_follower(1)) == 1
                assert engine.group("g").status == "running"
            assert group.status == "succeeded"

    VirtualClock().run(main)


def test_as_completed_follows_a_group_that_is_still_being_fed() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            seen: list[tuple[object, float]] = []

            async def listen() -> None:
                seen.extend([(result.output, now()) async for result in group.as_completed()])
                seen.append(("over", now()))

            async with engine.open_group("g") as group:
                listening = asyncio.create_task(listen())
                await group.submit_primer(1)
                await asyncio.sleep(10)
                await group.add_follower(2)
                await asyncio.sleep(10)
                await group.add_follower(3)
                await asyncio.sleep(10)
            await listening
            assert seen == [(1, 1), (2, 12), (3, 23), ("over", 30)]

    VirtualClock().run(main)


def test_as_completed_ends_when_the_group_is_cancelled() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine, engine.open_group("g") as group:
            await group.submit_primer(Hang())
            asyncio.get_running_loop().call_later(3, group.cancel)
            assert [result.status async for result in group.as_completed()] == ["cancelled"]

    VirtualClock().run(main)


def test_with_keep_results_false_a_group_forgets_its_followers_as_they_end() -> None:
    class Payload:
        """Something that can be referred to weakly."""

    alive: weakref.WeakSet[Payload] = weakref.WeakSet()
    most = 0

    async def main() -> None:
        nonlocal most
        async with (
            Engine(EchoExecutor(), slots=2, max_pending=4) as engine,
            engine.open_group("g", keep_results=False) as group,
        ):
            await group.submit_primer("x")
            for _ in range(500):
                payload = Payload()
                alive.add(payload)
                await group.add_follower(payload)
                del payload
                gc.collect(0)
                most = max(most, len(alive))
            assert group.followers == ()
            assert group.primer is not None
            assert await group.primer == "x"

    VirtualClock().run(main)
    assert most <= 10


def test_as_completed_sees_every_follower_of_a_group_that_keeps_none() -> None:
    async def main() -> None:
        async with Engine(EchoExecutor(), slots=2) as engine:
            seen: list[object] = []

            async def listen() -> None:
                seen.extend([result.output async for result in group.as_completed()])

            async with engine.open_group("g", keep_results=False) as group:
                listening = asyncio.create_task(listen())
                await group.submit_primer("p")
                for number in range(50):
                    await group.add_follower(number)
                    await asyncio.sleep(0.1)
            await listening
            assert seen == ["p", *range(50)]

    VirtualClock().run(main)


def test_max_pending_holds_back_who_feeds_an_open_group() -> None:
    async def main() -> None:
        async with Engine(work, slots=1, max_pending=2) as engine, engine.open_group("g") as group:
            await group.submit_primer(1)
            times: list[float] = []
            for _ in range(6):
                await group.add_follower(1)
                times.append(now())
                assert engine.snapshot().counts["waiting"] <= 2
            assert times == [0, 0, 1, 2, 3, 4]

    VirtualClock().run(main)


def test_names_may_be_given_to_members() -> None:
    async def main() -> None:
        async with Engine(work) as engine, engine.open_group("g") as group:
            primer = await group.submit_primer(1, name="the book")
            follower = await group.add_follower(1, name="the title")
            other = await group.add_follower(1)
            assert [each.name for each in (primer, follower, other)] == [
                "the book",
                "the title",
                "g/follower/1",
            ]
            assert follower.key == "g/follower/0"

    VirtualClock().run(main)


def test_a_group_that_is_still_open_when_the_engine_is_left_is_closed_by_it() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            group = await engine.open_group("g").__aenter__()
            follower = await group.add_follower(1)
        assert follower.status == "succeeded"
        assert group.status == "succeeded"
        with pytest.raises(EngineNotOpen):
            await group.add_follower(1)

    VirtualClock().run(main)


def test_a_job_that_feeds_a_group_goes_on_feeding_it_while_the_engine_drains() -> None:
    async def parent(payload: str) -> object:
        if payload != "parent":
            return await asyncio.sleep(1, payload)
        async with engine.open_group("inner") as group:
            await group.submit_primer("primer")
            await asyncio.sleep(10)
            await group.add_follower("late")
        return [result.output for result in await group.results()]

    async def main() -> None:
        async with engine:
            handle = await engine.submit("parent")
            await asyncio.sleep(1)
        assert await handle == ["primer", "late"]

    engine = Engine(parent)
    VirtualClock().run(main)


def test_a_draining_engine_opens_no_group() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            await engine.submit(10)
            asyncio.get_running_loop().call_later(5, lambda: tasks.append(asyncio.create_task(late(engine))))
        await asyncio.gather(*tasks)
        assert engine.snapshot().groups == ()

    async def late(engine: Engine) -> None:
        with pytest.raises(EngineNotOpen):
            await engine.submit_group("late", followers=[1])
        with pytest.raises(EngineNotOpen):
            async with engine.open_group("late"):
                pytest.fail("a draining engine opened a group")

    tasks: list[asyncio.Task[None]] = []
    VirtualClock().run(main)


def test_a_primer_that_fails_while_followers_wait_skips_them_in_order() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            async with engine.open_group("g") as group:
                await group.add_follower("a")
                await group.add_follower("b")
                await group.submit_primer(Raise(OSError("gone")))
            assert [result.status async for result in group.as_completed()] == [
                "failed",
                "skipped",
                "skipped",
            ]
            assert current_job() is None

    VirtualClock().run(main)
