"""What a provider call used, what a job is expected to use, and how a failure is to be treated."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from ._checks import number

__all__ = ["Cost", "Failure", "Usage", "classify_http"]

N = TypeVar("N", int, float)


def _add(left: N | None, right: N | None) -> N | None:
    if left is None:
        return right
    return left if right is None else left + right


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, requests and money of one or several provider calls; `None` means unknown.

    `input_tokens` includes the cached ones, as providers bill and as OpenTelemetry counts them. Usages add
    up with `+`: an unknown part leaves the known one as it is; `model` survives where both sides agree.
    `money` is in whatever currency the caller's price table uses.
    """

    input_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    requests: int | None = None
    money: float | None = None
    model: str | None = None

    def __add__(self, other: "Usage") -> "Usage":
        model = (
            self.model if other.model in (None, self.model) else (other.model if self.model is None else None)
        )
        return Usage(
            _add(self.input_tokens, other.input_tokens),
            _add(self.cached_tokens, other.cached_tokens),
            _add(self.cache_write_tokens, other.cache_write_tokens),
            _add(self.output_tokens, other.output_tokens),
            _add(self.reasoning_tokens, other.reasoning_tokens),
            _add(self.requests, other.requests),
            _add(self.money, other.money),
            model,
        )

    @property
    def tokens(self) -> int | None:
        """Input and output tokens together, or None where neither is known."""
        return _add(self.input_tokens, self.output_tokens)


@dataclass(frozen=True, slots=True)
class Cost:
    """What an executor expects a job to use, before it runs (`Executor.estimate`)."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    requests: int = 1
    money: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """What an error means for the job (`Executor.classify`).

    `retryable`: another attempt may succeed. `retry_after`: seconds that the provider asks to wait.
    `fault`: whose it is: the provider broke ("provider"), it refused for its rate limits before doing any
    work ("limit"), the request itself is wrong ("request"), or it cannot be told ("unknown").

    Raises:
        ValueError, TypeError: if `retry_after` is not a finite number of at least 0.
    """

    retryable: bool
    retry_after: float | None = None
    fault: Literal["provider", "limit", "request", "unknown"] = "unknown"

    def __post_init__(self) -> None:
        if self.retry_after is not None:
            number("Failure", "retry_after", self.retry_after)


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
    HTTP date, for which the caller passes the wall time `now` in epoch seconds) are obeyed.
    """
    found = {name.lower(): value for name, value in (headers or {}).items()}
    wait = _retry_after(found, now)
    if status is None:
        return Failure(True, wait, "provider")
    retryable = status in _RETRYABLE or status >= 500
    told = found.get("x-should-retry")
    if told in ("true", "false"):
        retryable = told == "true"
    if code in _PERMANENT_CODES:
        return Failure(False, None, "request")
    if status == 429:
        return Failure(retryable, wait, "limit")
    return Failure(retryable, wait, "provider" if status >= 500 or status == 408 else "request")


def _retry_after(headers: Mapping[str, str], now: float | None) -> float | None:
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "")
        try:
            seconds = float(text) * unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    date = _date(headers.get("retry-after"))
    return None if date is None or now is None else max(0.0, date - now)


def _date(text: str | None) -> float | None:
    """An HTTP date as epoch seconds, or None where it is none."""
    if not text:
        return None
    import email.utils  # seldom needed, and slow to load

    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None
