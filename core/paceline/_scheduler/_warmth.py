"""What is known of a group's prefix in a provider's cache, from the cached tokens that its jobs report.

Three things follow from it. A prefix that was unused for longer than it lives has to be paid for again: one
job *leads*, and the others wait for its first token as they did for the primer's. A follower that found
nothing cached is a *miss*: the others may wait a moment, until the provider has the prefix. And what the
jobs of a group find beside others of it, and alone, tells what kind of cache a resource has (`_sharing.py`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ._sharing import ALONE, BESIDE, Found

if TYPE_CHECKING:
    from paceline._usage import Usage

    from ._entries import Cap, Entry, GroupState
    from ._sharing import Sharing

__all__ = ["Warmth"]

_LEAST = 0.1
"""The part of its input that a job has found cached at least, for the prefix to have been there."""
_HOLDS = 3
"""How often in a row a group is held for a miss: if it misses then still, waiting does not help."""


class _Look:
    """What is to be learnt from an attempt."""

    __slots__ = ("found", "sure")

    def __init__(self, found: Found) -> None:
        self.found: Found = found
        self.sure: bool = True
        """None of those beside it had ended when the provider began to answer it."""


class Warmth:
    """The prefix of one group: until when it lives, and whom the others wait for."""

    __slots__ = (
        "_best",
        "_looks",
        "_most",
        "_probe",
        "_probes",
        "_running",
        "_silent",
        "_solo",
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
        self.warm_until: float = math.inf
        self.lead: Entry | None = None
        """The job that establishes an expired prefix again, until its first token or its end."""
        self.held: bool = False
        """The others wait a moment: one missed, or the prefix that was established again settles."""
        self._probe: Entry | None = None
        """The follower whose cached tokens are looked at."""
        self._probes: int = _HOLDS
        """How many more there may be."""
        self._best: int = 0
        """The most cached tokens that a job of the group has reported."""
        self._running: int = 0
        """Its attempts under way, also those that were given up and have not ended."""
        self._most: int = 1
        """The most that there were at once, since they last went one by one."""
        self._solo: int = 0
        """How many in a row have started with none beside them, since groups try that."""
        self._looks: dict[Entry, _Look] = {}
        """Those under way from which something is to be learnt of the cache."""
        self._silent: list[_Look] = []
        """Of those that went beside others, the ones that the provider has not answered yet."""

    @property
    def shut(self) -> bool:
        """Whether no job of the group may start now."""
        return self.held or self.lead is not None

    def starts(self, entry: Entry, group: GroupState, now: float) -> None:
        """A job of the group starts; it leads where the prefix has expired."""
        self._running += 1
        follows = entry is not group.primer and group.primer is not None
        expired = follows and now > self.warm_until
        if self.sharing is not None:
            self._look(entry, self.sharing, tells=follows and not expired)
        if expired:
            self.lead = entry
        elif follows and self._probe is None and self._probes:
            self._probe = entry
        if self.ttl is not None:
            self.warm_until = now + self.ttl  # a request that reads it renews it, from its start

    def _look(self, entry: Entry, sharing: Sharing, *, tells: bool) -> None:
        """Note what is to be learnt of the cache from a job that starts now."""
        found: Found | None = None
        if self._running > 1:
            self._solo = 0
            # More at once than ever: where each slot keeps a prompt of its own, none is left that has it.
            if self._running > self._most:
                self._most, found = self._running, BESIDE
        else:
            self._solo = self._solo + 1 if sharing.tries else 0
            if self._solo > 1:
                self._most, found = 1, ALONE
        if found is not None and tells:
            self._looks[entry] = look = _Look(found)
            if found == BESIDE:
                self._silent.append(look)

    def spoke(self, entry: Entry) -> bool:
        """The provider has begun to answer a job; whether the others may follow by that."""
        look = self._looks.get(entry)
        if look is not None and look in self._silent:
            self._silent.remove(look)
        if self.lead is not entry:
            return False
        self.lead = None
        return True

    def drop(self, entry: Entry) -> None:
        """The job was given up, waits for its own, or has ended: the group waits for it no more."""
        if self.lead is entry:
            self.lead = None
            self.warm_until = -math.inf  # nobody knows whether it has established anything
        if self._probe is entry:
            self._probe = None
        look = self._looks.pop(entry, None)
        if look is not None and look in self._silent:
            self._silent.remove(look)

    def left(self) -> None:
        """One attempt less is under way."""
        self._running -= 1
        # Those that the provider has not answered yet may have got the slot of this one.
        for look in self._silent:
            look.sure = False
        self._silent.clear()

    def ends(self, entry: Entry, group: GroupState, usage: Usage | None) -> tuple[bool, list[Cap]]:
        """An attempt is over; whether it was the probe and missed, and the caps that changed."""
        probed = self._probe is entry
        look = self._looks.get(entry)
        self.drop(entry)
        self.left()
        hit = self._hit(usage)
        if hit is None:
            return False, []
        if probed:
            self._probes = 0 if hit else self._probes - 1
        changed: list[Cap] = []
        if look is None or self.sharing is None or group.cap is None:
            pass
        elif look.sure or not hit:
            changed = self.sharing.vote(group.cap, hit=hit, found=look.found)
        else:
            self._most = min(self._most, max(self._running, 1))  # another one may tell
        return probed and not hit, changed

    def _hit(self, usage: Usage | None) -> bool | None:
        """Whether it found the prefix cached; None where that cannot be told.

        Of several calls of one job the later ones find what the first have left there.
        """
        cached = None if usage is None or (usage.requests or 1) > 1 else usage.cached_tokens
        if usage is None or cached is None or not usage.input_tokens:
            return None
        self._best = max(self._best, cached)
        return cached >= _LEAST * usage.input_tokens and 2 * cached >= self._best
