"""Caps that jobs share across lanes, groups and priorities, and jobs that need no slot: over long lives."""

from __future__ import annotations

import gc
import random
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType

import pytest

from paceline._scheduler import Cap, Entry, GroupState, LaneState, Leftover, Scheduler, State, WaitReason

WAITS = {State.READY, State.RETURNING}


class Road:
    """A scheduler in which jobs under nested caps come and go; a plain scan checks every start."""

    def __init__(self, seed: int, *, ask: bool = False) -> None:
        self.dice = dice = random.Random(seed)
        self.ask = ask
        """Look at why jobs wait all the time, which is to change nothing."""
        self.scheduler = Scheduler(slots=dice.randint(1, 6))
        self.lanes = [
            self.scheduler.set_lane(f"lane-{n}", dice.choice([1.0, 3.0]), dice.choice([None, None, 2]))
            for n in range(3)
        ]
        outer = Cap("outer", dice.randint(1, 4))
        middle = [Cap(f"middle-{n}", dice.randint(1, 3)) for n in range(2)]
        self.chains: list[tuple[Cap, ...]] = [(), (outer,), *((cap, outer) for cap in middle)]
        self.chains += [(Cap(f"inner-{n}", dice.randint(1, 2)), middle[n % 2], outer) for n in range(4)]
        self.caps = {cap for chain in self.chains for cap in chain}
        self.entries: list[Entry] = []
        self.left: list[Leftover] = []
        self.said: list[str] = []
        self.added = 0
        self.now = 0.0

    def holding(self) -> list[Entry]:
        """Whoever counts in lanes and caps."""
        running = [entry for entry in self.entries if entry.state is State.RUNNING]
        return running + [leftover.entry for leftover in self.left if leftover.holds]

    def runnable(self) -> list[Entry]:
        """Whatever waits for nothing but a slot."""
        holding = self.holding()
        lanes = Counter(entry.lane for entry in holding)
        caps = Counter(cap for entry in holding for cap in entry.caps)
        return [
            entry
            for entry in self.entries
            if entry.state in WAITS
            and (entry.lane.capacity is None or lanes[entry.lane] < entry.lane.capacity)
            and all(caps[cap] < cap.capacity for cap in entry.caps)
        ]

    def start_all(self) -> None:
        """Start whatever may: the scheduler stops only where nothing is left that could use a slot."""
        while True:
            self.look()
            able = {entry: urgency(entry) for entry in self.runnable()}
            entry = self.scheduler.next()
            if entry is None:
                running = sum(one.state is State.RUNNING for one in self.entries)
                assert running == self.scheduler.queues.slots or not able, (
                    f"{[one.label for one in able]} could run"
                )
                return
            if entry.state is State.BODY:
                self.look_at(entry)
                continue
            assert entry in able, f"{entry.label} may not run"
            assert able[entry] == max(able[one] for one in able if one.lane is entry.lane)
            self.said.append(entry.label)
            for cap in self.caps:
                assert cap.used == sum(cap in one.caps for one in self.holding()) <= cap.capacity

    def look(self) -> None:
        if self.ask:
            for entry in self.entries:
                self.scheduler.why(entry)

    def look_at(self, entry: Entry) -> None:
        """A job without a slot: a body, or one whose condition holds or not."""
        self.said.append(f"looked at {entry.label}")
        match self.dice.randrange(4):
            case 0:
                self.end(entry, "skipped")
            case 1:
                self.scheduler.body_is(entry, State.PARKED)
            case _:
                self.scheduler.needs_slot(entry)

    def end(self, entry: Entry, status: str) -> None:
        for node in self.scheduler.end(entry, status, self.now):  # type: ignore[arg-type]
            if isinstance(node, Entry):
                self.entries.remove(node)

    def step(self) -> None:
        """Something happens."""
        dice, scheduler = self.dice, self.scheduler
        self.now += 1.0
        scheduler.due(self.now)
        if len(self.entries) < 40 and dice.random() < 0.6:
            self.add()
        at_work = [entry for entry in self.entries if entry.state not in {State.READY, State.BLOCKED}]
        for some in (at_work, self.entries):
            if some:
                self.happen(dice.choice(some), dice.randrange(40))
        if self.left and dice.random() < 0.3:
            scheduler.gone(self.left.pop(dice.randrange(len(self.left))), None)
        if dice.random() < 0.02:
            lane = dice.choice(self.lanes)
            scheduler.set_lane(lane.label, lane.weight, dice.choice([None, 1, 2, 3]))

    def add(self) -> None:
        dice = self.dice
        lane, caps = dice.choice(self.lanes), dice.choice(self.chains)
        priority = dice.choice([0.0, 0.0, 0.0, 1.0, 5.0])
        group = None
        if dice.random() < 0.2:
            group = GroupState("group", lane, capacity=dice.choice([None, 1, 2]), caps=caps, exempt=True)
            self.scheduler.open_group(group, priority)
        for _ in range(dice.randint(1, 4)):
            self.added += 1
            slotless = group is None and dice.random() < 0.2
            entry = Entry(
                f"job-{self.added}", lane, group, priority, dice.choice([None, 1.0, 9.0]), caps, slotless
            )
            after = [(dice.choice(self.entries), False)] if self.entries and dice.random() < 0.2 else ()
            self.entries.append(entry)
            self.scheduler.add(entry, self.now, after)
        if group is not None:
            self.scheduler.close_group(group, self.now)

    def happen(self, entry: Entry, what: int) -> None:
        scheduler, state = self.scheduler, entry.state
        if state is State.RUNNING and what < 8:
            scheduler.park(entry)
        elif state is State.PARKED and not entry.slotless and what < 25:
            scheduler.unpark(entry)
        elif state is State.SUSPENDED:
            scheduler.again(entry)
        elif state is State.RUNNING and what < 15:
            self.left.append(scheduler.abandon(entry))
            self.becomes(entry)
        elif state in {State.RUNNING, State.PARKED, State.RETURNING}:
            scheduler.finish(entry, None if entry.slotless else self.dice.choice([None, 0.0, 5.0]))
            self.becomes(entry)
        elif what == 0:
            self.end(entry, "cancelled")

    def becomes(self, entry: Entry) -> None:
        match self.dice.randrange(8):
            case 0:
                self.scheduler.retry(entry, self.now + 3.0)
            case 1:
                self.scheduler.again(entry)
            case 2:
                self.scheduler.suspend(entry)
            case _:
                self.end(entry, self.dice.choice(["succeeded", "failed"]))

    def live(self, steps: int) -> None:
        for _ in range(steps):
            self.step()
            self.start_all()

    def end_all(self) -> None:
        for leftover in self.left:
            self.scheduler.gone(leftover, None)
        for entry in tuple(self.entries):
            if entry.state in {State.RUNNING, State.PARKED, State.RETURNING}:
                self.scheduler.finish(entry, None)
            self.end(entry, "cancelled")


def urgency(entry: Entry) -> float:
    return float("inf") if entry.state is State.RETURNING else entry.priority


@pytest.mark.parametrize("seed", range(6))
def test_over_a_long_life_no_cap_is_exceeded_and_none_holds_back_what_has_room(seed: int) -> None:
    road = Road(seed)
    road.live(2000)
    assert len(road.said) > 500
    road.end_all()
    assert road.scheduler.at_rest(lambda: 0)
    for cap in road.caps:
        assert not cap.places
        assert cap.used == 0
    for lane in road.lanes:
        assert not any(branch.places for branch in lane.branches.values())
        assert set(lane.levels).union(*(branch.flows for branch in lane.branches.values())) <= {0.0}
        assert lane.used == lane.ready == lane.unfinished == 0
        assert not any(branch.open or branch.cold for branch in lane.branches.values())


@pytest.mark.parametrize("seed", range(20))
def test_asking_why_jobs_wait_changes_nothing(seed: int) -> None:
    """Not who runs next, nor in which order: a screen that looks on must not be felt."""
    silent, watched = Road(seed), Road(seed, ask=True)
    silent.live(300)
    watched.live(300)
    assert silent.said == watched.said


def fill(scheduler: Scheduler, lane: LaneState, count: int, *caps: Cap, priority: float = 0.0) -> list[Entry]:
    entries = [Entry(f"{lane.label}-{n}", lane, None, priority, 1.0, caps) for n in range(count)]
    for entry in entries:
        scheduler.add(entry, 0.0)
    return entries


def started(scheduler: Scheduler) -> list[Entry]:
    return list(iter(scheduler.next, None))


def over(scheduler: Scheduler, entry: Entry) -> None:
    scheduler.finish(entry, None)
    scheduler.end(entry, "succeeded", 0.0)


def test_room_that_a_lane_at_its_own_cap_cannot_use_goes_to_another_lane() -> None:
    scheduler = Scheduler(slots=8)
    cap = Cap("body", 2)
    narrow, wide = scheduler.set_lane("narrow", 1.0, 1), scheduler.set_lane("wide", 1.0, None)
    blocker, *_ = fill(scheduler, narrow, 1)
    assert started(scheduler) == [blocker]
    inside = fill(scheduler, wide, 2, cap)
    assert started(scheduler) == inside
    fill(scheduler, narrow, 5, cap)
    more = fill(scheduler, wide, 5, cap)
    over(scheduler, inside[0])
    assert started(scheduler) == more[:1]


def test_room_goes_on_to_the_next_when_what_it_was_for_is_cancelled() -> None:
    scheduler = Scheduler(slots=1)
    cap = Cap("body", 1)
    lane = scheduler.set_lane("lane", 1.0, None)
    first, *_ = fill(scheduler, lane, 1, cap)
    assert started(scheduler) == [first]
    urgent, *_ = fill(scheduler, lane, 1, cap, priority=5.0)
    second, *_ = fill(scheduler, lane, 1, cap)
    over(scheduler, first)
    scheduler.end(urgent, "cancelled", 0.0)
    assert started(scheduler) == [second]


def test_room_under_an_outer_cap_goes_to_those_whose_inner_cap_has_room() -> None:
    scheduler = Scheduler(slots=8)
    outer, full, free = Cap("outer", 2), Cap("full", 1), Cap("free", 1)
    lane = scheduler.set_lane("lane", 1.0, None)
    hung, other = *fill(scheduler, lane, 1, full, outer), *fill(scheduler, lane, 1, outer)
    assert started(scheduler) == [hung, other]
    leftover = scheduler.abandon(hung)
    scheduler.end(hung, "failed", 0.0)
    waits, *_ = fill(scheduler, lane, 3, full, outer, priority=9.0)
    goes, *_ = fill(scheduler, lane, 3, free, outer)
    over(scheduler, other)
    assert started(scheduler) == [goes]
    assert scheduler.why(waits) == WaitReason("max_running", "full")
    scheduler.gone(leftover, None)
    assert started(scheduler) == [waits]


def test_lanes_that_wait_at_one_cap_take_turns_though_a_third_lane_is_always_ahead() -> None:
    scheduler = Scheduler(slots=4)
    cap = Cap("body", 1)
    names = ("a", "b", "c")
    for name in names:
        fill(scheduler, scheduler.set_lane(name, 1.0, None), 50, cap)
    fill(scheduler, scheduler.set_lane("busy", 1.0, None), 1000)
    running = started(scheduler)
    served: list[str] = []
    while len(served) < 60:
        for entry in running:
            over(scheduler, entry)
            if entry.caps:
                served.append(entry.lane.label)
        running = started(scheduler)
    assert all(abs(served.count(name) - 20) <= 1 for name in names)


def test_flows_that_wait_at_one_cap_take_turns_by_cost() -> None:
    """Two bodies in one, under its cap, in a lane with other jobs."""
    scheduler = Scheduler(slots=4)
    outer = Cap("outer", 1)
    lane = scheduler.set_lane("lane", 1.0, None)
    inner = [Cap("inner", 5), Cap("other", 1)]
    bodies = {cap: fill(scheduler, lane, 100, cap, outer) for cap in inner}
    fill(scheduler, lane, 1000)
    served: Counter[Cap | None] = Counter()
    for _ in range(160):
        for entry in started(scheduler):
            served[entry.caps[0] if entry.caps else None] += 1
            over(scheduler, entry)
    assert abs(served[inner[0]] - served[inner[1]]) <= 1
    assert served[inner[0]] + served[inner[1]] > 50
    assert set(bodies) == set(inner)


def test_bodies_whose_jobs_cost_nothing_take_turns_one_by_one() -> None:
    scheduler = Scheduler(slots=1)
    lane = scheduler.set_lane("lane", 1.0, None)
    caps = [Cap("one", 5), Cap("two", 5), Cap("three", 5)]
    for cap in caps:
        for _ in range(10):
            scheduler.add(Entry("job", lane, None, 0.0, 0.0, (cap,)), 0.0)
    served: list[Cap] = []
    for _ in range(15):
        entry = scheduler.next()
        assert entry is not None
        served.append(entry.caps[0])
        over(scheduler, entry)
    assert served == caps * 5


@pytest.mark.parametrize("as_group", [False, True], ids=["a body's cap", "a group's in_flight"])
def test_what_waited_at_a_cap_gets_no_credit_for_it(as_group: bool) -> None:
    """Its attempt hung for long; when that is gone, it takes turns with the others of its lane."""
    scheduler = Scheduler(slots=1)
    lane = scheduler.set_lane("lane", 1.0, None)
    if as_group:
        group = GroupState("group", lane, capacity=1, exempt=True)
        scheduler.open_group(group, 0.0)
        entries = [Entry("held", lane, group, 0.0, 1.0) for _ in range(100)]
        for entry in entries:
            scheduler.add(entry, 0.0)
        scheduler.close_group(group, 0.0)
    else:
        entries = fill(scheduler, lane, 100, Cap("body", 1))
    hung = scheduler.next()
    assert hung is entries[0]
    leftover = scheduler.abandon(entries[0])
    scheduler.end(entries[0], "failed", 0.0)
    others = fill(scheduler, lane, 300)
    for expected in others[:100]:
        assert scheduler.next() is expected
        over(scheduler, expected)
    scheduler.gone(leftover, None)
    held = 0
    for _ in range(40):
        chosen = scheduler.next()
        assert chosen is not None
        held += chosen in entries
        over(scheduler, chosen)
    assert 19 <= held <= 21


def test_jobs_without_a_slot_start_at_once_and_hold_nothing() -> None:
    scheduler = Scheduler(slots=1)
    cap = Cap("body", 1)
    lane = scheduler.set_lane("lane", 1.0, 1)
    busy, *_ = fill(scheduler, lane, 1, cap)
    assert started(scheduler) == [busy]
    bodies = [Entry("body", lane, None, -9.0, None, (cap,), slotless=True) for _ in range(3)]
    for body in bodies:
        scheduler.add(body, 0.0)
        assert scheduler.why(body) is None
    assert started(scheduler) == bodies
    assert (lane.used, cap.used, scheduler.queues.used, lane.served) == (1, 1, 1, 1.0)
    for body in bodies:
        scheduler.finish(body, None)
        scheduler.end(body, "succeeded", 0.0)
    assert (lane.used, cap.used, scheduler.queues.used, lane.served) == (1, 1, 1, 1.0)
    assert lane.unfinished == 1


def test_a_job_that_was_looked_at_waits_for_room_like_any_other() -> None:
    scheduler = Scheduler(slots=2)
    cap = Cap("body", 1)
    lane = scheduler.set_lane("lane", 1.0, None)
    first, second = fill(scheduler, lane, 2, cap)
    assert started(scheduler) == [first]
    looked = Entry("looked at", lane, None, 0.0, None, (cap,), slotless=True)
    scheduler.add(looked, 0.0)
    assert started(scheduler) == [looked]
    scheduler.needs_slot(looked)
    assert started(scheduler) == []
    assert scheduler.why(looked) == WaitReason("max_running", "body")
    over(scheduler, first)
    assert started(scheduler) == [second]
    over(scheduler, second)
    assert started(scheduler) == [looked]
    assert cap.used == 1


def test_a_parked_job_takes_its_room_back_before_new_ones() -> None:
    scheduler = Scheduler(slots=4)
    cap = Cap("body", 1)
    lane = scheduler.set_lane("lane", 1.0, None)
    parent, child, other = fill(scheduler, lane, 3, cap)
    assert started(scheduler) == [parent]
    scheduler.park(parent)
    assert started(scheduler) == [child]
    scheduler.unpark(parent)
    assert started(scheduler) == []
    assert scheduler.why(parent) == WaitReason("max_running", "body")
    over(scheduler, child)
    assert started(scheduler) == [parent]
    over(scheduler, parent)
    assert started(scheduler) == [other]


def calls(work: Callable[[], object]) -> int:
    """How many functions the work calls, C's included: a measure that no slow machine changes."""
    count = 0

    def tally(frame: FrameType, event: str, arg: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(tally)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def many_bodies_in_one(scheduler: Scheduler, size: int) -> None:
    """Each with a cap of its own: a map over a flow."""
    lane, outer = scheduler.set_lane("lane", 1.0, None), Cap("outer", 3)
    for _ in range(size // 5):
        fill(scheduler, lane, 5, Cap("inner", 1), outer)


def many_priorities(scheduler: Scheduler, size: int) -> None:
    lane, cap = scheduler.set_lane("lane", 1.0, None), Cap("body", 2)
    for number in range(size):
        fill(scheduler, lane, 1, cap, priority=float(number))


def many_groups(scheduler: Scheduler, size: int) -> None:
    lane, cap = scheduler.set_lane("lane", 1.0, None), Cap("body", 2)
    for _ in range(size // 5):
        group = GroupState("group", lane, capacity=1, caps=(cap,))
        scheduler.open_group(group, 0.0)
        for _ in range(5):
            scheduler.add(Entry("job", lane, group, 0.0, 1.0), 0.0)
        scheduler.close_group(group, 0.0)


def many_jobs(scheduler: Scheduler, size: int) -> None:
    for number in range(4):
        fill(scheduler, scheduler.set_lane(f"lane-{number}", 1.0, None), size // 4, CAP)


CAP = Cap("body", 2)


@pytest.mark.parametrize("scene", [many_bodies_in_one, many_priorities, many_groups, many_jobs])
def test_a_job_costs_the_same_however_many_flows_wait_at_its_caps(
    scene: Callable[[Scheduler, int], None],
) -> None:
    def whole(size: int) -> float:
        scheduler = Scheduler(slots=8)

        def life() -> None:
            scene(scheduler, size)
            running = started(scheduler)
            ended = 0
            while running:
                over(scheduler, running.pop(0))
                ended += 1
                running += started(scheduler)
            assert ended == size

        return calls(life) / size

    assert whole(5000) < 1.1 * whole(500)


@pytest.mark.parametrize("capacity", [1, 10_000])
def test_what_nested_caps_cost_grows_with_their_depth_only(capacity: int) -> None:
    def whole(depth: int) -> float:
        scheduler = Scheduler(slots=8)
        lane = scheduler.set_lane("lane", 1.0, None)
        caps = tuple(Cap("body", capacity) for _ in range(depth))
        other = scheduler.set_lane("other", 1.0, None)

        def life() -> None:
            fill(scheduler, lane, 100, *caps)
            fill(scheduler, other, 100, *caps)
            running = started(scheduler)
            while running:
                over(scheduler, running.pop(0))
                running += started(scheduler)

        return calls(life)

    assert whole(400) < 5 * whole(100)


def test_a_cap_that_nobody_holds_any_more_is_gone() -> None:
    scheduler = Scheduler(slots=2)
    lane = scheduler.set_lane("lane", 1.0, None)
    outer = Cap("outer", 1)
    gc.collect()
    before = sum(isinstance(thing, Cap) for thing in gc.get_objects())
    for _ in range(50):
        fill(scheduler, lane, 3, Cap("inner", 1), outer)
    for entry in iter(scheduler.next, None):
        over(scheduler, entry)
        del entry
    gc.collect()
    assert sum(isinstance(thing, Cap) for thing in gc.get_objects()) == before
