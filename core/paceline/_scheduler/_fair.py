"""Which ready job goes next: lanes in their fair order, under caps and the places for active groups.

All of it is one structure. A lane stands among those of its pool (`_pools.py`) while one of its jobs there
could use a slot at once, among the cold ones while all that it has are groups that need another place among
the active ones than those it has, and in neither while it has nothing, is at its cap, or all that it has is
at other caps. Caps that jobs share across lanes (`Cap`) take the places of their flows out of the lanes while
they are full, and put them back (`_places.py`): what stands in a queue here may run, so that no choice ever
has to be made twice. Lanes that come back to the same cap together do so in the order in which they last had
room under one: none starves there. A lane without an active group takes a place from another when its turn
comes: lanes never wait for each other's groups. The bound of the fairness promise follows from three rules:
the lane that has been charged least (per weight) goes first; a reservation is charged at dispatch and
corrected to the real cost at the end; and a lane that was away comes back at the level of the last dispatch,
which never falls.
"""

from __future__ import annotations

from ._branches import Branch, offer_group
from ._caps import changed, fill, vacate
from ._entries import READY, RETURNING, Cap, Entry, GroupState
from ._flows import FIRST, Flow
from ._gates import Block, amount_of
from ._lanes import LaneState
from ._passing import admit
from ._places import Place
from ._pools import Pool, Pools
from ._timers import Timers

__all__ = ["FairQueues"]


class FairQueues:
    """Ready jobs, the slots and caps they need, and the choice among them."""

    def __init__(
        self, slots: int, max_active_groups: int, timers: Timers, *, in_tokens: bool = False
    ) -> None:
        self.slots = slots
        self.max_active_groups = max_active_groups
        self.used: int = 0
        self.ready: int = 0
        self.active: dict[GroupState, None] = {}
        """Groups that have a place among the active ones, the one that has had it longest first."""
        self.lanes: dict[str, LaneState] = {}
        self.pools: Pools = Pools(timers)
        self.turned_away: list[tuple[Entry, Block]] = []
        """Jobs that had their turn and need more than there is or will be; they stand in no queue."""
        self._openings = 0
        """How often a place for an active group came free when there had been none."""
        self._in_tokens = in_tokens
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
        branch = lane.branch(self.pool_of(entry))
        flow = branch.flow_of(entry)
        lane.ready += 1
        self.ready += 1
        if self.ready == 1 and flow.plain and lane.capacity is None:
            flow.come_back()
            self._come_back(branch)
            self._lone, self._lone_job = flow, entry
            return
        if self._lone is not None:
            self._queue_lone()
        flow.push(entry, front=front)
        if flow.ready == 1:
            branch.offer(flow)
            if branch.seat is not branch.pool.warm.branches:
                self._offer(branch)
        if branch.pool.block is not None and (front or flow.ready == 1):
            self.pools.look_again(branch.pool)

    def pool_of(self, entry: Entry) -> Pool:
        """Where a job queues: one that goes on does not stand behind those that have still to reserve."""
        pool = entry.pool or self.pools.plain
        return pool.back if entry.state is RETURNING else pool

    def _queue_lone(self) -> None:
        """The one ready job is not to go next just because it is the only one.

        Flow and lane came back when it did: what they were given back since then is theirs.
        """
        flow, entry = self._lone, self._lone_job
        if flow is not None and entry is not None:
            self._lone = self._lone_job = None
            flow.push(entry, front=False)
            flow.branch.open.put(flow)
            self.pools.put(flow.branch, flow.branch.pool.warm)

    def withdraw(self, entry: Entry, flow: Flow) -> None:
        """Forget a queued job that was cancelled; its state has changed already."""
        self._queue_lone()
        branch = flow.branch
        flow.withdraw(entry)
        self._less(flow)
        if branch.pool.block is not None:
            self.pools.look_again(branch.pool, at_once=entry is branch.pool.head)

    def _less(self, flow: Flow) -> None:
        """A job of the flow is queued no more, and has not started."""
        branch = flow.branch
        branch.lane.ready -= 1
        self.ready -= 1
        if not flow.ready:
            self._rest(flow)
            branch.offer(flow)
            self._offer(branch)

    def pop(self, now: float) -> Entry | None:
        """Choose the next job and give it its slot and its places, or None where none can have them."""
        if self.used >= self.slots or not self.ready:
            return None
        flow, entry = self._lone, self._lone_job
        if flow is not None and entry is not None:
            self._lone = self._lone_job = None
            flow.branch.lane.ready = self.ready = 0
            self._take(entry, flow, now)
            return entry
        while (flow := self._next_flow()) is not None or self.pools.passed_by():
            if flow is None:
                continue
            pool = flow.branch.pool
            if not pool.gates:
                return self._pop(flow, now)
            head = flow.head()
            block = admit(pool, head, now)
            if block is None:
                entry = self._pop(flow, now)
                self.pools.moved_on(pool)
                return entry
            if block.final:
                self.turned_away.append((flow.pop(), block))
                self._less(flow)
                self.pools.moved_on(pool)
            else:
                self.pools.shut(pool, block, head)
        return None

    def _next_flow(self) -> Flow | None:
        if self.pools.moved:
            self.pools.call_moved()
        return self.first_flow()

    def _pop(self, flow: Flow, now: float) -> Entry:
        branch = flow.branch
        lane = branch.lane
        if branch.seat is not branch.pool.warm.branches:
            self._come_back(branch)
        entry = flow.pop()
        lane.ready -= 1
        self.ready -= 1
        self._take(entry, flow, now)
        # A flow or lane that is alone in its queue and may stay there is the first one still.
        if flow.group is not None:
            offer_group(flow.group)
        elif not flow.ready or flow.caps or branch.open.live > 1:
            branch.offer(flow)
            if not branch.count:  # its lane has let go of it: nobody else takes it out of its pool
                self._offer(branch)
        if flow.caps:
            for other in fill(flow):
                if not other.open.live:
                    self._offer(other)
        alone = branch.seat is branch.pool.warm.branches and self.pools.only(branch)
        if not (alone and branch.open.live and lane.capacity is None):
            self._offer_lane(lane)
        return entry

    def first_flow(self) -> Flow | None:
        """The flow whose head the next slot goes to, or None where nothing could use one."""
        self._queue_lone()
        branch = self.pools.first(len(self.active) < self.max_active_groups)
        if branch is None:
            return None
        if len(branch.lane.branches) > 1 and len(branch.lane.levels) > 1:
            branch = self._dearest(branch)
        standing = branch.choose(self.places_free(branch.lane)) if branch.cold.live else branch.open.first()
        while type(standing) is Place:
            standing = standing.turns.first()
        assert standing is not None
        return standing

    @staticmethod
    def _dearest(branch: Branch) -> Branch:
        """Of the branches of this lane that may go on, the one with the highest priority."""
        others = [other for other in branch.lane.branches.values() if other.goes_on]
        return max((branch, *others), key=_priority)

    def _take(self, entry: Entry, flow: Flow, now: float) -> None:
        branch = flow.branch
        lane = branch.lane
        self.used += 1
        lane.used += 1
        if flow.caps:
            self._takes = branch.taken = self._takes + 1
            for cap in flow.caps:
                cap.used += 1
        if flow.group is not None:
            self._begin(flow.group, entry, flow, now)
        level = lane.service + branch.shift + branch.pool.offset
        if self.pools.level < level:
            self.pools.level = level
        if entry.state is READY:
            entry.charged = cost = self._estimate(entry) if entry.stated is None else entry.stated
            lane.served += cost
            lane.service += cost / lane.weight
            turns = flow.level
            if flow.place is not None:
                flow.turn = flow.place.top.turn
            if turns.turn < flow.turn:
                turns.turn = flow.turn
            flow.turn += cost

    def _begin(self, group: GroupState, entry: Entry, flow: Flow, now: float) -> None:
        """A member of a group starts or goes on: the group needs a place, and its prefix lives on."""
        group.begun = True
        if group.warmth is not None and entry.state is READY:
            group.warmth.starts(entry, group, now)
        if not (group.active or group.exempt or flow.level.priority == FIRST):
            self._activate(group)
            flow.come_back()
        if not flow.ready:
            self._rest(flow)

    def _activate(self, group: GroupState) -> None:
        """Give the group a place among the active ones.

        Where none is free, it is the only one of its lane, which is not to wait for the groups of others: the
        group that has had its place longest gives way. It stays the first of its own lane to get one again.
        """
        if len(self.active) >= self.max_active_groups:
            other = next(iter(self.active))
            self._deactivate(other)
            other.flow.branch.offer(other.flow)
            self._offer_lane(other.lane)
        group.active = True
        group.lane.active += 1
        self.active[group] = None

    def _deactivate(self, group: GroupState) -> None:
        if len(self.active) == self.max_active_groups:
            self._openings += 1
        group.active = False
        group.lane.active -= 1
        del self.active[group]

    def rest(self, group: GroupState) -> None:
        """A member of a group has ended, or rests: the group may need no place any more."""
        if group.active and self._rest(group.flow):
            self._offer_lane(group.lane)

    def _rest(self, flow: Flow) -> bool:
        """A group with nothing ready needs no place among the active ones, but for one that keeps it."""
        group = flow.group
        if group is None or not group.active or group.keeps_place or (group.flow.ready and not group.asks):
            return False
        self._deactivate(group)
        return True

    # What a job held comes back.

    def free(self, entry: Entry) -> None:
        """The job's attempt is over, or parked: give back its slot and its places."""
        self.used -= 1
        lane = entry.lane
        if entry.pool is not None:
            self.pools.leave(entry.pool)
        if entry.caps or lane.capacity is not None:
            self.vacate(entry)
        else:
            lane.used -= 1

    def free_slot(self, entry: Entry) -> None:
        """The job's attempt was given up: its slot is free, its other places are not until it really ends."""
        self.used -= 1
        group = entry.group
        if group is not None and group.full:
            # That end may never come: other groups are not to wait for it too.
            self.set_aside(group)

    def set_aside(self, group: GroupState) -> None:
        """None of its jobs may start for a while: another group may have its place meanwhile."""
        if group.active:
            self._deactivate(group)
            self._offer_lane(group.lane)

    def vacate(self, entry: Entry) -> None:
        """Give back its places in its lane and under its caps."""
        lane = entry.lane
        lane.used -= 1
        if entry.caps:
            for branch in vacate(entry):
                if branch.seat is not branch.pool.warm.branches:
                    self._offer(branch)
        if lane.ready and lane.capacity is not None:
            for branch in lane.branches.values():
                if branch.seat is not branch.pool.warm.branches:
                    self._offer(branch)

    def resized(self, cap: Cap) -> None:
        """A cap has another capacity: what is under it waits, or goes on."""
        for branch in changed(cap):
            if branch.seat is not branch.pool.warm.branches or not branch.open:
                self._offer(branch)
        if cap.owner is not None:
            self.rest(cap.owner)
            self.reopen(cap.owner)

    def reopen(self, group: GroupState) -> None:
        """Its jobs may start again, or other numbers of them at once."""
        for branch in offer_group(group):
            if branch.seat is not branch.pool.warm.branches or not branch.open:
                self._offer(branch)

    # Costs.

    def _estimate(self, entry: Entry) -> float:
        """What to reserve where no cost is stated: what it is expected to use, where costs are in tokens.

        Else the lane's mean, or the engine's, or 1.
        """
        if self._in_tokens and (tokens := amount_of(entry, "tokens")[0]):
            return tokens
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
        for branch in lane.branches.values():
            if branch.seat is not None:
                self._offer(branch)
        home = lane.branches.get(entry.pool or self.pools.plain)
        flow = None if home is None else home.charged_flow(entry)
        if flow is not None:
            flow.turn += difference
            if flow.seat is not None:
                flow.branch.offer(flow)

    # Lanes.

    def change(self, lane: LaneState, weight: float, capacity: int | None) -> None:
        """Give a lane another weight and cap; how much it is ahead or behind, as a cost, stays as it is."""
        self._queue_lone()
        level, ratio = self.pools.level, lane.weight / weight
        lane.service = level + (lane.service - level) * ratio
        for branch in lane.branches.values():
            branch.shift = branch.lift * ratio - (0.0 if branch.seat is None else branch.pool.offset)
        lane.weight = weight
        lane.capacity = capacity
        self._offer_lane(lane)

    def places_free(self, lane: LaneState) -> bool:
        """Whether another group of the lane may become active."""
        return lane.has_place and (not lane.active or len(self.active) < self.max_active_groups)

    def close_group(self, group: GroupState) -> None:
        """The group has ended: let go of its place and its flows."""
        if group.active:
            self._deactivate(group)
            self._offer_lane(group.lane)
        for flow in (group.flow, group.returning):
            if flow is not None:
                flow.branch.forget(flow)

    def _offer_lane(self, lane: LaneState) -> None:
        """Put all of a lane where it belongs now."""
        for branch in tuple(lane.branches.values()) if len(lane.branches) > 1 else lane.branches.values():
            self._offer(branch)

    def _offer(self, branch: Branch) -> None:
        """Put the lane where it belongs now, among those of its pool."""
        lane, pool, pools = branch.lane, branch.pool, self.pools
        if lane.capacity is None and branch.open.live and branch.seat is pool.warm.branches:
            pools.put(branch, pool.warm)
            return
        if lane.full or not (branch.open or (branch.cold and lane.has_place)):
            pools.take_out(branch)
            return
        self._come_back(branch)
        pools.put(branch, pool.warm if branch.open or not lane.active else pool.cold)

    def _come_back(self, branch: Branch) -> None:
        """If the lane lacked more than a slot since it was last looked at, it starts at the others' level."""
        lane, pool = branch.lane, branch.pool
        if branch.seat is not pool.warm.branches:
            cold = branch.seat is pool.cold.branches
            if not (cold and branch.openings == self._openings and self.places_free(lane)):
                level = self.pools.level if pool.block is None else pool.frozen
                lift = branch.lift
                if len(lane.branches) == 1 or not lane.elsewhere(branch):
                    lane.service = max(lane.service + lift, level)
                    lift = 0.0
                branch.shift = max(lift, level - lane.service) - pool.offset
        branch.openings = self._openings


def _priority(branch: Branch) -> float:
    return branch.priority
