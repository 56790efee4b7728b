"""At most so many groups run interleaved, and one never blocks another."""

import asyncio
from typing import Any

import pytest

from paceline import Engine, GroupPolicy, Job, JobContext, Lane, WaitReason, current_job
from paceline.testing import VirtualClock


class Log:
    """Each job takes its payload's seconds; notes which group started a job when."""

    def __init__(self) -> None:
        self.started: list[tuple[float, str, str]] = []

    async def execute(self, job: Job, ctx: JobContext) -> object:
        self.started.append((now(), str(job.group), job.role))
        if job.role == "primer":
            ctx.first_token()
        await asyncio.sleep(job.payload)
        return None

    def first(self, group: str, role: str = "follower") -> float:
        return next(when for when, each, what in self.started if (each, what) == (group, role))

    def last(self, group: str) -> float:
        return max(when for when, each, what in self.started if (each, what) == (group, "follower"))


def now() -> float:
    return asyncio.get_running_loop().time()


def test_with_one_place_groups_are_finished_one_after_the_other() -> None:
    log = Log()

    async def main() -> None:
        async with Engine(log, slots=2, max_active_groups=1) as engine:
            for name in "abc":
                await engine.submit_group(name, primer=1, followers=[1] * 6)
            await asyncio.sleep(1.5)
            assert engine.group("b").followers[0].waiting == WaitReason("active_groups", "b")

    VirtualClock().run(main)
    assert log.last("a") <= log.first("b")
    assert log.last("b") <= log.first("c")


def test_by_default_as_many_groups_are_active_as_there_are_slots() -> None:
    log = Log()

    async def main() -> None:
        async with Engine(log, slots=3) as engine:
            for name in "abcde":
                await engine.submit_group(name, primer=1, followers=[1] * 4)

    VirtualClock().run(main)
    assert [log.first(name) for name in "abc"] == [1, 1, 1]
    assert min(log.first(name, "primer") for name in "de") >= min(log.last(name) for name in "abc")


def test_a_place_opens_when_a_group_has_no_follower_ready_to_start() -> None:
    """All of a's followers run, and have not ended: b may start."""
    log = Log()

    async def main() -> None:
        async with Engine(log, slots=8, max_active_groups=1) as engine:
            await engine.submit_group("a", primer=10, followers=[10, 10])
            await engine.submit_group("b", primer=10, followers=[10, 10])

    VirtualClock().run(main)
    assert log.last("b") == 0


def test_a_group_whose_followers_wait_for_their_release_keeps_no_place() -> None:
    log = Log()

    async def main() -> None:
        async with Engine(log, slots=8, max_active_groups=1) as engine:
            slow = GroupPolicy(release="complete")
            await engine.submit_group("a", primer=10, followers=[1, 1], policy=slow)
            await engine.submit_group("b", primer=1, followers=[1, 1])

    VirtualClock().run(main)
    assert log.last("b") == 0
    assert log.first("a") == 10


def test_a_group_that_has_begun_goes_before_one_that_has_not() -> None:
    """Its prefix is warm, and would expire: a's followers go before the primers that were there first."""
    log = Log()

    async def main() -> None:
        async with Engine(log, slots=1, max_active_groups=1) as engine:
            policy = GroupPolicy(release="complete")
            for name in "abcd":
                await engine.submit_group(name, primer=1, followers=[1, 1, 1], policy=policy)

    VirtualClock().run(main)
    assert [group for _, group, _ in log.started] == sorted("abcd" * 4)


def test_a_group_at_its_lanes_cap_keeps_no_place_from_other_lanes() -> None:
    log = Log()

    async def main() -> None:
        lanes = [Lane("capped", max_running=1), Lane("free")]
        async with Engine(log, lanes=lanes, slots=4, max_active_groups=2) as engine:
            for number in range(5):
                await engine.submit_group(f"capped-{number}", primer=1, followers=[100] * 5, lane="capped")
            await asyncio.sleep(1)
            await engine.submit_group("free", primer=1, followers=[1, 1], lane="free")
            await asyncio.sleep(1)
            for name in list(engine.snapshot().groups):
                engine.group(name).cancel()

    VirtualClock().run(main)
    assert log.first("free") == 1


@pytest.mark.parametrize("places", [1, 2, 3])
def test_no_lane_waits_for_the_groups_of_another_and_the_limit_holds(places: int) -> None:
    """A lane without an active group takes the place that was taken longest ago; its group goes on later."""
    log = Log()

    async def main() -> None:
        lanes = [Lane("a"), Lane("b"), Lane("c")]
        async with Engine(log, lanes=lanes, slots=2, max_active_groups=places) as engine:
            for number in range(3):
                for lane in ("a", "b", "c"):
                    await engine.submit_group(f"{lane}{number}", primer=1, followers=[1] * 20, lane=lane)
            while engine.snapshot().groups:
                assert engine._run is not None
                assert len(engine._run.scheduler.queues.active) <= places
                await asyncio.sleep(1)

    VirtualClock().run(main)
    assert max(log.first("a0"), log.first("b0"), log.first("c0")) <= 2
    if places == 1:  # one group of a lane after the other: a prefix is not left to grow cold for the next
        for lane in "abc":
            assert log.last(f"{lane}0") <= log.first(f"{lane}1", "primer")
            assert log.last(f"{lane}1") <= log.first(f"{lane}2", "primer")


def test_jobs_without_a_group_need_no_place() -> None:
    log = Log()

    async def main() -> None:
        async with Engine(log, slots=2, max_active_groups=1) as engine:
            await engine.submit_group("a", primer=1, followers=[1] * 20)
            single = await engine.submit(1)
            await single
            assert now() <= 2

    VirtualClock().run(main)


def test_jobs_and_groups_take_turns_so_that_a_small_group_is_not_last() -> None:
    log = Log()

    async def main() -> None:
        async with Engine(log, slots=4) as engine:
            await engine.submit_group("big", primer=1, followers=[1] * 500)
            await engine.submit_group("small", primer=1, followers=[1])

    VirtualClock().run(main)
    assert log.first("small") <= 3


@pytest.mark.parametrize("slots", [1, 2])
def test_a_jobs_own_groups_need_no_place(slots: int) -> None:
    """Else a job of an active group that awaits a group of its own could wait for its own place."""

    async def nested(payload: int) -> object:
        ctx = current_job()
        assert ctx is not None
        if not payload:
            return await asyncio.sleep(1, 1)
        group = await engine.submit_group(
            f"below {ctx.job.id}", primer=payload - 1, followers=[payload - 1] * 2
        )
        return sum(result.output for result in await group.results())

    async def main() -> None:
        async with engine:
            group = await engine.submit_group("top", primer=2, followers=[2, 2])
            results: list[Any] = [result.output for result in await group.results()]
            assert results == [9, 9, 9]

    engine = Engine(nested, slots=slots, max_active_groups=1)
    VirtualClock().run(main)


def test_a_jobs_own_group_starts_while_all_places_are_taken() -> None:
    started: list[float] = []

    async def nested(payload: str) -> None:
        if payload == "parent":
            await (await engine.submit_group("below", primer="child", followers=["child"])).results()
        elif payload == "child":
            started.append(now())
        await asyncio.sleep(10)

    async def main() -> None:
        async with engine:
            await engine.submit_group("top", primer="x", followers=["x"] * 100)
            await asyncio.sleep(15)
            await engine.submit("parent")
            await asyncio.sleep(25)
            engine.group("top").cancel()

    engine = Engine(nested, slots=2, max_active_groups=1)
    VirtualClock().run(main)
    assert started[0] == 20


def test_higher_priority_goes_first_among_groups() -> None:
    log = Log()

    async def main() -> None:
        async with Engine(log, slots=1, max_active_groups=1) as engine:
            await engine.submit_group("first", primer=1, followers=[1, 1])
            await engine.submit_group("low", primer=1, followers=[1, 1], priority=-1)
            await engine.submit_group("high", primer=1, followers=[1, 1], priority=5)
            await engine.submit_group("middle", primer=1, followers=[1, 1])

    VirtualClock().run(main)
    assert log.first("high") < log.first("middle") < log.first("low")
