"""Requests and tokens per minute, as token buckets. Pure: time is an argument, in seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["RateLimiter", "Refusal", "TokenBucket", "go_duration"]

# What rounding may take from a bucket in hours of refilling, and far below one request or token.
_GRAIN = 1e-6


class TokenBucket:
    """Holds `burst` of a minute's worth, at least one, begins full and fills evenly."""

    __slots__ = ("_filled", "_level", "_rate", "capacity", "per_minute")

    def __init__(self, per_minute: int, burst: float, now: float) -> None:
        self.per_minute = per_minute
        self.capacity = max(1.0, per_minute * burst)
        self._rate = per_minute / 60.0
        self._level = self.capacity
        self._filled = now

    def level(self, now: float) -> float:
        """How much can be taken now."""
        if now > self._filled:
            self._level = min(self.capacity, self._level + (now - self._filled) * self._rate)
            self._filled = now
        return self._level

    def wait(self, amount: float, now: float) -> float:
        """Seconds until that much can be taken: 0 if now, infinity if it never fits."""
        if amount > self.capacity:
            return math.inf
        missing = amount - self.level(now)
        return 0.0 if missing <= _GRAIN else missing / self._rate

    def take(self, amount: float, now: float) -> None:
        """Take it; the caller has seen that it is there."""
        self._level = max(0.0, self.level(now) - amount)

    def full_in(self, now: float) -> float:
        """Seconds until it is full again."""
        return (self.capacity - self.level(now)) / self._rate


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request cannot go now. `retry_after` is in seconds; infinity: it can never go."""

    kind: Literal["requests", "tokens"]
    limit: int
    remaining: int
    asked: int
    retry_after: float


class RateLimiter:
    """Both limits of a server: a request takes from both at once or, refused, from neither."""

    def __init__(self, *, rpm: int | None, tpm: int | None, burst: float, now: float) -> None:
        self._requests = None if rpm is None else TokenBucket(rpm, burst, now)
        self._tokens = None if tpm is None else TokenBucket(tpm, burst, now)

    def admit(self, tokens: int, now: float) -> Refusal | None:
        """Let a request of so many tokens go, or say what stands against it: the longer of two waits."""
        refusals = [
            self._refusal("requests", self._requests, 1, now),
            self._refusal("tokens", self._tokens, tokens, now),
        ]
        refused = max(
            (refusal for refusal in refusals if refusal), key=lambda one: one.retry_after, default=None
        )
        if refused is None:
            if self._requests is not None:
                self._requests.take(1, now)
            if self._tokens is not None:
                self._tokens.take(tokens, now)
        return refused

    def headers(self, now: float) -> dict[str, str]:
        """The x-ratelimit headers of the limits that there are."""
        headers: dict[str, str] = {}
        for kind, bucket in (("requests", self._requests), ("tokens", self._tokens)):
            if bucket is not None:
                headers[f"x-ratelimit-limit-{kind}"] = str(bucket.per_minute)
                headers[f"x-ratelimit-remaining-{kind}"] = str(int(bucket.level(now) + _GRAIN))
                headers[f"x-ratelimit-reset-{kind}"] = go_duration(bucket.full_in(now))
        return headers

    @staticmethod
    def _refusal(
        kind: Literal["requests", "tokens"], bucket: TokenBucket | None, asked: int, now: float
    ) -> Refusal | None:
        if bucket is None or (wait := bucket.wait(asked, now)) == 0.0:
            return None
        return Refusal(kind, bucket.per_minute, int(bucket.level(now) + _GRAIN), asked, wait)


def go_duration(seconds: float) -> str:
    """Write a time as OpenAI's reset headers do: `120ms`, `1.5s`, `6m0s`."""
    milliseconds = math.ceil(seconds * 1000 - _GRAIN)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes}m{rest / 1000:g}s" if minutes else f"{rest / 1000:g}s"
