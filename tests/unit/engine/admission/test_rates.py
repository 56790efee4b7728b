"""A limiter that was told too high a rate learns the real one within a few refusals, and recovers."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from paceline import Engine, Limits, RateLimit, RateLimits, RetryPolicy
from paceline.testing import VirtualClock

from ._providers import Call, Metered, Model, now, tokens

PATIENT = RetryPolicy(attempts=10)


def run(
    provider: Metered,
    told: Limits | Mapping[str, Limits],
    jobs: int = 600,
    changes: tuple[tuple[float, float], ...] = (),
) -> float:
    """Send jobs of a hundred tokens; when they all had succeeded. `changes`: the rate from a time on."""

    async def change() -> None:
        for when, rate in changes:
            await asyncio.sleep(when - now())
            provider.take(0)
            provider.per_minute = rate

    async def main() -> float:
        changing = asyncio.create_task(change())
        async with Engine(provider, slots=64, retry=PATIENT, limits=told) as engine:
            handles = [await engine.submit(tokens(100)) for _ in range(jobs)]
            for handle in handles:
                await handle
        changing.cancel()
        return now()

    return VirtualClock().run(main)


def test_told_the_truth_nothing_is_refused_and_all_of_it_is_used() -> None:
    provider = Metered(60)
    assert run(provider, {"m": Limits(requests_per_minute=60)}) == pytest.approx(541, abs=1)
    assert provider.refused == []


@pytest.mark.parametrize("times", [2, 10])
@pytest.mark.parametrize("headers", [False, True])
@pytest.mark.parametrize("unit", ["requests", "input_tokens"])
def test_told_too_much_it_learns_by_retry_after(times: int, headers: bool, unit: str) -> None:
    """The provider's bucket lets 600 jobs through in 540 seconds: sixty at once and one a second."""
    rate = 60.0 if unit == "requests" else 6000.0
    provider = Metered(rate, unit=unit, headers=headers)
    said: dict[str, Any] = {f"{unit}_per_minute": times * rate}
    assert run(provider, {"m": Limits(**said)}) < 545
    assert sum(when < 60 for when in provider.refused) <= 8
    assert len(provider.refused) <= 0.03 * 600


@pytest.mark.parametrize("times", [2, 10])
def test_told_too_much_it_learns_even_where_nobody_says_how_long_to_wait(times: int) -> None:
    provider = Metered(60, says=False)
    assert run(provider, {"m": Limits(requests_per_minute=times * 60)}) < 560
    assert len(provider.refused) <= 0.07 * 600
    assert sum(when > 60 for when in provider.refused) <= 15


def test_headers_tell_the_rate_at_once() -> None:
    """Without a word on how long to wait, and told ten times too much: only the first volley is refused."""
    provider = Metered(60, says=False, headers=True)
    assert run(provider, {"m": Limits(requests_per_minute=600)}) < 545
    assert max(provider.refused) < 5
    assert len(provider.refused) < 10


@pytest.mark.parametrize("times", [2, 10])
def test_a_rate_that_was_said_of_the_whole_engine_is_learnt_too(times: int) -> None:
    provider = Metered(60)
    assert run(provider, Limits(requests_per_minute=times * 60)) < 545
    assert len(provider.refused) <= 0.03 * 600


def test_a_provider_that_refuses_slows_nobody_down_who_does_not_use_it() -> None:
    slow = Metered(6, burst=0.2)
    slow.resources = ("slow",)
    fast = Model("fast")

    async def main() -> None:
        limits = Limits(requests_per_minute=600, burst=0.1)
        executors = {"slow": slow, "fast": fast}
        async with Engine(executors, slots=32, retry=PATIENT, limits=limits) as engine:
            for _ in range(10):
                await engine.submit(tokens(1), executor="slow")
            last = [await engine.submit(Call(), executor="fast") for _ in range(300)]
            for handle in last:
                await handle
            assert now() < 33.0  # ten a second, but for what the refused ones took
            assert engine.resource("slow").rates["requests"] < 20
            assert engine.resource("*").rates["requests"] == 600

    VirtualClock().run(main)


def test_other_limits_of_the_engine_hold_at_once_for_those_that_have_none_of_their_own() -> None:
    model = Model("m")

    async def main() -> None:
        async with Engine(model, slots=32, limits=Limits(requests_per_minute=60, burst=0.1)) as engine:
            await (await engine.submit(Call()))
            engine.resource("*").update(Limits(requests_per_minute=6000, burst=0.1))
            for handle in [await engine.submit(Call()) for _ in range(100)]:
                await handle
            assert now() < 6.0

    VirtualClock().run(main)


@pytest.mark.parametrize("kind", [{}, {"says": False}, {"headers": True}])
def test_when_the_provider_recovers_so_does_the_rate(kind: dict[str, Any]) -> None:
    """Told 600 a minute, let 60 through for five minutes, and 600 from then on."""
    provider = Metered(60, **kind)
    run(provider, {"m": Limits(requests_per_minute=600)}, 3000, ((300, 600),))
    slow = [when for when in provider.served if when < 300]
    assert len(slow) == pytest.approx(360, abs=20)
    assert sum(650 <= when < 710 for when in provider.served) > 550 or provider.served[-1] < 650
    assert sum(when > 300 for when in provider.refused) <= 5


def test_when_the_provider_slows_down_again_so_does_the_rate() -> None:
    provider = Metered(600)
    run(provider, {"m": Limits(requests_per_minute=600)}, 1500, ((60, 60),))
    later = [when for when in provider.refused if when > 60]
    assert 0 < len(later) <= 30


def test_a_volley_is_refused_once() -> None:
    """Whatever was on its way when the first was refused tells nothing new: the rate is not cut for each."""
    provider = Metered(60, burst=0.1)

    async def main() -> None:
        async with Engine(
            provider, slots=64, retry=PATIENT, limits={"m": Limits(requests_per_minute=120)}
        ) as (engine):
            for _ in range(64):
                await engine.submit(tokens(1))
            await asyncio.sleep(0.5)
            assert len(provider.refused) == 58
            assert engine.resource("m").rates["requests"] == 120

    VirtualClock().run(main)


def told(said: RateLimits | dict[str, str], limits: Limits) -> dict[str, tuple[float, float]]:
    """The rate, and what is left of it, by unit, after a response that said that."""

    class Telling(Model):
        async def call(self, job: Any, ctx: Any) -> None:
            ctx.rate_limits(said)

    async def main() -> dict[str, tuple[float, float]]:
        async with Engine(Telling(), limits={"m": limits}) as engine:
            await (await engine.submit(tokens(10)))
            m = engine.resource("m")
            return {unit: (m.rates[unit], m.available[unit]) for unit in m.rates}

    return VirtualClock().run(main)


def test_what_a_response_says_of_limits_is_believed() -> None:
    limits = Limits(requests_per_minute=60, input_tokens_per_minute=6000)
    headers = {"x-ratelimit-limit-requests": "30", "x-ratelimit-remaining-requests": "3"}
    assert told(headers, limits) == {"requests": (30, 3), "input_tokens": (6000, 5990)}
    headers = {"anthropic-ratelimit-input-tokens-remaining": "1000"}
    assert told(headers, limits) == {"requests": (60, 59), "input_tokens": (6000, 1000)}


def test_a_provider_that_would_let_more_through_does_not_change_what_the_user_said() -> None:
    said = RateLimits(requests=RateLimit(6000, 5999, 0.01))
    assert told(said, Limits(requests_per_minute=60)) == {"requests": (60, 59)}
