"""Cancelling settles the handle and frees the slot at once; what the code does then changes nothing."""

import asyncio
import math

import pytest

from paceline import (
    Engine,
    EngineNotOpen,
    Handle,
    Job,
    JobCancelled,
    JobContext,
    Lane,
    MemorySink,
    Suspend,
    Usage,
    current_job,
)
from paceline._events import AttemptAbandoned, AttemptGone, JobEnded
from paceline.testing import DelayExecutor, FaultExecutor, Hang, VirtualClock


def now() -> float:
    return asyncio.get_running_loop().time()


def context() -> JobContext:
    ctx = current_job()
    assert ctx is not None
    return ctx


def test_cancelling_settles_the_handle_and_frees_the_slot_at_once() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor(), slots=1) as engine:
            handle = await engine.submit(Hang(swallow=math.inf))
            other = await engine.submit("next")
            await asyncio.sleep(1)
            assert handle.cancel() is True
            assert (handle.status, other.status) == ("cancelled", "running")
            assert handle.cancel() is False
            assert await other == "next"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        VirtualClock().run(main)


def test_a_job_cancelled_before_its_first_step_never_runs_and_leaves_nothing() -> None:
    ran: list[object] = []

    async def run(payload: object) -> None:
        ran.append(payload)

    async def main() -> None:
        async with Engine(run, slots=1) as engine:
            handle = await engine.submit(1)
            assert handle.status == "running"
            handle.cancel()
            snapshot = engine.snapshot()
            assert (snapshot.slots_used, snapshot.abandoned) == (0, ())
            assert snapshot.lanes["default"].running == 0
            await (await engine.submit(2))
        assert ran == [2]

    VirtualClock().run(main)


def test_queued_blocked_and_suspended_jobs_are_cancelled_where_they_are() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor([Suspend("?")]), slots=1) as engine:
            suspended = await engine.submit(1)
            await suspended.wait()
            running = await engine.submit(Hang())
            queued = await engine.submit("never")
            blocked = await engine.submit("never", after=running)
            for handle in (suspended, queued, blocked):
                assert handle.cancel("away")
                with pytest.raises(JobCancelled, match="away"):
                    await handle
            assert (await suspended.wait()).attempts[0].outcome == "suspended"
            snapshot = engine.snapshot()
            assert (snapshot.counts["cancelled"], snapshot.counts["suspended"], snapshot.waiting) == (
                3,
                0,
                {},
            )
            running.cancel()

    VirtualClock().run(main)


def test_grace_is_time_in_which_the_job_knows_and_is_let_be() -> None:
    async def tidy(payload: float) -> None:
        ctx = context()
        while not ctx.cancelled:  # noqa: ASYNC110 - as code does that cannot be cancelled
            await asyncio.sleep(1)
        finished.append("knew")
        try:
            await asyncio.sleep(payload)
            finished.append("tidied")
        except asyncio.CancelledError:
            finished.append("cut short")
            raise

    finished: list[str] = []

    async def main() -> None:
        async with Engine(tidy) as engine:
            for needs in (2.0, 100.0):
                handle = await engine.submit(needs)
                await asyncio.sleep(0.5)
                handle.cancel(grace=10)
                assert handle.status == "cancelled"
                began = now()
                while engine.snapshot().abandoned:  # noqa: ASYNC110 - a snapshot is looked at, not awaited
                    await asyncio.sleep(0.25)
                ended = 2.5 if needs == 2 else 10
                assert ended <= now() - began <= ended + 0.25
        assert finished == ["knew", "tidied", "knew", "cut short"]

    VirtualClock().run(main)


def test_leaving_by_an_error_cuts_a_long_grace_short() -> None:
    async def main() -> None:
        faults = FaultExecutor()
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what raises
            async with Engine(faults, grace=5) as engine:
                handle = await engine.submit(Hang())
                await asyncio.sleep(1)
                handle.cancel(grace=1000)
                assert faults.hanging == 1
                raise ZeroDivisionError
        assert faults.hanging == 0
        assert now() == 1

    VirtualClock().run(main)


def test_an_abandoned_attempt_still_counts_in_its_lanes_cap() -> None:
    faults = FaultExecutor()

    async def main() -> None:
        async with Engine(faults, slots=4, lanes=[Lane("narrow", max_running=1)]) as engine:
            stuck = await engine.submit(Hang(swallow=math.inf), lane="narrow", name="stuck")
            waiting = await engine.submit("waiting", lane="narrow")
            await asyncio.sleep(1)
            stuck.cancel()
            await asyncio.sleep(100)
            assert waiting.status == "waiting"
            assert str(waiting.waiting) == "lane narrow has as many jobs running as it may"
            [abandoned] = engine.snapshot().abandoned
            assert (abandoned.job, abandoned.name, abandoned.attempt, abandoned.since) == (
                stuck.id,
                "stuck",
                1,
                1,
            )
            faults.release()
            assert await waiting == "waiting"

    VirtualClock().run(main)


def test_late_usage_counts_for_the_job_and_its_lane() -> None:
    async def late(payload: int) -> str:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            await asyncio.sleep(5)
            context().usage(Usage(input_tokens=payload))
        return "done"

    async def main() -> None:
        async with Engine(late, cost="tokens") as engine:
            handle = await engine.submit(700, cost=10)
            await asyncio.sleep(1)
            handle.cancel()
            assert engine.snapshot().lanes["default"].served == 10
            await asyncio.sleep(6)
            assert engine.snapshot().lanes["default"].served == 700
            assert (await handle.wait()).usage == Usage(input_tokens=700, requests=1)

    VirtualClock().run(main)


def test_only_what_takes_long_to_end_is_said_to_be_abandoned() -> None:
    sink = MemorySink()
    faults = FaultExecutor()

    async def main() -> None:
        async with Engine(faults, sinks=[sink]) as engine:
            prompt = await engine.submit(Hang())
            slow = await engine.submit(Hang(swallow=1))
            await asyncio.sleep(1)
            prompt.cancel("a text of the user's")
            slow.cancel("a text of the user's")
            await asyncio.sleep(1)
            faults.release()
        assert [(event.job, event.reason) for event in sink.of(AttemptAbandoned)] == [(slow.id, "cancelled")]
        assert [event.job for event in sink.of(AttemptGone)] == [slow.id]
        assert [event.job for event in sink.of(JobEnded)] == [prompt.id, slow.id]

    VirtualClock().run(main)


def test_cancelling_a_job_cancels_all_below_it() -> None:
    below: list[Handle] = []

    class Tree:
        async def execute(self, job: Job, ctx: JobContext) -> None:
            below.extend([await ctx.spawn(job.payload - 1) for _ in range(2 if job.payload else 0)])
            await asyncio.sleep(1000)

    async def main() -> None:
        async with Engine(Tree(), slots=5) as engine:
            root = await engine.submit(3)
            await asyncio.sleep(1)
            assert len(below) > 4
            root.cancel("the root went")
            assert {handle.status for handle in below} == {"cancelled"}
            assert engine.snapshot().slots_used == 0
            result = await below[-1].wait()
            assert result.error is not None
            assert result.error.message.endswith("the root went")

    clock = VirtualClock()
    clock.run(main)
    assert clock.time() == 1


def test_a_job_whose_parent_has_ended_is_cancelled_with_its_grandparent() -> None:
    grandchildren: list[Handle] = []

    class Family:
        async def execute(self, job: Job, ctx: JobContext) -> None:
            if job.payload == "grandparent":
                await (await ctx.spawn("parent"))
                await asyncio.sleep(1000)
            elif job.payload == "parent":
                grandchildren.append(await ctx.spawn("child"))
            else:
                await asyncio.sleep(1000)

    async def main() -> None:
        async with Engine(Family()) as engine:
            grandparent = await engine.submit("grandparent")
            await asyncio.sleep(1)
            [child] = grandchildren
            assert child.waiting is None
            grandparent.cancel()
            assert child.status == "cancelled"

    VirtualClock().run(main)


@pytest.mark.parametrize("door", ["spawn", "submit"])
def test_a_job_that_was_given_up_can_start_no_more_jobs(door: str) -> None:
    """Promise 3: cancelling is not undone by the job's own handling."""
    refused: list[str] = []

    class Stubborn:
        async def execute(self, job: Job, ctx: JobContext) -> None:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                try:
                    await (ctx.spawn("again") if door == "spawn" else engine.submit("again"))
                except EngineNotOpen as error:
                    refused.append(str(error))

    engine = Engine(Stubborn())

    async def main() -> None:
        async with engine:
            handle = await engine.submit(1)
            await asyncio.sleep(1)
            handle.cancel()
        assert len(refused) == 1
        assert handle.id in refused[0]

    clock = VirtualClock()
    clock.run(main)
    assert clock.time() == 1


def test_a_job_that_cancels_itself_is_cancelled_whatever_it_returns() -> None:
    async def main() -> None:
        handles: list[Handle] = []

        async def suicidal(payload: object) -> str:
            handles[0].cancel("by its own hand")
            return "output"

        async with Engine(suicidal) as engine:
            handles.append(await engine.submit(1))
            result = await handles[0].wait()
            assert (result.status, result.output) == ("cancelled", None)
        assert engine.snapshot().abandoned == ()

    VirtualClock().run(main)


def test_a_thousand_jobs_are_cancelled_in_one_go() -> None:
    async def main() -> None:
        async with Engine(DelayExecutor(10, 10), slots=4) as engine:
            handles = [await engine.submit(i) for i in range(1000)]
            await asyncio.sleep(1)
            assert all(handle.cancel() for handle in handles)
            assert engine.snapshot().counts["cancelled"] == 1000

    clock = VirtualClock()
    clock.run(main)
    assert clock.time() == 1
