"""Limits: token buckets on a clock of the test's own."""

import math

import pytest
from hypothesis import given, strategies as st

from paceline_integrations.simulator._limits import RateLimiter, TokenBucket, go_duration


def test_a_minutes_worth_goes_at_once_and_then_one_by_one() -> None:
    limiter = RateLimiter(rpm=60, tpm=None, burst=1.0, now=0.0)
    assert [limiter.admit(1, 0.0) for _ in range(60)] == [None] * 60
    refusal = limiter.admit(1, 0.0)
    assert refusal is not None
    assert (refusal.kind, refusal.limit, refusal.remaining) == ("requests", 60, 0)
    assert refusal.retry_after == pytest.approx(1.0)
    assert limiter.admit(1, 1.0) is None
    assert limiter.admit(1, 1.0) is not None


def test_the_burst_share_bounds_what_goes_at_once() -> None:
    limiter = RateLimiter(rpm=60, tpm=None, burst=0.1, now=0.0)
    assert sum(limiter.admit(1, 0.0) is None for _ in range(60)) == 6


def test_one_request_always_fits_whatever_the_burst() -> None:
    assert RateLimiter(rpm=1, tpm=None, burst=0.01, now=0.0).admit(1, 0.0) is None


def test_a_refused_request_takes_from_neither_limit() -> None:
    limiter = RateLimiter(rpm=10, tpm=100, burst=1.0, now=0.0)
    assert limiter.admit(90, 0.0) is None
    refusal = limiter.admit(50, 0.0)
    assert refusal is not None
    assert (refusal.kind, refusal.asked, refusal.remaining) == ("tokens", 50, 10)
    assert limiter.headers(0.0)["x-ratelimit-remaining-requests"] == "9"
    assert limiter.headers(0.0)["x-ratelimit-remaining-tokens"] == "10"


def test_the_longer_of_two_waits_is_told() -> None:
    limiter = RateLimiter(rpm=1, tpm=60, burst=1.0, now=0.0)
    assert limiter.admit(60, 0.0) is None
    refusal = limiter.admit(1, 0.0)
    assert refusal is not None
    assert refusal.kind == "requests"
    assert refusal.retry_after == pytest.approx(60.0)


def test_what_never_fits_says_so() -> None:
    refusal = RateLimiter(rpm=None, tpm=100, burst=1.0, now=0.0).admit(101, 0.0)
    assert refusal is not None
    assert refusal.retry_after == math.inf


def test_without_limits_nothing_is_refused_and_no_header_is_sent() -> None:
    limiter = RateLimiter(rpm=None, tpm=None, burst=1.0, now=0.0)
    assert all(limiter.admit(10**9, 0.0) is None for _ in range(1000))
    assert limiter.headers(0.0) == {}


def test_headers_tell_limit_remaining_and_reset() -> None:
    limiter = RateLimiter(rpm=60, tpm=6000, burst=1.0, now=0.0)
    limiter.admit(600, 0.0)
    assert limiter.headers(0.0) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "6000",
        "x-ratelimit-remaining-tokens": "5400",
        "x-ratelimit-reset-tokens": "6s",
    }


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0ms"), (0.12, "120ms"), (1.0, "1s"), (1.5, "1.5s"), (60.0, "1m0s"), (372.5, "6m12.5s")],
)
def test_durations_are_written_as_openai_does(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


ASKS = st.lists(st.tuples(st.floats(0.0, 30.0), st.integers(1, 50)), min_size=1, max_size=60)


@given(st.integers(1, 600), st.floats(0.01, 1.0), ASKS)
def test_no_window_lets_more_through_than_burst_and_rate(
    per_minute: int, burst: float, asks: list[tuple[float, int]]
) -> None:
    bucket, now = TokenBucket(per_minute, burst, 0.0), 0.0
    taken: list[tuple[float, int]] = []
    for passed, amount in asks:
        now += passed
        if bucket.wait(amount, now) == 0.0:
            bucket.take(amount, now)
            taken.append((now, amount))
    for start, _ in taken:
        within = sum(amount for at, amount in taken if at >= start)
        assert within <= bucket.capacity + (now - start) * per_minute / 60 + 0.01


@given(st.integers(1, 600), st.floats(0.01, 1.0), ASKS)
def test_who_waits_as_told_is_let_through(
    per_minute: int, burst: float, asks: list[tuple[float, int]]
) -> None:
    limiter, now = RateLimiter(rpm=None, tpm=per_minute, burst=burst, now=0.0), 0.0
    for passed, amount in asks:
        now += passed
        refusal = limiter.admit(amount, now)
        if refusal is not None and not math.isinf(refusal.retry_after):
            now += refusal.retry_after
            assert limiter.admit(amount, now) is None
