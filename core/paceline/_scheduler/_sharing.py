"""What kind of cache a resource has, learnt from what jobs of its groups found in it.

Hosted providers share one cache among all requests; llama.cpp keeps the last prompt in each of its slots,
and there a group sends one request at a time. To tell them apart takes three experiments:

1. Groups send all at once, and go on so while jobs that run beside others of their group find its prefix.
2. Where they do not, groups send one at a time. If jobs that ran alone find nothing either, nothing is cached
   here (too short a prefix, say), and groups send all at once from then on.
3. The first group in which a job that ran alone has found it sends two at a time: the same prefix, for which
   it is known now that it is cached. If it is found again, the first experiment was wrong (it takes providers
   a moment to share a prefix) and is made again; else each slot has a cache of its own.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from ._entries import Cap

__all__ = ["ALONE", "BESIDE", "UNCAPPED", "Found", "Sharing"]

UNCAPPED = sys.maxsize
"""The capacity of a group's cap while nothing is known against sending all at once."""
CacheKind: TypeAlias = Literal["shared", "slot", "none"]
Found: TypeAlias = Literal["beside", "alone"]
ALONE: Final[Found] = "alone"
BESIDE: Final[Found] = "beside"
_VOTES = 3
"""How many misses decide, where less than half as many jobs have found it."""
_CLEARED = 2
"""How often a second look must have shown that it is shared, to look no more."""


class Sharing:
    """What is known of a resource's cache; one for all groups that use it."""

    __slots__ = (
        "_caps",
        "_cleared",
        "_hits",
        "_misses",
        "_scout",
        "_trial",
        "kind",
    )

    def __init__(self) -> None:
        self.kind: CacheKind | None = None
        self._trial: bool = False
        """Groups send one at a time, and it is not known yet whether that helps."""
        self._scout: Cap | None = None
        """That of the group which sends two at a time then."""
        self._hits: int = 0
        self._misses: int = 0
        self._cleared: int = 0
        """How often a second look has shown that it is shared."""
        self._caps: dict[Cap, None] = {}

    @property
    def tries(self) -> bool:
        """Whether groups send one at a time for a trial."""
        return self._trial

    def join(self, cap: Cap) -> None:
        """A group takes part, with its cap on jobs in flight."""
        self._caps[cap] = None
        cap.capacity = self._capacity(cap)

    def leave(self, cap: Cap) -> None:
        """The group has ended."""
        self._caps.pop(cap, None)
        if self._scout is cap:
            self._scout = None

    def vote(self, cap: Cap, *, hit: bool, found: Found) -> list[Cap]:
        """A job of this group found the prefix or not; the caps that changed by it."""
        if self.kind is not None:
            return []
        if self._trial:
            self._try(cap, hit=hit, found=found)
        elif found == BESIDE:
            self._hits += hit
            self._misses += not hit
            if self._misses >= _VOTES and self._misses > 2 * self._hits:
                self._begin(trial=True)
        changed = [each for each in self._caps if each.capacity != self._capacity(each)]
        for each in changed:
            each.capacity = self._capacity(each)
        return changed

    def _try(self, cap: Cap, *, hit: bool, found: Found) -> None:
        if found == ALONE and hit:
            self._misses = 0
            self._scout = self._scout or cap
        elif found == ALONE:
            self._misses += 1
            if self._misses >= _VOTES:
                self._begin(trial=False)
                self.kind = "none"
        elif cap is self._scout:
            self._begin(trial=False)
            self._cleared += hit
            if not hit:
                self.kind = "slot"
            elif self._cleared >= _CLEARED:
                self.kind = "shared"

    def _begin(self, *, trial: bool) -> None:
        self._trial, self._scout = trial, None
        self._hits = self._misses = 0

    def _capacity(self, cap: Cap) -> int:
        if self._trial or self.kind == "slot":
            return 2 if cap is self._scout else 1
        return UNCAPPED
