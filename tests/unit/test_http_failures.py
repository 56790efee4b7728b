"""What an HTTP failure means: whether to try again, when, whose fault it is, and which limit it was."""

import email.utils
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from paceline import Failure, RateLimit, RateLimits, classify_error, classify_http

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, Failure(True, None, "provider")),
        (400, Failure(False, None, "request")),
        (401, Failure(False, None, "request")),
        (404, Failure(False, None, "request")),
        (408, Failure(True, None, "provider")),
        (409, Failure(True, None, "request")),
        (422, Failure(False, None, "request")),
        (429, Failure(True, None, "limit")),
        (500, Failure(True, None, "provider")),
        (529, Failure(True, None, "provider")),
    ],
)
def test_a_status_says_whether_to_try_again_and_whose_fault_it_is(
    status: int | None, expected: Failure
) -> None:
    assert classify_http(status) == expected


def test_what_the_server_says_of_trying_again_is_what_counts() -> None:
    assert classify_http(500, {"X-Should-Retry": "false"}).retryable is False
    assert classify_http(400, {"x-should-retry": "true"}).retryable is True
    assert classify_http(500, {"x-should-retry": "perhaps"}).retryable is True


@pytest.mark.parametrize("code", ["insufficient_quota", "billing_hard_limit_reached"])
def test_a_spent_quota_stays_spent(code: str) -> None:
    assert classify_http(429, {"retry-after": "7"}, code=code) == Failure(False, None, "request")


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": email.utils.format_datetime(NOW + timedelta(seconds=9), usegmt=True)}, 9.0),
        ({"retry-after": email.utils.format_datetime(NOW - timedelta(seconds=9), usegmt=True)}, 0.0),
    ],
)
def test_the_wait_that_is_asked_for_is_obeyed(headers: dict[str, str], wait: float | None) -> None:
    for status in (None, 429, 503):
        assert classify_http(status, headers, now=NOW.timestamp()).retry_after == wait


def test_a_date_to_wait_for_is_seen_from_the_responses_own_date() -> None:
    headers = {"retry-after": email.utils.format_datetime(NOW + timedelta(seconds=9), usegmt=True)}
    assert classify_http(503, headers).retry_after is None
    headers["date"] = email.utils.format_datetime(NOW, usegmt=True)
    assert classify_http(503, headers).retry_after == 9.0
    assert classify_http(503, headers, now=NOW.timestamp() + 3600).retry_after == 9.0


def limited(kind: str, remaining: int, reset: str) -> dict[str, str]:
    return {f"x-ratelimit-remaining-{kind}": str(remaining), f"x-ratelimit-reset-{kind}": reset}


def test_a_429_without_retry_after_waits_for_what_nothing_remains_of() -> None:
    headers = limited("requests", 0, "2s") | limited("tokens", 10, "40s")
    failure = classify_http(429, headers)
    assert failure.retry_after == 2.0
    assert failure.limits == RateLimits(requests=RateLimit(None, 0, 2.0), tokens=RateLimit(None, 10, 40.0))
    both = limited("requests", 0, "2s") | limited("tokens", 0, "40s")
    assert classify_http(429, both).retry_after == 40.0
    assert classify_http(429, both | {"retry-after": "1"}).retry_after == 1.0
    assert classify_http(429, limited("tokens", 10, "40s")).retry_after is None


def test_only_a_429_is_for_its_limits() -> None:
    failure = classify_http(503, limited("requests", 0, "2s"))
    assert failure.retry_after is None
    assert failure.limits == RateLimits(requests=RateLimit(None, 0, 2.0))


def test_a_refusal_tells_which_limit_it_was() -> None:
    reset = (NOW + timedelta(seconds=5)).isoformat()
    headers = {
        "anthropic-ratelimit-input-tokens-limit": "50000",
        "anthropic-ratelimit-input-tokens-remaining": "0",
        "anthropic-ratelimit-input-tokens-reset": reset,
        "anthropic-ratelimit-requests-remaining": "12",
    }
    failure = classify_http(429, headers, now=NOW.timestamp())
    assert failure.limits is not None
    assert failure.limits.exhausted == ("input_tokens",)
    assert (failure.fault, failure.retry_after) == ("limit", 5.0)


def test_a_failure_takes_limits_and_nothing_else_for_them() -> None:
    with pytest.raises(
        TypeError, match=r"Failure: limits must be a RateLimits.*parse_rate_limits\(headers\)"
    ):
        Failure(True, limits={"x-ratelimit-limit-requests": "5"})  # type: ignore[arg-type]


NAMES = st.sampled_from(
    [
        "Retry-After-Ms",
        "date",
        "retry-after",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
        "x-should-retry",
    ]
)


@given(
    st.none() | st.integers(100, 599),
    st.dictionaries(
        NAMES, st.text() | st.floats().map(str) | st.datetimes().map(email.utils.format_datetime)
    ),
    st.none() | st.text(),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
)
def test_whatever_a_server_sends_is_classified(
    status: int | None, headers: dict[str, str], code: str | None, now: float | None
) -> None:
    failure = classify_http(status, headers, code=code, now=now)
    assert failure.retry_after is None or failure.retry_after >= 0


class _Response:
    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers


class _StatusError(Exception):
    def __init__(self, status: int, code: str | None = None, **headers: str) -> None:
        super().__init__(f"status {status}")
        self.status_code = status
        self.code = code
        self.response = _Response({name.replace("_", "-"): value for name, value in headers.items()})


class _OwnHeaders(Exception):
    """As GigaChat's client has it: the headers are the error's own."""

    status_code = 429
    headers = {"retry-after": "3"}  # noqa: RUF012


class APIError(Exception):
    """Named as in the clients of OpenAI and Anthropic, for an error told inside of a stream."""

    def __init__(self, code: str | None = None) -> None:
        super().__init__("broke off")
        self.code = code


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (_StatusError(503), Failure(True, None, "provider")),
        (_StatusError(429, retry_after="7"), Failure(True, 7.0, "limit")),
        (_StatusError(429, "insufficient_quota"), Failure(False, None, "request")),
        (_StatusError(400), Failure(False, None, "request")),
        (_OwnHeaders(), Failure(True, 3.0, "limit")),
        (_StatusError(500, x_should_retry="false"), Failure(False, None, "provider")),
        (ConnectionResetError(), Failure(True, None, "provider")),
        (TimeoutError(), Failure(True, None, "provider")),
        (APIError(), Failure(True, None, "provider")),
        (APIError("server_error"), Failure(True, None, "provider")),
        (APIError("rate_limit_exceeded"), Failure(True, None, "limit")),
        (APIError("insufficient_quota"), Failure(False, None, "request")),
        (APIError("context_length_exceeded"), Failure(False, None, "request")),
        (APIError("invalid_prompt"), Failure(False, None, "request")),
        (APIError("400"), Failure(False, None, "request")),
        (APIError("503"), Failure(True, None, "provider")),
        (ValueError("no"), None),
        (_StatusError(200), None),
    ],
)
def test_the_error_of_any_client_is_read_by_its_shape(error: Exception, expected: Failure | None) -> None:
    assert classify_error(error) == expected
