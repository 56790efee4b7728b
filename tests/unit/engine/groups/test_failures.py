"""What a failure, a cancellation or a question in a group means for its other members."""

import asyncio
from typing import Any

import pytest

from paceline import (
    Closed,
    DeadlineExceeded,
    Engine,
    GroupPolicy,
    Job,
    JobCancelled,
    JobContext,
    JobResult,
    JobSkipped,
    MemorySink,
    RetryPolicy,
    Suspend,
    UnknownName,
    events,
)
from paceline.testing import FaultExecutor, Hang, Raise, VirtualClock


class Broken(Exception):
    """What a primer here dies of."""


def statuses(results: list[JobResult]) -> list[str]:
    return [result.status for result in results]


async def work(payload: Any) -> object:
    if isinstance(payload, BaseException):
        raise payload
    if isinstance(payload, Suspend):
        return payload
    return await asyncio.sleep(payload, payload)


def test_followers_of_a_primer_that_ends_unreleased_are_skipped_with_its_own_error() -> None:
    error = Broken("no such book")

    async def main() -> None:
        async with Engine(work) as engine:
            group = await engine.submit_group("g", primer=error, followers=[1, 2])
            primer, *followers = await group.results()
            assert primer.status == "failed"
            assert statuses(followers) == ["skipped", "skipped"]
            for result in (primer, *followers):
                assert result.error is not None
                assert result.error.exception is error
                assert result.error.message == "no such book"
                assert result.error.type.endswith("Broken")
            with pytest.raises(JobSkipped, match="no such book") as caught:
                await group.followers[0]
            assert caught.value.__cause__ is error
            assert not followers[0].attempts

    VirtualClock().run(main)


def test_followers_run_after_a_failed_primer_where_the_policy_says_so() -> None:
    sink = MemorySink()

    async def main() -> None:
        async with Engine(work, sinks=[sink]) as engine:
            group = await engine.submit_group(
                "g",
                primer=Broken(),
                followers=[1, 2],
                policy=GroupPolicy(on_primer_failure="run_followers"),
            )
            assert statuses(await group.results()) == ["failed", "succeeded", "succeeded"]

    VirtualClock().run(main)
    assert [event.by for event in sink.of(events.GroupReleased)] == ["primer_failure"]


@pytest.mark.parametrize("choice", ["skip_followers", "run_followers"])
def test_a_cancelled_primer_counts_as_one_that_ended_unreleased(choice: Any) -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            group = await engine.submit_group(
                "g", primer=100, followers=[1, 2], policy=GroupPolicy(on_primer_failure=choice)
            )
            await asyncio.sleep(1)
            assert group.primer is not None
            group.primer.cancel("changed my mind")
            _, *followers = await group.results()
            if choice == "run_followers":
                assert statuses(followers) == ["succeeded", "succeeded"]
            else:
                assert statuses(followers) == ["skipped", "skipped"]
                assert followers[0].error is not None
                assert isinstance(followers[0].error.exception, JobCancelled)
                assert "changed my mind" in followers[0].error.message

    VirtualClock().run(main)


@pytest.mark.parametrize("limit", [{"timeout": 3}, {"idle_timeout": 3}, {"deadline": 3}])
def test_a_primer_out_of_time_hands_its_error_on(limit: dict[str, Any]) -> None:
    async def main() -> float:
        async with Engine(work) as engine:
            group = await engine.submit_group("g", primer=100, followers=[1], **limit)
            primer, follower = await group.results()
            assert primer.status == "failed"
            assert follower.error is not None
            if "deadline" in limit:  # the follower's own is over as well, at the same moment
                assert isinstance(follower.error.exception, DeadlineExceeded)
            else:
                assert follower.status == "skipped"
                assert follower.error == primer.error
        return asyncio.get_running_loop().time()

    assert VirtualClock().run(main) == 3


def test_a_retried_primer_keeps_its_followers_until_its_last_attempt() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            retry = RetryPolicy(attempts=3)
            good = await engine.submit_group(
                "good", primer=Raise(Broken, times=2), followers=["x"], retry=retry
            )
            bad = await engine.submit_group("bad", primer=Raise(Broken), followers=["x"], retry=retry)
            assert statuses(await good.results()) == ["succeeded", "succeeded"]
            assert statuses(await bad.results()) == ["failed", "skipped"]
            assert bad.primer is not None
            assert len((await bad.primer.wait()).attempts) == 3

    VirtualClock().run(main)


def test_a_suspended_primer_holds_its_followers_until_it_is_answered() -> None:
    async def execute(payload: str) -> object:
        return Suspend("which edition?") if payload == "ask" and not answered() else payload

    def answered() -> bool:
        from paceline import current_job

        ctx = current_job()
        return ctx is not None and ctx.job.reply is not None

    async def main() -> None:
        async with Engine(execute) as engine:
            group = await engine.submit_group("g", primer="ask", followers=["x"])
            assert group.primer is not None
            assert (await group.primer.wait()).status == "suspended"
            await asyncio.sleep(100)
            waiting = group.followers[0].waiting
            assert waiting is not None
            assert waiting.kind == "release"
            await engine.reply(group.primer.id, "the third")
            assert statuses(await group.results()) == ["succeeded", "succeeded"]

    VirtualClock().run(main)


def test_one_followers_failure_is_its_own_affair() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            group = await engine.submit_group("g", primer=1, followers=[1, Broken("mine"), 5])
            assert statuses(await group.results()) == ["succeeded", "succeeded", "failed", "succeeded"]
            assert group.status == "failed"

    VirtualClock().run(main)


def test_a_followers_failure_cancels_the_group_where_the_policy_says_so() -> None:
    async def main() -> float:
        async with Engine(work, slots=3) as engine:
            group = await engine.submit_group(
                "g",
                primer=1,
                followers=[100, Broken("mine"), 100, 100],
                policy=GroupPolicy(on_follower_failure="cancel_group"),
            )
            results = await group.results()
            assert statuses(results) == ["succeeded", "cancelled", "failed", "cancelled", "cancelled"]
            assert results[1].error is not None
            assert "follower 'g/follower/1' failed" in results[1].error.message
            return asyncio.get_running_loop().time()

    assert VirtualClock().run(main) == 1


def test_the_primers_failure_does_not_cancel_the_group() -> None:
    """`on_follower_failure` is about followers: an already released primer that fails leaves them be."""

    class Primer:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            if job.role == "primer":
                ctx.first_token()
                await asyncio.sleep(1)
                raise Broken
            await asyncio.sleep(5)
            return None

    async def main() -> None:
        async with Engine(Primer()) as engine:
            group = await engine.submit_group(
                "g", primer=0, followers=[0], policy=GroupPolicy(on_follower_failure="cancel_group")
            )
            assert statuses(await group.results()) == ["failed", "succeeded"]

    VirtualClock().run(main)


def test_cancel_ends_a_group_in_whatever_state_it_is() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor(), slots=1) as engine:
            blocker = await engine.submit(Hang())
            await asyncio.sleep(0)
            queued = await engine.submit_group("queued", primer="x", followers=["x"])
            queued.cancel("before it began")
            assert statuses(await queued.results()) == ["cancelled", "cancelled"]
            blocker.cancel()

            running = await engine.submit_group("running", primer=Hang(), followers=["x", "x"])
            await asyncio.sleep(1)
            running.cancel("while the primer ran")
            assert statuses(await running.results()) == ["cancelled"] * 3
            assert running.status == "cancelled"

            waiting = await engine.submit_group("waiting", primer=Suspend("?"), followers=["x"])
            await asyncio.sleep(1)
            waiting.cancel()
            assert statuses(await waiting.results()) == ["cancelled", "cancelled"]

            over = await engine.submit_group("over", primer="x", followers=["x"])
            assert statuses(await over.results()) == ["succeeded", "succeeded"]
            over.cancel("too late")
            assert statuses(await over.results()) == ["succeeded", "succeeded"]
            assert over.status == "succeeded"
            assert engine.snapshot().groups == ()

    VirtualClock().run(main)


@pytest.mark.parametrize("members", [0, 1])
def test_cancelling_an_open_group_that_has_nothing_unfinished_ends_it(members: int) -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            async with engine.open_group("g") as group:
                for _ in range(members):
                    await (await group.submit_primer(1))
                group.cancel("not needed")
                assert group.status in ("succeeded", "cancelled")
                with pytest.raises(Closed, match="'g'"):
                    await group.add_follower(1)
                with pytest.raises(UnknownName):
                    engine.group("g")
            assert engine.snapshot().groups == ()
            await (await engine.submit_group("g", followers=[1])).results()

    VirtualClock().run(main)


def test_an_empty_group_is_over_at_once() -> None:
    sink = MemorySink()

    async def main() -> None:
        async with Engine(work, sinks=[sink]) as engine:
            group = await engine.submit_group("g")
            assert group.status == "succeeded"
            assert await group.results() == []
            assert [each async for each in group.as_completed()] == []
            assert (await engine.submit(1, after=group)).id

    VirtualClock().run(main)
    assert [event.outcome for event in sink.of(events.GroupEnded)] == ["succeeded"]


def test_a_group_of_a_primer_alone_ends_with_it() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            group = await engine.submit_group("g", primer=3)
            assert statuses(await group.results()) == ["succeeded"]
            assert group.status == "succeeded"

    VirtualClock().run(main)


def test_a_group_that_is_refused_half_way_leaves_nothing_behind() -> None:
    """A cost function that cannot price the third member: none of the group is accepted."""

    def cost(job: Job, usage: object) -> float:
        return float(job.payload)

    async def main() -> None:
        async with Engine(work, cost=cost) as engine:
            with pytest.raises(ValueError, match="could not convert"):
                await engine.submit_group("g", primer=1, followers=[1, "priceless"])
            assert engine.snapshot().counts["waiting"] == 0
            assert engine.snapshot().groups == ()
            assert engine.snapshot().counts["succeeded"] == 0

    VirtualClock().run(main)
