"""Three limits: timeout for an attempt, idle_timeout for its silence, deadline for the job."""

import asyncio
from collections.abc import Callable

import pytest

from paceline import (
    AttemptTimeout,
    DeadlineExceeded,
    Engine,
    IdleTimeout,
    Job,
    JobContext,
    JobFailed,
    RetryPolicy,
    Suspend,
    Usage,
    current_job,
)
from paceline.testing import DelayExecutor, FaultExecutor, Hang, Raise, VirtualClock


def now() -> float:
    return asyncio.get_running_loop().time()


def test_timeout_ends_an_attempt_and_frees_its_slot() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor(), slots=1) as engine:
            handle = await engine.submit(Hang(), timeout=5)
            with pytest.raises(JobFailed, match="attempt 1 took longer than its timeout of 5 s") as caught:
                await handle
            assert isinstance(caught.value.__cause__, AttemptTimeout)
            assert isinstance(caught.value.__cause__, TimeoutError)
            assert caught.value.__cause__.seconds == 5
            assert now() == 5
            assert engine.snapshot().slots_used == 0

    VirtualClock().run(main)


def test_timeout_holds_for_each_attempt_and_is_retryable() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor([Hang(), Hang(), "fine"])) as engine:
            handle = await engine.submit(1, timeout=5, retry=RetryPolicy(base=0))
            assert await handle == "fine"
            assert now() == 10
            outcomes = [attempt.outcome for attempt in (await handle.wait()).attempts]
            assert outcomes == ["failed", "failed", "succeeded"]

    VirtualClock().run(main)


def test_timeout_counts_from_the_start_not_from_the_submit() -> None:
    async def main() -> None:
        async with Engine(DelayExecutor(4, 4), slots=1) as engine:
            handles = [await engine.submit(i, timeout=5) for i in range(4)]
            assert [await handle for handle in handles] == [0, 1, 2, 3]
            assert now() == 16

    VirtualClock().run(main)


def test_an_attempt_that_swallows_its_timeout_is_abandoned_and_the_retry_does_not_wait_for_it() -> None:
    faults = FaultExecutor([Hang(swallow=1), "fine"])

    async def main() -> None:
        async with Engine(faults, slots=1) as engine:
            handle = await engine.submit(1, timeout=5, retry=RetryPolicy(base=0))
            assert await handle == "fine"
            assert now() == 5
            [abandoned] = engine.snapshot().abandoned
            assert (abandoned.job, abandoned.attempt, abandoned.since) == (handle.id, 1, 5)
            faults.release()
        assert engine.snapshot().abandoned == ()
        assert await handle == "fine"

    VirtualClock().run(main)


class Chatty:
    """Gives a sign of life every `pause` seconds, so many times, and then none."""

    def __init__(self, sign: Callable[[JobContext], None], pause: float, times: int) -> None:
        self._sign, self._pause, self._times = sign, pause, times

    async def execute(self, job: Job, ctx: JobContext) -> str:
        for _ in range(self._times):
            await asyncio.sleep(self._pause)
            self._sign(ctx)
        await asyncio.sleep(float(job.payload))
        return "fine"


SIGNS: list[Callable[[JobContext], None]] = [
    lambda ctx: ctx.emit("chunk"),
    lambda ctx: ctx.progress("on it", 0.5),
    lambda ctx: ctx.usage(Usage(output_tokens=1)),
    lambda ctx: ctx.first_token(),
]


@pytest.mark.parametrize("sign", SIGNS)
def test_a_sign_of_life_puts_idle_timeout_off(sign: Callable[[JobContext], None]) -> None:
    async def main() -> None:
        async with Engine(Chatty(sign, pause=4, times=10)) as engine:
            assert await (await engine.submit(4, idle_timeout=5)) == "fine"
            assert now() == 44

    VirtualClock().run(main)


@pytest.mark.parametrize("sign", SIGNS)
def test_silence_ends_an_attempt_after_exactly_idle_timeout(sign: Callable[[JobContext], None]) -> None:
    async def main() -> None:
        async with Engine(Chatty(sign, pause=4, times=10)) as engine:
            with pytest.raises(JobFailed, match=r"no sign of life for 5 s") as caught:
                await (await engine.submit(1000, idle_timeout=5))
            assert isinstance(caught.value.__cause__, IdleTimeout)
            assert now() == 45

    VirtualClock().run(main)


def test_idle_timeout_is_retryable_and_both_limits_may_hold() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor([Hang(), "fine"])) as engine:
            handle = await engine.submit(1, timeout=10, idle_timeout=3, retry=RetryPolicy(base=0))
            assert await handle == "fine"
            assert now() == 3
        async with Engine(Chatty(SIGNS[0], pause=1, times=100)) as engine:
            with pytest.raises(JobFailed, match="timeout of 10 s"):
                await (await engine.submit(1, timeout=10, idle_timeout=3))
            assert now() == 13

    VirtualClock().run(main)


def test_deadline_counts_from_acceptance_and_ends_a_running_job_for_good() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor(), retry=RetryPolicy(attempts=5)) as engine:
            handle = await engine.submit(Hang(), deadline=7)
            with pytest.raises(JobFailed, match=r"not ended 7 s after it was accepted") as caught:
                await handle
            assert isinstance(caught.value.__cause__, DeadlineExceeded)
            assert now() == 7
            assert len((await handle.wait()).attempts) == 1

    VirtualClock().run(main)


def test_deadline_ends_a_queued_job() -> None:
    async def main() -> None:
        async with Engine(DelayExecutor(10, 10), slots=1) as engine:
            first = await engine.submit("first")
            second = await engine.submit("second", deadline=3)
            result = await second.wait()
            assert (now(), result.status, result.attempts) == (3, "failed", ())
            assert await first == "first"
            assert now() == 10

    VirtualClock().run(main)


def test_deadline_ends_a_job_that_backs_off_or_waits_for_another() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            slow = RetryPolicy(attempts=9, base=1e6, cap=1e6)
            backing_off = await engine.submit(Raise(OSError), retry=slow, deadline=2)
            hanging = await engine.submit(Hang())
            blocked = await engine.submit("never", after=hanging, deadline=3)
            for handle, moment, attempts in ((backing_off, 2, 1), (blocked, 3, 0)):
                result = await handle.wait()
                assert (now(), result.status, len(result.attempts)) == (moment, "failed", attempts)
                assert result.error is not None
                assert result.error.type == "paceline.DeadlineExceeded"
            hanging.cancel()

    VirtualClock().run(main)


def test_deadline_runs_on_while_a_job_is_suspended_and_timeout_does_not() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor([Suspend("?"), "fine", Suspend("?")])) as engine:
            patient = await engine.submit(1, timeout=1, idle_timeout=1)
            assert (await patient.wait()).status == "suspended"
            await asyncio.sleep(100)
            await engine.reply(patient.id, "yes")
            assert await patient == "fine"
            urgent = await engine.submit(2, deadline=10)
            assert (await urgent.wait()).status == "suspended"
            await asyncio.sleep(11)
            assert urgent.status == "failed"
            assert [each.outcome for each in (await urgent.wait()).attempts] == ["suspended"]

    VirtualClock().run(main)


def test_a_deadline_is_forgotten_with_its_job() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor([Suspend("?")])) as engine:
            suspended = await engine.submit(1, deadline=100)
            assert await (await engine.submit("fine", deadline=50, timeout=50)) == "fine"
        assert now() == 0
        await asyncio.sleep(1000)
        assert suspended.status == "suspended"  # the engine was left: its clock stands

    VirtualClock().run(main)


@pytest.mark.parametrize("limit", ["timeout", "idle_timeout", "deadline"])
@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), True, "5"])
def test_limits_that_make_no_sense_are_refused(limit: str, seconds: object) -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            with pytest.raises(
                (ValueError, TypeError), match=f"job: {limit} must be a finite number above 0"
            ):
                await engine.submit(1, **{limit: seconds})  # type: ignore[arg-type,misc,unused-ignore]

    VirtualClock().run(main)


def test_a_job_that_waits_for_its_own_is_not_silent() -> None:
    async def parent(seconds: float) -> str:
        ctx = current_job()
        assert ctx is not None
        child = await ctx.spawn(seconds, executor=asyncio.sleep)
        await child
        await asyncio.sleep(4)
        return "fine"

    async def main() -> None:
        async with Engine(parent) as engine:
            assert await (await engine.submit(100, idle_timeout=5)) == "fine"
            late = await engine.submit(100, idle_timeout=3)
            assert (await late.wait()).status == "failed", "its own silence of 4 seconds, after that, is one"

    VirtualClock().run(main)
