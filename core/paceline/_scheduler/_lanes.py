"""A lane and the flows in it: whose turn it is, and what each has been charged.

Start-time fair queueing (Goyal, Vin and Cheng, 1996) at two levels. Lanes take turns by their *service*:
the cost charged to them so far over their weight. Within a lane the highest priority goes first, and flows
of one priority take turns by the cost charged to each. A flow is a group's ready jobs, or the ungrouped
jobs of a priority and under the same caps; whoever was away comes back at the current level of the others,
with no credit.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from ._entries import ENDED, READY, RETURNING, Cap, Entry, GroupState
from ._places import Place, Standing, turn_of
from ._turns import Turns, leave

__all__ = ["FIRST", "Flow", "LaneState", "Level"]

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

    __slots__ = ("caps", "group", "jobs", "lane", "level", "place", "ready", "seat", "ticket", "turn")

    def __init__(
        self,
        lane: LaneState,
        level: Level,
        group: GroupState | None,
        caps: tuple[Cap, ...],
        place: Place | None,
    ) -> None:
        self.lane: LaneState = lane
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
        if place is not None:
            place.count += 1

    @property
    def plain(self) -> bool:
        """Whether nothing is to be said of it: ungrouped jobs of no special priority, under no caps."""
        return self.group is None and not self.caps and not self.level.priority

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


class LaneState:
    """A lane: its weight and cap, its flows, and what it has been charged."""

    __slots__ = (
        "active",
        "capacity",
        "closed",
        "cold",
        "cost_count",
        "cost_sum",
        "flows",
        "label",
        "levels",
        "open",
        "openings",
        "places",
        "ready",
        "seat",
        "served",
        "service",
        "taken",
        "ticket",
        "unfinished",
        "used",
        "weight",
    )

    def __init__(self, label: str, weight: float = 1.0, capacity: int | None = None) -> None:
        self.label: str = label
        self.weight: float = weight
        self.capacity: int | None = capacity
        self.closed: bool = False
        self.used: int = 0
        """Its running jobs, and its attempts that were given up but have not ended."""
        self.ready: int = 0
        self.unfinished: int = 0
        self.served: float = 0.0
        """Cost charged so far, running reservations included."""
        self.service: float = 0.0
        """The same over the weight: how far the lane's turns have come."""
        self.active: int = 0
        """Its active groups."""
        self.openings: int = 0
        """How often places for active groups had opened when it last came back."""
        self.seat: Turns[LaneState] | None = None
        self.ticket: int = 0
        self.cost_sum: float = 0.0
        self.cost_count: int = 0
        self.levels: dict[float, Level] = {}
        self.flows: dict[float, Flow] = {}
        """The ungrouped flows under no cap, by priority."""
        self.places: dict[Cap, Place] = {}
        """Where those under caps stand, by the outermost."""
        self.taken: int = 0
        """When it last took room under a cap, in a count that goes on."""
        self.open: Turns[Standing] = Turns(turn_of)
        """Whose head may run: ungrouped jobs, active groups, jobs that return, places with any of these."""
        self.cold: Turns[Flow] = Turns(_cold_turn)
        """Groups that need a place among the active ones first."""

    @property
    def full(self) -> bool:
        """Whether as many of its jobs run as may."""
        return self.capacity is not None and self.used >= self.capacity

    @property
    def has_place(self) -> bool:
        """Whether its cap lets another group become active: one that waits for it would block others."""
        return self.capacity is None or self.active < self.capacity

    def flow(self, priority: float, group: GroupState | None, caps: tuple[Cap, ...]) -> Flow:
        """A new flow, at the current level of its priority."""
        level = self.levels.get(priority)
        if level is None:
            level = self.levels[priority] = Level(priority)
        shared = caps if group is None else group.around
        return Flow(self, level, group, caps, self._place(shared, make=True))

    def _place(self, caps: tuple[Cap, ...], *, make: bool) -> Place | None:
        """Where flows under these caps stand, if there are any caps, and, unless it is made, such a place."""
        place: Place | None = None
        for cap in reversed(caps):
            below = self.places if place is None else place.below
            inner = below.get(cap)
            if inner is None:
                if not make:
                    return None
                inner = below[cap] = Place(self, cap, place)
            place = inner
        return place

    def flow_of(self, entry: Entry) -> Flow:
        """The flow in which this job is queued."""
        group = entry.group
        if entry.state is RETURNING:
            if group is None:
                return self._ungrouped(FIRST, entry.caps)
            if group.returning is None:
                group.returning = self.flow(FIRST, group, group.caps)
            return group.returning
        if group is not None:
            return group.flow
        if not entry.caps:  # nearly all
            flow = self.flows.get(entry.priority)
            if flow is not None:
                return flow
        return self._ungrouped(entry.priority, entry.caps)

    def _ungrouped(self, priority: float, caps: tuple[Cap, ...]) -> Flow:
        flows = self._flows(caps)
        flow = None if flows is None else flows.get(priority)
        if flow is None:
            flow = self.flow(priority, None, caps)
            (self.flows if flow.place is None else flow.place.flows)[priority] = flow
        return flow

    def _flows(self, caps: tuple[Cap, ...]) -> dict[float, Flow] | None:
        """The ungrouped flows under these caps, by priority, if there are any."""
        if not caps:
            return self.flows
        place = self._place(caps, make=False)
        return None if place is None else place.flows

    def charged_flow(self, entry: Entry) -> Flow | None:
        """The flow that the job was charged to, if it is still there."""
        if entry.group is not None:
            return entry.group.flow
        flows = self._flows(entry.caps)
        return None if flows is None else flows.get(entry.priority)

    def forget(self, flow: Flow) -> None:
        """Let go of a flow that is over, of its level with the last one in it, and so of its place."""
        leave(flow)
        level, place = flow.level, flow.place
        level.flows -= 1
        if not level.flows:
            self.levels.pop(level.priority, None)
        if flow.group is None:
            (self.flows if place is None else place.flows).pop(level.priority, None)
        if place is not None:
            place.settle()
            place.drop()

    def offer(self, flow: Flow) -> None:
        """Put the flow where it belongs now: with those that may run, with the cold ones, or nowhere."""
        group, place = flow.group, flow.place
        if flow.seat is None:
            flow.come_back()
        if not flow.ready:
            leave(flow)
            flow.jobs.clear()
            # Priority 0 is where nearly all ungrouped jobs go; its flow is kept for the next one.
            if group is None and (flow.level.priority or place is not None):
                self.forget(flow)
                return
        elif group is None:
            (self.open if place is None else place.turns).put(flow)
        elif group.full:
            leave(flow)
        elif group.active or group.exempt or flow.level.priority == FIRST:
            (self.open if place is None else place.turns).put(flow)
        else:
            self.cold.put(flow)
        if place is not None:
            place.settle(anew=True)

    def offer_group(self, group: GroupState) -> None:
        """Put the flows of a group where they belong now."""
        self.offer(group.flow)
        if group.returning is not None:
            self.offer(group.returning)

    def choose(self, places: bool) -> Standing:
        """What has its turn, where something may run. `places`: another group may become active."""
        flow = self.open.first()
        other = self.cold.first() if places else None
        if flow is None or other is None:
            return flow or other  # type: ignore[return-value]  # one of them is there
        if (-other.level.priority, other.turn) < (-flow.level.priority, flow.turn):
            return other
        return flow


def _cold_turn(flow: Flow) -> tuple[float, bool, float]:
    # A group that has begun goes first: its prefix is warm, and would expire.
    return (-flow.level.priority, not (flow.group is not None and flow.group.begun), flow.turn)
