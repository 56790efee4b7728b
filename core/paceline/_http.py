"""What an HTTP failure means for a job. Pure: the wall time is passed in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from ._output_errors import OutputError, OutputFailed, OutputInvalid
from ._rate_limits import fold, parse_rate_limits, seconds_until
from ._usage import Failure

__all__ = ["MISTAKES", "classify_error", "classify_http"]

MISTAKES: tuple[type[Exception], ...] = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    TypeError,
    ValueError,
)
"""What code raises by a mistake in itself or in its input: another attempt makes it again."""

_RETRYABLE = frozenset({408, 409, 429})
# A spent quota comes as 429 and stays spent: waiting a second does not help.
_PERMANENT_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})

_LIMITED = frozenset({"rate_limit_exceeded", "insufficient_quota", "slow_down"})
# How the codes of requests begin that will never do (OpenAI's Responses API, `response.failed`).
_WRONG = (
    "bio_policy",
    "cancelled",
    "content_",
    "context_length",
    "data_residency",
    "empty_image",
    "image_",
    "invalid_",
    "misalignment",
    "model_not_found",
    "unsupported_",
)
# By name, for openai, anthropic, gigachat, httpx and httpx2 alike: a request that broke before its status.
_BROKEN = frozenset(
    {"APIConnectionError", "APIError", "ModelAPIError", "ModelConnectionError", "TransportError"}
)


def classify_error(error: BaseException, *, now: float | None = None) -> Failure | None:
    """Say what the error of an HTTP client means, whichever client it is; None if it is nobody's.

    It is read by its shape: `status_code`, `response.headers` and `code`, as openai, anthropic and
    gigachat name them; and by the names of its classes where the request broke before there was a status.
    An error with a code and no status was told inside a stream that had begun well. An `OutputError` is
    read too. `now` is as for `classify_http`.
    """
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and status >= 400:
        return classify_http(status, _headers(error), code=_code(error), now=now)
    if isinstance(error, OutputError):
        return _of_output(error)
    if not isinstance(error, ConnectionError | TimeoutError) and not _BROKEN & _names(error):
        return None
    return classify_http(None, code=_code(error))


def _of_output(error: OutputError) -> Failure:
    if isinstance(error, OutputInvalid):
        return Failure(True)
    if isinstance(error, OutputFailed):
        return classify_http(None, code=error.code)
    return Failure(False, fault="request")


def _status_of(code: str) -> int:
    """The status that goes with a code; vLLM gives the status itself for one."""
    if code.isdecimal() and 400 <= int(code) < 600:
        return int(code)
    if code in _LIMITED:
        return 429
    return 400 if code.startswith(_WRONG) else 500


def _names(error: BaseException) -> set[str]:
    return {cls.__name__ for cls in type(error).__mro__}


def _headers(error: BaseException) -> Mapping[str, str] | None:
    headers = getattr(getattr(error, "response", error), "headers", None)  # gigachat's are the error's own
    return cast("Mapping[str, str]", headers) if isinstance(headers, Mapping) else None


def _code(error: BaseException) -> str | None:
    for name in ("code", "type"):
        value: Any = getattr(error, name, None)
        if isinstance(value, str) and value:
            return value
    return None


def classify_http(
    status: int | None,
    headers: Mapping[str, str] | None = None,
    *,
    code: str | None = None,
    now: float | None = None,
) -> Failure:
    """Say what an HTTP failure means, by the rules that the official OpenAI and Anthropic clients follow.

    `status` None stands for a connection that failed or timed out or, with a `code`, for what was told
    inside a stream that had begun well: the code says then what the status would have. 408, 409, 429 and
    every 5xx are retryable; the header `x-should-retry` overrides; `retry-after-ms` and `retry-after`
    (seconds, or an HTTP date, seen from the response's own `Date`, else from the wall time `now` in epoch
    seconds) are obeyed. A 429 without them waits until what it says nothing remains of is reset. What the
    headers say of the provider's limits is handed on as `Failure.limits`.
    """
    found = fold(headers)
    wait = _retry_after(found, now)
    limits = parse_rate_limits(found, now=now)
    if status is None:
        if code is None:
            return Failure(True, wait, "provider", limits)
        status = _status_of(code)
    retryable = status in _RETRYABLE or status >= 500
    told = found.get("x-should-retry")
    if told in ("true", "false"):
        retryable = told == "true"
    if code in _PERMANENT_CODES:
        return Failure(False, None, "request", limits)
    if status == 429:
        if wait is None and limits is not None:
            wait = limits.wait
        return Failure(retryable, wait, "limit", limits)
    return Failure(retryable, wait, "provider" if status >= 500 or status == 408 else "request", limits)


def _retry_after(headers: Mapping[str, str], now: float | None) -> float | None:
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return seconds_until(headers.get("retry-after"), headers, now)
