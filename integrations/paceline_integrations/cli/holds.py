"""What holds the jobs of a run: the one thing at a moment, and the one that held them longest."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from paceline import Snapshot, WaitReason

__all__ = ["Hold", "HoldMeter", "hold_of", "out_of_budget"]

_ADMISSION: Final = frozenset({"limit", "retry_after", "circuit", "budget", "prefix", "cache"})
"""Kinds of reasons for which jobs wait although there is a slot."""
_AT_REST: Final = frozenset({"budget", "release", "dependency", "reply"})
"""Kinds of reasons that nothing but another job's end, more of a budget, or an answer takes away."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A reason for which so many jobs wait, and for how many seconds more, if that is known."""

    reason: WaitReason
    jobs: int
    left: float | None = None

    @property
    def unusual(self) -> bool:
        """Whether they wait for something else than their turn."""
        return self.reason.kind in _ADMISSION


def hold_of(snapshot: Snapshot) -> Hold | None:
    """Name the one thing that holds jobs now; None where nothing waits.

    That is what most jobs wait for; while there are free slots, of what keeps jobs from taking them.
    """
    reasons = list(snapshot.waiting.values())
    if snapshot.slots_used < snapshot.slots:
        reasons = [each for each in reasons if each.kind in _ADMISSION] or reasons
    if not reasons:
        return None
    kind, jobs = Counter(each.kind for each in reasons).most_common(1)[0]
    alike = [each for each in reasons if each.kind == kind]
    on, until = dict.fromkeys(each.on for each in alike), [each.until for each in alike if each.until]
    first = alike[0]
    if len(on) > 1:
        first = replace(first, on=f"{first.on} and {len(on) - 1:,} more")
    return Hold(first, jobs, max(0.0, min(until) - snapshot.time) if until else None)


def out_of_budget(snapshot: Snapshot) -> Mapping[str, WaitReason]:
    """Jobs, by id, that wait for more of a budget when nothing else can go on, nor time bring more."""
    reasons = snapshot.waiting
    if snapshot.counts["running"] or any(
        each.kind not in _AT_REST or each.until is not None for each in reasons.values()
    ):
        return {}
    return {job: each for job, each in reasons.items() if each.kind == "budget"}


class HoldMeter:
    """Compares snapshots: for how long what held the jobs."""

    def __init__(self) -> None:
        self._last: tuple[float, Hold | None] | None = None
        self._seconds: defaultdict[WaitReason, float] = defaultdict(float)

    def look(self, snapshot: Snapshot) -> None:
        """Take in the time since the last look."""
        if self._last is not None:
            since, hold = self._last
            if hold is not None and hold.unusual:
                self._seconds[replace(hold.reason, until=None)] += snapshot.time - since
        self._last = snapshot.time, hold_of(snapshot)

    @property
    def longest(self) -> tuple[WaitReason, float] | None:
        """What held jobs the longest although there was a slot, and for how many seconds."""
        return max(self._seconds.items(), key=lambda each: each[1], default=None)
