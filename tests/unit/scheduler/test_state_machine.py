"""The scheduler against a plain model of lists and scans, in whatever order things happen."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from paceline._job import Status
from paceline._scheduler import Cap, Entry, GroupState, LaneState, Node, Scheduler, State, WaitReason

from .model import Family, Model, Task, Thing

T = TypeVar("T")
AT_REST = (State.BLOCKED, State.SUSPENDED, State.ENDED)
WHICH = st.integers(0, 60)
"""Which of those there are, by number: what comes out is short to read, and can be rolled by dice as well."""
LOCKS = (None, None, None, "disk", "user")
EDGES: st.SearchStrategy[list[tuple[int, bool]]] = st.just([]) | st.lists(
    st.tuples(WHICH, st.booleans()), max_size=3
)
ENDS: tuple[Status, ...] = ("succeeded", "failed", "cancelled")


def pick(which: int, items: Sequence[T]) -> T:
    return items[which % len(items)]


class SchedulerMachine(RuleBasedStateMachine):
    """Everything an engine may ask of a scheduler, asked of both."""

    @initialize(
        slots=st.integers(1, 4),
        places=st.none() | st.integers(1, 3),
        lanes=st.integers(1, 3),
        eager=st.booleans(),
    )
    def begin(self, slots: int, places: int | None, lanes: int, eager: bool) -> None:
        self.real = Scheduler(slots=slots, max_active_groups=places)
        self.model = Model(slots, slots if places is None else places)
        self.eager = eager
        self.chains: list[tuple[Cap, ...]] = [()]
        """Caps as bodies have them: each body's own, and those of the bodies around it."""
        for number in range(lanes):
            self.real.set_lane(f"lane-{number}", 1.0, None)

    # What comes in.

    @rule(count=st.integers(1, 4), body=WHICH)
    def add_plain_jobs(self, count: int, body: int) -> None:
        lane, caps = next(iter(self.real.lanes.values())), pick(body, self.chains)
        for _ in range(count):
            self._accept(Entry(f"job-{len(self.model.tasks)}", lane, None, 0.0, None, caps), None, [])

    @precondition(lambda self: len(self.chains) < 12)
    @rule(which=WHICH, capacity=st.integers(1, 3))
    def add_cap(self, which: int, capacity: int) -> None:
        outer = pick(which, self.chains[-4:])
        self.chains.append((Cap(f"cap-{len(self.chains)}", capacity), *outer))

    @precondition(lambda self: len(self.chains) > 2)
    @rule(which=WHICH, other=WHICH)
    def share_a_cap(self, which: int, other: int) -> None:
        """The same cap, around other jobs than those of one body."""
        inner, outer = pick(which, self.chains)[:1], pick(other, self.chains)
        if not set(inner) & set(outer) and (*inner, *outer) not in self.chains:
            self.chains.append((*inner, *outer))

    @rule(
        which=WHICH,
        after=EDGES,
        priority=st.sampled_from([0.0, 0.0, 0.0, 5.0, -1.0]),
        stated=st.none() | st.sampled_from([0.0, 1.0, 10.0]),
        body=WHICH,
        slotless=st.sampled_from([False, False, True]),
        lock=st.sampled_from(LOCKS),
    )
    def add_job(
        self,
        which: int,
        after: list[tuple[int, bool]],
        priority: float,
        stated: float | None,
        body: int,
        slotless: bool,
        lock: str | None,
    ) -> None:
        lane, caps = pick(which, list(self.real.lanes.values())), pick(body, self.chains)
        entry = Entry(f"job-{len(self.model.tasks)}", lane, None, priority, stated, caps, slotless)
        entry.lock = lock
        self._add(after, entry, None)

    @precondition(lambda self: self.open_families())
    @rule(
        which=WHICH,
        after=EDGES,
        primer=st.booleans(),
        stated=st.none() | st.sampled_from([1.0, 10.0]),
        lock=st.sampled_from(LOCKS),
    )
    def add_member(
        self,
        which: int,
        after: list[tuple[int, bool]],
        primer: bool,
        stated: float | None,
        lock: str | None = None,
    ) -> None:
        family = pick(which, self.open_families())
        entry = Entry(f"job-{len(self.model.tasks)}", family.lane, family.entry, family.priority, stated)
        entry.lock = lock
        if primer and family.primer is None:
            family.entry.primer = entry
        self._add(after, entry, family)

    def _add(self, after: list[tuple[int, bool]], entry: Entry, family: Family | None) -> None:
        # The newest is where most of the trouble is: a job after jobs that have just been added.
        others: list[Thing] = [f for f in self.model.families if f is not family]
        things = [*others, *self.model.tasks][::-1]
        edges = [(pick(which, things), need) for which, need in after if things]
        self._accept(entry, family, edges)

    def _accept(self, entry: Entry, family: Family | None, edges: list[tuple[Thing, bool]]) -> None:
        self.model.step += 1
        task = Task(entry, entry.lane, family, entry.priority, edges, looks=entry.slotless)
        self.model.tasks.append(task)
        if family is not None:
            family.members.append(task)
            if family.entry.primer is entry:
                family.primer = task
        self._agree(self.real.add(entry, self.model.now, [(node.entry, need) for node, need in edges]))

    @rule(
        which=WHICH,
        priority=st.sampled_from([0.0, 0.0, 5.0]),
        capacity=st.none() | st.integers(1, 2),
        settle=st.sampled_from([0.0, 2.0]),
        flags=st.tuples(st.booleans(), st.integers(0, 3)),
        body=WHICH,
    )
    def open_group(
        self,
        which: int,
        priority: float,
        capacity: int | None,
        settle: float,
        flags: tuple[bool, int],
        body: int = 0,
    ) -> None:
        lane = pick(which, list(self.real.lanes.values()))
        group = GroupState(
            f"group-{len(self.model.families)}",
            lane,
            capacity=capacity,
            caps=pick(body, self.chains),
            settle=settle,
            run_on_failure=flags[0],
            exempt=flags[1] == 0,
        )
        if group.cap is not None and len(self.chains) < 16:
            self.chains.append(group.caps)  # of what its jobs start
        self.real.open_group(group, priority)
        self.model.families.append(Family(group, lane, priority))

    def open_families(self) -> list[Family]:
        return [f for f in self.model.families if not f.closed]

    @precondition(lambda self: self.open_families())
    @rule(which=WHICH)
    def close_group(self, which: int) -> None:
        family = pick(which, self.open_families())
        self.model.step += 1
        family.closed = True
        self._agree(self.real.close_group(family.entry, self.model.now))

    def releasable(self) -> list[Family]:
        return [f for f in self.model.families if f.primer is not None and f.primer.status is None]

    @precondition(lambda self: self.releasable())
    @rule(which=WHICH)
    def release(self, which: int) -> None:
        family = pick(which, self.releasable())
        self.model.step += 1
        self.real.release(family.entry, self.model.now)
        self.model.release(family)
        self._agree(())

    @rule(which=WHICH, weight=st.sampled_from([0.5, 1.0, 5.0]), capacity=st.none() | st.integers(1, 3))
    def change_lane(self, which: int, weight: float, capacity: int | None) -> None:
        names = [*self.real.lanes, f"lane-{len(self.real.lanes)}"]
        self.real.set_lane(pick(which, names), weight, capacity)

    def idle_lanes(self) -> list[LaneState]:
        busy = {t.lane for t in self.model.tasks if t.status is None} | {t.lane for t in self.model.holding()}
        busy |= {f.lane for f in self.model.families if f.status is None}
        return [lane for lane in self.real.lanes.values() if lane not in busy]

    @precondition(lambda self: len(self.real.lanes) > 1 and self.idle_lanes())
    @rule(which=WHICH)
    def drop_lane(self, which: int) -> None:
        lane = pick(which, self.idle_lanes())
        assert not lane.unfinished
        self.real.drop_lane(lane)

    # What runs.

    @rule()
    def start(self) -> None:
        self._start_one()

    @invariant()
    def start_all_that_can(self) -> None:
        """An engine starts what it can after each change; but it may also let things pile up."""
        while self.eager and self._start_one() is not None:
            pass

    def _start_one(self) -> Task | None:
        model = self.model
        model.step += 1
        bodies = [t for t in self.tasks_in(State.READY) if t.looks]
        able = model.runnable()
        kinds = {t: self._kind(t) for t in able}
        entry = self.real.next()
        if bodies:
            assert entry is not None, "what needs no slot starts at once"
            body = self._task(entry)
            assert body in bodies
            assert body.rank == min(t.rank for t in bodies), "in the order in which they became ready"
            body.state = State.BODY
            return body
        if entry is None:
            running = sum(t.state is State.RUNNING for t in model.tasks)
            assert running == model.slots or not able, f"{able[0].entry.label} could run"
            return None
        task = self._task(entry)
        assert task in able, f"{entry.label} may not run: {task.state!r}, {model.held_by(task)}"
        assert kinds[task] == "slot", "what starts next waits for nothing but a slot"
        ahead = [t for t in able if t.lane is task.lane and model.urgency(t) > model.urgency(task)]
        assert not ahead, f"{ahead[0].entry.label} has a higher priority than {entry.label}"
        assert task.rank == min(t.rank for t in model.tasks if t.queued and t.flow == task.flow)
        if task.group is not None and model.needs_place(task) and not task.group.begun:
            begun = [
                t for t in able if t.lane is task.lane and model.needs_place(t) and t.group and t.group.begun
            ]
            assert not [t for t in begun if model.urgency(t) == model.urgency(task)], (
                "a warm group goes first"
            )
        model.started(task)
        self._agree(())
        return task

    def _task(self, entry: Entry) -> Task:
        return next(t for t in self.model.tasks if t.entry is entry)

    def _kind(self, task: Task) -> str | None:
        reason = self.real.why(task.entry)
        return None if reason is None else reason.kind

    def tasks_in(self, *states: State) -> list[Task]:
        return [t for t in self.model.tasks if t.state in states]

    @precondition(lambda self: self.tasks_in(State.RUNNING))
    @rule(which=WHICH)
    def park(self, which: int) -> None:
        task = pick(which, self.tasks_in(State.RUNNING))
        self.real.park(task.entry)
        task.state = State.PARKED
        self.model.rest()

    def parked(self) -> list[Task]:
        return [t for t in self.tasks_in(State.PARKED) if not t.looks]

    @precondition(lambda self: self.parked())
    @rule(which=WHICH)
    def unpark(self, which: int) -> None:
        task = pick(which, self.parked())
        self.model.step += 1
        self.real.unpark(task.entry)
        self.model.queue(task, State.RETURNING)

    def bodies(self) -> list[Task]:
        """Jobs without a slot that have started; one that was suspended after its attempt has none."""
        return [t for t in self.tasks_in(State.BODY, State.PARKED, State.SUSPENDED) if t.looks]

    @precondition(lambda self: self.bodies())
    @rule(which=WHICH, what=st.integers(0, 2))
    def body_moves(self, which: int, what: int) -> None:
        task = pick(which, self.bodies())
        task.state = (State.BODY, State.PARKED, State.SUSPENDED)[what]
        self.real.body_is(task.entry, task.state)

    @precondition(lambda self: self.tasks_in(State.BODY))
    @rule(which=WHICH, what=st.integers(0, 4))
    def condition_is_looked_at(self, which: int, what: int) -> None:
        """It holds: the job queues for a slot. Or it does not, or cannot be looked at: the job ends."""
        task = pick(which, self.tasks_in(State.BODY))
        self.model.step += 1
        if what > 1:
            task.looks = False
            self.real.needs_slot(task.entry)
            self.model.queue(task)
            return
        status: Status = ("skipped", "failed")[what]
        ended = self.real.end(task.entry, status, self.model.now)
        self.model.end(task, status)
        self._agree(ended, task)

    def alive(self) -> list[Task]:
        return self.tasks_in(State.RUNNING, State.PARKED, State.RETURNING, State.BODY)

    @precondition(lambda self: self.alive())
    @rule(which=WHICH, cost=st.none() | st.sampled_from([0.0, 1.0, 100.0]), what=st.integers(0, 6))
    def attempt_ends(self, which: int, cost: float | None, what: int) -> None:
        task = pick(which, self.alive())
        self.model.step += 1
        self.real.finish(task.entry, None if task.looks else cost)
        self._becomes(task, what)

    @precondition(lambda self: self.alive())
    @rule(which=WHICH, what=st.integers(0, 6))
    def attempt_is_given_up(self, which: int, what: int) -> None:
        task = pick(which, self.alive())
        self.model.step += 1
        leftover = self.real.abandon(task.entry)
        assert leftover.holds == (task.state is State.RUNNING)
        group = task.group
        if leftover.holds and group is not None and self.model.group_full(group):
            group.active = False
        self.model.left.append((task, leftover))
        self._becomes(task, what)

    @precondition(lambda self: self.model.left)
    @rule(which=WHICH, cost=st.none() | st.sampled_from([0.0, 1.0, 100.0]))
    def leftover_ends(self, which: int, cost: float | None) -> None:
        left = pick(which, self.model.left)
        self.model.left.remove(left)
        self.real.gone(left[1], None if left[0].looks else cost)

    def _becomes(self, task: Task, what: int) -> None:
        """The word on a job whose attempt is over: mostly an end."""
        assert task.entry.state is State.IDLE
        task.state = State.IDLE
        ended: Sequence[Node] = ()
        if what < len(ENDS):
            ended = self.real.end(task.entry, ENDS[what], self.model.now)
            self.model.end(task, ENDS[what])
        elif what == 3:
            task.due = self.model.now + 3.0
            task.state = State.BACKOFF
            self.real.retry(task.entry, task.due)
        elif what == 4:
            task.state = State.SUSPENDED
            self.real.suspend(task.entry)
        else:
            self.real.again(task.entry)
            self.model.queue(task, front=True)
        self._agree(ended, task)

    @precondition(lambda self: self.tasks_in(State.SUSPENDED))
    @rule(which=WHICH)
    def answer(self, which: int) -> None:
        task = pick(which, self.tasks_in(State.SUSPENDED))
        self.model.step += 1
        self.real.again(task.entry)
        self.model.queue(task, front=True)

    def waiting(self) -> list[Task]:
        return self.tasks_in(State.BLOCKED, State.READY, State.BACKOFF, State.SUSPENDED)

    @precondition(lambda self: self.waiting())
    @rule(which=WHICH, status=st.sampled_from(["cancelled", "failed", "skipped", "succeeded"]))
    def end_what_waits(self, which: int, status: Status) -> None:
        task = pick(which, self.waiting())
        self.model.step += 1
        ended = self.real.end(task.entry, status, self.model.now)
        self.model.end(task, status)
        self._agree(ended, task)

    @rule(seconds=st.integers(1, 4))
    def time_passes(self, seconds: int) -> None:
        self.model.step += 1
        self.model.pass_time(self.model.now + seconds)
        self.real.due(self.model.now)
        self._agree(())

    # What must be so.

    def _agree(self, ended: Sequence[Node], *first: Thing) -> None:
        """The same jobs and groups end in both, each once and after its cause, with the same status."""
        nodes = list(ended)
        expected = (
            [*first, *self.model.follow()] if first and first[0].status is not None else self.model.follow()
        )
        assert len(nodes) == len(expected)
        assert {id(node) for node in nodes} == {id(thing.entry) for thing in expected}
        for thing in expected:
            assert thing.entry.status == thing.status
            if isinstance(thing, Task) and thing.status == "skipped" and thing not in first:
                cause = thing.entry.cause
                assert any(cause is node.entry for node in self.model.doomed_by(thing))
                assert cause not in nodes or nodes.index(cause) < nodes.index(thing.entry)

    @invariant()
    def states_agree(self) -> None:
        real, model = self.real, self.model
        for task in model.tasks:
            assert task.entry.state is task.state, task.entry.label
            assert task.entry.status == task.status
        assert real.states == [len(self.tasks_in(state)) for state in State]
        assert real.unfinished == sum(t.status is None for t in model.tasks)
        assert real.unfinished_groups == sum(f.status is None for f in model.families)
        stuck = not self.tasks_in(State.PARKED) or self.tasks_in(State.SUSPENDED)
        still = all(t.state in AT_REST or t.state is State.PARKED for t in model.tasks)
        assert real.at_rest(lambda: 0) == (bool(stuck) and still and not model.settling())
        assert real.wake_at() == min(model.times(), default=None)

    @invariant()
    def nothing_exceeds_what_it_may(self) -> None:
        queues, model = self.real.queues, self.model
        assert queues.used == len(self.tasks_in(State.RUNNING)) <= model.slots
        assert queues.ready == sum(t.queued for t in model.tasks)
        assert len(queues.active) == len(model.active()) <= model.max_active
        for lane in self.real.lanes.values():
            assert lane.used == sum(t.lane is lane for t in model.holding())
            assert lane.ready == sum(t.lane is lane and t.queued for t in model.tasks)
        for lock in LOCKS:
            assert lock is None or len(model.holders(lock)) <= 1
        for cap in {cap for chain in self.chains for cap in chain}:
            assert cap.used == sum(cap in t.entry.caps for t in model.holding()) <= cap.capacity
        for family in model.families:
            if family.entry.cap is not None:
                assert family.entry.cap.used == sum(family.entry.cap in t.entry.caps for t in model.holding())
            assert family.entry.active == family.active
            assert family.entry.status == family.status

    @invariant()
    def every_wait_has_its_reason(self) -> None:
        lanes = {t.lane for t in self.model.runnable()}
        next_lanes = {t.lane for t in self.model.tasks if self._kind(t) == "slot"}
        assert len(next_lanes) == bool(lanes), "one lane waits for nothing but a slot, others for their turn"
        fixed = {State.BACKOFF: "backoff", State.PARKED: "children", State.SUSPENDED: "reply"}
        for task in self.model.tasks:
            kind = self._kind(task)
            match task.state:
                case State.BLOCKED:
                    assert kind == (self.model.waits(task) or "lock")
                case State.READY if task.looks:
                    assert kind is None
                case State.READY | State.RETURNING:
                    expected = self.model.held_by(task)
                    if kind == "max_running":
                        full = self.model.full_cap(task)
                        assert full is not None
                        assert self.real.why(task.entry) == WaitReason("max_running", full.label)
                    assert kind == expected or (expected is None and kind in {"slot", "lane_share"})
                    assert kind != "slot" or task.lane in lanes
                    assert kind != "lane_share" or len(lanes) > 1
                case _:
                    assert kind == fixed.get(task.state)

    def teardown(self) -> None:
        if not hasattr(self, "real"):
            return
        for task, leftover in self.model.left:
            self.real.gone(leftover, None)
            assert task is not None
        self.model.left.clear()
        for task in self.model.tasks:
            if task.status is None:
                self.model.step += 1
                if task in self.alive():
                    self.real.finish(task.entry, None)
                ended = self.real.end(task.entry, "cancelled", self.model.now)
                self.model.end(task, "cancelled")
                self._agree(ended, task)
        for family in self.open_families():
            family.closed = True
            self._agree(self.real.close_group(family.entry, self.model.now))
        self._nothing_is_left()

    def _nothing_is_left(self) -> None:
        real = self.real
        assert real.at_rest(lambda: 0)
        assert real.wake_at() is None
        assert real.unfinished == real.unfinished_groups == real.queues.used == real.queues.ready == 0
        assert not real.queues.active
        assert not real._locks._queues
        for lane in real.lanes.values():
            assert lane.used == lane.ready == lane.unfinished == 0
            assert set(lane.levels) <= {0.0}
            for branch in lane.branches.values():
                assert branch.seat is None
                assert set(branch.flows) <= {0.0}
                assert not branch.open
                assert not branch.cold
                assert not branch.places
        for cap in {cap for chain in self.chains for cap in chain}:
            assert not cap.places
            assert cap.used == 0


TestSchedulerAgainstTheModel = SchedulerMachine.TestCase
TestSchedulerAgainstTheModel.settings = settings(max_examples=100, stateful_step_count=60)


@pytest.mark.parametrize("seed", range(8))
def test_random_lives_agree_with_the_model(seed: int) -> None:
    """What hypothesis seldom reaches: many jobs parked, returning, given up and tried again at once."""
    for number in range(30):
        walk(30 * seed + number, 100)


def walk(seed: int, steps: int) -> None:
    dice = random.Random(seed)
    machine = SchedulerMachine()
    machine.begin(dice.randint(1, 4), dice.choice([None, 1, 2, 3]), dice.randint(1, 3), dice.random() < 0.7)
    for _ in range(steps):
        roll(machine, dice)
        machine.start_all_that_can()
        machine.states_agree()
        machine.nothing_exceeds_what_it_may()
        machine.every_wait_has_its_reason()
    machine.teardown()


def warm_group(machine: SchedulerMachine, which: int, priority: float, cap: int | None) -> None:
    """A group that is through with its primer: its followers are ready as soon as they come."""
    machine.open_group(which, priority, cap, 0.0, (False, 1))
    newest = len(machine.open_families()) - 1
    machine.add_member(newest, [], True, None)
    machine.release(len(machine.releasable()) - 1)
    for _ in range(3):
        machine.add_member(newest, [], False, None)


def roll(machine: SchedulerMachine, dice: random.Random) -> None:
    """Something that is possible now."""
    which = dice.randrange(60)
    after = [(dice.randrange(60), dice.random() < 0.5) for _ in range(dice.choice([0, 0, 0, 1, 2]))]
    stated, cost = dice.choice([None, 1.0, 10.0]), dice.choice([None, 0.0, 1.0, 100.0])
    body, slotless = dice.choice([0, which]), dice.random() < 0.2
    priority, settle = dice.choice([0.0, 5.0]), dice.choice([0.0, 2.0])
    weight, cap = dice.choice([0.5, 1.0, 5.0]), dice.choice([None, 1, 2, 3])
    lock = dice.choice(LOCKS)
    seldom, what = dice.random() < 0.3, dice.randrange(7)
    m = machine
    moves: list[tuple[object, Callable[[], None]]] = [
        (True, lambda: m.add_plain_jobs(dice.randint(1, 4), which)),
        (True, lambda: m.add_job(which, after, priority, stated, body, slotless, lock)),
        (seldom and len(m.chains) < 12, lambda: m.add_cap(which, dice.randint(1, 3))),
        (seldom and len(m.chains) > 2, lambda: m.share_a_cap(which, dice.randrange(60))),
        (m.open_families(), lambda: m.add_member(which, after, seldom, stated, lock)),
        (m.open_families(), lambda: m.add_member(which, after, False, stated, lock)),
        (
            len(m.open_families()) < 4,
            lambda: m.open_group(which, priority, cap, settle, (seldom, what), body),
        ),
        (len(m.open_families()) < 6, lambda: warm_group(m, which, priority, cap)),
        (m.open_families() and seldom, lambda: m.close_group(which)),
        (m.releasable(), lambda: m.release(which)),
        (seldom, lambda: m.change_lane(which, weight, cap)),
        (len(m.real.lanes) > 1 and m.idle_lanes(), lambda: m.drop_lane(which)),
        (True, m.start),
        (m.tasks_in(State.RUNNING), lambda: m.park(which)),
        (m.parked(), lambda: m.unpark(which)),
        (m.bodies(), lambda: m.body_moves(which, what % 3)),
        (m.tasks_in(State.BODY), lambda: m.condition_is_looked_at(which, what % 5)),
        (m.alive(), lambda: m.attempt_ends(which, cost, what)),
        (m.alive(), lambda: m.attempt_ends(which, cost, what)),
        (m.alive(), lambda: m.attempt_is_given_up(which, what)),
        (m.model.left, lambda: m.leftover_ends(which, cost)),
        (m.tasks_in(State.SUSPENDED), lambda: m.answer(which)),
        (m.waiting() and seldom, lambda: m.end_what_waits(which, dice.choice(ENDS))),
        (True, lambda: m.time_passes(dice.randint(1, 4))),
    ]
    dice.choice([move for possible, move in moves if possible])()
