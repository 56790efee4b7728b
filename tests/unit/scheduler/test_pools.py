"""Lanes behind the same gates: whose turn it is at a limit, what is kept for whom, and what a start costs."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from types import FrameType

import pytest

from paceline._scheduler import Allowance, Entry, Gate, LaneState, Rate, Scheduler, State
from paceline._usage import Cost, Failure, Usage


def fill(
    scheduler: Scheduler,
    lane: LaneState,
    count: int,
    *gates: Gate,
    tokens: int = 0,
    cost: float = 1.0,
    priority: float = 0.0,
    now: float = 0.0,
) -> list[Entry]:
    pool = scheduler.queues.pools.of(gates) if gates else None
    demand = Cost(input_tokens=tokens, output_tokens=0)
    entries = [
        Entry(f"{lane.label}-{n}", lane, None, priority, cost, pool=pool, demand=demand) for n in range(count)
    ]
    for entry in entries:
        scheduler.add(entry, now)
    return entries


def started(scheduler: Scheduler, now: float = 0.0) -> list[Entry]:
    return list(iter(lambda: scheduler.next(now), None))


def over(scheduler: Scheduler, entry: Entry, now: float = 0.0, *, used: bool = True) -> None:
    tokens = entry.demand.input_tokens if entry.demand is not None else 0
    scheduler.finish(entry, entry.stated, now, Usage(input_tokens=tokens if used else 0, output_tokens=0))
    scheduler.end(entry, "succeeded", now)


def go_on(scheduler: Scheduler, seconds: float, *, service: float = 1.0) -> list[tuple[float, Entry]]:
    """Let time pass; each job takes `service` seconds. All starts, with their times."""
    now, running, starts = 0.0, list[tuple[float, Entry]](), list[tuple[float, Entry]]()
    while True:
        for entry in started(scheduler, now):
            starts.append((now, entry))
            running.append((now + service, entry))
        wake = scheduler.wake_at()
        times = [when for when, _ in running] + ([] if wake is None else [wake])
        if not times or min(times) > seconds:
            return starts
        now = max(now, min(times))
        scheduler.due(now)
        for each in [each for each in running if each[0] <= now]:
            running.remove(each)
            over(scheduler, each[1], now)


def tokens(per_minute: float, burst: float = 1.0, label: str = "model") -> Gate:
    return Gate(label, meters=[Rate("input_tokens", "tokens", per_minute, burst)])


def shares(starts: Sequence[tuple[float, Entry]], after: float = 0.0) -> Counter[str]:
    return Counter(entry.lane.label for when, entry in starts if when >= after)


# The fair order at a limit.


@pytest.mark.parametrize("busy", [False, True], ids=["alone", "beside a lane that no limit holds"])
def test_lanes_share_a_limit_by_their_weights(busy: bool) -> None:
    scheduler, model = Scheduler(slots=4), tokens(6000, 0.02)
    fill(scheduler, scheduler.set_lane("one", 1.0, None), 2000, model, tokens=50)
    fill(scheduler, scheduler.set_lane("three", 3.0, None), 2000, model, tokens=50)
    if busy:
        fill(scheduler, scheduler.set_lane("free", 1.0, None), 5000)
    served = shares(go_on(scheduler, 300.0, service=0.1))
    assert served["one"] + served["three"] == pytest.approx(600, abs=10)
    assert served["three"] == pytest.approx(3 * served["one"], abs=8)


@pytest.mark.parametrize("busy", [False, True], ids=["alone", "beside a lane that no limit holds"])
def test_lanes_with_other_gates_besides_share_a_limit_by_cost(busy: bool) -> None:
    """Each is in a pool of its own; the jobs of one cost as much as ten of the other's."""
    scheduler, model = Scheduler(slots=4), tokens(6000, 0.2)
    fill(scheduler, scheduler.set_lane("small", 1.0, None), 6000, model, tokens=10, cost=10.0)
    fill(scheduler, scheduler.set_lane("large", 1.0, None), 600, model, Gate("key"), tokens=100, cost=100.0)
    if busy:
        fill(scheduler, scheduler.set_lane("free", 1.0, None), 20000, cost=30.0)
    served = shares(go_on(scheduler, 600.0, service=0.1))
    assert served["small"] * 10 == pytest.approx(served["large"] * 100, rel=0.1)
    assert served["small"] * 10 + served["large"] * 100 == pytest.approx(60000, rel=0.05)


def test_lanes_that_are_held_together_keep_their_distance() -> None:
    """One was served more than the other just before the provider asked to wait: that counts afterwards."""
    scheduler, model = Scheduler(slots=1), Gate("model", provider=True)
    ahead, behind = scheduler.set_lane("ahead", 1.0, None), scheduler.set_lane("behind", 1.0, None)
    first = fill(scheduler, ahead, 10, model, cost=5.0)[0]
    fill(scheduler, behind, 10, model)
    free = scheduler.set_lane("free", 1.0, None)
    assert started(scheduler) == [first]
    scheduler.finish(first, 5.0, 0.0, None, Failure(True, 100.0, "limit"))
    scheduler.end(first, "failed", 0.0)
    for entry in fill(scheduler, free, 500):
        assert started(scheduler) == [entry]
        over(scheduler, entry)
    scheduler.due(100.0)
    order = [entry.lane.label for _, entry in _one_by_one(scheduler, 100.0, 8)]
    assert order[:5] == ["behind"] * 5
    assert set(order[5:]) == {"ahead", "behind"}


def _one_by_one(scheduler: Scheduler, now: float, count: int) -> list[tuple[float, Entry]]:
    found: list[tuple[float, Entry]] = []
    for _ in range(count):
        entry = scheduler.next(now)
        assert entry is not None
        found.append((now, entry))
        over(scheduler, entry, now)
    return found


def test_a_pool_that_was_shut_comes_back_without_credit() -> None:
    scheduler, model = Scheduler(slots=1), Gate("model", provider=True)
    held, free = scheduler.set_lane("held", 1.0, None), scheduler.set_lane("free", 1.0, None)
    fill(scheduler, held, 100, model)
    refused = scheduler.next(0.0)
    assert refused is not None
    scheduler.finish(refused, 0.0, 0.0, None, Failure(True, 50.0, "limit"))
    scheduler.end(refused, "failed", 0.0)
    fill(scheduler, free, 400)
    assert {entry.lane for _, entry in _one_by_one(scheduler, 1.0, 200)} == {free}
    scheduler.due(50.0)
    served = shares(_one_by_one(scheduler, 50.0, 40))
    assert abs(served["held"] - served["free"]) <= 1


def test_sets_that_share_gates_do_not_starve_each_other() -> None:
    """{A}, {B} and {A, B}, each gate with room for one: both are rarely free at once."""
    a, b = Gate("a", capacity=1), Gate("b", capacity=1)
    for seed in range(10):
        dice, scheduler = random.Random(seed), Scheduler(slots=3)
        for name, gates in (("a", (a,)), ("b", (b,)), ("both", (a, b))):
            fill(scheduler, scheduler.set_lane(name, 1.0, None), 600, *gates)
        running, served = started(scheduler), Counter[str]()
        for _ in range(400):
            entry = running.pop(dice.randrange(len(running)))
            served[entry.lane.label] += 1
            over(scheduler, entry)
            running += started(scheduler)
            assert a.used <= 1
            assert b.used <= 1
        assert served["both"] > 400 / 30, served
        for entry in running:
            over(scheduler, entry)


def test_a_stream_of_new_lanes_does_not_pass_by_who_waits() -> None:
    """Each comes at the level of the others, which is that of the one that waits."""
    scheduler, model = Scheduler(slots=2), tokens(600, 1.0)
    big = fill(scheduler, scheduler.set_lane("big", 1.0, None), 1, model, Gate("key"), tokens=600)[0]
    small = fill(scheduler, scheduler.set_lane("small", 1.0, None), 1, model, tokens=10, priority=1.0)[0]
    for n in range(200):
        now = n * 0.5
        scheduler.due(now)
        fill(scheduler, scheduler.set_lane(f"new-{n}", 1.0, None), 1, model, tokens=10, now=now)
        for entry in started(scheduler, now):
            over(scheduler, entry, now)
            if entry is big:
                assert now <= 3.0
                return
    raise AssertionError(f"it waits for ever: {scheduler.why(big)}, {small.status}")


# What is kept for whom.


@pytest.mark.parametrize("seed", range(10))
def test_small_jobs_do_not_delay_the_time_of_a_big_one(seed: int) -> None:
    dice = random.Random(seed)
    scheduler, model = Scheduler(slots=8), tokens(6000, 1.0)
    lane = scheduler.set_lane("lane", 1.0, None)
    drain = fill(scheduler, lane, 1, model, tokens=dice.randint(3000, 6000))
    assert started(scheduler) == drain
    need = dice.randint(4000, 6000)
    big = fill(scheduler, scheduler.set_lane("big", 1.0, None), 1, model, Gate("key"), tokens=need)[0]
    small = scheduler.set_lane("small", 1.0, None)
    fill(scheduler, small, 5, model, tokens=dice.randint(10, 200))
    level = model.rates[0].level
    due = max(0.0, (need - level) / 100.0)
    starts = go_on(scheduler, 200.0, service=0.3)
    at = next(when for when, entry in starts if entry is big)
    assert at == pytest.approx(due, abs=1e-6)


def test_jobs_that_do_not_use_the_limit_pass_and_so_do_those_that_it_does_not_hold_up() -> None:
    """The big one waits a minute for its key; what fills up again by then is for others."""
    scheduler, model = Scheduler(slots=4), tokens(6000, 1.0)
    key = Gate("key", meters=[Rate("requests", "requests", 1.0, 1.0)])
    lane = scheduler.set_lane("lane", 1.0, None)
    first = fill(scheduler, lane, 1, model, key, tokens=6000)
    assert started(scheduler) == first
    big = fill(scheduler, lane, 1, model, key, tokens=1000, priority=1.0)[0]
    assert started(scheduler) == []
    other, free = scheduler.set_lane("other", 1.0, None), scheduler.set_lane("free", 1.0, None)
    fill(scheduler, free, 1)
    fill(scheduler, other, 40, model, tokens=100)
    fill(scheduler, scheduler.set_lane("nothing of it", 1.0, None), 1, model, tokens=0)
    starts = go_on(scheduler, 120.0)
    assert shares(starts)["free"] == shares(starts)["nothing of it"] == 1
    assert [when for when, entry in starts if entry.lane is free] == [0.0]
    assert next(when for when, entry in starts if entry is big) == pytest.approx(60.0)
    assert sum(when < 60.0 for when, entry in starts if entry.lane is other) >= 35


def test_room_is_not_kept_while_a_provider_has_asked_to_wait() -> None:
    scheduler, a, b = Scheduler(slots=4), Gate("a", capacity=1), Gate("b", capacity=1, provider=True)
    both = fill(scheduler, scheduler.set_lane("both", 1.0, None), 3, a, b)
    one, other = scheduler.set_lane("one", 1.0, None), scheduler.set_lane("other", 1.0, None)
    fill(scheduler, one, 300, a)
    fill(scheduler, other, 300, b)
    running = started(scheduler)
    for _ in range(100):  # until room is kept for it
        if a.claim is not None:
            break
        over(scheduler, running.pop(0))
        running += started(scheduler)
    b.hold = 1000.0
    for entry in running:
        over(scheduler, entry, 1.0)
    assert [entry.lane for entry in started(scheduler, 1.0)] == [one]
    assert both[0].lane is not one


def test_a_parked_job_goes_on_though_others_wait_for_tokens_in_the_same_line() -> None:
    scheduler, model = Scheduler(slots=1), tokens(60, 1.0)
    lane = scheduler.set_lane("lane", 1.0, None)
    parent, *_ = fill(scheduler, lane, 3, model, tokens=60)
    fill(scheduler, scheduler.set_lane("other", 1.0, None), 3, model, Gate("key"), tokens=60)
    assert started(scheduler) == [parent]
    scheduler.park(parent)
    assert started(scheduler, 1.0) == []
    scheduler.unpark(parent)
    assert started(scheduler, 2.0) == [parent]


def test_who_waits_only_for_an_end_is_not_woken_by_the_clock() -> None:
    """Two wait for each other's tokens at full gates: no timer stands in the past."""
    scheduler, model = Scheduler(slots=4), tokens(600, 1.0)
    key = Gate("key", capacity=1)
    lane = scheduler.set_lane("lane", 1.0, None)
    running = fill(scheduler, lane, 1, model, key, tokens=500)
    assert started(scheduler) == running
    fill(scheduler, lane, 1, model, key, tokens=400)
    fill(scheduler, scheduler.set_lane("other", 1.0, None), 3, model, tokens=300)
    now, turns = 0.0, 0
    while (when := scheduler.wake_at()) is not None or not turns:
        turns += 1
        assert turns < 20, "it spins"
        now = max(now, when or 0.0)
        scheduler.due(now)
        for entry in started(scheduler, now):
            assert entry.state is State.RUNNING
        following = scheduler.wake_at()
        assert following is None or following > now


# What a start costs.


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


def life(scheduler: Scheduler, size: int) -> Callable[[], None]:
    def run() -> None:
        running, ended, now = started(scheduler), 0, 0.0
        while ended < size:
            for entry in running:
                over(scheduler, entry, now)
                ended += 1
            when = scheduler.wake_at()
            now = now if when is None else max(now, when)
            scheduler.due(now)
            running = started(scheduler, now)

    return run


def many_lanes(scheduler: Scheduler, size: int) -> None:
    model = tokens(600, 0.1)
    for n in range(size):
        fill(scheduler, scheduler.set_lane(f"lane-{n}", 1.0, None), 1, model, tokens=10)


def many_sets(scheduler: Scheduler, size: int) -> None:
    """A budget for each tenant, in a lane of its own, and one model."""
    model = tokens(600, 0.1)
    for n in range(size):
        budget = Gate(f"tenant-{n}", meters=[Allowance("tokens", "budget", 1000.0)])
        fill(scheduler, scheduler.set_lane(f"lane-{n}", 1.0, None), 1, model, budget, tokens=10)


def many_sets_at_a_full_gate(scheduler: Scheduler, size: int) -> None:
    model = Gate("model", capacity=2)
    for n in range(size):
        fill(scheduler, scheduler.set_lane(f"lane-{n}", 1.0, None), 1, model, Gate(f"key-{n}"))


@pytest.mark.parametrize("scene", [many_lanes, many_sets, many_sets_at_a_full_gate])
def test_a_start_costs_the_same_however_many_lanes_and_sets_of_gates_wait(
    scene: Callable[[Scheduler, int], None],
) -> None:
    def each(size: int) -> float:
        scheduler = Scheduler(slots=8)
        scene(scheduler, size)
        return calls(life(scheduler, size)) / size

    assert each(800) < 1.3 * each(100)
