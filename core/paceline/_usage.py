"""What a provider call used, what a job is expected to use, and how a failure is to be treated."""

import logging
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeVar

from ._checks import instance, number
from ._rate_limits import RateLimits

__all__ = ["Cost", "Failure", "Usage", "sound"]

_log = logging.getLogger("paceline")
_AMOUNTS = (
    "input_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "requests",
    "money",
)

if TYPE_CHECKING:
    from ._job import Job

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


def sound(usage: Usage, job: "Job") -> Usage:
    """Take what cannot be an amount (a text, a negative number, not a number) for unknown, and say so.

    The work is done and its result is good: only what it took is not known.
    """
    wrong = [name for name in _AMOUNTS if not _is_amount(getattr(usage, name))]
    if not wrong:
        return usage
    _log.warning(
        "job %s (executor %r) reported a usage that cannot be: %s; that counts as unknown",
        job.id,
        job.executor,
        ", ".join(f"{name}={getattr(usage, name)!r}" for name in wrong),
    )
    return replace(usage, **dict.fromkeys(wrong))


def _is_amount(value: object) -> bool:
    if value is None or (type(value) is int and value >= 0):
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


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
    work ("limit"), the request itself is wrong ("request"), or it cannot be told ("unknown"). `limits`: what
    the provider said of its limits on this occasion; `limits.exhausted` is what it was refused for.

    Raises:
        ValueError, TypeError: if `retry_after` is not a finite number of at least 0, or `limits` not a
            RateLimits.
    """

    retryable: bool
    retry_after: float | None = None
    fault: Literal["provider", "limit", "request", "unknown"] = "unknown"
    limits: RateLimits | None = None

    def __post_init__(self) -> None:
        if self.retry_after is not None:
            number("Failure", "retry_after", self.retry_after)
        if self.limits is not None:
            instance("Failure", "limits", self.limits, RateLimits, "parse_rate_limits(headers) makes one")
