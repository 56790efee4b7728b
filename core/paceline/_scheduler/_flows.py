"""Ready jobs of one lane that take turns as one: a group's, or the ungrouped ones of a priority.

Within a lane the highest priority goes first, and flows of one priority take turns by the cost charged to
each; whoever was away comes back at the current level of the others, with no credit.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

from ._entries import ENDED, READY, Cap, Entry, GroupState
from ._turns import Turns

if TYPE_CHECKING:
    from ._branches import Branch
    from ._places import Place

__all__ = ["FIRST", "Flow", "Level"]

FIRST = math.inf
"""The priority of jobs that take back what they gave up while parked: ahead of all new ones."""


class Level:
    """The flows of one priority in one lane, and how far their turns have come."""

    __slots__ = ("flows", "priority", "turn")

    def __init__(self, priority: float) -> None:
        self.priority: float = priority
        self.turn: float = 0.0
        self.flows: int = 0


class Flow:
    """Ready jobs of one lane that take turns as one; only its head is ever looked at."""

    __slots__ = ("branch", "caps", "group", "jobs", "level", "place", "ready", "seat", "ticket", "turn")

    def __init__(
        self,
        branch: Branch,
        level: Level,
        group: GroupState | None,
        caps: tuple[Cap, ...],
        place: Place | None,
    ) -> None:
        self.branch: Branch = branch
        """Where it stands: its lane, among those under the same gates."""
        self.level: Level = level
        self.group: GroupState | None = group
        self.caps: tuple[Cap, ...] = caps
        """What its jobs need room in."""
        self.place: Place | None = place
        """Where it takes turns: under the caps that are not its group's own, if any, else in the lane."""
        self.jobs: deque[Entry] = deque()
        """In order; those that have ended meanwhile are passed over when they come up."""
        self.ready: int = 0
        """How many of them have not ended."""
        self.turn: float = level.turn
        self.seat: Turns[Any] | None = None
        self.ticket: int = 0
        level.flows += 1
        branch.count += 1
        if place is not None:
            place.count += 1

    @property
    def plain(self) -> bool:
        """Whether nothing is to be said of it: ungrouped jobs of no special priority, free to start."""
        return not (self.group or self.caps or self.level.priority or self.branch.pool.gates)

    def head(self) -> Entry:
        """The job whose turn is next in it; it has one that is ready."""
        while self.jobs[0].state is ENDED:
            self.jobs.popleft()
        return self.jobs[0]

    def push(self, entry: Entry, *, front: bool) -> None:
        """Queue a job, behind those in it or before them."""
        if front:
            self.jobs.appendleft(entry)
        else:
            self.jobs.append(entry)
        self.ready += 1

    def pop(self) -> Entry:
        self.ready -= 1
        while True:
            entry = self.jobs.popleft()
            if entry.state is not ENDED:
                return entry

    def withdraw(self, entry: Entry) -> None:
        """The job is queued no more; the deque is swept when most of it has ended."""
        self.ready -= 1
        if self.level.priority == FIRST:
            # Its job goes on, and may be queued again, here or elsewhere: it must not be met twice.
            self.jobs.remove(entry)
        elif len(self.jobs) > 2 * self.ready + 16:
            self.jobs = deque(entry for entry in self.jobs if entry.state is READY)

    def come_back(self) -> None:
        """Whatever it lacked, it may take turns again: at the level of the others, with no credit."""
        if self.turn < self.level.turn:
            self.turn = self.level.turn
