"""The promise of DESIGN's "Fairness", over every stretch of time in which two lanes, or two flows, stay backlogged."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from typing import TypeAlias

import pytest
from hypothesis import example, given, settings, strategies as st

from paceline._scheduler import Entry, GroupState, LaneState, Scheduler

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
    """All its jobs are of this group."""
    alone: bool = False
    """Each of its jobs is the only one of a group of its own."""
    rests: bool = False
    """It has nothing to do at times."""
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
        """For each two that are backlogged now: how far one was behind and ahead of the other since they are."""
        self.worst: dict[tuple[int, int], float] = {}

    def lane(self, weight: float = 1.0, cap: int | None = None) -> LaneState:
        return self.scheduler.set_lane(f"lane-{len(self.scheduler.lanes)}", weight, cap)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            for rider in self.riders:
                self._stock(rider)
            while (entry := self.scheduler.next()) is not None:
                self._start(entry)
            self._end(self.dice.randrange(len(self.running)))

    def _stock(self, rider: Rider) -> None:
        if rider.rests and self.dice.random() < 0.97:
            return
        while len(rider.queued) < 3:
            stated, real = rider.costs(self.dice)
            group = rider.group
            if rider.alone:
                group = GroupState("alone", rider.lane)
                self.scheduler.open_group(group, 0.0)
            entry = Entry("job", rider.lane, group, 0.0, stated)
            if rider.alone and group is not None:
                group.primer = entry
            rider.queued.append(entry)
            self.reals[entry] = (rider, real)
            self.scheduler.add(entry, 0.0)
            self._look()

    def _start(self, entry: Entry) -> None:
        rider, real = self.reals.pop(entry)
        rider.queued.remove(entry)
        rider.served += entry.charged
        rider.largest = max(rider.largest, entry.charged, real)
        self.running.append((rider, entry, real))
        self._look()

    def _end(self, which: int) -> None:
        rider, entry, real = self.running.pop(which)
        rider.served += real - entry.charged
        self.scheduler.finish(entry, real)
        self.scheduler.end(entry, "succeeded", 0.0)
        if rider.alone and entry.group is not None:
            self.scheduler.close_group(entry.group, 0.0)
        self._look()

    def _backlogged(self, rider: Rider) -> bool:
        reason = self.scheduler.why(rider.queued[0]) if rider.queued else None
        return reason is not None and reason.kind in WAITS_FOR_A_SLOT

    def _look(self) -> None:
        """Over all stretches the worst lag is how far a pair's difference has swung since both are backlogged."""
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
            shares.append(lag / ((slots + 1) * largest))
        return max(shares)


@dataclass(frozen=True)
class Plan:
    weight: float
    size: str
    error: str
    cap: int | None
    alone: bool
    rests: bool


PLANS = st.builds(
    Plan,
    weight=st.sampled_from([0.1, 1.0, 1.0, 2.0, 5.0, 50.0]),
    size=st.sampled_from(sorted(SIZES)),
    error=st.sampled_from(sorted(ERRORS)),
    cap=st.none() | st.integers(1, 8),
    alone=st.booleans(),
    rests=st.booleans(),
)
BUSY = Plan(1.0, "alike", "right", None, alone=False, rests=False)
COLD = Plan(1.0, "alike", "too high", None, alone=True, rests=False)


@given(
    plans=st.lists(PLANS, min_size=2, max_size=5),
    slots=st.sampled_from([1, 2, 3, 4, 8, 16, 64]),
    seed=st.integers(0, 2**32),
)
@example(plans=[BUSY, COLD], slots=16, seed=0)
@settings(max_examples=60)
def test_lanes_that_stay_backlogged_are_served_by_weight(plans: list[Plan], slots: int, seed: int) -> None:
    road = Road(Scheduler(slots=slots), seed)
    for plan in plans:
        lane = road.lane(plan.weight, plan.cap)
        road.riders.append(Rider(lane, costs(plan.size, plan.error), plan.weight, None, plan.alone, plan.rests))
    road.riders.append(Rider(road.lane(), costs("alike", "right")))  # so that there is always something to do
    road.run(400 + 20 * slots)
    assert road.closest() <= 1.0 + 1e-9
