"""The promise of fairness, over every stretch of time in which two lanes, or two flows, stay backlogged."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from typing import TypeAlias

import pytest
from hypothesis import given, settings, strategies as st

from paceline._scheduler import Cap, Entry, GroupState, LaneState, Scheduler

Costs: TypeAlias = Callable[[random.Random], tuple[float | None, float]]
"""What a job states that it costs, if anything, and what it does cost."""

WAITS_FOR_A_SLOT = {"slot", "lane_share"}

SIZES: dict[str, Callable[[random.Random], float]] = {
    "alike": lambda dice: 1.0,
    "small and large": lambda dice: dice.choice([1.0, 1.0, 1.0, 50.0]),
    "heavy-tailed": lambda dice: min(dice.paretovariate(1.1), 300.0),
}
ERRORS: dict[str, Callable[[random.Random, float], float | None]] = {
    "right": lambda dice, real: real,
    "unknown": lambda dice, real: None,
    "too low": lambda dice, real: real / 10,
    "too high": lambda dice, real: real * 10,
    "either way": lambda dice, real: real * dice.choice([0.1, 1.0, 10.0]),
}


def costs(size: str, error: str) -> Costs:
    def draw(dice: random.Random) -> tuple[float | None, float]:
        real = SIZES[size](dice)
        return ERRORS[error](dice, real), real

    return draw


@dataclass
class Rider:
    """What keeps one lane, or one flow of a lane, busy, and what has been seen of it."""

    lane: LaneState
    costs: Costs
    weight: float = 1.0
    group: GroupState | None = None
    """The group of the jobs to come."""
    family: int = 0
    """After so many jobs comes another group; 0: never."""
    in_flight: int | None = None
    rests: bool = False
    """It has nothing to do at times."""
    caps: tuple[Cap, ...] = ()
    """Of the bodies that its ungrouped jobs, and those of others, belong to."""
    queued: list[Entry] = field(default_factory=list[Entry])
    served: float = 0.0
    largest: float = 0.0


class Road:
    """Riders on one scheduler; running jobs end in random order, each at its own real cost."""

    def __init__(self, scheduler: Scheduler, seed: int) -> None:
        self.scheduler = scheduler
        self.dice = random.Random(seed)
        self.riders: list[Rider] = []
        self.running: list[tuple[Rider, Entry, float]] = []
        self.reals: dict[Entry, tuple[Rider, float]] = {}
        self.spans: dict[tuple[int, int], tuple[float, float]] = {}
        """Of each two that are backlogged now: how far one was behind and ahead since they are."""
        self.worst: dict[tuple[int, int], float] = {}

    def lane(self, weight: float = 1.0, cap: int | None = None) -> LaneState:
        return self.scheduler.set_lane(f"lane-{len(self.scheduler.lanes)}", weight, cap)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.stock()
            while (entry := self.scheduler.next()) is not None:
                self.start(entry)
            self.end(self.dice.randrange(len(self.running)))

    def stock(self) -> None:
        for rider in self.riders:
            self._stock(rider)

    def _stock(self, rider: Rider) -> None:
        if rider.rests and self.dice.random() < 0.97:
            return
        while self._short_of_jobs(rider):
            if rider.family:
                rider.group = warm_group(self.scheduler, rider.lane, "family", rider.in_flight)
            for _ in range(rider.family or 1):
                stated, real = rider.costs(self.dice)
                entry = Entry("job", rider.lane, rider.group, 0.0, stated, rider.caps)
                rider.queued.append(entry)
                self.reals[entry] = (rider, real)
                self.scheduler.add(entry, 0.0)
            self._look()

    def _short_of_jobs(self, rider: Rider) -> bool:
        queued = rider.queued
        if rider.family:  # what its group's cap holds back does not keep a lane busy
            queued = [entry for entry in queued if self._kind(entry) != "group_in_flight"]
        return len(queued) < 3

    def _kind(self, entry: Entry) -> str | None:
        reason = self.scheduler.why(entry)
        return None if reason is None else reason.kind

    def start(self, entry: Entry) -> None:
        rider, real = self.reals.pop(entry)
        rider.queued.remove(entry)
        rider.served += entry.charged
        rider.largest = max(rider.largest, entry.charged, real)
        self.running.append((rider, entry, real))
        self._look()

    def end(self, which: int) -> None:
        rider, entry, real = self.running.pop(which)
        rider.served += real - entry.charged
        self.scheduler.finish(entry, real)
        self.scheduler.end(entry, "succeeded", 0.0)
        self._look()

    def _backlogged(self, rider: Rider) -> bool:
        return any(self._kind(entry) in WAITS_FOR_A_SLOT for entry in rider.queued)

    def _look(self) -> None:
        """The worst lag of all stretches is how far a difference has swung since both are backlogged."""
        waiting = [self._backlogged(rider) for rider in self.riders]
        for pair in combinations(range(len(self.riders)), 2):
            if not (waiting[pair[0]] and waiting[pair[1]]):
                self.spans.pop(pair, None)
                continue
            one, other = (self.riders[index] for index in pair)
            lead = one.served / one.weight - other.served / other.weight
            low, high = self.spans.get(pair, (lead, lead))
            self.spans[pair] = low, high = min(low, lead), max(high, lead)
            self.worst[pair] = max(self.worst.get(pair, 0.0), high - low)

    def closest(self) -> float:
        """The worst lag of all pairs, as a share of its bound."""
        slots = self.scheduler.queues.slots
        shares = [0.0]
        for pair, lag in self.worst.items():
            largest = sum(self.riders[index].largest / self.riders[index].weight for index in pair)
            if lag:
                shares.append(lag / ((slots + 1) * largest))
        return max(shares)


def warm_group(
    scheduler: Scheduler, lane: LaneState, name: str, capacity: int | None = None, *, exempt: bool = False
) -> GroupState:
    """An open group whose primer is through: its members are ready at once, and need it to be active."""
    group = GroupState(name, lane, capacity=capacity, exempt=exempt)
    scheduler.open_group(group, 0.0)
    group.primer = Entry("primer", lane, group, 0.0, 0.0)
    scheduler.add(group.primer, 0.0)
    scheduler.release(group, 0.0)
    scheduler.end(group.primer, "skipped", 0.0)
    return group


@dataclass(frozen=True)
class Plan:
    weight: float
    size: str
    error: str
    cap: int | None
    family: int
    in_flight: int | None
    rests: bool
    body: int


PLANS = st.builds(
    Plan,
    weight=st.sampled_from([0.1, 1.0, 1.0, 2.0, 5.0, 50.0]),
    size=st.sampled_from(sorted(SIZES)),
    error=st.sampled_from(sorted(ERRORS)),
    cap=st.none() | st.integers(1, 8),
    family=st.sampled_from([0, 1, 2, 4]),
    in_flight=st.sampled_from([None, 1, 2]),
    rests=st.booleans(),
    body=st.sampled_from([0, 0, 1, 2]),
)


@given(
    plans=st.lists(PLANS, min_size=2, max_size=5),
    slots=st.sampled_from([1, 2, 3, 4, 8, 16, 64]),
    places=st.none() | st.integers(1, 3),
    max_running=st.tuples(st.integers(1, 4), st.integers(1, 8)),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60)
def test_lanes_that_stay_backlogged_are_served_by_weight(
    plans: list[Plan], slots: int, places: int | None, max_running: tuple[int, int], seed: int
) -> None:
    road = Road(Scheduler(slots=slots, max_active_groups=places), seed)
    inner, outer = (Cap("body", capacity) for capacity in max_running)
    bodies: list[tuple[Cap, ...]] = [(), (outer,), (inner, outer)]
    for plan in plans:
        lane = road.lane(plan.weight, plan.cap)
        caps = () if plan.family else bodies[plan.body]
        rider = Rider(lane, costs(plan.size, plan.error), plan.weight, None, plan.family, plan.in_flight)
        rider.rests, rider.caps = plan.rests, caps
        road.riders.append(rider)
    road.riders.append(Rider(road.lane(), costs("alike", "right")))  # so that there is always something to do
    road.run(400 + 20 * slots)
    assert road.closest() <= 1.0 + 1e-9


@pytest.mark.parametrize("slots", [2, 4, 16])
def test_a_lane_of_capped_groups_that_is_charged_too_much_gets_its_share(slots: int) -> None:
    """Time and again all that it has are groups at their cap and groups that need a place, which is there."""
    road = Road(Scheduler(slots=slots), 0)
    road.riders.append(Rider(road.lane(), costs("alike", "right")))
    road.riders.append(Rider(road.lane(), costs("alike", "too high"), family=2, in_flight=1))
    road.run(1000)
    assert road.closest() <= 1.0 + 1e-9


@given(
    plans=st.lists(PLANS, min_size=2, max_size=5),
    slots=st.sampled_from([1, 2, 3, 4, 8, 16, 64]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=40)
def test_active_groups_and_ungrouped_jobs_of_one_lane_take_turns_by_cost(
    plans: list[Plan], slots: int, seed: int
) -> None:
    scheduler = Scheduler(slots=slots)
    road = Road(scheduler, seed)
    lane = road.lane()
    for plan in plans:
        # Exempt: a group that rested waits behind those that are warm before it takes turns again.
        group = warm_group(scheduler, lane, "group", plan.cap, exempt=True)
        road.riders.append(Rider(lane, costs(plan.size, plan.error), group=group, rests=plan.rests))
    road.riders.append(Rider(lane, costs("alike", "right")))
    road.run(400 + 20 * slots)
    assert road.closest() <= 1.0 + 1e-9


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 8, 16])
def test_a_lane_whose_costs_are_misjudged_both_ways_swings_at_most_twice_as_far(slots: int) -> None:
    """An adversary who picks what is misjudged how, and what ends when, gets past the bound: no choice made
    before the costs are known can prevent it. Twice the bound is out of his reach too."""
    too_high = True
    road = Road(Scheduler(slots=slots), 0)
    victim = Rider(road.lane(), lambda dice: (10.0, 0.0) if too_high else (0.0, 10.0))
    light = Rider(road.lane(), lambda dice: (0.1, 0.1))
    road.riders += [victim, light]

    def fill() -> None:
        road.stock()
        while (entry := road.scheduler.next()) is not None:
            road.start(entry)
            road.stock()

    def give_all_slots_to_the_victim() -> None:
        fill()
        while (which := next((n for n, job in enumerate(road.running) if job[0] is light), None)) is not None:
            road.end(which)
            fill()

    def misjudge_the_other_way() -> None:
        for entry in victim.queued:
            entry.stated, real = victim.costs(road.dice)
            road.reals[entry] = (victim, real)

    give_all_slots_to_the_victim()
    too_high = False
    misjudge_the_other_way()
    for _ in range(slots):
        road.end(0)
        fill()
    while victim.served < light.served - victim.largest:
        road.end(0)
        fill()
    give_all_slots_to_the_victim()
    while road.running:
        road.end(0)
    assert road.closest() <= 2.0
    assert (road.closest() > 1.0) == (slots > 2)


def fill_lane(scheduler: Scheduler, lane: LaneState, count: int, cost: float = 1.0) -> list[Entry]:
    entries = [Entry(f"{lane.label}-{n}", lane, None, 0.0, cost) for n in range(count)]
    for entry in entries:
        scheduler.add(entry, 0.0)
    return entries


def serve(scheduler: Scheduler, count: int) -> list[str]:
    """Let one job after another start and end; the lanes of those that started."""
    order: list[str] = []
    for _ in range(count):
        entry = scheduler.next()
        assert entry is not None
        order.append(entry.lane.label)
        scheduler.finish(entry, None)
        scheduler.end(entry, "succeeded", 0.0)
    return order


@pytest.mark.parametrize("slots", [1, 16])
def test_a_heavy_lane_is_served_next_however_many_jobs_stand_in_a_light_one(slots: int) -> None:
    scheduler = Scheduler(slots=slots)
    background = fill_lane(scheduler, scheduler.set_lane("background", 1.0, None), 10_000)
    running = [scheduler.next() for _ in range(slots)]
    assert running == background[:slots]
    (urgent,) = fill_lane(scheduler, scheduler.set_lane("heavy", 5.0, None), 1)
    assert scheduler.next() is None
    scheduler.finish(background[0], None)
    assert scheduler.next() is urgent


def test_a_lane_that_was_idle_gets_no_credit_for_it() -> None:
    scheduler = Scheduler(slots=1)
    busy, idle = scheduler.set_lane("busy", 1.0, None), scheduler.set_lane("idle", 1.0, None)
    fill_lane(scheduler, busy, 200)
    serve(scheduler, 100)
    fill_lane(scheduler, idle, 100)
    assert serve(scheduler, 20).count("idle") == 10


def test_a_lane_that_was_idle_gets_no_credit_though_another_is_behind_by_a_correction() -> None:
    scheduler = Scheduler(slots=2)
    refunded, steady = scheduler.set_lane("refunded", 1.0, None), scheduler.set_lane("steady", 1.0, None)
    fill_lane(scheduler, refunded, 1, cost=50.0)
    refund = scheduler.next()
    assert refund is not None
    fill_lane(scheduler, steady, 200)
    fill_lane(scheduler, refunded, 200)
    serve(scheduler, 60)
    scheduler.finish(refund, 0.0)
    serve(scheduler, 1)
    fill_lane(scheduler, scheduler.set_lane("new", 1.0, None), 200)
    order = serve(scheduler, 90)
    # It catches up alone; only then do the others take turns, none of them ahead.
    assert order[:40] == ["refunded"] * 40
    assert abs(order.count("new") - order.count("steady")) <= 1


def test_an_unknown_cost_is_taken_to_be_the_mean_of_the_lane_or_else_of_all() -> None:
    scheduler = Scheduler(slots=1)
    known, new = scheduler.set_lane("known", 1.0, None), scheduler.set_lane("new", 1.0, None)
    charged: list[float] = []
    for lane, cost in ((known, 4.0), (known, 8.0), (known, 0.0), (known, 6.0), (new, 20.0), (new, None)):
        scheduler.add(Entry("job", lane, None, 0.0, None), 0.0)
        entry = scheduler.next()
        assert entry is not None
        charged.append(entry.charged)
        scheduler.finish(entry, cost)
        scheduler.end(entry, "succeeded", 0.0)
    # Nothing known; then means, to which an attempt that was refused before it did any work adds nothing.
    assert charged == [1.0, 4.0, 6.0, 6.0, 6.0, 20.0]


def test_a_lane_that_lost_its_place_to_another_waits_until_it_has_one_again() -> None:
    scheduler = Scheduler(slots=8, max_active_groups=2)
    two, one = scheduler.set_lane("two", 1.0, None), scheduler.set_lane("one", 1.0, None)
    groups = (("oldest", two, None), ("capped", two, 1))
    for name, lane, capacity in groups:
        group = warm_group(scheduler, lane, name, capacity)
        for _ in range(3):
            scheduler.add(Entry(name, lane, group, 0.0, 1.0), 0.0)
    assert [entry.label for entry in (scheduler.next(), scheduler.next()) if entry] == ["oldest", "capped"]
    other = warm_group(scheduler, one, "other")
    for _ in range(2):
        scheduler.add(Entry("other", one, other, 0.0, 0.1), 0.0)
    labels = [each.label for each in iter(scheduler.next, None)]
    assert labels == ["other", "other", "oldest", "oldest"]


def test_a_lane_that_was_at_its_cap_gets_no_credit_for_it_though_it_was_charged_too_much() -> None:
    scheduler = Scheduler(slots=2)
    capped, busy = scheduler.set_lane("capped", 1.0, 1), scheduler.set_lane("busy", 1.0, None)
    fill_lane(scheduler, capped, 1, cost=100.0)
    first = scheduler.next()
    fill_lane(scheduler, capped, 100)
    fill_lane(scheduler, busy, 200)
    serve(scheduler, 50)
    assert first is not None
    scheduler.finish(first, 0.0)
    assert serve(scheduler, 4) == ["capped", "busy", "capped", "busy"]


def test_a_group_that_waited_for_a_place_gets_no_credit_for_it() -> None:
    scheduler = Scheduler(slots=1, max_active_groups=1)
    lane = scheduler.set_lane("lane", 1.0, None)
    for name, count in (("first", 100), ("second", 100)):
        group = warm_group(scheduler, lane, name)
        for _ in range(count):
            scheduler.add(Entry(name, lane, group, 0.0, 1.0), 0.0)
    fill_lane(scheduler, lane, 300)
    order: list[str] = []
    for _ in range(240):
        entry = scheduler.next()
        assert entry is not None
        order.append(entry.label)
        scheduler.finish(entry, None)
    begins = order.index("second")
    assert order.index("second") > max(n for n, label in enumerate(order) if label == "first")
    assert order[begins : begins + 20].count("second") == 10


def test_a_lane_that_waited_for_a_place_gets_no_credit_for_it() -> None:
    """All of what it has is held back: one group by its own cap, another by the groups of the other lane."""
    scheduler = Scheduler(slots=4, max_active_groups=2)
    held, other = scheduler.set_lane("held", 1.0, None), scheduler.set_lane("other", 1.0, None)
    capped = warm_group(scheduler, held, "capped", capacity=1)
    first = Entry("first", held, capped, 0.0, 1.0)
    for entry in (first, Entry("second", held, capped, 0.0, 1.0)):
        scheduler.add(entry, 0.0)
    assert scheduler.next() is first
    rival = warm_group(scheduler, other, "rival", capacity=2)  # at 1 it would keep its place while one runs
    *long, last = [Entry(name, other, rival, 0.0, 1.0) for name in ("long", "longer", "last")]
    for entry in (*long, last):
        scheduler.add(entry, 0.0)
    assert [scheduler.next(), scheduler.next()] == long
    waiting = warm_group(scheduler, held, "waiting")
    for _ in range(40):
        scheduler.add(Entry("waits", held, waiting, 0.0, 1.0), 0.0)
    fill_lane(scheduler, other, 200)
    assert serve(scheduler, 50) == ["other"] * 50
    scheduler.end(last, "cancelled", 0.0)
    assert serve(scheduler, 20).count("held") == 10


def test_a_job_that_goes_on_after_it_was_parked_is_not_charged_again() -> None:
    scheduler = Scheduler(slots=1)
    lane = scheduler.set_lane("lane", 1.0, None)
    fill_lane(scheduler, lane, 1, cost=5.0)
    entry = scheduler.next()
    assert entry is not None
    scheduler.park(entry)
    scheduler.unpark(entry)
    assert scheduler.next() is entry
    scheduler.finish(entry, 7.0)
    assert lane.served == 7.0


def test_a_lane_that_is_given_more_weight_need_not_sit_out_what_it_owed_by_the_old_one() -> None:
    scheduler = Scheduler(slots=1)
    poor, other = scheduler.set_lane("poor", 0.001, None), scheduler.set_lane("other", 1.0, None)
    fill_lane(scheduler, poor, 100)
    serve(scheduler, 1)
    fill_lane(scheduler, other, 1000)
    scheduler.set_lane("poor", 1.0, None)
    assert serve(scheduler, 20).count("poor") in {9, 10}


def test_a_lane_at_its_cap_keeps_no_places_for_active_groups_from_others() -> None:
    scheduler = Scheduler(slots=2)
    capped, free = scheduler.set_lane("capped", 1.0, 1), scheduler.set_lane("free", 1.0, None)
    for lane, names in ((capped, ("a", "b")), (free, ("c",))):
        for name in names:
            group = warm_group(scheduler, lane, name)
            for _ in range(3):
                scheduler.add(Entry(name, lane, group, 0.0, 1.0), 0.0)
    for _ in range(3):
        running = [scheduler.next(), scheduler.next()]
        assert {entry.lane.label for entry in running if entry is not None} == {"capped", "free"}
        for entry in running:
            assert entry is not None
            scheduler.finish(entry, None)
            scheduler.end(entry, "succeeded", 0.0)


def test_a_lane_goes_on_in_its_turn_when_its_newest_group_took_the_last_place() -> None:
    """It was not among the lanes that a slot is enough for, and is now: its first group is at its own cap."""
    scheduler = Scheduler(slots=8, max_active_groups=2)
    light, heavy = scheduler.set_lane("light", 1.0, None), scheduler.set_lane("heavy", 1.0, None)
    full = warm_group(scheduler, light, "full", capacity=1)
    for _ in range(2):
        scheduler.add(Entry("full", light, full, 0.0, 1.0), 0.0)
    fill_lane(scheduler, heavy, 1, cost=100.0)
    assert [entry.label for entry in (scheduler.next(), scheduler.next()) if entry] == ["full", "heavy-0"]
    fill_lane(scheduler, heavy, 1)
    last = warm_group(scheduler, light, "last")
    for _ in range(3):
        scheduler.add(Entry("last", light, last, 0.0, 1.0), 0.0)
    started = [scheduler.next() for _ in range(4)]
    assert [entry.label for entry in started if entry] == ["last", "last", "last", "heavy-0"]


def test_a_group_that_waits_for_an_attempt_that_hangs_keeps_no_other_group_waiting() -> None:
    scheduler = Scheduler(slots=1)
    lane = scheduler.set_lane("lane", 1.0, None)
    for name, capacity in (("hanging", 1), ("other", None)):
        group = warm_group(scheduler, lane, name, capacity)
        for _ in range(2):
            scheduler.add(Entry(name, lane, group, 0.0, 1.0), 0.0)
    first = scheduler.next()
    assert first is not None
    leftover = scheduler.abandon(first)
    scheduler.end(first, "failed", 0.0)
    assert serve(scheduler, 2) == ["lane", "lane"]
    assert scheduler.next() is None
    scheduler.gone(leftover, None)
    last = scheduler.next()
    assert last is not None
    assert last.label == "hanging"
