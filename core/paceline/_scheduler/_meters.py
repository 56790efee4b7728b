"""What is counted: requests and tokens per minute, and what a budget has left. Pure: time is an argument.

A job reserves an amount of each meter before it starts; at its end what it really used is known, and the
difference is given back, or taken too. A *rate* is a token bucket; an *allowance* (of a budget) is given
once, or once in each period.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from paceline._limits import OnExhausted

    from ._pools import Pool

__all__ = ["Allowance", "Earmark", "Meter", "Rate", "Unit"]

Unit: TypeAlias = Literal["requests", "tokens", "input_tokens", "output_tokens", "money"]

_GRAIN = 1e-9
"""The part of a meter that rounding may have taken from it."""
_STAYS = 60.0
"""Seconds for which a rate that was learnt from refusals is kept before it is tried to go faster."""
_RECOVERS = 300.0
"""Seconds in which a rate then grows by as much as was told."""
_LEAST = 0.01
"""The least part of the rate that was told to which refusals may lower it."""


class Earmark:
    """What the first job that lacks something has kept for itself: others leave it that, by then."""

    __slots__ = ("amount", "pool", "when")

    def __init__(self, pool: Pool, amount: float, when: float) -> None:
        self.pool: Pool = pool
        self.amount: float = amount
        self.when: float = when


class Meter(ABC):
    """An amount of something that can be reserved."""

    __slots__ = ("earmark", "label", "level", "most", "size", "unit")

    def __init__(self, unit: Unit, label: str, size: float) -> None:
        self.unit: Unit = unit
        self.label: str = label
        self.size: float = size
        """How much there is at most."""
        self.level: float = size
        """How much is there; below zero where more was used than reserved."""
        self.most: float = size
        """More than that no job will ever get."""
        self.earmark: Earmark | None = None

    def never(self, amount: float) -> bool:
        """Whether so much is more than any job will ever get."""
        return amount > self.most * (1 + _GRAIN)

    @abstractmethod
    def refill(self, now: float) -> None:
        """Count what has come in since it was last looked at."""

    @abstractmethod
    def when(self, amount: float, now: float) -> float:
        """When so much can be reserved: now, later, or infinity where only other jobs can give it back."""

    @abstractmethod
    def leaves(self, amount: float, kept: Earmark, now: float) -> bool:
        """Whether who takes so much now leaves what is kept, at the time when it is wanted."""

    def reserve(self, amount: float, now: float) -> bool:
        """Reserve so much if it is plainly there: `when` and `take` in one step, for nearly all."""
        if self.earmark is not None or amount > self.size:
            return False
        self.refill(now)
        if amount > self.level:
            return False
        self.level -= amount
        return True

    def take(self, amount: float, now: float) -> None:
        """Reserve so much."""
        self.refill(now)
        self.level -= amount

    def settle(
        self,
        reserved: float,
        used: float,
        now: float,
        since: float = math.inf,  # noqa: ARG002 - rates go by it
    ) -> bool:
        """Correct what was reserved at `since` to what was really used; whether others are to look again."""
        self.refill(now)
        self.level = min(self.size, self.level + reserved - used)
        return used < reserved


class Rate(Meter):
    """So much per minute, evenly, and a burst of it after a rest.

    Told too high a rate, it learns the real one from refusals: between two of them the provider has let
    through what it takes in in that time, as both begin with its bucket empty. Later it tries to go faster.
    """

    __slots__ = ("_at", "_burst", "_given", "_learnt", "_passed", "_rate", "_refused_at", "_since", "_told")

    def __init__(self, unit: Unit, label: str, per_minute: float, burst: float) -> None:
        self._given: float = per_minute / 60.0
        """What the user said."""
        self._told: float = self._given
        """The same, or less where the provider says so."""
        self._rate: float = self._told
        self._burst: float = burst * 60.0
        super().__init__(unit, label, self._told * self._burst)
        self.most = max(self.size, self._told * 60.0, 1.0)
        self._at: float | None = None
        self._since: float | None = None
        """From when on the last refusal said that there is room again."""
        self._refused_at: float = -math.inf
        self._learnt: float = self._told
        self._passed: float = 0.0
        """What was sent since the last refusal, but for what was refused."""

    @property
    def per_minute(self) -> float:
        """At which rate it goes now."""
        return self._rate * 60.0

    def refill(self, now: float) -> None:
        if self._at is not None and now > self._at:
            if self._rate < self._told:
                self._recover(now)
            self.level = min(self.size, self.level + (now - self._at) * self._rate)
        self._at = now  # also when a clock jumped back: what is to come then counts from there

    def when(self, amount: float, now: float) -> float:
        self.refill(now)
        missing = min(amount, self.size) - self.level
        if missing <= self.size * _GRAIN:
            return now
        wait = missing / self._rate
        # A rate that was lowered grows again: then it may be there sooner.
        return now + (wait if self._rate >= self._told else min(wait, _STAYS))

    def leaves(self, amount: float, kept: Earmark, now: float) -> bool:
        by_then = self.level - amount + max(0.0, kept.when - now) * self._rate
        return by_then >= min(kept.amount, self.size) - self.size * _GRAIN

    def reserve(self, amount: float, now: float) -> bool:
        if self.earmark is not None or amount > self.size:
            return False
        if now != self._at:
            self.refill(now)
        if amount > self.level:
            return False
        self.level -= amount
        self._passed += amount
        return True

    def take(self, amount: float, now: float) -> None:
        super().take(amount, now)
        self._passed += amount

    def settle(self, reserved: float, used: float, now: float, since: float = math.inf) -> bool:
        if since > self._refused_at:
            if used == reserved:
                return False
            self._passed += used - reserved
        else:  # what a refusal since then said of the level, and let into the rate, had this in it
            used = max(used, reserved)
        return super().settle(reserved, used, now)

    def become(self, other: Rate) -> None:
        """Take over what another one was told; what is there stays, as far as there is room."""
        self._given = self._told = other._given
        self._burst = other._burst
        self._since = None
        self._set_rate(self._told)

    # What providers say.

    def refused(self, amount: float, wait: float | None, now: float) -> None:
        """The provider refused a job that needs so much, and asks to wait so long (None: it does not say)."""
        self.refill(now)
        self.level = min(self.level, 0.0)
        if self._since is not None and now < self._since + 2 * _STAYS:
            if wait is None:
                self._set_rate(self._rate * 0.7)
            elif (elapsed := now + wait - self._since) > 0.0:
                self._set_rate(min(self._rate, (self._passed + amount) / elapsed))
        self._since = now + (wait or 0.0)
        self._refused_at = now
        self._passed = -amount  # what it asks to wait for is room for this job
        if wait is not None:  # and for no more than this job, when that time has come
            self.level = min(0.0, amount - wait * self._rate)

    def heard(self, limit: float | None, remaining: float | None, now: float) -> None:
        """What a response says: so much per minute in all, and so much left."""
        self.refill(now)
        if limit is not None and limit > 0.0 and (told := min(self._given, limit / 60.0)) != self._told:
            self._told = told
            self._since = None
            self._set_rate(told)
        if remaining is not None and remaining >= 0.0:
            self.level = min(self.level, remaining)

    def _recover(self, now: float) -> None:
        grown = 0.0 if self._since is None else now - self._since - _STAYS
        if grown > 0.0:
            self._pace(min(self._told, self._learnt + grown / _RECOVERS * self._told))

    def _set_rate(self, rate: float) -> None:
        self._learnt = max(rate, self._told * _LEAST)
        self._pace(self._learnt)

    def _pace(self, rate: float) -> None:
        if self.level < 0.0:  # it is a time that was asked for: that stays
            self.level *= rate / self._rate
        self._rate = rate
        self.size = rate * self._burst
        self.most = max(self.size, self._told * 60.0, 1.0)  # one request passes, if only every other minute
        self.level = min(self.level, self.size)


class Allowance(Meter):
    """What a budget has left, in all or for this period."""

    __slots__ = ("ends", "known", "on_exhausted", "period", "reserved", "resting", "said", "spent")

    def __init__(
        self,
        unit: Unit,
        label: str,
        size: float,
        *,
        period: float | None = None,
        on_exhausted: OnExhausted = "pause",
    ) -> None:
        super().__init__(unit, label, size)
        self.on_exhausted: OnExhausted = on_exhausted
        self.known: bool = False
        """A job has ended that counts in it: before that, one of which nothing is known goes alone."""
        self.said: bool = False
        """That too little is left for a job was told."""
        self.period: float | None = period
        self.ends: float | None = None
        """When the period ends in which something was reserved."""
        self.reserved: float = 0.0
        """By jobs that have not ended."""
        self.resting: float = 0.0
        """Of that, by jobs that are parked: they may wait for one that waits for this."""
        self.spent: float = 0.0
        """In this period, by jobs that have."""

    def refill(self, now: float) -> None:
        if self.ends is None or self.period is None or now < self.ends:
            return
        # What is reserved still is the first of the next period.
        goes_on = self.reserved > self.size * _GRAIN
        self.ends = now + self.period - (now - self.ends) % self.period if goes_on else None
        self.spent = 0.0
        self.level = self.size - self.reserved

    def when(self, amount: float, now: float) -> float:
        self.refill(now)
        if amount <= self.level + self.size * _GRAIN:
            return now
        return math.inf if self.ends is None else self.ends

    def leaves(self, amount: float, kept: Earmark, now: float) -> bool:  # noqa: ARG002 - does not fill by time
        return self.level - amount >= kept.amount - self.size * _GRAIN

    def exhausted(self, amount: float) -> bool:
        """Whether so much is not there even when all that runs gives back everything."""
        return amount > self.level + self.reserved - self.resting + self.size * _GRAIN

    def reserve(self, amount: float, now: float) -> bool:
        if not super().reserve(amount, now):
            return False
        self.reserved += amount
        if amount and self.period is not None and self.ends is None:
            self.ends = now + self.period
        return True

    def take(self, amount: float, now: float) -> None:
        super().take(amount, now)
        self.reserved += amount
        if amount and self.period is not None and self.ends is None:
            self.ends = now + self.period

    def settle(self, reserved: float, used: float, now: float, since: float = math.inf) -> bool:
        super().settle(reserved, used, now, since)
        self.known = True
        self.reserved -= reserved
        self.spent += used
        if not self.spent and self.reserved <= self.size * _GRAIN:  # nothing was done: it has not begun
            self.ends = None
        elif self.ends is None and self.period is not None:  # more was used than nothing
            self.ends = now + self.period
        return True  # who waited for something to come back is to know, also when nothing did

    def become(self, other: Allowance) -> None:
        """Take over what another one was given; what is spent stays spent."""
        self.level += other.size - self.size
        self.size = self.most = other.size
        self.period = other.period
        self.ends = None if other.period is None else self.ends
        self.on_exhausted = other.on_exhausted
