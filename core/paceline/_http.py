"""What an HTTP failure means for a job. Pure: the wall time is passed in."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ._rate_limits import fold, parse_rate_limits, seconds_until
from ._usage import Failure

__all__ = ["classify_http"]

_RETRYABLE = frozenset({408, 409, 429})
# A spent quota comes as 429 and stays spent: waiting a second does not help.
_PERMANENT_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})


def classify_http(
    status: int | None,
    headers: Mapping[str, str] | None = None,
    *,
    code: str | None = None,
    now: float | None = None,
) -> Failure:
    """Say what an HTTP failure means, by the rules that the official OpenAI and Anthropic clients follow.

    `status` None stands for a connection that failed or timed out. 408, 409, 429 and every 5xx are
    retryable; the header `x-should-retry` overrides; `retry-after-ms` and `retry-after` (seconds, or an
    HTTP date, seen from the response's own `Date`, else from the wall time `now` in epoch seconds) are
    obeyed. A 429 without them waits until what it says nothing remains of is reset. What the headers say of
    the provider's limits is handed on as `Failure.limits`.
    """
    found = fold(headers)
    wait = _retry_after(found, now)
    limits = parse_rate_limits(found, now=now)
    if status is None:
        return Failure(True, wait, "provider", limits)
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
