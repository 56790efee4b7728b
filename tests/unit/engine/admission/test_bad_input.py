"""What makes no sense of limits and budgets is refused with a word on what is wrong, and where."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest

from paceline import (
    Budget,
    CircuitBreaker,
    Cost,
    Engine,
    JobFailed,
    Lane,
    LimitExceeded,
    Limits,
    Price,
    UnknownName,
    Usage,
)
from paceline.testing import VirtualClock

from ._providers import Call, Model, tokens

RATES = ["requests_per_minute", "tokens_per_minute", "input_tokens_per_minute", "output_tokens_per_minute"]


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan])
@pytest.mark.parametrize("name", [*RATES, "burst"])
def test_a_rate_of_nothing_or_less_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"Limits: {name} must be a finite number above 0, not"):
        Limits(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, -1])
def test_a_concurrency_of_nothing_or_less_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match="Limits: concurrency must be a whole number of at least 1, not"):
        Limits(concurrency=value)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: Limits(concurrency=1.5), TypeError, "concurrency must be a whole number"),  # type: ignore[arg-type]
        (lambda: Limits(requests_per_minute="60"), TypeError, "requests_per_minute must be a finite number"),  # type: ignore[arg-type]
        (lambda: Limits(breaker=5), TypeError, "breaker must be a CircuitBreaker"),  # type: ignore[arg-type]
        (lambda: CircuitBreaker(failures=0), ValueError, "failures must be a whole number of at least 1"),
        (lambda: CircuitBreaker(cooldown=0), ValueError, "cooldown must be a finite number above 0"),
        (Budget, ValueError, "say how many tokens or how much money"),
        (lambda: Budget(tokens=0), ValueError, "tokens must be a finite number above 0"),
        (lambda: Budget(money=-1), ValueError, "money must be a finite number above 0"),
        (lambda: Budget(tokens=1, period=0), ValueError, "period must be a finite number above 0"),
        (lambda: Budget(tokens=1, on_exhausted="stop"), ValueError, "'pause', 'fail' or 'cancel_run'"),  # type: ignore[arg-type]
        (lambda: Budget(tokens=1, by=""), ValueError, "by must not be empty"),
        (lambda: Engine(Model(), limits=60), TypeError, "limits must be Limits, or a mapping"),  # type: ignore[arg-type]
        (lambda: Engine(Model(), limits={"m": 60}), TypeError, "limits of 'm' must be a Limits"),  # type: ignore[dict-item]
        (lambda: Engine(Model(), budget=60), TypeError, "each budget must be a Budget"),  # type: ignore[arg-type]
        (lambda: Engine(Model(), budget=[60]), TypeError, "each budget must be a Budget"),  # type: ignore[list-item]
        (lambda: Engine(Model(), prices={"m": 1.0}), TypeError, "price of 'm' must be a Price"),  # type: ignore[dict-item]
        (lambda: Engine(Model(), estimate=5), TypeError, "estimate must be a function"),  # type: ignore[arg-type]
        (
            lambda: Engine(Model(), budget=[Budget(tokens=1), Budget(money=1)]),
            ValueError,
            "give each budget a name of its own",
        ),
        (lambda: Lane("a", limits=5), TypeError, "lane 'a': limits must be a Limits"),  # type: ignore[arg-type]
        (lambda: Lane("a", budget=5), TypeError, "lane 'a': budget must be a Budget"),  # type: ignore[arg-type]
    ],
)
def test_what_is_wrong_is_named(make: Callable[[], object], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        make()


def failure(call: Call, **options: Any) -> LimitExceeded:
    """Why a job failed at once, before it ever waited."""

    async def main() -> LimitExceeded:
        async with Engine(Model(), **options) as engine:
            handle = await engine.submit(call)
            assert handle.status == "failed"
            with pytest.raises(JobFailed) as caught:
                await handle
            cause = caught.value.__cause__
            assert isinstance(cause, LimitExceeded)
            return cause

    return VirtualClock().run(main)


@pytest.mark.parametrize(
    ("limits", "on", "needed"),
    [
        (Limits(input_tokens_per_minute=1000), "m: input tokens per minute", 1500),
        (Limits(output_tokens_per_minute=100), "m: output tokens per minute", 200),
        (Limits(tokens_per_minute=1600), "m: tokens per minute", 1700),
    ],
)
def test_a_job_that_is_more_than_a_limit_ever_lets_through_fails_at_once(
    limits: Limits, on: str, needed: int
) -> None:
    error = failure(tokens(1500, 200), limits={"m": limits})
    assert (error.limit, error.needed) == (on, needed)
    assert str(error).startswith(f"it needs {needed} of {on}, which never has more than ")
    assert str(error).endswith("raise that, or make the job smaller")


def test_a_job_is_too_much_by_the_part_that_is_known_of_it() -> None:
    error = failure(Call(Cost(input_tokens=1500)), limits={"m": Limits(tokens_per_minute=1000)})
    assert error.needed == 1500


def test_many_requests_in_one_job_are_too_much_too() -> None:
    error = failure(Call(Cost(0, 0, requests=61)), limits={"m": Limits(requests_per_minute=60)})
    assert (error.needed, error.most) == (61, 60)


def test_a_job_as_big_as_the_limit_is_not_too_much() -> None:
    async def main() -> None:
        async with Engine(Model(), limits={"m": Limits(tokens_per_minute=1700, burst=0.1)}) as engine:
            await (await engine.submit(tokens(1500, 200)))

    VirtualClock().run(main)


def test_a_mean_that_is_more_than_the_limit_is_no_reason_to_fail() -> None:
    """What jobs use on average is a guess: one of which nothing is known is let go on a full bucket."""

    async def main() -> None:
        limits = {"m": Limits(output_tokens_per_minute=60)}
        async with Engine(Model(), limits=limits, budget=Budget(tokens=100)) as engine:
            await (await engine.submit(Call(Cost(0), Usage(input_tokens=0, output_tokens=90))))
            handle = await engine.submit(Call(Cost(0), Usage(input_tokens=0, output_tokens=90)))
            engine.budget().update(tokens=1000)
            await handle

    VirtualClock().run(main)


def test_an_unknown_resource_is_refused_and_the_known_ones_are_listed() -> None:
    async def main() -> None:
        async with Engine(Model(), limits={"gpt-5": Limits(concurrency=1)}) as engine:
            with pytest.raises(
                UnknownName, match=r"no resource named 'gpt-6'; known: 'gpt-5'.*Engine\(limits="
            ):
                await engine.submit(Call(), resources="gpt-6")
            with pytest.raises(UnknownName, match="no resource named 'gpt-6'"):
                engine.resource("gpt-6")
            with pytest.raises(UnknownName, match="no budget named 'night'"):
                engine.budget("night")
            await (await engine.submit(Call(), resources="gpt-5"))

    VirtualClock().run(main)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        Usage(),
        Usage(input_tokens=None, output_tokens=5),
        Usage(input_tokens=5, cached_tokens=50, output_tokens=None),
        Usage(input_tokens=5, output_tokens=5, requests=0),
    ],
)
def test_whatever_is_missing_in_what_was_used_the_next_jobs_go_on(usage: Usage | None) -> None:
    limits = Limits(
        requests_per_minute=600,
        tokens_per_minute=6000,
        input_tokens_per_minute=6000,
        output_tokens_per_minute=6000,
        cached_tokens_count=False,
    )
    prices = {"m": Price(input=1.0, output=1.0)}

    async def main() -> None:
        budget = Budget(tokens=10_000, money=1.0)
        async with Engine(Model(), limits={"m": limits}, budget=budget, prices=prices) as engine:
            for _ in range(20):
                await engine.submit(Call(Cost(10, 10), usage))
            for _ in range(20):
                await engine.submit(Call(None, usage))

    VirtualClock().run(main)


@pytest.mark.parametrize(
    "answer",
    [5, Cost(-1, 0), Cost(math.nan, 0), "much", Cost(requests=None)],  # type: ignore[arg-type]
)
def test_an_estimate_that_makes_no_sense_counts_as_unknown(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        limits = Limits(tokens_per_minute=6000, requests_per_minute=60)
        async with Engine(plain, limits=limits, estimate=lambda job: answer) as engine:
            await (await engine.submit("x"))

    async def plain(payload: str) -> None:
        await asyncio.sleep(1)

    VirtualClock().run(main)
    assert "estimate of the engine" in caplog.text
