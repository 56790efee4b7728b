"""Limits a minute, as a plan sees them: what a request takes is known, so it is taken when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from paceline import Limits

__all__ = ["Meters", "RateName", "Use"]

RateName: TypeAlias = Literal["requests", "tokens", "input tokens", "output tokens"]

# What rounding may take from a bucket in hours of refilling; far below one request or token.
_GRAIN = 1e-6


@dataclass(frozen=True, slots=True)
class Use:
    """What one request takes: the input tokens that count, and output tokens."""

    input: int
    output: int


class _Bucket:
    """Fills evenly and holds `burst` minutes' worth; what is more than it holds waits until it is full."""

    __slots__ = ("_at", "_holds", "_level", "_rate")

    def __init__(self, per_minute: float, burst: float) -> None:
        self._rate = per_minute / 60.0
        self._holds = max(per_minute * burst, 1.0)
        self._level = self._holds
        self._at = 0.0

    def ready_at(self, amount: float, now: float) -> float:
        missing = min(amount, self._holds) - self._filled(now)
        return now if missing <= _GRAIN else now + missing / self._rate

    def take(self, amount: float, now: float) -> None:
        self._level = self._filled(now) - amount
        self._at = now

    def _filled(self, now: float) -> float:
        return min(self._holds, self._level + (now - self._at) * self._rate)


class Meters:
    """The rates of `Limits`."""

    def __init__(self, limits: Limits) -> None:
        rates: tuple[tuple[RateName, float | None], ...] = (
            ("requests", limits.requests_per_minute),
            ("tokens", limits.tokens_per_minute),
            ("input tokens", limits.input_tokens_per_minute),
            ("output tokens", limits.output_tokens_per_minute),
        )
        self._buckets: dict[RateName, _Bucket] = {
            name: _Bucket(rate, limits.burst) for name, rate in rates if rate is not None
        }

    def hold(self, use: Use, now: float) -> tuple[RateName, float] | None:
        """Which rate lets the request wait longest, and until when; None: it can go now."""
        held: tuple[RateName, float] | None = None
        for name, bucket in self._buckets.items():
            ready = bucket.ready_at(_amount(name, use), now)
            if ready > (now if held is None else held[1]):
                held = name, ready
        return held

    def take(self, use: Use, now: float) -> None:
        """Let the request go."""
        for name, bucket in self._buckets.items():
            bucket.take(_amount(name, use), now)


def _amount(name: RateName, use: Use) -> float:
    if name == "requests":
        return 1.0
    if name == "tokens":
        return float(use.input + use.output)
    return float(use.input if name == "input tokens" else use.output)
