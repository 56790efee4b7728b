"""What a scheduler should do, in lists that are looked through: slow, and plain to see that it is right."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypeAlias

from paceline._job import Status
from paceline._scheduler import Cap, Entry, GroupState, LaneState, Leftover, State

QUEUED = (State.READY, State.RETURNING)


@dataclass(eq=False, repr=False)
class Task:
    """What the model knows of a job."""

    entry: Entry
    lane: LaneState
    group: Family | None
    priority: float
    edges: list[tuple[Thing, bool]]
    state: State = State.BLOCKED
    status: Status | None = None
    rank: int = 0
    """Its place in its flow: jobs that were queued in one step may go in any order."""
    due: float = math.inf

    freed: int = 0
    """In which step nothing but its lock was left that blocked it."""

    looks: bool = False
    """It is to be looked at without a slot: a body, or a job with a condition."""

    def __repr__(self) -> str:
        return self.entry.label

    @property
    def queued(self) -> bool:
        return self.state in QUEUED and not self.looks

    @property
    def flow(self) -> object:
        returning = self.state is State.RETURNING
        own = (self.lane, math.inf if returning else self.priority, self.entry.caps)
        return (returning, self.group or own)


@dataclass(eq=False, repr=False)
class Family:
    """What the model knows of a group."""

    entry: GroupState
    lane: LaneState
    priority: float
    members: list[Task] = field(default_factory=list["Task"])
    primer: Task | None = None
    closed: bool = False
    released_at: float | None = None
    opened: bool = False
    begun: bool = False
    active: bool = False
    active_since: int = 0
    status: Status | None = None

    def __repr__(self) -> str:
        return self.entry.label


Thing: TypeAlias = Task | Family


class Model:
    """Jobs and groups in lists; every question is answered by looking at all of them."""

    def __init__(self, slots: int, max_active: int) -> None:
        self.slots = slots
        self.max_active = max_active
        self.activations = 0
        self.tasks: list[Task] = []
        self.families: list[Family] = []
        self.left: list[tuple[Task, Leftover]] = []
        self.now = 0.0
        self.step = 0

    def holding(self) -> list[Task]:
        """Whoever holds a place in a lane and group: what runs, and what was given up but has not ended."""
        return [t for t in self.tasks if t.state is State.RUNNING] + [
            t for t, left in self.left if left.holds
        ]

    def lane_full(self, lane: LaneState) -> bool:
        return lane.capacity is not None and sum(t.lane is lane for t in self.holding()) >= lane.capacity

    def group_full(self, group: Family) -> bool:
        cap = group.entry.cap
        return cap is not None and sum(cap in t.entry.caps for t in self.holding()) >= cap.capacity

    def full_cap(self, task: Task) -> Cap | None:
        """The first of those that it shares with others that has no room, or more than none."""
        own = task.group.entry.cap if task.group is not None else None
        for cap in task.entry.caps:
            if cap is not own and sum(cap in t.entry.caps for t in self.holding()) >= cap.capacity:
                return cap
        return None

    def active(self) -> list[Family]:
        return [f for f in self.families if f.active]

    def place_free(self, lane: LaneState) -> bool:
        here = sum(f.lane is lane for f in self.active())
        return (not here or len(self.active()) < self.max_active) and (
            lane.capacity is None or here < lane.capacity
        )

    def needs_place(self, task: Task) -> bool:
        group = task.group
        return task.state is State.READY and group is not None and not (group.active or group.entry.exempt)

    def held_by(self, task: Task) -> str | None:
        """What holds a queued job back, but for a slot."""
        if self.lane_full(task.lane):
            return "lane_cap"
        if task.group is not None and self.group_full(task.group):
            return "group_in_flight"
        if self.full_cap(task) is not None:
            return "max_running"
        if self.needs_place(task) and not self.place_free(task.lane):
            return "active_groups"
        return None

    def runnable(self) -> list[Task]:
        return [t for t in self.tasks if t.queued and self.held_by(t) is None]

    def urgency(self, task: Task) -> float:
        if task.state is State.RETURNING:
            return math.inf
        return task.priority if task.group is None else task.group.priority

    def queue(self, task: Task, state: State = State.READY, *, front: bool = False) -> None:
        task.state = state
        task.rank = -self.step if front and not task.looks else self.step

    def started(self, task: Task) -> None:
        group = task.group
        if group is not None:
            group.begun = True
            if task.state is State.READY and not group.entry.exempt and not group.active:
                if len(self.active()) == self.max_active:  # a lane's first: the oldest gives way
                    min(self.active(), key=lambda family: family.active_since).active = False
                self.activations += 1
                group.active = True
                group.active_since = self.activations
        task.state = State.RUNNING

    def end(self, thing: Thing, status: Status) -> None:
        thing.status = status
        if isinstance(thing, Task):
            thing.state = State.ENDED

    def doomed_by(self, task: Task) -> list[Thing]:
        """What makes it impossible that this job ever runs."""
        found: list[Thing] = [
            node for node, need in task.edges if need and node.status not in {None, "succeeded"}
        ]
        group = task.group
        if group is not None and group.released_at is None and not group.entry.run_on_failure:
            primer = group.primer
            if primer is not None and primer is not task and primer.status not in {None, "succeeded"}:
                found.append(primer)
        return found

    def rest(self) -> None:
        """Groups with nothing ready need no place, but for those that send one at a time and have sent it."""
        for family in self.families:
            ready = any(t.state is State.READY for t in family.members)
            cap = family.entry.cap
            alone = cap is not None and cap.capacity == 1 and self.group_full(family)
            family.active = family.active and (ready or alone)

    def follow(self) -> list[Thing]:
        """Draw every consequence until there is none left; what ended by it, in any order."""
        ended: list[Thing] = []
        self.rest()
        while True:
            before = len(ended)
            for family in self.families:
                self._release_by_end(family)
                over = family.closed and all(t.status is not None for t in family.members)
                if over and family.status is None:
                    family.active = False
                    self.end(family, verdict(family))
                    ended.append(family)
            for task in self.tasks:
                if task.state is State.BLOCKED and self.doomed_by(task):
                    self.end(task, "skipped")
                    ended.append(task)
            if len(ended) == before:
                break
        self._let_in()
        return ended

    def _let_in(self) -> None:
        free = [t for t in self.tasks if t.state is State.BLOCKED and not self.waits(t)]
        for task in free:
            task.freed = task.freed or self.step
        for task in free:
            if task.entry.lock is None or task is self.next_of(task.entry.lock):
                self.queue(task)

    def next_of(self, lock: str) -> Task | None:
        """Who is to get a lock that nobody holds: of those that were free in one step, any."""
        if self.holders(lock):
            return None
        line = [t for t in self.tasks if t.entry.lock == lock and t.state is State.BLOCKED and t.freed]
        return min(line, key=lambda t: (t.freed, t.entry.state is State.BLOCKED))

    def holders(self, lock: str) -> list[Task]:
        """Jobs of the lock that are under way, whatever they do."""
        over = (State.BLOCKED, State.ENDED)
        return [t for t in self.tasks if t.entry.lock == lock and t.state not in over]

    def _release_by_end(self, family: Family) -> None:
        primer = family.primer
        if primer is None:
            if family.closed:
                self.release(family)
        elif primer.status == "succeeded" or (primer.status is not None and family.entry.run_on_failure):
            self.release(family)

    def release(self, family: Family) -> None:
        if family.released_at is None:
            family.released_at = self.now
            family.opened = family.entry.settle == 0 or family.primer is None

    def waits(self, task: Task) -> str | None:
        if any(node.status is None for node, _ in task.edges):
            return "dependency"
        group = task.group
        if group is None or task is group.primer or group.opened:
            return None
        return "release" if group.released_at is None else "settle"

    def settling(self) -> list[Family]:
        return [f for f in self.families if f.status is None and f.released_at is not None and not f.opened]

    def times(self) -> list[float]:
        backoffs = [t.due for t in self.tasks if t.state is State.BACKOFF]
        return backoffs + [(f.released_at or 0.0) + f.entry.settle for f in self.settling()]

    def pass_time(self, now: float) -> None:
        self.now = now
        for task in self.tasks:
            if task.state is State.BACKOFF and task.due <= now:
                self.queue(task, front=True)
        for family in self.settling():
            family.opened = (family.released_at or 0.0) + family.entry.settle <= now


def verdict(family: Family) -> Status:
    found = {task.status for task in family.members}
    if "failed" in found:
        return "failed"
    if "cancelled" in found:
        return "cancelled"
    return "skipped" if "skipped" in found else "succeeded"
