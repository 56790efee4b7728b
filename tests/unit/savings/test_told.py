"""What prefix caches saved: worked out from whatever usage there is, in tokens and in money."""

from __future__ import annotations

import math
from typing import Any

import pytest

from paceline import ErrorInfo, JobResult, Savings, SavingsTotals, Usage
from paceline._prices import Price

from .made_up import group, ran


def test_a_group_whose_followers_found_the_prefix_had_the_best_there_is() -> None:
    totals = Savings.of(group(0, 900, 900, 900)).totals
    assert (totals.jobs, totals.prompt_tokens, totals.cached_tokens) == (4, 4000, 2700)
    assert (totals.evaluated_tokens, totals.output_tokens) == (1300, 40)
    assert totals.hit_ratio == totals.best_hit_ratio == 0.675
    assert totals.cost == pytest.approx(1300 + 0.1 * 2700)
    assert totals.cold_cost == 4000
    assert totals.cost_ratio == pytest.approx(0.3925)


def test_a_follower_that_missed_shows_in_the_best_possible() -> None:
    totals = Savings.of(group(0, 900, 0, 400)).totals
    assert (totals.cached_tokens, totals.best_cached_tokens, totals.assumed) == (1300, 2700, 0)


def test_the_best_possible_of_a_group_that_never_hit_is_an_upper_bound_and_said_to_be() -> None:
    totals = Savings.of(group(0, 0, 0)).totals
    assert (totals.best_cached_tokens, totals.assumed) == (2000, 3)
    assert "best possible at most 67%" in str(totals)


def test_a_prefix_that_is_assumed_and_too_short_to_be_cached_is_none() -> None:
    short = Savings.of(group(0, 0, 0), min_prefix=1024).totals
    assert (short.best_cached_tokens, short.assumed, short.worth_telling) == (0, 0, False)
    assert Savings.of(group(0, 0, 0), min_prefix=1000).totals.best_cached_tokens == 2000
    seen = Savings.of(group(0, 900, 0), min_prefix=1024).totals
    assert seen.best_cached_tokens == 1800  # it was cached: whoever says otherwise is mistaken


def test_nothing_is_assumed_of_a_primer_that_nobody_followed() -> None:
    totals = Savings.of(group(0)).totals
    assert (totals.best_cached_tokens, totals.assumed) == (0, 0)


def test_what_the_primer_found_was_there_before_the_group() -> None:
    totals = Savings.of(group(300, 900, 300)).totals
    assert totals.best_cached_tokens == 300 + 900 + 900


def test_followers_that_found_no_more_than_their_primer_did_not_find_its_prefix() -> None:
    totals = Savings.of(group(300, 300, 300)).totals
    assert (totals.best_cached_tokens, totals.assumed) == (300 + 1000 + 1000, 3)


def test_a_shared_prefix_is_never_longer_than_the_primers_prompt() -> None:
    jobs = [ran(500, 0, "primer", "a"), ran(2000, 1900, "follower", "a"), ran(2000, 0, "follower", "a")]
    assert Savings.of(jobs).totals.best_cached_tokens == 1900 + 500


@pytest.mark.parametrize("told", ["skipped", "unreported"])
def test_who_need_not_evaluate_the_prefix_again_is_not_taken_to_have_done_so(told: str) -> None:
    warm = ran(None, None, "primer", "a", status="skipped", usage=None, attempts=())
    silent = ran(None, None, "primer", "a")
    first = warm if told == "skipped" else silent
    totals = Savings.of([first, ran(1000, 900, "follower", "a"), ran(1000, 0, "follower", "a")]).totals
    assert totals.best_cached_tokens == 1800
    assert (totals.jobs, totals.unreported) == ((2, 0) if told == "skipped" else (3, 1))


def test_without_a_primer_the_one_that_found_least_came_first() -> None:
    jobs = [ran(1000, cached, "follower", "a") for cached in (900, 0, 900, 100)]
    assert Savings.of(jobs).totals.best_cached_tokens == 900 + 0 + 900 + 900
    failed = ran(None, None, "primer", "a", status="failed", usage=None)
    assert Savings.of([failed, *jobs]).totals.best_cached_tokens == 2700
    error = ErrorInfo("ValueError", "what it waited for failed", "")
    skipped = ran(None, None, "primer", "a", status="skipped", usage=None, attempts=(), error=error)
    assert Savings.of([skipped, *jobs]).totals.best_cached_tokens == 2700


def test_nothing_is_assumed_of_jobs_that_share_no_primer() -> None:
    alone = [ran(1000, 0), ran(1000, 250)]
    together = [ran(1000, 0, "follower", "a"), ran(1000, 0, "follower", "a")]
    totals = Savings.of([*alone, *together]).totals
    assert (totals.best_cached_tokens, totals.assumed) == (250, 0)


def test_a_job_of_several_calls_could_have_found_the_prefix_in_each() -> None:
    jobs = [
        ran(3000, 0, "primer", "a", calls=3),
        ran(1000, 800, "follower", "a"),
        ran(4000, 3900, "follower", "a", calls=4),  # what its own calls shared counts for nobody else
        ran(2000, 0, "follower", "a", calls=2),
    ]
    assert Savings.of(jobs).totals.best_cached_tokens == 2 * 800 + 800 + 3900 + 2 * 800
    agents = [ran(3000, 0, "primer", "a", calls=3), ran(4000, 3200, "follower", "a", calls=4)]
    assert Savings.of(agents).totals.best_cached_tokens == 2 * 800 + 3200


def test_of_two_primers_told_as_of_one_group_either_may_come_first() -> None:
    jobs = [*group(0, 900), *group(300, 900)]
    assert Savings.of(jobs).totals == Savings.of(jobs[::-1]).totals


def test_groups_of_one_name_that_follow_one_another_each_pay_for_their_prefix() -> None:
    first = [ran(1000, 0, "primer", "a", key="a/primer"), ran(1000, 900, "follower", "a", key="a/follower/0")]
    second = [
        ran(1000, 0, "primer", "a", key="a#2/primer"),
        ran(1000, 900, "follower", "a", key="a#2/follower/0"),
    ]
    savings = Savings.of([*first, *second])
    assert savings.groups["a"].best_cached_tokens == savings.groups["a"].cached_tokens == 1800


def test_writing_to_the_cache_costs_what_it_is_said_to() -> None:
    told = Savings.of(group(0, 900, written=0)[1:] + group(0, written=900)[:1], write=1.25).totals
    assert (told.written_tokens, told.cost) == (900, 100 + 1.25 * 900 + 100 + 0.1 * 900)
    assert told.cold_cost == 2 * (100 + 1.25 * 900)
    untold = Savings.of(group(0, 900), write=1.25).totals
    assert untold.model_dump() == told.model_dump()  # what it shares with the others, and did not find
    lost = Savings.of([ran(1000, 0, written=900)], write=1.25).totals
    assert lost.cost_ratio == 1.0


PRICES = {"big": Price(input=10.0, output=20.0, cached_input=1.0), "free": Price(0.0, 0.0)}


def in_money(cached: int, model: str | None, money: float | None = None) -> JobResult:
    usage = Usage(1_000_000, cached, None, 100_000, requests=1, money=money, model=model)
    return ran(0, 0, usage=usage)


def test_with_prices_both_costs_are_told_in_money() -> None:
    totals = Savings.of([in_money(0, "big-2025-08-07"), in_money(500_000, "big")], prices=PRICES).totals
    assert (totals.money, totals.cold_money, totals.unpriced) == (12.0 + 7.5, 24.0, 0)
    assert "money 19.5 instead of 24" in str(totals)


def test_a_job_without_a_price_is_counted_and_in_neither_sum() -> None:
    jobs = [in_money(500_000, "big"), in_money(0, "huge", 99.0), in_money(0, None)]
    totals = Savings.of(jobs, prices=PRICES).totals
    assert (totals.money, totals.cold_money, totals.unpriced) == (7.5, 12.0, 2)
    assert "money 7.5 instead of 12 without 2 jobs that have no price" in str(totals)


def test_without_prices_money_is_what_was_reported() -> None:
    totals = Savings.of([in_money(0, "big", 0.5), in_money(0, "big", 0.25)]).totals
    assert (totals.money, totals.cold_money, totals.unpriced) == (0.75, None, 0)
    assert Savings.of([in_money(0, "big")]).totals.money is None


def test_jobs_that_did_not_report_are_counted_and_in_no_sum() -> None:
    jobs = [*group(0, 900), ran(500, None), ran(None, None, usage=None), ran(None, 0)]
    totals = Savings.of(jobs).totals
    assert (totals.jobs, totals.unreported, totals.prompt_tokens) == (5, 3, 2000)
    assert str(totals) == (
        "prompt 2,000 tokens: 900 from the cache (45%; best possible 45%), cost 0.59 of a cold fan-out; "
        "of 5 jobs 3 did not report what came from the cache"
    )


@pytest.mark.parametrize(
    "usage",
    [
        Usage(100, 101),
        Usage(100, 60, 50),
        Usage(-5, -10),
        Usage(math.nan, math.nan),  # type: ignore[arg-type]  # from user code without a type checker
        Usage("100", "50"),  # type: ignore[arg-type]
        Usage(),
    ],
    ids=str,
)
def test_numbers_that_cannot_be_are_no_report(usage: Usage) -> None:
    totals = Savings.of([ran(0, 0, usage=usage)]).totals
    assert totals == SavingsTotals(jobs=1, unreported=1)
    assert (totals.hit_ratio, totals.evaluated_tokens, totals.worth_telling) == (None, None, False)
    assert str(totals) == "no job reported what came from the cache"


def test_other_numbers_that_cannot_be_are_unknown() -> None:
    usage = Usage(100, 50, -1, -7, requests=-3, money=math.nan)
    totals = Savings.of([ran(0, 0, usage=usage)]).totals
    assert (totals.cached_tokens, totals.output_tokens, totals.money) == (50, None, None)


def test_who_never_ran_is_not_asked_and_bodies_are_passed_over() -> None:
    error = ErrorInfo("ValueError", "no", "")
    jobs = [
        ran(0, 0, status="skipped", usage=None, attempts=(), error=error),
        ran(0, 0, status="cancelled", usage=None, attempts=()),
        ran(100, 50, "graph"),
        ran(100, 50, "flow"),
    ]
    assert Savings.of(jobs).totals == SavingsTotals()
    assert str(Savings.of(jobs)) == "no job ran"


def test_an_empty_prompt_has_no_ratio() -> None:
    totals = Savings.of([ran(0, 0)]).totals
    assert (totals.hit_ratio, totals.cost_ratio) == (None, None)
    assert str(totals) == "prompt 0 tokens: 0 from the cache"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"read": -0.1}, "savings: read must be a finite number of at least 0, not -0.1"),
        ({"write": math.inf}, "savings: write must be a finite number of at least 0, not inf"),
        ({"min_prefix": -1}, "savings: min_prefix must be a finite number"),
        ({"by": ""}, "savings: by must not be empty"),
    ],
)
def test_an_option_that_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Savings.of([], **options)
