"""What a provider says of its limits in the headers of a response. Pure: the wall time is passed in.

OpenAI's `x-ratelimit-*` (which many others send as well) and Anthropic's `anthropic-ratelimit-*`. A part that
makes no sense is left out, and the others stand: what a server sends never raises here.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

__all__ = ["LimitKind", "RateLimit", "RateLimits", "fold", "parse_rate_limits", "seconds_until"]

LimitKind: TypeAlias = Literal["requests", "tokens", "input_tokens", "output_tokens"]
"""What a limit counts; `tokens` are those of input and output together."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One limit as a provider tells it; `None` means that it did not say.

    `limit`: how much may be used in its period, which is a minute at OpenAI and Anthropic (Groq counts
    requests by the day). `remaining`: how much of that is left; Anthropic rounds tokens to thousands.
    `reset`: seconds until all of it is there again. Part of it may be there sooner.
    """

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The limits that the headers of one response tell of; `None` where they say nothing of a kind."""

    requests: RateLimit | None = None
    tokens: RateLimit | None = None
    input_tokens: RateLimit | None = None
    output_tokens: RateLimit | None = None

    def __iter__(self) -> Iterator[tuple[LimitKind, RateLimit]]:
        """Each kind that something was said of, with what was said."""
        for kind in _KINDS:
            told: RateLimit | None = getattr(self, kind)
            if told is not None:
                yield kind, told

    @property
    def exhausted(self) -> tuple[LimitKind, ...]:
        """The kinds of which nothing remains."""
        return tuple(kind for kind, told in self if told.remaining == 0)

    @property
    def wait(self) -> float | None:
        """Seconds until everything of which nothing remains is there again; None if that is not known."""
        return max(
            (told.reset for _, told in self if told.remaining == 0 and told.reset is not None), default=None
        )


_KINDS: tuple[LimitKind, ...] = ("requests", "tokens", "input_tokens", "output_tokens")
_PARTS = ("limit", "remaining", "reset")
_HEADERS: tuple[tuple[LimitKind, tuple[tuple[str, str, str], ...]], ...] = tuple(
    (
        kind,
        tuple((f"x-ratelimit-{part}-{name}", f"anthropic-ratelimit-{name}-{part}", part) for part in _PARTS),
    )
    for kind in _KINDS
    for name in (kind.replace("_", "-"),)
)

_DURATION = r"(?:[0-9]+(?:\.[0-9]*)?(?:h|ms|m|s|us|µs|μs|ns))+"
_STEP = r"([0-9]+(?:\.[0-9]*)?)([^0-9.]+)"
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "ns": 1e-9}  # and millionths, however written
_LONGEST_TEXT = 64
_LONGEST_RESET = 31 * 86400.0
"""No limit is reset after more than a month: such a number is a time or an error, not a duration."""


def parse_rate_limits(headers: Mapping[str, str], *, now: float | None = None) -> RateLimits | None:
    """Read the limits that a response's headers tell of; None where they tell of none.

    Names are compared without regard to case. Resets are OpenAI's durations ("1m2.5s", "120ms"), plain
    seconds, or Anthropic's times (RFC 3339). A time is seen from the response's own `Date`, which is of the
    same clock, else from `now`, the wall time in epoch seconds; without either it is left out. Numbers below
    0 mean nothing (Azure sends -1 where it has no figure), and the same of a limit of 0. Never raises.
    """
    found = fold(headers)
    told: dict[LimitKind, RateLimit] = {}
    for kind, parts in _HEADERS:
        values = {part: found.get(one) or found.get(other) for one, other, part in parts}
        limit = RateLimit(
            _count(values["limit"]) or None, _count(values["remaining"]), _reset(values["reset"], found, now)
        )
        if limit != _NOTHING:
            told[kind] = limit
    return RateLimits(**told) if told else None


_NOTHING = RateLimit()


def fold(headers: Mapping[str, str] | None) -> dict[str, str]:
    """The headers by lower-case names; what is no text is left out."""
    given = cast("Mapping[object, object]", headers or {})
    return {
        name.lower(): value.strip()
        for name, value in given.items()
        if isinstance(name, str) and isinstance(value, str)
    }


def _wall_time(headers: Mapping[str, str], now: float | None) -> float | None:
    """The wall time of a response in epoch seconds: its own `Date`, else `now`."""
    date = _http_date(headers.get("date"))
    return now if date is None else date


def seconds_until(text: str | None, headers: Mapping[str, str], now: float | None) -> float | None:
    """Seconds until an HTTP date; None where it is none, or nobody knows how late it is."""
    date = _http_date(text)
    wall = None if date is None else _wall_time(headers, now)
    return None if date is None or wall is None else max(0.0, date - wall)


def _http_date(text: str | None) -> float | None:
    if not text or len(text) > _LONGEST_TEXT:
        return None
    import email.utils  # seldom needed, and slow to load

    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _count(text: str | None) -> int | None:
    """A whole number of at least 0; some write it as 60000.0."""
    value = _number(text)
    return None if value is None or value < 0 else int(value)


def _number(text: str | None) -> float | None:
    if not text or len(text) > _LONGEST_TEXT:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _reset(text: str | None, headers: Mapping[str, str], now: float | None) -> float | None:
    if not text or len(text) > _LONGEST_TEXT:
        return None
    seconds = _number(text)
    if seconds is None and re.fullmatch(_DURATION, text):
        seconds = math.fsum(
            float(value) * _SECONDS.get(unit, 1e-6) for value, unit in re.findall(_STEP, text)
        )
    if seconds is None:
        seconds = _until(text, headers, now)
    return None if seconds is None or not 0 <= seconds <= _LONGEST_RESET else seconds


def _until(text: str, headers: Mapping[str, str], now: float | None) -> float | None:
    """Seconds until an RFC 3339 time; one that has passed is now."""
    from datetime import UTC, datetime  # seldom needed, and as slow to load as the rest of this module

    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            time = time.replace(tzinfo=UTC)
        epoch = time.timestamp()
    except (ValueError, OverflowError):
        return None
    wall = _wall_time(headers, now)
    return None if wall is None else max(0.0, epoch - wall)
