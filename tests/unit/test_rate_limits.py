"""What providers say of their limits, in the headers of their answers."""

import email.utils
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import example, given, strategies as st

from paceline import RateLimit, RateLimits, parse_rate_limits

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
KINDS = ("requests", "tokens", "input-tokens", "output-tokens")


def openai(kind: str = "requests", **parts: str) -> dict[str, str]:
    return {f"x-ratelimit-{part}-{kind}": value for part, value in parts.items()}


def anthropic(kind: str = "requests", **parts: str) -> dict[str, str]:
    return {f"anthropic-ratelimit-{kind}-{part}": value for part, value in parts.items()}


def reset_of(text: str, **more: str) -> float | None:
    told = parse_rate_limits({"x-ratelimit-limit-requests": "1", "x-ratelimit-reset-requests": text, **more})
    assert told is not None
    assert told.requests is not None
    return told.requests.reset


def test_openais_headers_are_read() -> None:
    headers = openai("requests", limit="60", remaining="59", reset="1s")
    headers |= openai("tokens", limit="150000", remaining="149984", reset="6m0s")
    assert parse_rate_limits(headers) == RateLimits(
        requests=RateLimit(60, 59, 1.0), tokens=RateLimit(150_000, 149_984, 360.0)
    )


def test_anthropics_headers_are_read() -> None:
    headers = {"content-type": "text/event-stream"}
    for number, kind in enumerate(KINDS, start=1):
        reset = (NOW + timedelta(seconds=number)).isoformat().replace("+00:00", "Z")
        headers |= anthropic(kind, limit=str(number * 1000), remaining=str(number), reset=reset)
    assert parse_rate_limits(headers, now=NOW.timestamp()) == RateLimits(
        requests=RateLimit(1000, 1, 1.0),
        tokens=RateLimit(2000, 2, 2.0),
        input_tokens=RateLimit(3000, 3, 3.0),
        output_tokens=RateLimit(4000, 4, 4.0),
    )


def test_names_are_compared_without_regard_to_case() -> None:
    expected = RateLimits(requests=RateLimit(limit=7))
    assert parse_rate_limits({"X-RateLimit-Limit-Requests": "7"}) == expected
    assert parse_rate_limits({"Anthropic-RateLimit-Requests-LIMIT": " 7 "}) == expected


@pytest.mark.parametrize("headers", [{}, {"retry-after": "1"}, openai(reset="soon"), openai(limit="")])
def test_headers_that_tell_of_no_limit_give_none(headers: dict[str, str]) -> None:
    assert parse_rate_limits(headers) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120ms", 0.12),
        ("1m2.5s", 62.5),
        ("6m0s", 360.0),
        ("1h0m1s", 3601.0),
        ("8.64s", 8.64),
        ("5.123456789s", 5.123456789),
        ("350µs", 350e-6),
        ("350us", 350e-6),
        ("15ns", 15e-9),
        ("17", 17.0),
        ("0.5", 0.5),
        ("0", 0.0),
        ("0s", 0.0),
    ],
)
def test_a_reset_is_a_duration_of_gos_or_plain_seconds(text: str, seconds: float) -> None:
    assert reset_of(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "-1s",
        "-0.5",
        "-5",
        "nan",
        "inf",
        "1e400",
        "s",
        "1",
        "1x",
        "1m 2s",
        "m1",
        "1..5s",
        ".",
        "9" * 100,
        "1792324800",
        "",
    ],
)
def test_a_reset_that_makes_no_sense_is_left_out_and_the_others_stand(text: str) -> None:
    headers = openai("requests", limit="60", remaining="1", reset=text) | openai("tokens", limit="9")
    expected = 1.0 if text == "1" else None
    assert parse_rate_limits(headers) == RateLimits(RateLimit(60, 1, expected), RateLimit(limit=9))


@pytest.mark.parametrize(
    ("text", "count"),
    [("60", 60), ("60000.0", 60_000), (" 5 ", 5), ("-1", None), ("many", None), ("nan", None), ("inf", None)],
)
def test_a_number_below_zero_or_none_at_all_means_nothing(text: str, count: int | None) -> None:
    """Azure sends -1 for limit and remaining where it has no figure (openai-dotnet#838)."""
    told = parse_rate_limits(openai(limit=text, remaining=text, reset="1s"))
    assert told == RateLimits(requests=RateLimit(count, count, 1.0))


def test_nothing_remaining_is_known_from_not_known_and_a_limit_of_zero_is_none() -> None:
    told = parse_rate_limits(openai(limit="0", remaining="0"))
    assert told == RateLimits(requests=RateLimit(None, 0, None))


def test_a_time_is_seen_from_the_responses_own_date_before_anybody_elses_clock() -> None:
    later = (NOW + timedelta(seconds=30)).isoformat()
    headers = anthropic(remaining="0", reset=later)
    own = {**headers, "Date": email.utils.format_datetime(NOW, usegmt=True)}

    def reset(headers: Mapping[str, str], now: float | None) -> float | None:
        told = parse_rate_limits(headers, now=now)
        assert told is not None
        assert told.requests is not None
        return told.requests.reset

    assert reset(headers, None) is None
    assert reset(headers, NOW.timestamp() + 10) == 20.0
    assert reset(own, None) == 30.0
    assert reset(own, NOW.timestamp() - 3600) == 30.0, "our clock is an hour late"
    assert reset({**headers, "Date": "yesterday"}, NOW.timestamp()) == 30.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-20T12:00:05Z", 5.0),
        ("2026-11-20T14:00:05.25+02:00", 5.25),
        ("2026-11-20T12:00:05.123456789Z", 5.123456),
        ("2026-11-20T12:00:05", 5.0),
        ("2026-11-20T11:00:00Z", 0.0),
        ("2027-11-20T12:00:05Z", None),
        ("0001-01-01T00:00:00+14:00", 0.0),
        ("2026-13-20T12:00:05Z", None),
    ],
)
def test_a_reset_may_be_a_time_one_that_has_passed_is_now(text: str, seconds: float | None) -> None:
    told = parse_rate_limits(anthropic(limit="5", reset=text), now=NOW.timestamp())
    assert told is not None
    assert told.requests is not None
    assert told.requests.reset == (None if seconds is None else pytest.approx(seconds, abs=1e-6))


def test_what_is_exhausted_and_for_how_long() -> None:
    told = RateLimits(
        requests=RateLimit(60, 0, 3.0),
        tokens=RateLimit(60, 1, 50.0),
        input_tokens=RateLimit(60, 0, 7.0),
        output_tokens=RateLimit(60, 0, None),
    )
    assert told.exhausted == ("requests", "input_tokens", "output_tokens")
    assert told.wait == 7.0
    assert RateLimits(tokens=RateLimit(60, 1, 50.0)).wait is None
    assert dict(RateLimits(tokens=RateLimit(9))) == {"tokens": RateLimit(9)}


def go_duration(milliseconds: int) -> str:
    """As Go's time.Duration writes itself."""
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


@given(st.integers(0, 10**8))
def test_every_duration_comes_back_as_it_was_written(milliseconds: int) -> None:
    assert reset_of(go_duration(milliseconds)) == pytest.approx(milliseconds / 1000, abs=1e-9)


@given(
    st.integers(1, 10**9),
    st.integers(0, 10**9),
    st.integers(0, 10**6),
    st.sampled_from(KINDS),
    st.booleans(),
)
def test_what_is_written_in_either_way_is_read(
    limit: int, remaining: int, reset: int, kind: str, is_openai: bool
) -> None:
    style = openai if is_openai else anthropic
    headers = style(kind, limit=str(limit), remaining=str(remaining), reset=str(reset))
    told = parse_rate_limits(headers)
    assert told is not None
    assert dict(told) == {kind.replace("-", "_"): RateLimit(limit, remaining, float(reset))}


NAMES = st.sampled_from(
    [
        name
        for kind in KINDS
        for part in ("limit", "remaining", "reset")
        for name in (*openai(kind, **{part: ""}), *anthropic(kind, **{part: ""}))
    ]
    + ["date", "retry-after"]
)
LIKELY = st.text(alphabet="0123456789.-+:eTZhmsuµnd naif_ ", max_size=40)
VALUES = st.one_of(
    st.text(),
    LIKELY,
    st.floats().map(str),
    st.integers().map(str),
    st.datetimes().map(datetime.isoformat),
    st.datetimes().map(email.utils.format_datetime),
)


@given(st.dictionaries(NAMES, VALUES), st.none() | st.floats())
@example({"x-ratelimit-reset-tokens": "1" * 5000 + "s"}, 0.0)
@example({"x-ratelimit-reset-tokens": "0001-01-01T00:00:00+23:59"}, 0.0)
@example(
    {
        "anthropic-ratelimit-tokens-reset": "9999-12-31T23:59:59-23:59",
        "date": "Fri, 31 Dec 9999 25:00:00 -2359",
    },
    None,
)
def test_no_header_makes_it_raise_and_what_it_says_makes_sense(
    headers: dict[str, str], now: float | None
) -> None:
    told = parse_rate_limits(headers, now=now)
    if told is None:
        return
    assert list(told), "something is known"
    for _, limit in told:
        assert limit != RateLimit()
        assert limit.limit is None or limit.limit > 0
        assert limit.remaining is None or limit.remaining >= 0
        assert limit.reset is None or 0 <= limit.reset <= 31 * 86400


def test_headers_that_are_no_texts_are_passed_over() -> None:
    headers: dict[Any, Any] = {b"x-ratelimit-limit-tokens": b"5", None: 3, "x-ratelimit-limit-requests": 5}
    assert parse_rate_limits(cast("Mapping[str, str]", headers)) is None
