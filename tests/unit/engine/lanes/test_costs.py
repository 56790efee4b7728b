"""What a job costs its lane: reserved at dispatch, settled to the real cost at the end of each attempt."""

import asyncio
import logging

import pytest

from paceline import (
    Engine,
    Failure,
    Job,
    JobContext,
    Lane,
    MemorySink,
    RetryPolicy,
    Usage,
    events,
)
from paceline._costs import CostUnit
from paceline.testing import VirtualClock


class Spending:
    """Uses as many tokens as its payload says, after a second; says nothing of None."""

    async def execute(self, job: Job, ctx: JobContext) -> object:
        await asyncio.sleep(1)
        if isinstance(job.payload, BaseException):
            raise job.payload
        if job.payload is not None:
            ctx.usage(Usage(input_tokens=job.payload))
        return None

    def classify(self, error: Exception) -> Failure:
        return Failure(isinstance(error, OSError), fault="limit" if isinstance(error, OSError) else "unknown")


def served(engine: Engine, lane: str = "default") -> float:
    return engine.snapshot().lanes[lane].served


def test_a_job_costs_one_by_default() -> None:
    async def main() -> None:
        async with Engine(Spending()) as engine:
            await (await engine.submit(500))
            assert served(engine) == 1

    VirtualClock().run(main)


def test_a_stated_cost_is_reserved_and_with_jobs_it_stands() -> None:
    async def main() -> None:
        async with Engine(Spending()) as engine:
            handle = await engine.submit(500, cost=7.5)
            assert served(engine) == 7.5
            await handle
            assert served(engine) == 7.5
            free = await engine.submit(500, cost=0)
            await free
            assert served(engine) == 7.5

    VirtualClock().run(main)


def test_with_tokens_the_reservation_is_settled_by_the_usage() -> None:
    async def main() -> None:
        async with Engine(Spending(), cost="tokens") as engine:
            handle = await engine.submit(500, cost=40)
            assert served(engine) == 40
            await handle
            assert served(engine) == 500
            silent = await engine.submit(None, cost=40)
            await silent
            assert served(engine) == 540

    VirtualClock().run(main)


def test_an_unknown_cost_is_reserved_as_the_lanes_mean_else_the_engines() -> None:
    async def main() -> None:
        async with Engine(Spending(), lanes=[Lane("other")], cost="tokens") as engine:
            first = await engine.submit(100)
            assert served(engine) == 1
            await first
            await (await engine.submit(300))
            assert served(engine) == 400
            third = await engine.submit(0)
            assert served(engine) == 600
            elsewhere = await engine.submit(0, lane="other")
            assert served(engine, "other") == 200
            await third
            await elsewhere
            assert served(engine) == 400

    VirtualClock().run(main)


def test_a_cost_function_sees_the_job_and_then_its_usage() -> None:
    seen: list[tuple[object, Usage | None]] = []

    def cost(job: Job, usage: Usage | None) -> float:
        seen.append((job.payload, usage))
        return 3.0 if usage is None else (usage.input_tokens or 0) / 10

    async def main() -> None:
        async with Engine(Spending(), cost=cost) as engine:
            handle = await engine.submit(500)
            assert served(engine) == 3
            await handle
            assert served(engine) == 50

    VirtualClock().run(main)
    assert seen == [(500, None), (500, Usage(input_tokens=500, requests=1))]


def test_a_cost_function_that_fails_after_the_work_leaves_the_reservation(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def cost(job: Job, usage: Usage | None) -> float:
        if usage is not None:
            raise ZeroDivisionError
        return 3.0

    async def main() -> None:
        async with Engine(Spending(), cost=cost) as engine:
            assert await (await engine.submit(500)) is None
            assert served(engine) == 3

    with caplog.at_level(logging.ERROR, "paceline"):
        VirtualClock().run(main)
    assert "reservation stands" in caplog.text


@pytest.mark.parametrize("unit", ["jobs", "tokens"])
def test_an_attempt_that_was_refused_before_any_work_costs_nothing(unit: CostUnit) -> None:
    async def main() -> None:
        async with Engine(Spending(), cost=unit) as engine:
            refused = await engine.submit(OSError("429"), cost=10)
            assert served(engine) == 10
            await refused.wait()
            assert served(engine) == 0
            failed = await engine.submit(ValueError("400"), cost=10)
            await failed.wait()
            assert served(engine) == 10

    VirtualClock().run(main)


def test_every_attempt_is_charged() -> None:
    sink = MemorySink()

    class Flaky:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            ctx.usage(Usage(input_tokens=100 * ctx.attempt))
            if ctx.attempt < 3:
                raise OSError
            return None

    async def main() -> None:
        async with Engine(Flaky(), cost="tokens", sinks=[sink]) as engine:
            handle = await engine.submit("x", cost=10, retry=RetryPolicy(attempts=3))
            await handle
            assert served(engine) == 600
            result = await handle.wait()
            assert result.usage == Usage(input_tokens=600, requests=3)

    VirtualClock().run(main)
    (ended,) = sink.of(events.JobEnded)
    assert (ended.cost, ended.usage) == (600, Usage(input_tokens=600, requests=3))


def test_a_job_that_is_cancelled_before_it_starts_costs_nothing() -> None:
    async def main() -> None:
        async with Engine(Spending(), slots=1) as engine:
            await engine.submit(1)
            waiting = await engine.submit(1, cost=100)
            waiting.cancel()
            assert served(engine) == 1
            begun = await engine.submit(1, cost=100)
            await asyncio.sleep(0)
            begun.cancel()
            assert served(engine) == 1

    VirtualClock().run(main)


def test_an_attempt_that_was_given_up_is_charged_what_it_used_in_the_end() -> None:
    class Late:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                ctx.usage(Usage(input_tokens=70))
                raise
            return None

    async def main() -> None:
        async with Engine(Late(), cost="tokens") as engine:
            handle = await engine.submit("x", cost=10)
            await asyncio.sleep(1)
            handle.cancel()
            assert served(engine) == 10
            await asyncio.sleep(1)
            assert served(engine) == 70
            assert (await handle.wait()).usage == Usage(input_tokens=70, requests=1)

    VirtualClock().run(main)


@pytest.mark.parametrize("cost", [-1, float("inf"), float("nan")])
def test_a_cost_that_is_none_is_refused(cost: float) -> None:
    async def main() -> None:
        async with Engine(Spending()) as engine:
            with pytest.raises(ValueError, match="cost"):
                await engine.submit("x", cost=cost)
        async with Engine(Spending(), cost=lambda job, usage: cost) as engine:
            with pytest.raises(ValueError, match="cost"):
                await engine.submit("x")
            assert engine.snapshot().counts["waiting"] == 0

    VirtualClock().run(main)


def test_a_unit_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match='"jobs", "tokens"'):
        Engine(Spending(), cost="euros")  # type: ignore[arg-type]
