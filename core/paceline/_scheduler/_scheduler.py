"""When each job may run, and why it does not: a pure, deterministic state machine.

No clock, no I/O, no await: time comes in as an argument, and what is to be done comes out as a return value.
Everything that a job waits for before it is ready is one of four things: an *edge* (another job or group must
end, or succeed), the *release* of its group, a *lock*, or a *timer* (a backoff; a group that settles). When
nothing is left the fair queues choose among the ready, which then have their gates to pass: limits and
budgets; a job for which its budget has too little left is paused, outside of all queues. A job whose edge can
no longer be satisfied ends `skipped`, and so, in one sweep without recursion, does all that needs it.

An attempt is over in two steps: `finish` (or `abandon`, if it was given up before its end) takes back what it
held, then `end`, `retry`, `suspend` or `again` says what becomes of the job.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from paceline._job import Status
from paceline._usage import Failure, Usage

from ._dependents import connect, disconnect
from ._entries import (
    BACKOFF,
    BLOCKED,
    BODY,
    DOZING,
    ENDED,
    IDLE,
    PARKED,
    PAUSED,
    READY,
    RESTING,
    RETURNING,
    RUNNING,
    SUSPENDED,
    Edge,
    Entry,
    GroupState,
    Leftover,
    Node,
    State,
)
from ._fair import FairQueues
from ._gatekeeper import Gatekeeper
from ._gates import Gate
from ._lanes import LaneState
from ._lines import Line
from ._locks import Locks
from ._means import Means
from ._prefixes import Prefixes
from ._timers import Timers
from ._waiting import WaitReason, why

__all__ = ["Scheduler"]

_NO_ENDS: tuple[Node, ...] = ()
_ON_THE_WAY = (RUNNING, RETURNING, IDLE, BACKOFF, BODY, DOZING, RESTING)


class Scheduler:
    """Jobs and groups that have not ended, and the choice of what runs next.

    Methods that can end jobs or groups return all that ended, in that order: a job that was skipped or a
    group that is complete has its `status` set, and its `cause` where there is one.
    """

    def __init__(self, *, slots: int, max_active_groups: int | None = None, in_tokens: bool = False) -> None:
        self.timers: Timers = Timers()
        places = slots if max_active_groups is None else max_active_groups
        self.queues: FairQueues = FairQueues(slots, places, self.timers, in_tokens=in_tokens)
        self.unfinished: int = 0
        """Jobs that have not ended."""
        self.unfinished_groups: int = 0
        self.states: list[int] = [0] * len(State)
        """How many jobs are in each state (ENDED: how many have ended in all)."""
        self.gates: Gatekeeper = Gatekeeper(self.queues, self.timers)
        """What becomes of jobs that a limit or a budget does not let go."""
        self.prefixes: Prefixes = Prefixes(self.queues, self.timers, self.gates)
        """What groups learn of their prefixes, and how they go on by that."""
        self._locks = Locks()
        self._settling = 0
        self._bodies: deque[Entry] = deque()
        """Ready, and in need of no slot."""

    @property
    def may_start(self) -> bool:
        """Whether `next` may have anything to say."""
        return self.queues.may_pop or bool(self._bodies)

    @property
    def pending(self) -> int:
        """Jobs that wait to run, for whatever reason but an answer."""
        states = self.states
        return states[BLOCKED] + states[READY] + states[BACKOFF] + states[PAUSED] + states[IDLE]

    # Lanes.

    @property
    def lanes(self) -> dict[str, LaneState]:
        """The lanes by name."""
        return self.queues.lanes

    def set_lane(self, name: str, weight: float, max_running: int | None) -> LaneState:
        """Create a lane, or change one."""
        lane = self.queues.lanes.get(name)
        if lane is None:
            lane = self.queues.lanes[name] = LaneState(name, weight, max_running)
            lane.means = Means(self.gates.means)
        else:
            self.queues.change(lane, weight, max_running)
        return lane

    def drop_lane(self, lane: LaneState) -> None:
        """Forget a lane that has nothing unfinished."""
        del self.queues.lanes[lane.label]

    # Jobs come in.

    def add(self, entry: Entry, now: float, after: Iterable[Edge] = ()) -> Sequence[Node]:
        """Accept a job; its group, if it has one, has not ended."""
        self.unfinished += 1
        entry.lane.unfinished += 1
        group = entry.group
        if group is None and not after and not entry.slotless and entry.lock is None:
            entry.state = READY
            self.states[READY] += 1
            self.queues.push(entry)
            return _NO_ENDS
        self.states[BLOCKED] += 1
        if group is None:
            doomed = connect(entry, after)
        else:
            group.unfinished += 1
            doomed = connect(entry, after)
            if entry is not group.primer and not group.opened:
                primer = group.primer
                if primer is not None and primer.status is not None and not group.released:
                    doomed = doomed or primer
                group.held[entry] = None
                entry.blockers += 1
        if doomed is not None:
            disconnect(entry)
            return self._sweep(entry, "skipped", doomed, now)
        if not entry.blockers:
            self._free(entry)
        return _NO_ENDS

    def _ready(self, entry: Entry, *, front: bool = False) -> None:
        self._move(entry, READY)
        entry.after = ()
        if entry.slotless:
            self._bodies.append(entry)
        else:
            self.queues.push(entry, front=front)

    def _unblock(self, entry: Entry) -> None:
        entry.blockers -= 1
        if not entry.blockers:
            self._free(entry)

    def _free(self, entry: Entry) -> None:
        """Nothing is left that blocks it, but for a lock that another may hold."""
        if entry.lock is None or self._locks.take(entry):
            self._ready(entry)

    def _move(self, entry: Entry, state: State) -> None:
        self.states[entry.state] -= 1
        self.states[state] += 1
        entry.state = state
        if entry.asks is not (state is SUSPENDED or state is DOZING):
            self._asks(entry)

    def _asks(self, entry: Entry) -> None:
        """It begins to wait for an answer, or ceases to: others wait with it, where that is wanted."""
        entry.asks = not entry.asks
        for cap in entry.holds_while_asking():
            cap.asking += 1 if entry.asks else -1
            if cap.asking == entry.asks:
                self.queues.resized(cap)

    # Jobs run.

    def next(self, now: float = 0.0) -> Entry | None:
        """Choose the job that starts (or, if it was parked, goes on) now; None while none can.

        Jobs that had their turn and can never go are in `gates.refused` then.
        """
        while self._bodies:
            entry = self._bodies.popleft()
            if entry.state is READY:  # not cancelled meanwhile
                self._move(entry, BODY)
                return entry
        chosen = self.queues.pop(now)
        if chosen is not None:
            self._move(chosen, RUNNING)
            if chosen.group is not None:
                self.prefixes.chosen(chosen)
        if self.queues.turned_away:
            for entry, waits in self.gates.turn_away():
                self._move(entry, PAUSED if waits else IDLE)
        return chosen

    def park(self, entry: Entry) -> None:
        """A running job waits for its own: it gives back all that it holds."""
        self._move(entry, PARKED)
        self.gates.park(entry)
        self.prefixes.dropped(entry)
        self.queues.free(entry)
        if entry.group is not None:
            self.queues.rest(entry.group)

    def unpark(self, entry: Entry) -> None:
        """It has waited: it wants back what it gave, ahead of new jobs of its lane (`next` returns it)."""
        self._move(entry, RETURNING)
        if entry.reserved is not None:
            entry.reserved.park(so=False)
        self.queues.push(entry)

    def body_is(self, entry: Entry, state: State) -> None:
        """A job without a slot works (BODY), waits for its own (PARKED) or an answer (SUSPENDED, DOZING)."""
        self._move(entry, state)

    def needs_slot(self, entry: Entry) -> None:
        """A job that was looked at without a slot is to run with one."""
        entry.slotless = False
        if entry.lock is None or self._locks.has(entry) or self._locks.take(entry):
            self._ready(entry)
        else:
            self._move(entry, BLOCKED)

    # An attempt is over.

    def finish(
        self,
        entry: Entry,
        cost: float | None,
        now: float = 0.0,
        usage: Usage | None = None,
        failure: Failure | None = None,
    ) -> None:
        """Its attempt ended: take back what it held and settle the real cost (None: as reserved)."""
        if entry.reserved is not None:
            held, entry.reserved = entry.reserved, None
            self.gates.settle(entry, held, usage, failure, now)
        if entry.group is not None:
            self.prefixes.ended(entry, usage, failure, now)
        # Before it makes room: a lane or group that was at its cap comes back with the real cost counted.
        if cost is not None:
            self.queues.settle(entry, entry.charged, cost)
        if entry.state is RUNNING:
            self.queues.free(entry)
            self._move(entry, IDLE)
        else:
            self._stop(entry)

    def send_back(self, entry: Entry, now: float) -> None:
        """A job that was chosen cannot start yet: it gives back all that it was given, as if never chosen."""
        held, entry.reserved = entry.reserved, None
        if held is not None:
            self.gates.give_back(entry, held, now)
        self.prefixes.dropped(entry)
        self.prefixes.gone(entry)
        self.queues.settle(entry, entry.charged, 0.0)
        self._stop(entry)

    def abandon(self, entry: Entry, now: float = 0.0, *, broken: bool = False) -> Leftover:
        """Its attempt is given up before its end: the slot is free at once, the rest when it is `gone`.

        `broken`: its time was over, which is its provider's fault.
        """
        holds = entry.state is RUNNING
        self.prefixes.dropped(entry)
        if holds:
            self._move(entry, IDLE)
            self.queues.free_slot(entry)
        else:
            self._stop(entry)
        held, entry.reserved = entry.reserved, None
        if held is not None:
            self.gates.give_up(entry, held, now, broken=broken)
        return Leftover(entry, entry.charged, holds, held)

    def gone(
        self,
        leftover: Leftover,
        cost: float | None,
        now: float = 0.0,
        usage: Usage | None = None,
        *,
        begun: bool = True,
    ) -> None:
        """An abandoned attempt has really ended: give back its other places and settle its real cost."""
        entry = leftover.entry
        self.prefixes.gone(entry)
        if leftover.reserved is not None:
            if begun:
                self.gates.settle(entry, leftover.reserved, usage, None, now, given_up=True)
            else:
                self.gates.give_back(entry, leftover.reserved, now)
        if cost is not None:
            self.queues.settle(entry, leftover.charged, cost)
        if leftover.holds:
            if entry.pool is not None:
                self.queues.pools.leave(entry.pool)
            self.queues.vacate(entry)
            if entry.group is not None:
                self.queues.rest(entry.group)

    def gate_changed(self, gate: Gate, now: float) -> None:
        """A gate may have something again, or other limits: who waits there has another turn."""
        for entry in self.gates.resume(gate, now):
            self._ready(entry)
        self.queues.pools.stir(gate)

    def _stop(self, entry: Entry) -> None:
        if entry.state is RETURNING:
            self._withdraw(entry, IDLE)
            return
        if entry.state is RUNNING:
            self.queues.free(entry)
        self._move(entry, IDLE)

    def _withdraw(self, entry: Entry, state: State) -> None:
        flow = entry.lane.branch(self.queues.pool_of(entry)).flow_of(entry)
        self._move(entry, state)
        self.queues.withdraw(entry, flow)

    # What becomes of the job.

    def end(self, entry: Entry, status: Status, now: float) -> Sequence[Node]:
        """The job ends, from whatever state it is in (a running one after `finish` or `abandon`)."""
        group = entry.group
        alone = status == "succeeded" or entry.dependents is None
        if alone and entry.state is IDLE and (group is None or group.goes_on_without(entry)):
            self._mark(entry, status, None)
            if group is not None:
                group.leave(status)
                self.queues.rest(group)
            if entry.dependents is not None:
                dependents, entry.dependents = entry.dependents, None
                for each in dependents:
                    self._unblock(each)
            return (entry,)
        self._stop_waiting(entry)
        ended = self._sweep(entry, status, None, now)
        if group is not None:
            self.queues.rest(group)
        return ended

    def _stop_waiting(self, entry: Entry) -> None:
        """Take it out of wherever it waits."""
        if entry.state is READY:
            if entry.slotless:
                self._move(entry, IDLE)
            else:
                self._withdraw(entry, IDLE)
        elif entry.state is BLOCKED:
            disconnect(entry)
        elif entry.state is BACKOFF:
            self.timers.cancel(entry)
        elif entry.state is PAUSED:
            self.gates.leave_paused(entry)

    def retry(self, entry: Entry, when: float) -> None:
        """The job is to be tried again at that time."""
        self._move(entry, BACKOFF)
        self.timers.set(when, entry)
        if entry.group is not None:
            self.queues.rest(entry.group)

    def again(self, entry: Entry) -> None:
        """The job is to be tried again at once, ahead of its flow; if it gave its lock back, with that."""
        if entry.lock is None or self._locks.has(entry) or self._locks.take(entry):
            self._ready(entry, front=True)
        else:
            self._move(entry, BLOCKED)

    def suspend(self, entry: Entry, state: State = SUSPENDED, *, keeps_lock: bool = True) -> None:
        """The job rests (SUSPENDED, DOZING, RESTING), holding nothing but perhaps its lock, until `again`."""
        self._move(entry, state)
        if not keeps_lock:
            self._leave_lock(entry)
        if entry.group is not None:
            self.queues.rest(entry.group)

    def _sweep(self, first: Node, status: Status, cause: Node | None, now: float) -> Sequence[Node]:
        """End a job or group, and all that can no longer run because of it."""
        self._mark(first, status, cause)
        if first.dependents is None and isinstance(first, Entry) and first.group is None:
            return (first,)
        ended = [first]
        for node in ended:  # it grows while it is walked
            if isinstance(node, Entry):
                self._leave_group(node, ended, now)
            dependents, node.dependents = node.dependents, None
            for entry, needs_success in (dependents or {}).items():
                if needs_success and node.status != "succeeded":
                    disconnect(entry)
                    self._mark(entry, "skipped", node)
                    ended.append(entry)
                else:
                    self._unblock(entry)
        return ended

    def _mark(self, node: Node, status: Status, cause: Node | None) -> None:
        node.status = status
        node.cause = cause
        if isinstance(node, Entry):
            self._move(node, ENDED)
            self.unfinished -= 1
            node.lane.unfinished -= 1
            self._leave_lock(node)
        else:
            self.unfinished_groups -= 1
            if node.timer is not None:
                self._settling -= not node.opened
                self.timers.cancel(node)
            if node.warmth is not None and node.warmth.sharing is not None and node.cap is not None:
                node.warmth.sharing.leave(node.cap)
            self.queues.close_group(node)

    def _leave_lock(self, entry: Entry) -> None:
        """Give back its lock, if it has one; the next may have it."""
        if entry.lock is not None and (holder := self._locks.leave(entry)) is not None:
            self._ready(holder)

    def _leave_group(self, entry: Entry, ended: list[Node], now: float) -> None:
        group = entry.group
        if group is None or entry.status is None:
            return
        group.leave(entry.status)
        if entry is group.primer and not group.released:
            if entry.status == "succeeded" or group.run_on_failure:
                self.release(group, now)
            else:
                held, group.held = group.held, {}
                for follower in held:
                    disconnect(follower)
                    self._mark(follower, "skipped", entry)
                    ended.append(follower)
        if group.closed and not group.unfinished:
            self._mark(group, group.verdict(), None)
            ended.append(group)

    # Groups.

    def open_group(self, group: GroupState, priority: float) -> None:
        """Accept a group; members come with `add`, and its end is possible after `close_group`."""
        pool = group.pool or self.queues.pools.plain
        group.flow = group.lane.branch(pool).flow(priority, group, group.caps)
        self.unfinished_groups += 1

    def close_group(self, group: GroupState, now: float) -> Sequence[Node]:
        """No more members will come. Without a primer its jobs are independent, and may start."""
        if group.closed:
            return _NO_ENDS
        group.closed = True
        if group.primer is None:
            self.release(group, now)
        if group.unfinished:
            return _NO_ENDS
        return self._sweep(group, group.verdict(), None, now)

    def release(self, group: GroupState, now: float) -> None:
        """The primer is far enough, or there is none: a latch."""
        if group.released:
            return
        group.released = True
        if group.settle > 0.0 and group.primer is not None:
            self.timers.set(now + group.settle, group)
            self._settling += 1
        else:
            self._open(group)

    def _open(self, group: GroupState) -> None:
        group.opened = True
        held, group.held = group.held, {}
        for entry in held:
            self._unblock(entry)

    # Time.

    def wake_at(self) -> float | None:
        """When `due` is to be called next, or None."""
        return self.timers.first()

    def due(self, now: float) -> None:
        """Let in what waited for a time that has come."""
        while (target := self.timers.pop(now)) is not None:
            if isinstance(target, Entry):
                self._ready(target, front=True)
            elif isinstance(target, Gate):
                self.gate_changed(target, now)
            elif isinstance(target, Line):
                self.queues.pools.call(target)
            elif target.opened:
                if target.warmth is not None:
                    target.warmth.held = False
                self.queues.reopen(target)
            else:
                self._settling -= 1
                self._open(target)

    # Questions.

    def at_rest(self, held: Callable[[], int]) -> bool:
        """Whether nothing can go on by itself: what is unfinished waits for an answer or for a caller.

        `held` counts the ready jobs that may not start before an answer; it is asked only where that matters.
        """
        states = self.states
        stuck = not states[PARKED] or states[SUSPENDED] or states[PAUSED]
        if not stuck or self._settling or any(states[state] for state in _ON_THE_WAY):
            return False
        if states[READY] and (not states[SUSPENDED] or held() < states[READY]):
            return False
        return not (states[PAUSED] and self.gates.some_resume)

    def why(self, entry: Entry) -> WaitReason | None:
        """What holds this job now; None where nothing does: it runs or has ended."""
        return why(entry, self.queues)
