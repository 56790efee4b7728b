"""What is known of a group's prefix in a provider's cache, from the cached tokens that its jobs report.

Three things follow from it. A prefix that was unused for longer than it lives has to be paid for again: one
job *leads*, and the others wait for its first token as they did for the primer's. A follower that found
nothing cached is a *miss*: the others may wait a moment, until the provider has the prefix. And jobs that ran
beside others of their group tell whether the provider *shares* its cache among all requests, or keeps one
prompt in each of its places, as llama.cpp does: there a group sends one request at a time.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from paceline._usage import Usage

    from ._entries import Cap, Entry, GroupState

__all__ = ["UNCAPPED", "Sharing", "Warmth"]

UNCAPPED = sys.maxsize
"""The capacity of a group's cap while nothing is known against sending all at once."""
CacheKind: TypeAlias = Literal["shared", "slot", "none"]
_VOTES = 3
"""How many reports decide, if they agree; more where they do not."""
_LEAST = 0.1
"""The part of its input that a job has found cached at least, for the prefix to have been there."""
_HOLDS = 3
"""How often in a row a group is held for a miss: if it misses then still, waiting does not help."""


class Sharing:
    """What kind of cache a resource has, as far as its groups have told; one for all groups that use it."""

    __slots__ = ("_alone", "_caps", "_hits", "_misses", "kind")

    def __init__(self) -> None:
        self.kind: CacheKind | None = None
        self._hits: int = 0
        self._misses: int = 0
        self._alone: int = 0
        """Misses in a row of jobs that had their group's turn to themselves."""
        self._caps: dict[Cap, None] = {}

    def join(self, cap: Cap) -> None:
        """A group takes part, with its cap on jobs in flight."""
        self._caps[cap] = None
        cap.capacity = self.capacity

    def leave(self, cap: Cap) -> None:
        """The group has ended."""
        self._caps.pop(cap, None)

    @property
    def capacity(self) -> int:
        """How many jobs of a group may be in flight."""
        return 1 if self.kind == "slot" else UNCAPPED

    def vote(self, *, hit: bool, beside: bool) -> list[Cap]:
        """A follower found the prefix or not, beside others of its group or alone; the caps that changed."""
        before = self.capacity
        if self.kind == "slot":
            self._alone = 0 if hit or beside else self._alone + 1
            if self._alone >= _VOTES:  # one at a time does not help: there is nothing to be saved
                self.kind = "none"
        elif beside and self.kind is None:
            self._hits += hit
            self._misses += not hit
            if self._misses >= _VOTES and self._misses > 2 * self._hits:
                self.kind = "slot"
            elif self._hits >= _VOTES and self._hits > 2 * self._misses:
                self.kind = "shared"
        if self.capacity == before:
            return []
        for cap in self._caps:
            cap.capacity = self.capacity
        return list(self._caps)


class Warmth:
    """The prefix of one group: until when it lives, and whom the others wait for."""

    __slots__ = (
        "_beside",
        "_best",
        "_holds",
        "_probe",
        "_running",
        "held",
        "lead",
        "miss_hold",
        "sharing",
        "ttl",
        "warm_until",
    )

    def __init__(self, *, ttl: float | None, miss_hold: float, sharing: Sharing | None) -> None:
        self.ttl: float | None = ttl
        self.miss_hold: float = miss_hold
        self.sharing: Sharing | None = sharing
        self.warm_until: float | None = None
        self.lead: Entry | None = None
        """The job that establishes an expired prefix again, until its first token or its end."""
        self.held: bool = False
        """The others wait a moment, since one missed."""
        self._probe: Entry | None = None
        """The follower whose cached tokens are looked at."""
        self._holds: int = 0
        self._best: int = 0
        """The most cached tokens that a job of the group has reported."""
        self._running: int = 0
        self._beside: set[Entry] = set()
        """Running jobs that had another of the group beside them when they started."""

    @property
    def shut(self) -> bool:
        """Whether no job of the group may start now."""
        return self.held or self.lead is not None

    def starts(self, entry: Entry, group: GroupState, now: float) -> bool:
        """A job of the group starts; whether it leads, since the prefix has expired."""
        follows = entry is not group.primer and group.primer is not None
        if follows and self._running:
            self._beside.add(entry)
        self._running += 1
        expired = follows and self.warm_until is not None and now > self.warm_until
        if self.ttl is not None:
            self.warm_until = now + self.ttl  # a request that reads it renews it, from its start
        if expired:
            self.lead = entry
        elif follows and self._probe is None and self._holds < _HOLDS:
            self._probe = entry
        return expired

    def spoke(self, entry: Entry) -> bool:
        """The provider has begun to answer a job; whether the others may follow by that."""
        if entry is not self.lead:
            return False
        self.lead = None
        return True

    def ends(self, entry: Entry, group: GroupState, usage: Usage | None) -> tuple[bool, list[Cap]]:
        """An attempt of the group's is over; whether it was the probe and missed, and caps that changed."""
        self._running -= 1
        beside = entry in self._beside
        self._beside.discard(entry)
        led, self.lead = self.lead is entry, None if self.lead is entry else self.lead
        probed, self._probe = self._probe is entry, None if self._probe is entry else self._probe
        hit = None if led or entry is group.primer or group.primer is None else self._hit(usage)
        if hit is None:
            return False, []
        if probed:
            self._holds = _HOLDS if hit else self._holds + 1
        changed = [] if self.sharing is None else self.sharing.vote(hit=hit, beside=beside)
        return probed and not hit, changed

    def _hit(self, usage: Usage | None) -> bool | None:
        """Whether it found the prefix cached; None where it does not say."""
        if usage is None or usage.cached_tokens is None or not usage.input_tokens:
            return None
        cached = usage.cached_tokens
        self._best = max(self._best, cached)
        return cached >= _LEAST * usage.input_tokens and 2 * cached >= self._best
