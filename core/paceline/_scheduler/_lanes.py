"""A lane and the flows in it: whose turn it is, and what each has been charged.

Start-time fair queueing (Goyal, Vin and Cheng, 1996) at two levels. Lanes take turns by their *service*:
the cost charged to them so far over their weight. Within a lane the highest priority goes first, and flows
of one priority take turns by the cost charged to each. A flow is a group's ready jobs, or the ungrouped
jobs of a priority; whoever was away comes back at the current level of the others, with no credit.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TypeAlias

from ._entries import ENDED, READY, RETURNING, Cap, Entry, GroupState
from ._turns import Turns, leave

__all__ = ["FIRST", "Flow", "LaneState"]

FlowKey: TypeAlias = float | tuple[float, tuple[Cap, ...]]
"""What ungrouped jobs that take turns as one have in common: their priority and their caps, if any."""

FIRST = math.inf
"""The priority of jobs that take back what they gave up while parked: ahead of all new ones."""


class _Level:
    """The flows of one priority in one lane, and how far their turns have come."""

    __slots__ = ("flows", "priority", "turn")

    def __init__(self, priority: float) -> None:
        self.priority: float = priority
        self.turn: float = 0.0
        self.flows: int = 0


class Flow:
    """Ready jobs of one lane that take turns as one; only its head is ever looked at."""

    __slots__ = ("caps", "group", "jobs", "lane", "level", "ready", "seat", "ticket", "turn")

    def __init__(
        self, lane: LaneState, level: _Level, group: GroupState | None, caps: tuple[Cap, ...]
    ) -> None:
        self.lane: LaneState = lane
        self.level: _Level = level
        self.group: GroupState | None = group
        self.caps: tuple[Cap, ...] = caps
        self.jobs: deque[Entry] = deque()
        """In order; those that have ended meanwhile are passed over when they come up."""
        self.ready: int = 0
        """How many of them have not ended."""
        self.turn: float = level.turn
        self.seat: Turns[Flow] | None = None
        self.ticket: int = 0
        level.flows += 1

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

    def full_cap(self) -> Cap | None:
        """The first of its caps that has no room."""
        for cap in self.caps:
            if cap.used >= cap.capacity:
                return cap
        return None

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
        "ready",
        "seat",
        "served",
        "service",
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
        self.levels: dict[float, _Level] = {}
        self.flows: dict[FlowKey, Flow] = {}
        """The ungrouped flows."""
        self.open: Turns[Flow] = Turns(_turn)
        """Flows whose head may run: ungrouped jobs, active groups, jobs that return."""
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
            level = self.levels[priority] = _Level(priority)
        return Flow(self, level, group, caps)

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
        if not entry.caps:
            flow = self.flows.get(entry.priority)
            if flow is not None:
                return flow
        return self._ungrouped(entry.priority, entry.caps)

    def _ungrouped(self, priority: float, caps: tuple[Cap, ...]) -> Flow:
        key = (priority, caps) if caps else priority
        flow = self.flows.get(key)
        if flow is None:
            flow = self.flows[key] = self.flow(priority, None, caps)
        return flow

    def charged_flow(self, entry: Entry) -> Flow | None:
        """The flow that the job was charged to, if it is still there."""
        if entry.group is not None:
            return entry.group.flow
        return self.flows.get((entry.priority, entry.caps) if entry.caps else entry.priority)

    def forget(self, flow: Flow) -> None:
        """Let go of a flow that is over, and of its level with the last one in it."""
        leave(flow)
        level = flow.level
        level.flows -= 1
        if not level.flows:
            self.levels.pop(level.priority, None)
        if flow.group is None:
            self.flows.pop((level.priority, flow.caps) if flow.caps else level.priority, None)

    def offer(self, flow: Flow) -> None:
        """Put the flow where it belongs now: with those that may run, with the cold ones, or at a full cap."""
        group = flow.group
        if flow.seat is None:
            flow.come_back()
        if not flow.ready:
            leave(flow)
            flow.jobs.clear()
            # Priority 0 is where nearly all ungrouped jobs go; its flow is kept for the next one.
            if group is None and (flow.level.priority or flow.caps):
                self.forget(flow)
        elif flow.caps and (cap := flow.full_cap()) is not None:
            held = cap.held.get(self)
            if held is None:
                held = cap.held[self] = Turns(_turn)
            held.put(flow)
        elif group is None or group.active or group.exempt or flow.level.priority == FIRST:
            self.open.put(flow)
        else:
            self.cold.put(flow)

    def choose(self, places: bool) -> Flow:
        """The flow whose turn it is, where one may run. `places`: another group may become active."""
        flow = self.open.first()
        other = self.cold.first() if places else None
        if flow is None or other is None:
            return flow or other  # type: ignore[return-value]  # one of them is there
        if (-other.level.priority, other.turn) < (-flow.level.priority, flow.turn):
            return other
        return flow


def _turn(flow: Flow) -> tuple[float, float]:
    return (-flow.level.priority, flow.turn)


def _cold_turn(flow: Flow) -> tuple[float, bool, float]:
    # A group that has begun goes first: its prefix is warm, and would expire.
    return (-flow.level.priority, not (flow.group is not None and flow.group.begun), flow.turn)
