"""Which ready job goes next: lanes in their fair order, under caps and the places for active groups.

All of it is one structure. A lane stands in `_lanes` while one of its jobs could use a slot at once, in
`_cold` while all that it has are groups that need another place among the active ones than those it has,
and in neither while it has nothing, is at its cap, or all that it has is at other caps. Caps that jobs share
across lanes (`Cap`) take the places of their flows out of the lanes while they are full, and put them back
(`_places.py`): what stands in a queue here may run, so that no choice ever has to be made twice. Lanes that
come back to the same cap together do so in the order in which they last had room under one: none starves
there. A lane without an active group takes a place from another when its turn comes: lanes never wait for
each other's groups. The bound of the fairness promise follows from three rules: the lane that has been
charged least (per weight) goes first; a reservation is charged at dispatch and corrected to the real cost at
the end; and a lane that was away comes back at the level of the last dispatch, which never falls.
"""

from __future__ import annotations

from ._entries import READY, Entry, GroupState
from ._lanes import FIRST, Flow, LaneState
from ._places import Place
from ._turns import Turns, leave

__all__ = ["FairQueues"]


class FairQueues:
    """Ready jobs, the slots and caps they need, and the choice among them."""

    def __init__(self, slots: int, max_active_groups: int) -> None:
        self.slots = slots
        self.max_active_groups = max_active_groups
        self.used: int = 0
        self.ready: int = 0
        self.active: dict[GroupState, None] = {}
        """Groups that have a place among the active ones, the one that has had it longest first."""
        self.lanes: dict[str, LaneState] = {}
        self._level = 0.0
        """The service of the lane last chosen, or more: it never falls."""
        self._openings = 0
        """How often a place for an active group came free when there had been none."""
        self._lanes: Turns[LaneState] = Turns(_service)
        self._cold: Turns[LaneState] = Turns(_service)
        self._cost_sum = 0.0
        self._cost_count = 0
        self._lone: Flow | None = None
        """The flow of the only ready job, as long as that job stands in no queue: often, and cheaply."""
        self._lone_job: Entry | None = None
        self._takes = 0
        """How often room under a cap was taken."""

    @property
    def may_pop(self) -> bool:
        """Whether a slot is free and a job ready: the cheap question before `pop`."""
        return self.used < self.slots and self.ready > 0

    # Jobs come in, and go out by being chosen or cancelled.

    def push(self, entry: Entry, *, front: bool = False) -> None:
        """Queue a job whose state is READY or RETURNING; `front`: before those of its flow."""
        lane = entry.lane
        flow = lane.flow_of(entry)
        lane.ready += 1
        self.ready += 1
        if self.ready == 1 and flow.plain and lane.capacity is None:
            flow.come_back()
            self._come_back(lane)
            self._lone, self._lone_job = flow, entry
            return
        if self._lone is not None:
            self._queue_lone()
        flow.push(entry, front=front)
        if flow.ready == 1:
            lane.offer(flow)
            if lane.seat is not self._lanes:
                self._offer(lane)

    def _queue_lone(self) -> None:
        """The one ready job is not to go next just because it is the only one.

        Flow and lane came back when it did: what they were given back since then is theirs.
        """
        flow, entry = self._lone, self._lone_job
        if flow is not None and entry is not None:
            self._lone = self._lone_job = None
            flow.push(entry, front=False)
            flow.lane.open.put(flow)
            self._lanes.put(flow.lane)

    def withdraw(self, entry: Entry, flow: Flow) -> None:
        """Forget a queued job that was cancelled; its state has changed already."""
        self._queue_lone()
        lane = entry.lane
        flow.withdraw(entry)
        lane.ready -= 1
        self.ready -= 1
        if not flow.ready:
            self._rest(flow)
            lane.offer(flow)
            self._offer(lane)

    def pop(self) -> Entry | None:
        """Choose the next job and give it its slot and its places, or None where none can have them."""
        if self.used >= self.slots or not self.ready:
            return None
        flow, entry = self._lone, self._lone_job
        if flow is not None and entry is not None:
            self._lone = self._lone_job = None
            flow.lane.ready = self.ready = 0
            self._take(entry, flow.lane, flow)
            return entry
        flow = self.first_flow()
        return None if flow is None else self._pop(flow)

    def _pop(self, flow: Flow) -> Entry:
        lane = flow.lane
        if lane.seat is not self._lanes:
            self._come_back(lane)
        entry = flow.pop()
        lane.ready -= 1
        self.ready -= 1
        self._take(entry, lane, flow)
        # A flow or lane that is alone in its queue and may stay there is the first one still.
        if flow.group is not None:
            lane.offer_group(flow.group)
        elif not flow.ready or flow.caps or lane.open.live > 1:
            lane.offer(flow)
        if flow.caps:
            self._fill(flow)
        alone = lane.seat is self._lanes and self._lanes.live == 1
        if not (alone and lane.open.live and lane.capacity is None):
            self._offer(lane)
        return entry

    def first_flow(self) -> Flow | None:
        """The flow whose head the next slot goes to, or None where nothing could use one."""
        self._queue_lone()
        lane = self._first_lane() if self._cold.live else self._lanes.first()
        if lane is None:
            return None
        standing = lane.choose(self.places_free(lane)) if lane.cold.live else lane.open.first()
        while type(standing) is Place:
            standing = standing.turns.first()
        assert standing is not None
        return standing

    def _take(self, entry: Entry, lane: LaneState, flow: Flow) -> None:
        self.used += 1
        lane.used += 1
        if flow.caps:
            self._takes = lane.taken = self._takes + 1
            for cap in flow.caps:
                cap.used += 1
        group = flow.group
        if group is not None:
            group.begun = True
            if not (group.active or group.exempt or flow.level.priority == FIRST):
                self._activate(group)
                flow.come_back()
            if not flow.ready:
                self._rest(flow)
        if self._level < lane.service:
            self._level = lane.service
        if entry.state is READY:
            entry.charged = cost = self._estimate(entry) if entry.stated is None else entry.stated
            lane.served += cost
            lane.service += cost / lane.weight
            level = flow.level
            if flow.place is not None:
                flow.turn = flow.place.top.turn
            if level.turn < flow.turn:
                level.turn = flow.turn
            flow.turn += cost

    def _activate(self, group: GroupState) -> None:
        """Give the group a place among the active ones.

        Where none is free, it is the only one of its lane, which is not to wait for the groups of others: the
        group that has had its place longest gives way. It stays the first of its own lane to get one again.
        """
        if len(self.active) >= self.max_active_groups:
            other = next(iter(self.active))
            self._deactivate(other)
            other.lane.offer(other.flow)
            self._offer(other.lane)
        group.active = True
        group.lane.active += 1
        self.active[group] = None

    def _deactivate(self, group: GroupState) -> None:
        if len(self.active) == self.max_active_groups:
            self._openings += 1
        group.active = False
        group.lane.active -= 1
        del self.active[group]

    def _rest(self, flow: Flow) -> None:
        """A group with nothing ready needs no place among the active ones."""
        group = flow.group
        if group is not None and group.active and not group.flow.ready:
            self._deactivate(group)

    # What a job held comes back.

    def free(self, entry: Entry) -> None:
        """The job's attempt is over, or parked: give back its slot and its places."""
        self.used -= 1
        lane = entry.lane
        if entry.caps or lane.capacity is not None:
            self.vacate(entry)
        else:
            lane.used -= 1

    def free_slot(self, entry: Entry) -> None:
        """The job's attempt was given up: its slot is free, its other places are not until it really ends."""
        self.used -= 1
        group = entry.group
        if group is not None and group.active and group.full:
            # That end may never come: other groups are not to wait for it too.
            self._deactivate(group)
            self._offer(group.lane)

    def vacate(self, entry: Entry) -> None:
        """Give back its places in its lane and under its caps."""
        lane = entry.lane
        lane.used -= 1
        if entry.caps:
            self._make_room(entry)
        if lane.ready and lane.seat is not self._lanes:
            self._offer(lane)

    def _make_room(self, entry: Entry) -> None:
        """Give back its places under its caps; where they were full, others come back."""
        freed = [cap for cap in entry.caps if cap.full]
        for cap in entry.caps:
            cap.used -= 1
        back: dict[LaneState, None] = {}
        for cap in freed:
            back.update((place.lane, None) for place in cap.places if place.settle())
            if cap.owner is not None:
                cap.owner.lane.offer_group(cap.owner)
                back[cap.owner.lane] = None
        for lane in sorted(back, key=_taken):
            if lane.seat is not self._lanes:
                self._offer(lane)

    def _fill(self, flow: Flow) -> None:
        """It took room under its caps: where they are full now, what else is under them waits."""
        touched: dict[LaneState, None] = {}
        for cap in flow.caps:
            if cap.full:
                touched.update((place.lane, None) for place in cap.places if place.settle())
                if cap.owner is not None and cap.owner is not flow.group:
                    cap.owner.lane.offer_group(cap.owner)
                    touched[cap.owner.lane] = None
        for lane in touched:
            if not lane.open.live:
                self._offer(lane)

    # Costs.

    def _estimate(self, entry: Entry) -> float:
        """What to reserve where no cost is stated: the lane's mean, else the engine's, else 1."""
        lane = entry.lane
        if lane.cost_count:
            return lane.cost_sum / lane.cost_count
        return self._cost_sum / self._cost_count if self._cost_count else 1.0

    def settle(self, entry: Entry, charged: float, cost: float) -> None:
        """Correct the reservation to the real cost, and let that into the means."""
        lane = entry.lane
        if cost:  # an attempt that was refused cost nothing, and says nothing of what others will
            lane.cost_sum += cost
            lane.cost_count += 1
            self._cost_sum += cost
            self._cost_count += 1
        if cost == charged:
            return
        difference = cost - charged
        lane.served += difference
        lane.service += difference / lane.weight
        if lane.seat is not None:
            self._offer(lane)
        flow = lane.charged_flow(entry)
        if flow is not None:
            flow.turn += difference
            if flow.seat is not None:
                lane.offer(flow)

    # Lanes.

    def change(self, lane: LaneState, weight: float, capacity: int | None) -> None:
        """Give a lane another weight and cap; how much it is ahead or behind, as a cost, stays as it is."""
        self._queue_lone()
        lane.service = self._level + (lane.service - self._level) * lane.weight / weight
        lane.weight = weight
        lane.capacity = capacity
        self._offer(lane)

    def _first_lane(self) -> LaneState | None:
        """The lane that has been charged least, of those that wait for a slot or for a place too."""
        lane = self._lanes.first()
        if len(self.active) < self.max_active_groups:
            cold = self._cold.first()
            if cold is not None and (lane is None or cold.service < lane.service):
                return cold
        return lane

    def places_free(self, lane: LaneState) -> bool:
        """Whether another group of the lane may become active."""
        return lane.has_place and (not lane.active or len(self.active) < self.max_active_groups)

    def close_group(self, group: GroupState) -> None:
        """The group has ended: let go of its flows."""
        for flow in (group.flow, group.returning):
            if flow is not None:
                group.lane.forget(flow)

    def _offer(self, lane: LaneState) -> None:
        """Put the lane where it belongs now."""
        if lane.capacity is None and lane.open.live and lane.seat is self._lanes:
            self._lanes.put(lane)
            return
        if lane.full or not (lane.open or (lane.cold and lane.has_place)):
            leave(lane)
            return
        self._come_back(lane)
        if lane.open or not lane.active:
            self._lanes.put(lane)
        else:
            self._cold.put(lane)

    def _come_back(self, lane: LaneState) -> None:
        """If the lane lacked more than a slot since it was last looked at, it starts at the others' level."""
        if lane.seat is not self._lanes:
            here = lane.seat is self._cold and lane.openings == self._openings and self.places_free(lane)
            if not here and lane.service < self._level:
                lane.service = self._level
        lane.openings = self._openings


def _service(lane: LaneState) -> float:
    return lane.service


def _taken(lane: LaneState) -> int:
    return lane.taken
