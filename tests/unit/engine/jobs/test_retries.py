"""Retries: how often, after how long, and what happens meanwhile."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from random import Random
from statistics import fmean

import pytest
from hypothesis import given, strategies as st

from paceline import (
    CannotGoOn,
    Engine,
    Failure,
    Job,
    JobContext,
    JobFailed,
    MemorySink,
    RetryPolicy,
    RunAgain,
)
from paceline._events import JobRetried
from paceline._middleware import CallNext
from paceline.testing import FaultExecutor, Raise, VirtualClock

POLICIES = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 10**6),
    base=st.floats(0, 1e6),
    cap=st.floats(0, 1e9),
)


@given(POLICIES, st.integers(1, 10**6), st.integers())
def test_a_delay_lies_between_nothing_and_the_ceiling(policy: RetryPolicy, failures: int, seed: int) -> None:
    ceiling = min(policy.cap, policy.base * 2.0 ** min(failures - 1, 900))
    assert 0.0 <= policy.delay(failures, Random(seed)) <= ceiling


@given(st.integers(1, 8), st.floats(0.01, 10), st.integers())
def test_delays_spread_evenly_over_the_whole_of_it(failures: int, base: float, seed: int) -> None:
    policy, random = RetryPolicy(base=base, cap=1e9), Random(seed)
    ceiling = base * 2 ** (failures - 1)
    drawn = [policy.delay(failures, random) / ceiling for _ in range(400)]
    for low in (0.0, 0.25, 0.5, 0.75):  # 100 are expected in each quarter; 40 is seven deviations away
        assert sum(low <= each < low + 0.25 for each in drawn) > 40
    assert 0.35 < fmean(drawn) < 0.65


@pytest.mark.parametrize("options", [{"attempts": 0}, {"base": -1}, {"cap": float("nan")}, {"cap": -1}])
def test_a_policy_that_makes_no_sense_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="RetryPolicy"):
        RetryPolicy(**options)  # type: ignore[arg-type]


def test_a_policy_of_the_wrong_kind_is_refused_at_submit() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            with pytest.raises(TypeError, match="retry must be a RetryPolicy, not 3"):
                await engine.submit(1, retry=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            assert engine.snapshot().counts["waiting"] == 0

    VirtualClock().run(main)


@pytest.mark.parametrize(
    ("times", "status", "attempts"), [(0, "succeeded", 1), (2, "succeeded", 3), (3, "failed", 3)]
)
def test_a_job_is_tried_as_often_as_its_policy_says(times: int, status: str, attempts: int) -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            handle = await engine.submit(Raise(OSError("no"), times=times), retry=RetryPolicy(attempts=3))
            result = await handle.wait()
            assert (result.status, len(result.attempts)) == (status, attempts)
            failed = [attempt for attempt in result.attempts if attempt.outcome == "failed"]
            assert len(failed) == times
            for attempt in failed:
                assert attempt.error is not None
                assert (attempt.error.type, attempt.error.message) == ("OSError", "no")
            for attempt in result.attempts:
                assert attempt.ended is not None
                assert attempt.started <= attempt.ended
            assert [attempt.number for attempt in result.attempts] == list(range(1, attempts + 1))
            starts = [attempt.started for attempt in result.attempts]
            assert starts == sorted(starts)

    VirtualClock().run(main)


def test_without_a_policy_there_is_one_attempt_and_a_job_can_refuse_the_engines() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            assert len((await (await engine.submit(Raise(OSError))).wait()).attempts) == 1
        async with Engine(FaultExecutor(), retry=RetryPolicy(attempts=4)) as engine:
            assert len((await (await engine.submit(Raise(OSError))).wait()).attempts) == 4
            assert len((await (await engine.submit(Raise(OSError), retry=None)).wait()).attempts) == 1
            with pytest.raises(JobFailed, match="after 2 attempts"):
                await (await engine.submit(Raise(OSError), retry=RetryPolicy(attempts=2)))

    VirtualClock().run(main)


def test_backoff_holds_no_slot() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor(), slots=1) as engine:
            faulty = await engine.submit(Raise(OSError, times=1), retry=RetryPolicy(base=50, cap=50))
            await asyncio.sleep(0.001)
            assert faulty.status == "waiting"
            waiting = faulty.waiting
            assert waiting is not None
            assert (waiting.kind, engine.snapshot().slots_used) == ("backoff", 0)
            assert waiting.until is not None
            assert await (await engine.submit("healthy")) == "healthy"
            assert asyncio.get_running_loop().time() < waiting.until
            await faulty
            assert asyncio.get_running_loop().time() == waiting.until

    VirtualClock(seed=1).run(main)


def test_jobs_that_fail_together_come_back_apart() -> None:
    sink = MemorySink()

    async def main() -> None:
        async with Engine(FaultExecutor(), slots=100, sinks=[sink], retry=RetryPolicy(base=10)) as engine:
            for _ in range(100):
                await engine.submit(Raise(OSError, times=1))

    VirtualClock().run(main)
    delays = sorted(event.delay for event in sink.of(JobRetried))
    assert len(set(delays)) == 100
    assert 0 <= delays[0] < 2
    assert 8 < delays[-1] <= 10


@dataclass
class Limited:
    """Refuses each job's first attempt as providers do: come back after so many seconds."""

    retry_after: float | None
    retryable: bool = True
    started: list[float] = field(default_factory=list[float])

    async def execute(self, job: Job, ctx: JobContext) -> str:
        self.started.append(asyncio.get_running_loop().time())
        if ctx.attempt == 1:
            raise ConnectionRefusedError
        return "fine"

    def classify(self, error: Exception) -> Failure:
        assert isinstance(error, ConnectionRefusedError)
        return Failure(self.retryable, self.retry_after, "limit")


def test_retry_after_is_obeyed_where_it_asks_for_more() -> None:
    limited = Limited(retry_after=120)

    async def main() -> None:
        async with Engine(limited, retry=RetryPolicy(base=1, cap=1)) as engine:
            assert await (await engine.submit(1)) == "fine"

    VirtualClock().run(main)
    assert limited.started == [0, 120]


def test_retry_after_does_not_shorten_a_backoff() -> None:
    limited = Limited(retry_after=0.001)

    async def main() -> None:
        async with Engine(limited, retry=RetryPolicy(base=1000, cap=1000)) as engine:
            assert await (await engine.submit(1)) == "fine"

    VirtualClock().run(main)
    assert limited.started[1] > 1


def test_what_classify_calls_final_is_not_tried_again() -> None:
    limited = Limited(retry_after=None, retryable=False)

    async def main() -> None:
        async with Engine(limited, retry=RetryPolicy(attempts=5)) as engine:
            assert len((await (await engine.submit(1)).wait()).attempts) == 1

    VirtualClock().run(main)


def test_an_attempt_that_was_refused_before_it_worked_costs_its_lane_nothing() -> None:
    async def main() -> None:
        async with Engine(Limited(retry_after=1), retry=RetryPolicy()) as engine:
            await (await engine.submit(1, cost=10))
            assert engine.snapshot().lanes["default"].served == 10

    VirtualClock().run(main)


class SendBack:
    """Middleware that sends an output back until it is long enough."""

    async def around(self, job: Job, ctx: JobContext, call_next: CallNext) -> object:
        output = str(await call_next())
        if len(output) < 4:
            raise RunAgain(output + "x")
        return output


class Shorten:
    async def execute(self, job: Job, ctx: JobContext) -> object:
        if job.payload == "long":
            raise RunAgain("lo")
        return job.payload


@pytest.mark.parametrize(("payload", "outcomes"), [("four", 0), ("a", 3), ("long", 3)])
def test_run_again_sends_a_job_back_with_another_payload_and_costs_no_attempt(
    payload: str, outcomes: int
) -> None:
    sink = MemorySink()

    async def main() -> None:
        async with Engine(Shorten(), middleware=[SendBack()], slots=1, sinks=[sink]) as engine:
            handle = await engine.submit(payload)
            later = await engine.submit("later")
            result = await handle.wait()
            assert result.status == "succeeded"
            assert len(str(result.output)) == 4
            assert [attempt.outcome for attempt in result.attempts] == ["again"] * outcomes + ["succeeded"]
            assert (await later.wait()).ok

    VirtualClock().run(main)
    assert [(event.error, event.delay) for event in sink.of(JobRetried)] == [(None, 0)] * outcomes


def test_a_job_that_backs_off_can_be_cancelled() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor(), retry=RetryPolicy(base=1e6, cap=1e6)) as engine:
            handle = await engine.submit(Raise(OSError))
            await asyncio.sleep(0.001)
            handle.cancel()
            result = await handle.wait()
            assert (result.status, [each.outcome for each in result.attempts]) == ("cancelled", ["failed"])

    clock = VirtualClock()
    clock.run(main)
    assert clock.time() == 0.001


def test_what_middleware_raises_fails_the_attempt_and_what_it_returns_is_the_output() -> None:
    class Moody:
        async def around(self, job: Job, ctx: JobContext, call_next: CallNext) -> object:
            if ctx.attempt == 1:
                raise PermissionError("not yet")
            return [await call_next()]

    class Headers:
        def on_submit(self, job: Job) -> None:
            job.headers["tenant"] = "ada"

        def around(self, job: Job, ctx: JobContext, call_next: CallNext) -> Awaitable[object]:
            assert job.headers == {"tenant": "ada"}
            return call_next()

    async def main() -> None:
        middleware = [Headers(), Moody()]
        async with Engine(FaultExecutor(), middleware=middleware, retry=RetryPolicy(attempts=2)) as engine:
            result = await (await engine.submit("fine")).wait()
            assert result.output == ["fine"]
            assert result.attempts[0].error is not None
            assert result.attempts[0].error.message == "not yet"

    VirtualClock().run(main)


def test_a_submit_that_middleware_refuses_accepts_nothing() -> None:
    class Refuse:
        def on_submit(self, job: Job) -> None:
            raise PermissionError(job.name)

    async def main() -> None:
        async with Engine(FaultExecutor(), middleware=[Refuse()]) as engine:
            with pytest.raises(PermissionError, match="mine"):
                await engine.submit(1, name="mine", key="k")
            assert not any(engine.snapshot().counts.values())

    VirtualClock().run(main)


def test_a_job_that_says_it_cannot_go_on_is_not_tried_again() -> None:
    async def main() -> None:
        error = CannotGoOn("the booking was made, and nobody knows its number")
        async with Engine(FaultExecutor(), retry=RetryPolicy(5)) as engine:
            result = await (await engine.submit(Raise(error))).wait()
            assert result.status == "failed"
            assert len(result.attempts) == 1

    VirtualClock().run(main)
