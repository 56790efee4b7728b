"""A lane's ready jobs under one set of gates: where its flows stand, and which of them has its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._entries import RETURNING, Cap, Entry, GroupState
from ._flows import FIRST, Flow, Level
from ._places import Place, Standing, turn_of
from ._turns import Turns, leave

if TYPE_CHECKING:
    from ._lanes import LaneState
    from ._pools import Pool

__all__ = ["Branch", "offer_group"]


class Branch:
    """A lane in a pool: the flows whose jobs pass the gates of that pool."""

    __slots__ = (
        "cold",
        "count",
        "flows",
        "lane",
        "open",
        "openings",
        "places",
        "pool",
        "seat",
        "shift",
        "taken",
        "ticket",
    )

    def __init__(self, lane: LaneState, pool: Pool) -> None:
        self.lane: LaneState = lane
        self.pool: Pool = pool
        self.count: int = 0
        """All its flows."""
        self.shift: float = 0.0
        """Added to the service of its lane; while it stands in a queue, without the offset of its pool."""
        self.openings: int = 0
        """How often places for active groups had opened when it last came back."""
        self.taken: int = 0
        """When it last took room under a cap, in a count that goes on."""
        self.seat: Turns[Branch] | None = None
        self.ticket: int = 0
        self.flows: dict[float, Flow] = {}
        """The ungrouped flows under no cap, by priority."""
        self.places: dict[Cap, Place] = {}
        """Where those under caps stand, by the outermost."""
        self.open: Turns[Standing] = Turns(turn_of)
        """Whose head may run: ungrouped jobs, active groups, jobs that return, places with any of these."""
        self.cold: Turns[Flow] = Turns(_cold_turn)
        """Groups that need a place among the active ones first."""

    @property
    def service(self) -> float:
        """How far its turns have come, as its pool sees it."""
        return self.lane.service + self.shift

    @property
    def lift(self) -> float:
        """By how much it is ahead of the service of its lane, for the time in which its pool was shut."""
        return self.shift if self.seat is None else self.shift + self.pool.offset

    @property
    def goes_on(self) -> bool:
        """Whether one of its jobs could use a slot at once."""
        return self.pool.block is None and self.seat is self.pool.warm.branches

    @property
    def priority(self) -> float:
        """Of what has its turn in it."""
        first = self.open.first() or self.cold.first()
        return 0.0 if first is None else first.level.priority

    def flow(self, priority: float, group: GroupState | None, caps: tuple[Cap, ...]) -> Flow:
        """A new flow, at the current level of its priority."""
        levels = self.lane.levels
        level = levels.get(priority)
        if level is None:
            level = levels[priority] = Level(priority)
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
            self.lane.levels.pop(level.priority, None)
        if flow.group is None:
            (self.flows if place is None else place.flows).pop(level.priority, None)
        if place is not None:
            place.settle()
            place.drop()
        self.count -= 1
        if not self.count and self.pool.gates:
            self.lane.branches.pop(self.pool, None)

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
        elif not group.lets(flow):
            leave(flow)
        elif group.active or group.exempt or flow.level.priority == FIRST:
            (self.open if place is None else place.turns).put(flow)
        else:
            self.cold.put(flow)
        if place is not None:
            place.settle(anew=True)

    def choose(self, places: bool) -> Standing:
        """What has its turn, where something may run. `places`: another group may become active."""
        flow = self.open.first()
        other = self.cold.first() if places else None
        if flow is None or other is None:
            return flow or other  # type: ignore[return-value]  # one of them is there
        if (-other.level.priority, other.turn) < (-flow.level.priority, flow.turn):
            return other
        return flow


def offer_group(group: GroupState) -> tuple[Branch, ...]:
    """Put the flows of a group where they belong now; the branches that they stand in."""
    own, returning = group.flow.branch, group.returning
    own.offer(group.flow)
    if returning is None:
        return (own,)
    returning.branch.offer(returning)
    return (own, returning.branch)


def _cold_turn(flow: Flow) -> tuple[float, bool, float]:
    # A group that has begun goes first: its prefix is warm, and would expire.
    return (-flow.level.priority, not (flow.group is not None and flow.group.begun), flow.turn)
