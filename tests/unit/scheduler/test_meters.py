"""Rates, allowances and breakers beside plain ones in fractions; clocks that jump; rates that are learnt."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import pytest
from hypothesis import given, settings, strategies as st

from paceline._scheduler import Allowance, Breaker, Entry, Gate, Rate, Scheduler, State
from paceline._usage import Cost, Failure, Usage

PARTS = st.integers(0, 400).map(lambda n: n / 8)
"""Numbers that a float holds exactly."""


class ExactRate:
    """A bucket in fractions, nothing rounded."""

    def __init__(self, per_second: Fraction, size: Fraction) -> None:
        self.per_second, self.size, self.level = per_second, size, size
        self.at: Fraction | None = None

    def look(self, now: Fraction) -> None:
        if self.at is not None and now > self.at:
            self.level = min(self.size, self.level + (now - self.at) * self.per_second)
        self.at = now

    def when(self, amount: Fraction, now: Fraction) -> Fraction:
        self.look(now)
        return now + max(Fraction(0), min(amount, self.size) - self.level) / self.per_second


@given(
    per_minute=st.sampled_from([7.5, 60.0, 480.0]),
    burst=st.sampled_from([0.125, 1.0, 2.0]),
    steps=st.lists(st.tuples(PARTS, PARTS, PARTS), min_size=1, max_size=30),
)
def test_a_rate_is_the_bucket_that_fractions_say(
    per_minute: float, burst: float, steps: list[tuple[float, float, float]]
) -> None:
    rate = Rate("tokens", "tokens", per_minute, burst)
    exact = ExactRate(Fraction(per_minute) / 60, Fraction(per_minute) * Fraction(burst))
    now, held = 0.0, list[tuple[float, float]]()
    for passed, amount, used in steps:
        now += passed
        at = exact.when(Fraction(amount), Fraction(now))
        assert rate.when(amount, now) == pytest.approx(float(at), abs=1e-6)
        if at == now:
            rate.take(amount, now)
            exact.level -= Fraction(amount)
            held.append((amount, now))
        elif held:
            reserved, since = held.pop(0)
            assert rate.settle(reserved, used, now, since) is (used < reserved)
            exact.level = min(exact.size, exact.level + Fraction(reserved) - Fraction(used))
        assert rate.level == pytest.approx(float(exact.level), abs=1e-6)


@given(
    size=st.sampled_from([10.0, 100.0]),
    period=st.none() | st.sampled_from([8.0, 64.0]),
    steps=st.lists(st.tuples(PARTS, PARTS, PARTS), min_size=1, max_size=40),
)
def test_what_an_allowance_has_left_is_what_was_given_less_what_is_spent_and_reserved(
    size: float, period: float | None, steps: list[tuple[float, float, float]]
) -> None:
    allowance = Allowance("tokens", "budget", size, period=period)
    now, spent, held, ends = 0.0, Fraction(0), list[Fraction](), math.inf
    for passed, amount, used in steps:
        now += passed
        if now >= ends and period is not None:
            spent = Fraction(0)
            while ends <= now:
                ends += period
            ends = ends if sum(held) else math.inf
        left = Fraction(size) - spent - sum(held)
        fits = Fraction(amount) <= left
        assert (allowance.when(amount, now) == now) is fits
        if fits:
            allowance.take(amount, now)
            held.append(Fraction(amount))
            if amount and period is not None and ends == math.inf:
                ends = now + period
        elif held:
            reserved = held.pop(0)
            allowance.settle(float(reserved), used, now)
            spent += Fraction(used)
            if not spent and not sum(held):
                ends = math.inf
            elif period is not None and ends == math.inf:
                ends = now + period
        assert allowance.level == pytest.approx(float(Fraction(size) - spent - sum(held)))
        assert allowance.spent == pytest.approx(float(spent))


def test_a_job_that_outlasts_its_period_does_not_hold_the_next_one_for_ever() -> None:
    allowance = Allowance("tokens", "budget", 100.0, period=60.0)
    allowance.take(10.0, 0.0)
    allowance.settle(10.0, 95.0, 70.0)
    assert allowance.level == 5.0
    assert allowance.when(10.0, 71.0) < math.inf


def test_more_used_than_nothing_that_was_reserved_begins_a_period() -> None:
    allowance = Allowance("tokens", "budget", 100.0, period=60.0)
    allowance.take(0.0, 0.0)
    allowance.settle(0.0, 500.0, 5.0)
    assert allowance.when(10.0, 6.0) == 65.0
    assert allowance.when(10.0, 65.0) == 65.0


@pytest.mark.parametrize("jumps", [[-50.0, 10.0], [1e9], [-1e6, 1e6, -3.0], [0.0, 0.0]])
def test_a_clock_that_jumps_never_gives_more_than_the_bucket_holds(jumps: list[float]) -> None:
    rate, now = Rate("tokens", "tokens", 600.0, 0.5), 1000.0
    rate.take(300.0, now)
    for jump in jumps:
        now += jump
        when = rate.when(300.0, now)
        assert now <= when <= now + 30.0
        assert rate.level <= 300.0


def test_a_clock_that_jumps_back_keeps_nobody_waiting_longer_than_a_full_bucket_takes() -> None:
    scheduler = Scheduler(slots=1)
    gate = Gate("model", meters=[Rate("requests", "requests", 60.0, 1 / 60)])
    lane, pool = scheduler.set_lane("lane", 1.0, None), scheduler.queues.pools.of((gate,))
    for _ in range(2):
        scheduler.add(Entry("job", lane, None, 0.0, 1.0, pool=pool, demand=Cost()), 1000.0)
    first = scheduler.next(1000.0)
    assert first is not None
    scheduler.finish(first, None, 500.0, Usage(requests=1))
    scheduler.end(first, "succeeded", 500.0)
    assert scheduler.next(500.0) is None
    when = scheduler.wake_at()
    assert when is not None
    assert when <= 501.0


# A provider that takes less than was told.


class Provider:
    """A bucket of its own; it says how long to wait, or does not."""

    def __init__(self, per_minute: float, burst: float, *, says: bool) -> None:
        self.rate, self.says = per_minute / 60.0, says
        self.size = self.level = per_minute * burst
        self.at = 0.0
        self.refused, self.taken = list[float](), list[float]()

    def ask(self, amount: float, now: float) -> float | None:
        """Seconds to wait; None: it takes the request."""
        self.level = min(self.size, self.level + (now - self.at) * self.rate)
        self.at = now
        if amount <= self.level:
            self.level -= amount
            self.taken.append(now)
            return None
        self.refused.append(now)
        return (amount - self.level) / self.rate


def drive(rate: Rate, provider: Provider, until: float, sizes: tuple[int, ...] = (100,)) -> None:
    """Requests of these sizes, as many as the scheduler lets go, each answered within two seconds."""
    dice = random.Random(1)
    scheduler, gate = Scheduler(slots=16), Gate("model", meters=[rate], provider=True)
    lane, pool = scheduler.set_lane("lane", 1.0, None), scheduler.queues.pools.of((gate,))
    now, running = 0.0, list[tuple[float, Entry, float | None]]()
    while now < until:
        while scheduler.queues.ready < 20:
            demand = Cost(input_tokens=dice.choice(sizes), output_tokens=0)
            scheduler.add(Entry("job", lane, None, 0.0, 1.0, pool=pool, demand=demand), now)
        while (entry := scheduler.next(now)) is not None:
            assert entry.demand is not None
            wait = provider.ask(entry.demand.input_tokens or 0, now)
            running.append((now + (0.05 if wait is not None else dice.uniform(0.5, 2.0)), entry, wait))
        wake = scheduler.wake_at()
        now = min([when for when, _, _ in running] + ([] if wake is None else [max(now, wake)]))
        scheduler.due(now)
        for each in [each for each in running if each[0] <= now]:
            running.remove(each)
            _, entry, wait = each
            if wait is None:
                assert entry.demand is not None
                usage = Usage(input_tokens=entry.demand.input_tokens, output_tokens=0, requests=1)
                scheduler.finish(entry, None, now, usage)
                scheduler.end(entry, "succeeded", now)
            else:
                failure = Failure(True, wait if provider.says else None, "limit")
                scheduler.finish(entry, 0.0, now, None, failure)
                scheduler.retry(entry, now + max(1.0, wait))


@pytest.mark.parametrize("sizes", [(100,), (10, 50, 400)], ids=["alike", "mixed"])
@pytest.mark.parametrize("says", [True, False], ids=["it says how long to wait", "it does not"])
@pytest.mark.parametrize("times", [1.0, 2.0, 10.0])
def test_a_rate_that_was_told_too_high_finds_the_real_one_and_stays_near_it(
    times: float, says: bool, sizes: tuple[int, ...]
) -> None:
    rate = Rate("input_tokens", "tokens", 6000.0 * times, 0.2)
    provider = Provider(6000.0, 0.2, says=says)
    drive(rate, provider, 1200.0, sizes)
    late = [when for when in provider.taken if when > 300.0]
    mean = sum(sizes) / len(sizes)
    used = len(late) * mean / (100.0 * 900.0)
    refused = sum(when > 300.0 for when in provider.refused)
    assert used > (0.9 if says else 0.6), (used, refused)
    assert refused <= 0.05 * len(late), (used, refused)


def test_a_rate_that_was_lowered_grows_again_to_what_was_told() -> None:
    rate, provider = Rate("input_tokens", "tokens", 6000.0, 0.2), Provider(1500.0, 0.2, says=True)
    drive(rate, provider, 100.0)
    assert rate.per_minute < 2500.0
    rate.refill(1200.0)
    assert rate.per_minute == pytest.approx(6000.0)


# Breakers.


@settings(max_examples=50)
@given(ends=st.lists(st.tuples(st.sampled_from(["well", "provider", "request", "lost"]), PARTS), max_size=60))
def test_a_breaker_lets_one_probe_go_at_a_time_and_never_stays_shut(ends: list[tuple[str, float]]) -> None:
    scheduler, breaker = Scheduler(slots=4), Breaker(3, 10.0)
    gate = Gate("model", breaker=breaker, provider=True)
    lane, pool = scheduler.set_lane("lane", 1.0, None), scheduler.queues.pools.of((gate,))
    now, row, running, open_ = 0.0, 0, list[Entry](), False
    for what, passed in ends:
        now += passed
        scheduler.due(now)
        while scheduler.queues.ready < 6:
            scheduler.add(Entry("job", lane, None, 0.0, 1.0, pool=pool, demand=Cost()), now)
        new = list(iter(lambda now=now: scheduler.next(now), None))  # type: ignore[misc]
        if open_:
            assert len(new) <= 1
        running += new
        if not running:
            assert breaker.until is not None
            assert scheduler.wake_at() is not None
            continue
        probe = [entry for entry in running if breaker.probe is not None and entry.reserved is breaker.probe]
        entry = probe[0] if probe else running[0]
        running.remove(entry)
        failure = Failure(True, None, what) if what in {"provider", "request"} else None  # type: ignore[arg-type]
        counts = not open_ or bool(probe)
        if what == "lost":
            scheduler.gone(scheduler.abandon(entry), None, now)
        else:
            scheduler.finish(entry, None, now, None, failure)
        scheduler.end(entry, "failed", now)
        if counts and what == "provider":
            row += 1
            open_ = open_ or row >= 3
        elif counts and what == "well":
            row, open_ = 0, False
        assert (breaker.until is not None) is open_
        assert entry.state is State.ENDED
