"""The bound of the fairness promise with costs in tokens, behind gates, with estimates that are wrong by ten.

DESIGN: for two lanes that stay backlogged, |served_f/w_f - served_g/w_g| <= (slots+1)(Lf/wf + Lg/wg).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import combinations

import pytest
from hypothesis import given, settings, strategies as st

from paceline._scheduler import Entry, Gate, LaneState, Rate, Scheduler
from paceline._usage import Cost, Usage

WRONG = {"right": (1.0,), "too low": (0.1,), "too high": (10.0,), "either way": (0.1, 1.0, 10.0)}


@dataclass
class Tenant:
    lane: LaneState
    weight: float
    wrong: str
    sets: list[tuple[Gate, ...]]
    rests: bool
    resting: int = 0
    queued: int = 0
    served: float = 0.0
    largest: float = 0.0
    starts: int = 0


@dataclass
class City:
    """Tenants whose jobs cost tokens: so many were expected, and so many it was."""

    dice: random.Random
    slots: int
    limited: bool
    tenants: list[Tenant] = field(default_factory=list[Tenant])
    running: list[tuple[Tenant, Entry, int]] = field(default_factory=list[tuple[Tenant, Entry, int]])
    now: float = 0.0

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(slots=self.slots)
        rates = [Rate("tokens", "tokens", 6000.0, 1.0)] if self.limited else []
        self.gates = [Gate("model", meters=rates), Gate("key", capacity=10_000), Gate("other")]
        self.spans: dict[tuple[int, int], tuple[float, float]] = {}
        self.worst = 0.0
        """The furthest that two were from each other, as a share of their bound."""

    def add(self, weight: float, wrong: str, sets: list[tuple[int, ...]], *, rests: bool) -> Tenant:
        lane = self.scheduler.set_lane(f"lane-{len(self.tenants)}", weight, None)
        gates = [tuple(self.gates[n] for n in numbers) for numbers in sets]
        self.tenants.append(Tenant(lane, weight, wrong, gates, rests))
        return self.tenants[-1]

    def stock(self) -> None:
        for tenant in self.tenants:
            if tenant.rests and not tenant.queued and self.dice.random() < 0.02:
                tenant.resting = 30
            tenant.resting -= 1
            while tenant.resting <= 0 and tenant.queued < 3 + 3 * len(tenant.sets):
                self.put(tenant)

    def put(self, tenant: Tenant) -> None:
        real = self.dice.choice([10, 50, 50, 500])
        expected = max(1, int(real * self.dice.choice(WRONG[tenant.wrong])))
        gates = self.dice.choice(tenant.sets)
        pool = self.scheduler.queues.pools.of(gates) if gates else None
        demand = Cost(input_tokens=expected, output_tokens=0)
        entry = Entry(f"{real}", tenant.lane, None, 0.0, float(expected), pool=pool, demand=demand)
        tenant.queued += 1
        self.scheduler.add(entry, self.now)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.stock()
            while (entry := self.scheduler.next(self.now)) is not None:
                tenant = next(each for each in self.tenants if each.lane is entry.lane)
                real = int(entry.label)
                tenant.queued -= 1
                tenant.starts += 1
                tenant.served += entry.charged
                tenant.largest = max(tenant.largest, entry.charged, real)
                self.running.append((tenant, entry, real))
                self.look()
            if self.running:
                self.end()
            else:
                when = self.scheduler.wake_at()
                assert when is not None
                self.now = max(self.now, when)
            self.now += 0.01
            self.scheduler.due(self.now)

    def end(self) -> None:
        tenant, entry, real = self.running.pop(self.dice.randrange(len(self.running)))
        tenant.served += real - entry.charged
        self.scheduler.finish(entry, float(real), self.now, Usage(input_tokens=real, output_tokens=0))
        self.scheduler.end(entry, "succeeded", self.now)
        self.look()

    def look(self) -> None:
        for pair in combinations(range(len(self.tenants)), 2):
            one, other = (self.tenants[n] for n in pair)
            if not (one.queued and other.queued):
                self.spans.pop(pair, None)
                continue
            lead = one.served / one.weight - other.served / other.weight
            low, high = self.spans.get(pair, (lead, lead))
            self.spans[pair] = low, high = min(low, lead), max(high, lead)
            bound = (self.slots + 1) * (one.largest / one.weight + other.largest / other.weight)
            if bound:
                self.worst = max(self.worst, (high - low) / bound)


SETS = st.sampled_from([[()], [(0,)], [(0, 1)], [(1,)], [(0, 1, 2)]])
TENANTS = st.lists(
    st.tuples(st.sampled_from([0.5, 1.0, 1.0, 4.0]), st.sampled_from(sorted(WRONG)), SETS, st.booleans()),
    min_size=2,
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(tenants=TENANTS, slots=st.sampled_from([1, 2, 4, 16]), seed=st.integers(0, 2**32))
def test_behind_gates_that_hold_nobody_the_bound_holds(
    tenants: list[tuple[float, str, list[tuple[int, ...]], bool]], slots: int, seed: int
) -> None:
    city = City(random.Random(seed), slots, limited=False)
    for weight, wrong, sets, rests in tenants:
        city.add(weight, wrong, sets, rests=rests)
    city.run(300)
    assert city.worst <= 1.0


@pytest.mark.parametrize("wrong", sorted(WRONG))
@pytest.mark.parametrize("seed", range(5))
def test_lanes_that_share_a_limit_are_served_alike_however_wrong_their_estimates(
    wrong: str, seed: int
) -> None:
    """They wait for tokens, not for slots; each has its own set of gates, and one expects what is right."""
    city = City(random.Random(seed), 16, limited=True)
    city.add(1.0, "right", [(0,)], rests=False)
    city.add(1.0, wrong, [(0, 1)], rests=False)
    city.add(2.0, wrong, [(0,)], rests=False)
    city.run(3000)
    assert city.worst <= 1.0


@pytest.mark.parametrize("sets", [[(0,)], [(0, 1)]], ids=["the same gates", "others"])
@pytest.mark.parametrize("limited", [False, True], ids=["slots", "tokens"])
@pytest.mark.parametrize("wrong", sorted(WRONG))
def test_a_lane_that_returns_after_idling_has_no_hoarded_credit(
    wrong: str, limited: bool, sets: list[tuple[int, ...]]
) -> None:
    city = City(random.Random(3), 4, limited=limited)
    steady = city.add(1.0, wrong, [(0,)], rests=False)
    away = city.add(1.0, wrong, sets, rests=False)
    away.resting = 2000
    city.run(1990)
    before = steady.served
    assert before > 10_000
    away.resting, away.served, steady.served = 0, 0.0, 0.0
    city.spans.clear()
    city.run(1000)
    bound = (city.slots + 1) * (steady.largest + away.largest)
    assert abs(away.served - steady.served) <= bound
    assert city.worst <= 1.0


def test_a_lane_with_several_sets_of_gates_has_one_share() -> None:
    """Jobs under two sets do not give a lane two turns."""
    city = City(random.Random(5), 4, limited=False)
    several = city.add(1.0, "right", [(0,), (1,), (2,), ()], rests=False)
    single = city.add(1.0, "right", [(0,)], rests=False)
    city.run(3000)
    assert several.served == pytest.approx(single.served, rel=0.1)
    assert city.worst <= 1.0
