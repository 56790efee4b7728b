"""What the scheduler knows of a job, of a group, and of an attempt that was given up."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from paceline._job import Status

if TYPE_CHECKING:
    from ._lanes import Flow, LaneState
    from ._turns import Turns

__all__ = [
    "BACKOFF",
    "BLOCKED",
    "ENDED",
    "IDLE",
    "PARKED",
    "READY",
    "RETURNING",
    "RUNNING",
    "SUSPENDED",
    "Edge",
    "Entry",
    "GroupState",
    "Leftover",
    "Node",
    "State",
    "Timer",
]


class State(IntEnum):
    """Where a job is. READY and RETURNING stand in a queue; only RUNNING holds a slot."""

    BLOCKED = 0
    READY = 1
    RUNNING = 2
    PARKED = 3
    RETURNING = 4
    IDLE = 5  # between an attempt and the word on what comes next
    BACKOFF = 6
    SUSPENDED = 7
    ENDED = 8


# Bound once: looking a member up on its class takes as long as a call.
BLOCKED: Final = State.BLOCKED
READY: Final = State.READY
RUNNING: Final = State.RUNNING
PARKED: Final = State.PARKED
RETURNING: Final = State.RETURNING
IDLE: Final = State.IDLE
BACKOFF: Final = State.BACKOFF
SUSPENDED: Final = State.SUSPENDED
ENDED: Final = State.ENDED


class Timer:
    """Something due at a time; it stands in the queue of all that are."""

    __slots__ = ("seat", "target", "ticket", "when")

    def __init__(self, when: float, target: Entry | GroupState) -> None:
        self.when: float = when
        self.target: Entry | GroupState = target
        self.seat: Turns[Timer] | None = None
        self.ticket: int = 0


class Entry:
    """A job, as far as the choice of what runs next is concerned."""

    __slots__ = (
        "after",
        "blockers",
        "cause",
        "charged",
        "dependents",
        "group",
        "label",
        "lane",
        "priority",
        "state",
        "stated",
        "status",
        "timer",
    )

    def __init__(
        self, label: str, lane: LaneState, group: GroupState | None, priority: float, stated: float | None
    ) -> None:
        self.label: str = label
        self.lane: LaneState = lane
        self.group: GroupState | None = group
        self.priority: float = priority
        self.stated: float | None = stated
        """The cost that its submitter stated, if any."""
        self.charged: float = 0.0
        """The reservation of the attempt that runs now."""
        self.state: State = BLOCKED
        self.status: Status | None = None
        """How it ended."""
        self.blockers: int = 0
        """How many edges and releases it still waits for."""
        self.after: Sequence[Node] = ()
        """What it waits for by its edges, while it does."""
        self.dependents: dict[Entry, bool] | None = None
        """What waits for it, and whether for its success."""
        self.cause: Node | None = None
        """What it was skipped for."""
        self.timer: Timer | None = None

    def forget_cause(self) -> None:
        """Let go of what it was skipped for, which may hold a chain of others."""
        self.cause = None


class GroupState:
    """A group: a release that its followers wait for, a cap on its jobs in flight, and an end of its own."""

    __slots__ = (
        "active",
        "begun",
        "capacity",
        "cause",
        "closed",
        "dependents",
        "exempt",
        "flow",
        "held",
        "label",
        "lane",
        "opened",
        "outcomes",
        "primer",
        "released",
        "returning",
        "run_on_failure",
        "settle",
        "status",
        "timer",
        "unfinished",
        "used",
    )

    def __init__(
        self,
        label: str,
        lane: LaneState,
        *,
        capacity: int | None = None,
        settle: float = 0.0,
        run_on_failure: bool = False,
        exempt: bool = False,
    ) -> None:
        self.label: str = label
        self.lane: LaneState = lane
        self.capacity: int | None = capacity
        self.settle: float = settle
        self.run_on_failure: bool = run_on_failure
        self.exempt: bool = exempt
        """Needs no place among the active groups: it belongs to a job that runs already."""
        self.flow: Flow
        self.returning: Flow | None = None
        self.used: int = 0
        self.active: bool = False
        self.begun: bool = False
        self.released: bool = False
        """The latch: the primer is far enough."""
        self.opened: bool = False
        """Released, and settled: followers may start."""
        self.closed: bool = False
        self.primer: Entry | None = None
        self.held: dict[Entry, None] = {}
        """Followers that wait for the release, in order."""
        self.unfinished: int = 0
        self.outcomes: dict[str, int] = {}
        self.status: Status | None = None
        self.cause: Node | None = None
        self.dependents: dict[Entry, bool] | None = None
        self.timer: Timer | None = None

    @property
    def full(self) -> bool:
        """Whether as many of its jobs are in flight as may be."""
        return self.capacity is not None and self.used >= self.capacity

    def goes_on_without(self, entry: Entry) -> bool:
        """Whether the end of this member neither releases nor ends the group."""
        return entry is not self.primer and (self.unfinished > 1 or not self.closed)

    def leave(self, status: Status) -> None:
        """A member has ended."""
        self.unfinished -= 1
        self.outcomes[status] = self.outcomes.get(status, 0) + 1

    def verdict(self) -> Status:
        """How a group with these outcomes ended: the worst that befell a member."""
        for worst in ("failed", "cancelled", "skipped"):
            if worst in self.outcomes:
                return worst
        return "succeeded"


class Leftover:
    """An attempt that was given up but has not really ended: it still counts in the caps it was under."""

    __slots__ = ("charged", "entry", "holds")

    def __init__(self, entry: Entry, charged: float, holds: bool) -> None:
        self.entry: Entry = entry
        self.charged: float = charged
        self.holds: bool = holds
        """Whether it still holds a place in its lane and group (a parked attempt had given them back)."""


Node: TypeAlias = Entry | GroupState
Edge: TypeAlias = tuple[Node, bool]
"""What to wait for, and whether its success is needed or just its end."""
