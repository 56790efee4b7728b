"""What nobody foretold, or told wrongly: budgets hold all the same, and what cannot be counted is said."""

import asyncio
import logging

import pytest

from paceline import (
    Budget,
    CircuitBreaker,
    Cost,
    Engine,
    EngineNotOpen,
    Job,
    JobContext,
    Limits,
    Price,
    Usage,
    current_job,
)
from paceline.testing import VirtualClock

from ._providers import now


async def costs(tokens: int) -> None:
    """Takes a second, and tells only then what it used."""
    ctx = current_job()
    assert ctx is not None
    await asyncio.sleep(1.0)
    ctx.usage(Usage(input_tokens=tokens, output_tokens=0, model="gpt-5"))


def test_where_nothing_is_known_of_a_budget_the_first_job_goes_alone() -> None:
    """Else as many as there are slots would start on a guess, and spend many times the budget."""

    async def main() -> None:
        budget = Budget(money=0.10, on_exhausted="fail")
        async with Engine(costs, slots=64, budget=budget, prices={"gpt-5": Price(10.0, 10.0)}) as engine:
            handles = [await engine.submit(1000) for _ in range(200)]
            results = [await handle.wait() for handle in handles]
            assert sum(result.ok for result in results) == 10
            assert engine.budget().spent() == {"money": pytest.approx(0.10)}
            assert now() == 2.0, "one to learn from, then all of the others at once"

    VirtualClock().run(main)


def test_a_first_job_that_is_given_up_and_never_ends_does_not_keep_all_others_from_the_budget() -> None:
    async def stubborn(what: str) -> None:
        while what == "first":
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                if now() > 100:
                    raise

    async def main() -> None:
        async with Engine(stubborn, slots=4, budget=Budget(tokens=1000), grace=1.0) as engine:
            first = await engine.submit("first", timeout=5.0)
            others = [await engine.submit("other") for _ in range(3)]
            assert not (await first.wait()).ok
            for other in others:
                await other
            assert now() == 5.0

    VirtualClock().run(main)


def test_a_model_without_a_price_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with Engine(costs, budget=Budget(money=1.0), prices={"other": Price(1.0, 1.0)}) as engine:
            for handle in [await engine.submit(1000) for _ in range(3)]:
                await handle

    with caplog.at_level(logging.WARNING, "paceline"):
        VirtualClock().run(main)
    (told,) = caplog.messages
    assert "model 'gpt-5' has no price" in told


@pytest.mark.parametrize("wrong", ["7", -500, float("nan"), True])
def test_a_report_that_cannot_be_refills_no_budget_and_loses_no_job(wrong: object) -> None:
    async def reports(value: int) -> int:
        ctx = current_job()
        assert ctx is not None
        ctx.usage(Usage(input_tokens=value, output_tokens=0))
        return 1

    async def main() -> None:
        async with Engine(reports, budget=Budget(tokens=1000), estimate=lambda _: Cost(10, 0)) as engine:
            await (await engine.submit(900))
            assert await (await engine.submit(wrong)) == 1
            left = engine.budget().left()["tokens"]
            assert 0 <= left <= 100

    VirtualClock().run(main)


def test_a_rate_that_only_headers_tell_is_kept() -> None:
    """The provider says of itself what nobody told the engine: 60 a minute."""
    times: list[float] = []

    class Provider:
        resources = ("m",)

        async def execute(self, job: Job, ctx: JobContext) -> None:
            times.append(now())
            ctx.rate_limits({"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0"})

    async def main() -> None:
        async with Engine(Provider(), slots=1) as engine:
            for _ in range(4):
                await engine.submit(1)

    VirtualClock().run(main)
    assert times == pytest.approx([0.0, 1.0, 2.0, 3.0])


def test_a_broken_connection_of_a_plain_function_opens_its_circuit() -> None:
    async def call(_: object) -> None:
        raise ConnectionResetError("gone")

    async def main() -> None:
        limits = {"call": Limits(breaker=CircuitBreaker(failures=3, cooldown=30.0))}
        async with Engine({"call": call}, slots=1, limits=limits) as engine:
            handles = [await engine.submit(1) for _ in range(4)]
            await handles[2].wait()
            assert handles[3].waiting is not None
            assert (handles[3].waiting.kind, handles[3].waiting.until) == ("circuit", 30.0)

    VirtualClock().run(main)


def test_a_run_that_its_budget_ended_says_so_to_whoever_submits_more() -> None:
    async def main() -> None:
        budget = Budget(tokens=1000, on_exhausted="cancel_run")
        async with Engine(costs, budget=budget) as engine:
            with pytest.raises(EngineNotOpen, match=r"the run is over: the budget .* is exhausted"):
                async for _ in engine.map([900] * 100):
                    pass

    VirtualClock().run(main)


def test_that_jobs_wait_for_a_budget_that_somebody_has_to_raise_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with Engine(costs, budget=Budget(tokens=1000)) as engine:
            handles = [await engine.submit(900) for _ in range(2)]
            await handles[0].wait()
            await asyncio.sleep(1.0)
            engine.budget().update(tokens=2000)
            await handles[1]

    with caplog.at_level(logging.WARNING, "paceline"):
        VirtualClock().run(main)
    (told,) = caplog.messages
    assert "jobs wait until it is raised" in told
