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
_ASKS: Final = frozenset({"reply", "children"})
"""Kinds of reasons of a job that asks, or of whose own jobs one does, when nothing runs."""
_AT_REST: Final = _ASKS | {
    "budget",
    "release",
    "dependency",
    "lock",
    "max_running",
    "group_in_flight",
    "question",
}
"""Kinds of reasons that nothing but another job's end, more of a budget, or an answer takes away.

Where time does that too (an answer has its time), the reason says until when.
"""


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


def at_rest(snapshot: Snapshot) -> bool:
    """Whether nothing goes on by itself: without an answer or more of a budget all stays as it is."""
    if snapshot.counts["running"] or snapshot.abandoned:
        return False
    return all(each.kind in _AT_REST and each.until is None for each in snapshot.waiting.values())


def out_of_budget(snapshot: Snapshot) -> Mapping[str, WaitReason]:
    """Jobs, by id, that wait for more of a budget when nothing else can go on, nor time bring more."""
    if not at_rest(snapshot):
        return {}
    return {job: each for job, each in snapshot.waiting.items() if each.kind == "budget"}


def only_asks(snapshot: Snapshot) -> bool:
    """Whether all that has not ended asks something, or waits for its own jobs that do."""
    return all(each.kind in _ASKS for each in snapshot.waiting.values())


def held_by_questions(snapshot: Snapshot) -> Mapping[str, str]:
    """Jobs, by id, that wait for one that asks, where nothing else goes on; and how to say so."""
    held = {job: each for job, each in snapshot.waiting.items() if each.kind not in _ASKS | {"budget"}}
    return {
        job: "the primer of its group waits for an answer"
        if each.kind == "release"
        else f"{each}, and a job there for an answer"
        for job, each in held.items()
    }


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
