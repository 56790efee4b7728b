"""The figures of the arithmetic: what a shared prefix saves, what time that takes, from when on it pays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paceline import Price, Provider, load_providers
from paceline_integrations.planning import Forecast, PlannedGroup, PlannedJob, Rates, break_even, forecast

KNOWN = load_providers()
ANTHROPIC = replace(KNOWN["anthropic"], settle=0.0)
HOUR = replace(KNOWN["anthropic-1h"], settle=0.0)
PREFIX, OWN = 10_000, 500
PLENTY = 1000


def one_group(jobs: int, *, prefix: int = PREFIX, own: int = OWN, output: int = 500) -> list[PlannedGroup]:
    job = PlannedJob(own, output)
    return [PlannedGroup("a", prefix, job, (job,) * (jobs - 1))]


def planned(jobs: int, provider: Provider = ANTHROPIC, price: Price | None = None) -> Forecast:
    return forecast(one_group(jobs), provider, slots=PLENTY, price=price)


@pytest.mark.parametrize(("jobs", "share"), [(3, 0.41), (10, 0.20), (50, 0.13)])
def test_priming_costs_that_share_of_everything_at_once(jobs: int, share: float) -> None:
    plan = planned(jobs)
    assert plan.at_once.cost == jobs * (1.25 * PREFIX + OWN)
    for policy in ("on_completion", "on_first_token"):
        primed = plan.prediction(policy)
        assert primed.cost == pytest.approx(1.25 * PREFIX + (jobs - 1) * 0.1 * PREFIX + jobs * OWN)
        assert round(primed.cost / plan.at_once.cost, 2) == share


def test_what_priming_costs_tends_to_the_read_price_over_the_write_price() -> None:
    plan = forecast(one_group(2000, own=0), ANTHROPIC, slots=5000)
    assert plan.best.cost / plan.at_once.cost == pytest.approx(0.1 / 1.25, rel=0.02)


def test_times_are_first_token_and_answer_after_each_other() -> None:
    """With T1=4, D=10, Tc=0.8: 14.0, 24.8 and 14.8 s."""
    groups = one_group(3, prefix=3200, own=800, output=500)
    plan = forecast(groups, ANTHROPIC, slots=PLENTY, rates=Rates(prefill=1000, decode=50))
    assert plan.at_once.seconds == pytest.approx(14.0)
    assert plan.prediction("on_completion").seconds == pytest.approx(24.8)
    assert plan.prediction("on_first_token").seconds == pytest.approx(14.8)


def test_a_settle_delay_is_waited_for_after_the_first_token() -> None:
    groups = one_group(3, prefix=3200, own=800, output=500)
    slow = replace(ANTHROPIC, settle=2.0)
    plan = forecast(groups, slow, slots=PLENTY, rates=Rates(prefill=1000, decode=50))
    assert plan.prediction("on_first_token").seconds == pytest.approx(16.8)
    assert plan.prediction("on_completion").seconds == pytest.approx(24.8)  # it has passed by then


@pytest.mark.parametrize(
    ("provider", "calls"),
    [(ANTHROPIC, 2), (HOUR, 3), (KNOWN["openai"], 2), (KNOWN["vllm"], 2), (KNOWN["llama.cpp"], 2)],
    ids=lambda value: value.name if isinstance(value, Provider) else str(value),
)
def test_a_cache_pays_from_so_many_calls_on(provider: Provider, calls: int) -> None:
    assert break_even(provider) == calls


@pytest.mark.parametrize("provider", [ANTHROPIC, HOUR])
def test_from_the_break_even_on_and_not_before_priming_is_cheaper_than_no_cache(provider: Provider) -> None:
    needed = break_even(provider)
    assert needed is not None
    for jobs in range(2, 6):
        plan = planned(jobs, provider)
        assert plan.without_cache is not None
        assert plan.without_cache.cost == jobs * (PREFIX + OWN)
        assert (plan.prediction("on_first_token").cost < plan.without_cache.cost) == (jobs >= needed)


def test_what_costs_as_much_to_read_as_to_compute_never_pays() -> None:
    assert break_even(Provider("dear", read=1.0)) is None
    assert break_even(Provider("none", cache="none")) is None


def test_the_write_price_is_earned_back_exactly_at_the_break_even() -> None:
    even = Provider("even", write=2.0, read=0.5)  # N > 3: at three calls nothing is won yet
    assert break_even(even) == 4


def test_money_is_that_of_the_price_and_counts_answers() -> None:
    plan = planned(10, price=Price(input=3.0, output=15.0, cached_input=0.3, cache_write=3.75))
    assert plan.at_once.money == pytest.approx((10 * (12_500 + 500) * 3.0 + 10 * 500 * 15.0) / 1e6)
    assert plan.best.money == pytest.approx((26_500 * 3.0 + 10 * 500 * 15.0) / 1e6)


def test_what_a_price_does_not_say_is_the_providers_multiple_of_its_input() -> None:
    whole = planned(10, price=Price(input=3.0, output=15.0, cached_input=0.3, cache_write=3.75))
    assert planned(10, price=Price(input=3.0, output=15.0)).best.money == pytest.approx(whole.best.money)


def test_where_reads_are_exempt_a_limit_of_input_tokens_lets_more_jobs_through() -> None:
    """By (P+s)/s once the prefix is warm: here 21 times as many."""
    from paceline import Limits

    limits = Limits(input_tokens_per_minute=105_000, burst=0.1)
    jobs = 400
    counted = replace(ANTHROPIC, reads_exempt=False, ttl=None)
    exempt = replace(ANTHROPIC, reads_exempt=True, ttl=None)
    times = [
        forecast(one_group(jobs), each, slots=PLENTY, limits=limits).prediction("on_completion").seconds
        for each in (counted, exempt)
    ]
    assert times[0] / times[1] == pytest.approx((PREFIX + OWN) / OWN, rel=0.2)


def test_whole_blocks_are_cached_and_the_rest_of_the_prefix_is_read_anew() -> None:
    plan = forecast(one_group(3, prefix=1100, own=10), KNOWN["openai"], slots=PLENTY)
    assert plan.best.cached == 2 * 1024
    assert plan.best.evaluated == 3 * 1110 - 2 * 1024
    assert plan.best.written == 1024


def test_the_last_token_of_a_prompt_is_always_evaluated() -> None:
    plan = forecast(one_group(2, prefix=1000, own=0), KNOWN["llama.cpp"], slots=1)
    assert plan.at_once.cached == 999
