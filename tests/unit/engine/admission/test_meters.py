"""Meters by themselves: buckets that fill, rates that are learnt, budgets by period, and clocks that jump."""

import math

import pytest
from hypothesis import given, strategies as st

from paceline._scheduler._meters import Allowance, Rate


def bucket(per_minute: float = 60.0, burst: float = 1.0) -> Rate:
    return Rate("requests", "requests per minute", per_minute, burst)


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing() -> None:
    rate = bucket()
    rate.take(60, 1000.0)
    assert rate.when(10, 1000.0) == 1010.0
    assert rate.when(10, 400.0) == 410.0  # the hours before are not waited for
    rate.refill(405.0)
    assert rate.level == pytest.approx(5.0)
    assert rate.when(10, 405.0) == pytest.approx(410.0)


def test_a_clock_that_jumps_ahead_fills_the_bucket_and_no_more() -> None:
    rate = bucket()
    rate.take(60, 0.0)
    rate.refill(1e9)
    assert rate.level == 60.0


def test_refusals_by_a_clock_that_goes_back_teach_nothing_absurd() -> None:
    rate = bucket(600)
    rate.take(1, 1000.0)
    rate.refused(1.0, 5.0, 1000.0)
    rate.refused(1.0, 5.0, 10.0)
    rate.refused(1.0, None, 5.0)
    assert 6.0 <= rate.per_minute <= 600.0
    assert math.isfinite(rate.when(1.0, 5.0))


def test_a_period_is_not_begun_twice_by_a_clock_that_goes_back() -> None:
    budget = Allowance("tokens", "budget", 100.0, period=60.0)
    budget.take(100.0, 1000.0)
    budget.settle(100.0, 100.0, 1001.0)
    assert budget.when(50.0, 500.0) == 1060.0
    assert budget.when(50.0, 1060.0) == 1060.0
    assert budget.level == 100.0


def test_periods_go_on_while_something_is_reserved() -> None:
    budget = Allowance("tokens", "budget", 100.0, period=60.0)
    budget.take(40.0, 0.0)
    assert budget.when(80.0, 200.0) == 240.0
    budget.settle(40.0, 90.0, 210.0)
    assert (budget.spent, budget.level, budget.ends) == (90.0, 10.0, 240.0)
    assert budget.when(100.0, 240.0) == 240.0
    assert budget.ends is None


def test_a_budget_that_loses_its_period_has_what_is_left_and_no_more() -> None:
    budget = Allowance("tokens", "budget", 100.0, period=60.0)
    budget.take(100.0, 0.0)
    budget.become(Allowance("tokens", "budget", 150.0))
    assert budget.when(50.0, 1.0) == 1.0
    assert budget.when(51.0, 100.0) == math.inf


def test_what_is_asked_to_wait_for_is_room_for_one() -> None:
    """Ten a second as told: after the five seconds there is room for the refused one, not for fifty."""
    rate = bucket(600)
    rate.take(1, 0.0)
    rate.settle(1.0, 0.0, 0.1, 0.0)
    rate.refused(1.0, 5.0, 0.1)
    rate.refill(5.1)
    assert rate.level == pytest.approx(1.0)


def test_two_refusals_tell_the_rate() -> None:
    """Between the times for which both say that there is room for one, the provider took in thirty."""
    rate = bucket(600)
    rate.take(1, 0.0)
    rate.settle(1.0, 0.0, 0.0, 0.0)
    rate.refused(1.0, 10.0, 0.0)
    for second in range(30):
        rate.take(1, 10.0 + second)
    rate.take(1, 39.5)
    rate.settle(1.0, 0.0, 39.5, 39.5)
    rate.refused(1.0, 0.5, 39.5)
    assert rate.per_minute == pytest.approx(60.0, rel=0.05)


def test_a_learnt_rate_stays_a_minute_and_then_comes_back_in_five() -> None:
    rate = bucket(600)
    rate.refused(1.0, 1.0, 0.0)
    rate.refused(1.0, 1.0, 10.0)
    low = rate.per_minute
    assert low < 60
    rate.refill(70.0)
    assert rate.per_minute == low
    rate.refill(71.0 + 150.0)
    assert rate.per_minute == pytest.approx(low + 300.0)
    rate.refill(71.0 + 300.0)
    assert rate.per_minute == 600.0


TIMES = st.floats(0.0, 1e6)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "settle", "refused", "heard", "back", "become"]),
        st.floats(0.0, 50.0),
        st.floats(0.0, 200.0),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_a_rate_has_no_more_than_its_bucket_and_always_an_end_of_the_wait(
    steps: list[tuple[str, float, float]],
) -> None:
    rate, now, held = bucket(60), 1000.0, 0.0
    for what, seconds, amount in steps:
        now += -seconds if what == "back" else seconds
        match what:
            case "take":
                rate.take(amount, now)
                held = amount
            case "settle":
                rate.settle(held, amount, now, now - seconds)
                held = 0.0
            case "refused":
                rate.refused(amount, None if seconds > 40 else seconds, now)
            case "heard":
                rate.heard(math.ceil(amount), math.floor(seconds), now)
            case "become":
                rate.become(bucket(amount + 1.0))
            case _:
                rate.refill(now)
        assert rate.level <= rate.size * (1 + 1e-9)
        assert 0.0 < rate.per_minute < math.inf
        assert now <= rate.when(10.0, now) < math.inf


@given(st.lists(st.tuples(st.floats(0.0, 20.0), st.floats(0.1, 60.0)), max_size=60))
def test_never_more_goes_than_the_bucket_and_what_came_in(steps: list[tuple[float, float]]) -> None:
    rate, now, taken = bucket(60, burst=0.5), 0.0, 0.0
    for seconds, amount in steps:
        now = rate.when(amount, now + seconds)
        rate.take(amount, now)
        taken += amount
        assert taken <= 30.0 + now + max(0.0, amount - 30.0) + 1e-6


@given(
    st.lists(st.tuples(st.floats(1.0, 50.0), st.floats(0.0, 50.0), st.floats(0.0, 30.0)), max_size=60),
    st.none() | st.floats(10.0, 100.0),
)
def test_a_budget_always_knows_what_is_left(
    steps: list[tuple[float, float, float]], period: float | None
) -> None:
    budget, now, running = Allowance("tokens", "budget", 100.0, period=period), 0.0, list[float]()
    for amount, used, seconds in steps:
        now += seconds
        when = budget.when(amount, now)
        if when > now and running:
            budget.settle(running.pop(), used, now)
        elif when > now:
            assert (when == math.inf) == (period is None)  # nothing runs: only the next period helps
            assert budget.exhausted(amount)
        else:
            budget.take(amount, now)
            running.append(amount)
        assert budget.level <= 100.0 + 1e-6
        assert budget.reserved == pytest.approx(sum(running), abs=1e-6)
        assert budget.level + budget.reserved + budget.spent == pytest.approx(100.0, abs=1e-6)
