"""When a group's followers may start: at the primer's release point, which is a latch."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from paceline import (
    Engine,
    GroupPolicy,
    Job,
    JobContext,
    MemorySink,
    RetryPolicy,
    WaitReason,
    events,
)
from paceline.testing import VirtualClock


class Steps:
    """Runs what each payload says, a function of the context, and notes when each job starts and ends."""

    def __init__(self) -> None:
        self.started: dict[str, list[float]] = {}
        self.ended: dict[str, float] = {}

    async def execute(self, job: Job, ctx: JobContext) -> object:
        name = job.role if job.role != "follower" else (job.key or "").rpartition("/")[2]
        self.started.setdefault(name, []).append(now())
        try:
            if isinstance(job.payload, float | int):
                await asyncio.sleep(job.payload)
                return None
            return await job.payload(ctx)
        finally:
            self.ended[name] = now()


def now() -> float:
    return asyncio.get_running_loop().time()


def speaks(at: float, until: float, how: str = "emit") -> Callable[[JobContext], Awaitable[object]]:
    async def primer(ctx: JobContext) -> object:
        await asyncio.sleep(at)
        if how == "emit":
            ctx.emit("hello")
        else:
            ctx.first_token()
        return await asyncio.sleep(until - at, "spoken")

    return primer


@pytest.mark.parametrize("how", ["emit", "first_token"])
def test_followers_start_when_the_primer_begins_to_answer(how: str) -> None:
    steps = Steps()

    async def main() -> None:
        async with Engine(steps) as engine:
            group = await engine.submit_group("g", primer=speaks(2, 10, how), followers=[1, 1])
            assert [result.status for result in await group.results()] == ["succeeded"] * 3

    VirtualClock().run(main)
    assert steps.started == {"primer": [0], "0": [2], "1": [2]}
    assert steps.ended["primer"] == 10


def test_with_release_complete_the_first_token_is_not_enough() -> None:
    steps = Steps()

    async def main() -> None:
        async with Engine(steps) as engine:
            await engine.submit_group(
                "g", primer=speaks(2, 10), followers=[1], policy=GroupPolicy(release="complete")
            )

    VirtualClock().run(main)
    assert steps.started["0"] == [10]


def test_a_primer_that_emits_nothing_releases_by_its_success() -> None:
    steps = Steps()

    async def main() -> None:
        async with Engine(steps) as engine:
            await engine.submit_group("g", primer=5, followers=[1])

    VirtualClock().run(main)
    assert steps.started["0"] == [5]


def test_release_is_a_latch_that_a_failed_attempt_leaves_open() -> None:
    """The first attempt speaks and fails; followers that come during the backoff are not held again."""
    steps = Steps()

    async def primer(ctx: JobContext) -> object:
        await asyncio.sleep(1)
        if ctx.attempt == 1:
            ctx.emit("begins")
            await asyncio.sleep(1)
            raise OSError("broke off")
        return await asyncio.sleep(50, "at last")

    async def main() -> None:
        policy = RetryPolicy(attempts=2, base=1000, cap=1000)
        async with Engine(steps) as engine:
            async with engine.open_group("g", retry=policy) as group:
                handle = await group.submit_primer(primer)
                first = await group.add_follower(3)
                await asyncio.sleep(2.5)
                assert handle.status == "waiting"
                assert handle.waiting is not None
                assert handle.waiting.kind == "backoff"
                late = await group.add_follower(3)
            assert await first is None
            assert await late is None
            assert await handle == "at last"

    VirtualClock().run(main)
    assert steps.started["0"] == [1]
    assert steps.started["1"] == [2.5]
    assert len(steps.started["primer"]) == 2


def test_a_primer_that_fails_after_release_takes_nothing_from_its_followers() -> None:
    steps = Steps()

    async def primer(ctx: JobContext) -> object:
        ctx.first_token()
        await asyncio.sleep(1)
        raise OSError("broke off")

    async def main() -> None:
        async with Engine(steps) as engine:
            group = await engine.submit_group("g", primer=primer, followers=[5, 5])
            assert [each.status for each in await group.results()] == ["failed", "succeeded", "succeeded"]
            assert group.status == "failed"

    VirtualClock().run(main)


def test_an_early_speaker_of_the_followers_releases_nobody() -> None:
    """Only the primer's first token counts: a follower that ran on is none of the group's release."""
    steps = Steps()

    async def main() -> None:
        async with Engine(steps) as engine:
            await engine.submit_group(
                "g",
                primer=5,
                followers=[speaks(0, 1), speaks(0, 1)],
                policy=GroupPolicy(settle=2),
            )

    VirtualClock().run(main)
    assert steps.started == {"primer": [0], "0": [7], "1": [7]}


def test_settle_counts_from_release_and_says_until_when() -> None:
    steps = Steps()
    seen: list[WaitReason | None] = []

    async def main() -> None:
        async with Engine(steps) as engine:
            group = await engine.submit_group(
                "g", primer=speaks(2, 10), followers=[1], policy=GroupPolicy(settle=3.0)
            )
            await asyncio.sleep(1)
            seen.append(group.followers[0].waiting)
            await asyncio.sleep(2)
            seen.append(group.followers[0].waiting)

    VirtualClock().run(main)
    assert steps.started["0"] == [5]
    assert seen == [WaitReason("release", "g"), WaitReason("settle", "g", 5.0)]


def test_a_follower_that_comes_while_the_prefix_settles_waits_too() -> None:
    steps = Steps()

    async def main() -> None:
        async with Engine(steps) as engine, engine.open_group("g", policy=GroupPolicy(settle=3.0)) as group:
            await group.submit_primer(speaks(1, 2))
            await asyncio.sleep(3)
            await group.add_follower(1)

    VirtualClock().run(main)
    assert steps.started["0"] == [4]


def test_without_a_primer_there_is_nothing_to_settle() -> None:
    steps = Steps()

    async def main() -> None:
        async with Engine(steps) as engine:
            await engine.submit_group("g", followers=[1, 1], policy=GroupPolicy(settle=9.0))

    VirtualClock().run(main)
    assert steps.started == {"0": [0], "1": [0]}


def test_in_flight_counts_the_primer() -> None:
    steps = Steps()

    async def main() -> None:
        async with Engine(steps) as engine:
            group = await engine.submit_group(
                "g", primer=speaks(1, 10), followers=[4, 4, 4], policy=GroupPolicy(in_flight=2)
            )
            await asyncio.sleep(2)
            assert group.followers[1].waiting == WaitReason("group_in_flight", "g")

    VirtualClock().run(main)
    assert steps.started == {"primer": [0], "0": [1], "1": [5], "2": [9]}


def test_in_flight_of_one_runs_the_members_one_by_one() -> None:
    steps = Steps()

    async def main() -> None:
        async with Engine(steps) as engine:
            await engine.submit_group(
                "g", primer=speaks(1, 10), followers=[4, 4], policy=GroupPolicy(in_flight=1)
            )

    VirtualClock().run(main)
    assert steps.started == {"primer": [0], "0": [10], "1": [14]}


def test_in_flight_counts_an_abandoned_member_until_it_is_really_gone() -> None:
    steps = Steps()

    async def stubborn(ctx: JobContext) -> object:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(5)
        return None

    async def main() -> None:
        async with Engine(steps, grace=60) as engine:
            group = await engine.submit_group("g", followers=[stubborn, 1], policy=GroupPolicy(in_flight=1))
            await asyncio.sleep(1)
            group.followers[0].cancel()
            assert group.followers[0].status == "cancelled"
            assert group.followers[1].waiting == WaitReason("group_in_flight", "g")

    VirtualClock().run(main)
    assert steps.started["1"] == [6]


@pytest.mark.parametrize(
    ("primer", "policy", "by"),
    [
        (speaks(1, 2), GroupPolicy(), "first_token"),
        (speaks(1, 2), GroupPolicy(release="complete"), "complete"),
        (1, GroupPolicy(), "complete"),
        (None, GroupPolicy(), "no_primer"),
    ],
)
def test_the_release_is_recorded_once_and_by_what(primer: Any, policy: GroupPolicy, by: str) -> None:
    sink = MemorySink()

    async def main() -> None:
        async with Engine(Steps(), sinks=[sink]) as engine:
            await engine.submit_group("g", primer=primer, followers=[1], policy=policy)

    VirtualClock().run(main)
    assert [event.by for event in sink.of(events.GroupReleased)] == [by]
