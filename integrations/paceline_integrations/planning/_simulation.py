"""A run of groups in one order, played through without running anything: what is read, and when it ends.

Deterministic, and simpler than the engine: jobs go in the order of the file, but warm groups before cold
ones; a job that may not start yet holds up those behind it; no request fails.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Literal, TypeAlias

from paceline import Limits, Provider

from ._caches import Cache, cache_of
from ._meters import Meters, RateName, Use
from ._policies import Policy, PolicyName
from ._workload import PlannedGroup, PlannedJob, Rates

__all__ = ["Holdup", "Prediction", "simulate"]

Holdup: TypeAlias = Literal["slots", "concurrency", "chain"] | RateName
"""What jobs wait for; "chain": for no limit, but for a primer of theirs, or for the last answers to end."""

_WARM, _COLD = 0, 1


@dataclass(frozen=True, slots=True)
class Prediction:
    """What would become of a run in one order.

    `evaluated` prompt tokens are computed anew, of which `written` go into the cache; `cached` ones are read
    from it. `cost` counts prompt tokens at the price of a plain one; `money` counts the output too, and is
    None without a price. `held` is in seconds, by what held jobs up; they add up to `seconds`. `expired`:
    how often a prefix had expired before it was used again.
    """

    policy: PolicyName
    requests: int
    evaluated: int
    cached: int
    written: int
    output: int
    cost: float
    seconds: float
    held: dict[Holdup, float]
    expired: int = 0
    money: float | None = None

    @property
    def held_up_by(self) -> Holdup:
        """What takes most of the time: the limit to raise, or "chain", where raising limits helps little."""
        longest: Holdup = "chain"
        for holdup, seconds in self.held.items():
            if seconds > self.held.get(longest, 0.0):
                longest = holdup
        return longest


def simulate(
    groups: Sequence[PlannedGroup],
    provider: Provider,
    policy: Policy,
    *,
    slots: int,
    limits: Limits,
    rates: Rates,
) -> Prediction:
    """Play a run through. Cached tokens count toward limits unless the provider or the limits exempt them."""
    return _Simulation(groups, provider, policy, slots, limits, rates).run()


@dataclass(slots=True)
class _Group:
    """How far a group has come."""

    members: tuple[PlannedJob, ...]
    prefix: int
    cacheable: int
    primed: bool
    released: bool
    next: int = 0
    running: int = 0
    queued: bool = False

    def cacheable_for(self, job: PlannedJob) -> int:
        # The last token of a prompt is always evaluated: the answer begins from it.
        return self.cacheable if job.own else min(self.cacheable, max(0, self.prefix - 1))


@dataclass(slots=True)
class _Sums:
    cached: int = 0
    written: int = 0
    evaluated: int = 0
    output: int = 0
    held: dict[Holdup, float] = field(default_factory=dict["Holdup", float])


class _Simulation:
    def __init__(
        self,
        groups: Sequence[PlannedGroup],
        provider: Provider,
        policy: Policy,
        slots: int,
        limits: Limits,
        rates: Rates,
    ) -> None:
        self._provider = provider
        self._policy = policy
        self._rates = rates
        self._room = slots if limits.concurrency is None else min(slots, limits.concurrency)
        self._narrow: Holdup = "slots" if self._room == slots else "concurrency"
        self._reads_count = limits.cached_tokens_count and not provider.reads_exempt
        self._meters = Meters(limits)
        self._cache: Cache = cache_of(provider, slots)
        self._groups = [_begin(group, provider, policy) for group in groups]
        self._left = sum(len(group.members) for group in self._groups)
        self._heads: list[tuple[int, int]] = []
        self._events: list[tuple[float, int, Literal["end", "release", "look"], int, int]] = []
        self._count = 0
        self._running = 0
        self._now = 0.0
        self._sums = _Sums()

    def run(self) -> Prediction:
        jobs = self._left
        for number in range(len(self._groups)):
            self._feed(number)
        while self._left or self._running:
            holdup, until = self._start_all()
            if self._events:
                until = min(until, self._events[0][0])
            if until > self._now:
                held = self._sums.held
                held[holdup] = held.get(holdup, 0.0) + until - self._now
                self._now = until
            while self._events and self._events[0][0] <= self._now:
                self._happen(*heappop(self._events)[2:])
        return self._prediction(jobs)

    def _prediction(self, jobs: int) -> Prediction:
        sums, provider = self._sums, self._provider
        plain = sums.evaluated - sums.written
        return Prediction(
            policy=self._policy.name,
            requests=jobs,
            evaluated=sums.evaluated,
            cached=sums.cached,
            written=sums.written,
            output=sums.output,
            cost=plain + provider.write * sums.written + provider.read * sums.cached,
            seconds=self._now,
            held=sums.held,
            expired=self._cache.expired,
        )

    def _feed(self, number: int) -> None:
        """Let the group's next job queue, if it may."""
        group = self._groups[number]
        cap = self._policy.in_flight
        if group.queued or group.next == len(group.members) or (group.next and not group.released):
            return
        if cap is not None and group.running >= cap:
            return
        group.queued = True
        heappush(self._heads, (_WARM if group.primed and group.next else _COLD, number))

    def _start_all(self) -> tuple[Holdup, float]:
        """Start what can start; say what holds the next one up, and until when if time alone decides."""
        while self._heads:
            if self._running >= self._room:
                return self._narrow, math.inf
            number = self._heads[0][1]
            group = self._groups[number]
            job = group.members[group.next]
            size = group.cacheable_for(job)
            cached = size if size and self._cache.readable(number, self._now) else 0
            whole = group.prefix + job.own
            use = Use(whole if self._reads_count else whole - cached, job.output)
            wait = self._meters.hold(use, self._now)
            if wait is not None:
                return wait
            heappop(self._heads)
            self._meters.take(use, self._now)
            self._start(number, job, cached, written=0 if cached else size)
        return "chain", math.inf

    def _start(self, number: int, job: PlannedJob, cached: int, *, written: int) -> None:
        group = self._groups[number]
        evaluated = group.prefix + job.own - cached
        first = self._now + self._rates.to_first_token(evaluated)
        end = first + self._rates.to_write(job.output)
        place = self._cache.begin(number, self._now, first, stores=cached + written > 0)
        readable = first + self._provider.settle
        if group.primed and group.next == 0:
            early = self._policy.release == "first_token"
            self._plan(readable if early else max(end, readable), "release", number)
        elif written:
            self._plan(readable, "look", number)  # others may be waiting that now need less
        self._plan(end, "end", number, place)
        group.queued = False
        group.next += 1
        group.running += 1
        self._running += 1
        self._left -= 1
        sums = self._sums
        sums.cached += cached
        sums.written += written
        sums.evaluated += evaluated
        sums.output += job.output
        self._feed(number)

    def _plan(
        self, when: float, what: Literal["end", "release", "look"], number: int, place: int = 0
    ) -> None:
        self._count += 1
        heappush(self._events, (when, self._count, what, number, place))

    def _happen(self, what: Literal["end", "release", "look"], number: int, place: int) -> None:
        group = self._groups[number]
        if what == "end":
            group.running -= 1
            self._running -= 1
            self._cache.end(place)
        elif what == "release":
            group.released = True
        self._feed(number)


def _begin(group: PlannedGroup, provider: Provider, policy: Policy) -> _Group:
    members = group.members
    primed = policy.release is not None and group.primer is not None
    cacheable = provider.cached(group.prefix) if len(members) > 1 else 0  # nobody would read it
    return _Group(members, group.prefix, cacheable, primed, released=not primed)
