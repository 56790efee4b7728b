"""What the scheduler knows of a job, of a group, and of an attempt that was given up."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from paceline._job import Status

from ._sharing import UNCAPPED

if TYPE_CHECKING:
    from paceline._usage import Cost

    from ._flows import Flow
    from ._gates import Gate, Reservation
    from ._lanes import LaneState
    from ._lines import Line
    from ._places import Place
    from ._pools import Pool
    from ._turns import Turns
    from ._warmth import Warmth

__all__ = [
    "BACKOFF",
    "BLOCKED",
    "BODY",
    "DOZING",
    "ENDED",
    "IDLE",
    "PARKED",
    "PAUSED",
    "READY",
    "RESTING",
    "RETURNING",
    "RUNNING",
    "SUSPENDED",
    "Cap",
    "Due",
    "Edge",
    "Entry",
    "GroupState",
    "Leftover",
    "Node",
    "State",
    "Timer",
]


class State(IntEnum):
    """Where a job is. READY and RETURNING stand in a queue; only RUNNING holds a slot.

    BODY is the work of a job that needs none: it starts, and waits for, other jobs.
    """

    BLOCKED = 0
    READY = 1
    RUNNING = 2
    PARKED = 3
    RETURNING = 4
    IDLE = 5  # between an attempt and the word on what comes next; or sent back, for its group's prefix
    BACKOFF = 6
    SUSPENDED = 7
    ENDED = 8
    BODY = 9
    PAUSED = 10  # its budget has too little left for it
    DOZING = 11  # suspended, but going on by itself once the time for an answer is over
    RESTING = 12  # the same, with nothing asked: it only looks again later


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
BODY: Final = State.BODY
PAUSED: Final = State.PAUSED
DOZING: Final = State.DOZING
RESTING: Final = State.RESTING


class Timer:
    """Something due at a time; it stands in the queue of all that are."""

    __slots__ = ("seat", "target", "ticket", "when")

    def __init__(self, when: float, target: Due) -> None:
        self.when: float = when
        self.target: Due = target
        self.seat: Turns[Timer] | None = None
        self.ticket: int = 0


class Cap:
    """How many of a set of jobs may run at once; a job may be under several caps, and needs room in each."""

    __slots__ = ("asking", "capacity", "label", "owner", "places", "used", "waits")

    def __init__(self, label: str, capacity: int, owner: GroupState | None = None) -> None:
        self.label: str = label
        self.capacity: int = capacity
        self.owner: GroupState | None = owner
        """The group whose own it is: its jobs in flight, and what these have started."""
        self.used: int = 0
        """Its running jobs, and its attempts that were given up but have not ended."""
        self.waits: bool = False
        """Whether nothing more of it is to start while one of its jobs waits for an answer."""
        self.asking: int = 0
        """How many of its jobs do so, if `waits`."""
        self.places: dict[Place, None] = {}
        """Where flows stand whose jobs are under it, in each of their lanes; not those of its own group."""

    @property
    def full(self) -> bool:
        """Whether nothing more of it may start: as many run as may, or one has to be answered first."""
        return self.used >= self.capacity or self.asking > 0

    @property
    def crowded(self) -> bool:
        """Whether not even a job that has begun may go on under it: as many run as may."""
        return self.used >= self.capacity


class Entry:
    """A job, as far as the choice of what runs next is concerned."""

    __slots__ = (
        "after",
        "answer_by",
        "asks",
        "blockers",
        "caps",
        "cause",
        "charged",
        "demand",
        "dependents",
        "group",
        "label",
        "lane",
        "lock",
        "pool",
        "priority",
        "reserved",
        "rough",
        "slotless",
        "state",
        "stated",
        "status",
        "timer",
    )

    def __init__(
        self,
        label: str,
        lane: LaneState,
        group: GroupState | None,
        priority: float,
        stated: float | None,
        caps: tuple[Cap, ...] = (),
        slotless: bool = False,
        pool: Pool | None = None,
        demand: Cost | None = None,
        rough: int = 0,
    ) -> None:
        self.label: str = label
        self.lane: LaneState = lane
        self.pool: Pool | None = pool
        """Where it queues with those that have the same gates to pass; None: where there are no gates."""
        self.demand: Cost | None = demand
        """What an attempt is expected to use, as far as that is known."""
        self.rough: int = rough
        """Tokens of its payload by a rough count, where nobody says better; what it needs goes with that."""
        self.reserved: Reservation | None = None
        """What the attempt that is under way has taken from the gates."""
        self.group: GroupState | None = group
        self.caps: tuple[Cap, ...] = caps if group is None or slotless else group.caps
        """What it needs room in; for a job without a slot, what its children do."""
        self.slotless: bool = slotless
        """It starts as soon as nothing blocks it, and takes no slot or place."""
        self.priority: float = priority
        self.stated: float | None = stated
        """The cost that its submitter stated, if any."""
        self.lock: str | None = None
        """What no other job may hold while it is under way."""
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
        self.asks: bool = False
        """It waits for an answer (SUSPENDED, DOZING)."""
        self.answer_by: float | None = None
        """When it goes on, or fails, without one."""

    def forget_cause(self) -> None:
        """Let go of what it was skipped for, which may hold a chain of others."""
        self.cause = None

    @property
    def held_by_question(self) -> bool:
        """Whether it may not start before another job has an answer."""
        return not self.slotless and any(cap.asking for cap in self.caps)

    def holds_while_asking(self) -> list[Cap]:
        """The caps under which nothing is to start while it waits for an answer."""
        caps, group = dict.fromkeys(self.caps), self.group
        if group is not None and group.cap is not None:
            caps[group.cap] = None  # a body's own are those of its children
            if self is group.primer:
                del caps[group.cap]  # there is a policy for it
        return [cap for cap in caps if cap.waits]

    @property
    def caps_below(self) -> tuple[Cap, ...]:
        """What the jobs that it starts need room in; they are not of its group, which a body's stand for."""
        group = self.group
        return self.caps if group is None or self.slotless else group.around


class GroupState:
    """A group: a release that its followers wait for, a cap on its jobs in flight, and an end of its own."""

    __slots__ = (
        "active",
        "around",
        "begun",
        "cap",
        "caps",
        "cause",
        "closed",
        "dependents",
        "exempt",
        "flow",
        "held",
        "label",
        "lane",
        "looking",
        "opened",
        "outcomes",
        "pool",
        "primer",
        "released",
        "returning",
        "run_on_failure",
        "settle",
        "spared",
        "status",
        "timer",
        "unfinished",
        "warmth",
    )

    def __init__(
        self,
        label: str,
        lane: LaneState,
        *,
        capacity: int | None = None,
        caps: tuple[Cap, ...] = (),
        settle: float = 0.0,
        run_on_failure: bool = False,
        exempt: bool = False,
        pool: Pool | None = None,
        warmth: Warmth | None = None,
    ) -> None:
        self.label: str = label
        self.lane: LaneState = lane
        self.pool: Pool | None = pool
        """Where its members queue."""
        self.warmth: Warmth | None = warmth
        """What is known of its prefix in the provider's cache, where that is of interest."""
        self.cap: Cap | None = None if capacity is None else Cap(label, capacity, self)
        self.around: tuple[Cap, ...] = caps
        """The caps that it shares with others."""
        self.caps: tuple[Cap, ...] = caps if self.cap is None else (self.cap, *caps)
        """What its members need room in: its own cap, and those around it."""
        self.settle: float = settle
        self.run_on_failure: bool = run_on_failure
        self.exempt: bool = exempt or bool(caps)
        """Needs no place among the active groups: it belongs to a job that runs already, as all under
        shared caps do."""
        self.flow: Flow
        self.returning: Flow | None = None
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
        self.looking: dict[Entry, str] = {}
        """Members that wait for the group's prefix cache, and its name."""
        self.unfinished: int = 0
        self.spared: int = 0
        """Members that ended `skipped` because they were not needed."""
        self.outcomes: dict[str, int] = {}
        self.status: Status | None = None
        self.cause: Node | None = None
        self.dependents: dict[Entry, bool] | None = None
        self.timer: Timer | None = None

    @property
    def full(self) -> bool:
        """Whether as many of its jobs are in flight as may be."""
        return self.cap is not None and self.cap.full

    @property
    def asks(self) -> bool:
        """Whether nothing of it may start before one of its jobs is answered."""
        return self.cap is not None and self.cap.asking > 0

    @property
    def shut(self) -> bool:
        """Whether no job of it may start now, as its prefix is not there."""
        return self.warmth is not None and self.warmth.shut

    def lets(self, flow: Flow) -> bool:
        """Whether jobs of this flow of it may start; or go on, if it is the one of those that return."""
        if flow is self.flow:
            return not (self.full or self.shut)
        return self.cap is None or not self.cap.crowded

    @property
    def keeps_place(self) -> bool:
        """Whether it needs its place among the active groups while its jobs run, with nothing ready.

        One that sends a job at a time has its prefix in a place of the provider's too: another would take it.
        """
        cap, warmth = self.cap, self.warmth
        if cap is None or not cap.used:
            return False
        learns = warmth is not None and warmth.sharing is not None
        return cap.capacity == 1 or (learns and cap.capacity < UNCAPPED)

    def leads(self, entry: Entry) -> bool:
        """Whether this member establishes the prefix again, and the others wait for it."""
        return self.warmth is not None and self.warmth.lead is entry

    def goes_on_without(self, entry: Entry) -> bool:
        """Whether the end of this member neither releases nor ends the group."""
        return entry is not self.primer and (self.unfinished > 1 or not self.closed)

    def leave(self, status: Status) -> None:
        """A member has ended."""
        self.unfinished -= 1
        self.outcomes[status] = self.outcomes.get(status, 0) + 1

    def verdict(self) -> Status:
        """How a group with these outcomes ended: the worst that befell a member that was needed."""
        for worst in ("failed", "cancelled"):
            if worst in self.outcomes:
                return worst
        return "skipped" if self.outcomes.get("skipped", 0) > self.spared else "succeeded"


class Leftover:
    """An attempt that was given up but has not really ended: it still counts in the caps it was under."""

    __slots__ = ("charged", "entry", "holds", "reserved")

    def __init__(self, entry: Entry, charged: float, holds: bool, reserved: Reservation | None) -> None:
        self.entry: Entry = entry
        self.charged: float = charged
        self.holds: bool = holds
        """Whether it still holds a place in its lane and group (a parked attempt had given them back)."""
        self.reserved: Reservation | None = reserved


Node: TypeAlias = Entry | GroupState
Due: TypeAlias = "Entry | GroupState | Gate | Line"
Edge: TypeAlias = tuple[Node, bool]
"""What to wait for, and whether its success is needed or just its end."""
