"""Runs played through: what holds jobs up, what each kind of cache gives, and what is true of every run."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st

from paceline import Limits, Provider
from paceline_integrations.planning import Forecast, PlannedGroup, PlannedJob, Prediction, Rates, forecast

SHARED = Provider("shared", read=0.0)
SLOT = Provider("slot", read=0.0, cache="slot")
FAST = Rates(prefill=1000, decode=100)


def alike(
    groups: int, followers: int, *, prefix: int = 1000, own: int = 100, output: int = 100
) -> list[PlannedGroup]:
    job = PlannedJob(own, output)
    return [PlannedGroup(f"g{n}", prefix, job, (job,) * followers) for n in range(groups)]


def planned(
    groups: list[PlannedGroup], provider: Provider = SHARED, slots: int = 1000, limits: Limits | None = None
) -> Forecast:
    return forecast(groups, provider, slots=slots, limits=limits, rates=FAST)


@pytest.mark.parametrize(
    ("limits", "holdup"),
    [
        (Limits(requests_per_minute=60, burst=0.01), "requests"),
        (Limits(tokens_per_minute=60_000, burst=0.05), "tokens"),
        (Limits(input_tokens_per_minute=60_000, burst=0.05), "input tokens"),
        (Limits(output_tokens_per_minute=3_000, burst=0.05), "output tokens"),
        (Limits(concurrency=2), "concurrency"),
        (None, "chain"),
    ],
)
def test_the_limit_that_binds_is_named(limits: Limits | None, holdup: str) -> None:
    for each in planned(alike(10, 9), limits=limits).predictions:
        assert each.held_up_by == holdup


def test_slots_are_named_where_they_are_fewer_than_any_limit_allows() -> None:
    plan = planned(alike(10, 9), slots=2, limits=Limits(concurrency=50, requests_per_minute=1e6))
    assert plan.best.held_up_by == "slots"


def test_a_rate_lets_a_burst_through_and_then_so_many_a_minute() -> None:
    limits = Limits(requests_per_minute=60, burst=0.5)
    jobs = planned(alike(1, 89, output=0, own=0), limits=limits).at_once
    assert jobs.requests == 90
    # 30 at once, then one a second; the last is read from the cache but for one token.
    assert jobs.seconds == pytest.approx(60, abs=0.1)


def test_a_job_larger_than_a_limit_holds_goes_when_it_is_full_and_is_told_of() -> None:
    limits = Limits(input_tokens_per_minute=600, burst=0.5)
    plan = planned(alike(2, 0, output=0), limits=limits)
    assert plan.oversized == 2
    # The bucket of 300 is 800 short after the first: it is full again after 1100 at 10 a second.
    assert plan.at_once.seconds == pytest.approx(110 + 1.1)
    assert planned(alike(2, 0), limits=Limits(input_tokens_per_minute=1100)).oversized == 0


def test_cached_tokens_count_toward_limits_unless_limits_or_provider_exempt_them() -> None:
    limits = Limits(input_tokens_per_minute=6000, burst=0.2)
    counted = planned(alike(1, 20), limits=limits)
    exempt = planned(alike(1, 20), limits=replace(limits, cached_tokens_count=False))
    by_provider = planned(alike(1, 20), replace(SHARED, reads_exempt=True), limits=limits)
    assert exempt.best.seconds < counted.best.seconds / 4
    assert by_provider.best.seconds == exempt.best.seconds


def test_all_at_once_through_one_slot_reads_as_much_from_a_shared_cache_as_any_order() -> None:
    plan = planned(alike(4, 5), slots=1)
    assert {each.evaluated for each in plan.predictions} == {4 * 1000 + 24 * 100}


def test_of_jobs_that_start_before_the_first_token_each_reads_the_prefix_itself() -> None:
    at_once = planned(alike(2, 7), slots=4).at_once
    assert at_once.cached == (16 - 2 * 4) * 1000


def test_a_prefix_expires_when_nobody_reads_it_for_its_time_to_live() -> None:
    # Eight primers through two slots, and then their followers: the first prefix has long expired.
    short = replace(SHARED, ttl=1.0)
    groups = [PlannedGroup("a", 1000, None, (PlannedJob(0, 500), PlannedJob(0, 500)))]
    plan = planned(groups, short, slots=1)
    assert (plan.at_once.expired, plan.at_once.cached) == (1, 0)
    assert planned(groups, replace(SHARED, ttl=10.0), slots=1).at_once.expired == 0


def test_reading_a_prefix_lets_its_time_to_live_begin_anew() -> None:
    # Each job takes 6 s: a life of 7 s from the last use is enough, one from the first is not.
    groups = [PlannedGroup("a", 1000, None, (PlannedJob(0, 500),) * 5)]
    plan = planned(groups, replace(SHARED, ttl=7.0), slots=1)
    assert (plan.at_once.expired, plan.at_once.cached) == (0, 4 * 999)


def test_a_cache_per_slot_is_best_used_by_one_job_of_a_group_at_a_time() -> None:
    """The notes' five groups of 1+4 with 512 shared tokens: ideal 3445, some 10,000 with a fan-out."""
    job = PlannedJob(35, 30)
    groups = [PlannedGroup(f"g{n}", 512, job, (job,) * 4) for n in range(5)]
    ideal = 5 * 512 + 25 * 35
    plan = planned(groups, SLOT, slots=3)
    assert plan.recommended == "one_at_a_time"
    assert plan.best.evaluated == ideal
    assert plan.prediction("on_completion").evaluated > 2 * ideal
    assert planned(groups, SLOT, slots=1).at_once.evaluated == ideal


def test_one_group_with_a_fan_out_over_slots_reads_its_prefix_once_in_each() -> None:
    fanned = planned(alike(1, 30), SLOT, slots=4).prediction("on_completion")
    assert fanned.evaluated == 31 * 100 + 4 * 1000


def test_without_a_cache_every_order_reads_everything() -> None:
    plan = planned(alike(3, 3), Provider("none", cache="none"))
    assert {each.evaluated for each in plan.predictions} == {12 * 1100}
    assert {each.written for each in plan.predictions} == {0}


def test_a_lone_job_writes_no_prefix_that_nobody_would_read() -> None:
    assert planned(alike(3, 0)).at_once.written == 0


def test_a_group_without_a_primer_starts_at_once_in_every_order() -> None:
    group = PlannedGroup("a", 1000, None, (PlannedJob(100, 100),) * 5)
    plan = planned([group])
    assert len({each.seconds for each in plan.predictions}) == 1
    assert plan.unprimed == 1


def test_warm_groups_go_before_cold_ones() -> None:
    """One slot, a short life: each group's followers run before the next primer, so nothing expires."""
    plan = planned(alike(5, 3, output=300), replace(SHARED, ttl=5.0), slots=1)
    assert plan.prediction("on_first_token").expired == 0


JOBS = st.builds(PlannedJob, own=st.integers(0, 300), output=st.integers(0, 300))
GROUPS = st.lists(
    st.builds(
        PlannedGroup,
        name=st.just("g"),
        prefix=st.integers(0, 3000),
        primer=st.one_of(st.none(), JOBS),
        followers=st.lists(JOBS, min_size=1, max_size=8).map(tuple),
    ),
    min_size=1,
    max_size=6,
)
PROVIDERS = st.builds(
    Provider,
    name=st.just("p"),
    min_prefix=st.sampled_from([0, 512, 1024]),
    step=st.sampled_from([1, 16, 128]),
    write=st.sampled_from([1.0, 1.25, 2.0]),
    read=st.sampled_from([0.0, 0.1, 0.5]),
    ttl=st.sampled_from([None, 0.5, 30.0]),
    settle=st.sampled_from([0.0, 2.0]),
    reads_exempt=st.booleans(),
    cache=st.sampled_from(["shared", "slot", "none"]),
)
LIMITS = st.builds(
    Limits,
    concurrency=st.sampled_from([None, 1, 3]),
    requests_per_minute=st.sampled_from([None, 30.0, 300.0]),
    tokens_per_minute=st.sampled_from([None, 20_000.0]),
    input_tokens_per_minute=st.sampled_from([None, 30_000.0]),
    output_tokens_per_minute=st.sampled_from([None, 3_000.0]),
    burst=st.sampled_from([0.01, 0.2, 1.0]),
)
RATES = st.builds(
    Rates,
    prefill=st.sampled_from([0.0, 1000.0]),
    decode=st.sampled_from([0.0, 100.0]),
    latency=st.sampled_from([0.0, 0.5]),
)


def _least_seconds(found: Prediction, limits: Limits) -> float:
    """No run is faster than its limits let it be: the bucket's fill, then so many a minute."""
    per_minute = limits.requests_per_minute
    if per_minute is None:
        return 0.0
    burst = max(1.0, per_minute * limits.burst)
    return (found.requests - burst - 1) / per_minute * 60


@settings(max_examples=300, deadline=None)
@given(GROUPS, PROVIDERS, LIMITS, RATES, st.integers(1, 5))
def test_of_every_run_all_is_told_once(
    groups: list[PlannedGroup], provider: Provider, limits: Limits, rates: Rates, slots: int
) -> None:
    plan = forecast(groups, provider, slots=slots, limits=limits, rates=rates)
    ideal = plan.prompt_tokens - sum(
        provider.cached(group.prefix) * (len(group.members) - 1) for group in groups
    )
    for each in plan.predictions:
        assert each.requests == plan.jobs
        assert each.evaluated + each.cached == plan.prompt_tokens
        assert ideal <= each.evaluated <= plan.prompt_tokens
        assert 0 <= each.written <= each.evaluated
        assert math.isclose(sum(each.held.values()), each.seconds, abs_tol=1e-6)
        assert each.seconds >= _least_seconds(each, limits) - 1e-6
        assert each.cost == pytest.approx(
            each.evaluated + (provider.write - 1) * each.written + provider.read * each.cached
        )
    assert plan.best.cost <= min(each.cost for each in plan.predictions) * 1.02 + 1e-9
    assert plan == forecast(groups, provider, slots=slots, limits=limits, rates=rates)


@settings(max_examples=200, deadline=None)
@given(GROUPS, st.integers(1, 8), RATES)
def test_primers_first_read_each_shared_prefix_once(
    groups: list[PlannedGroup], slots: int, rates: Rates
) -> None:
    primed = [replace(group, primer=PlannedJob(1, 1)) for group in groups]
    plan = forecast(primed, SHARED, slots=slots, rates=rates)
    once = sum(group.prefix for group in primed if len(group.members) > 1)
    for policy in ("on_completion", "on_first_token"):
        assert plan.prediction(policy).written == once
