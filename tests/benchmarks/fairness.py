"""How far two lanes that stay backlogged get from their shares, against the bound that is promised.

Simulated on the pure scheduler, so the numbers are the same on every machine. The lag is measured over every
stretch of time in a run, and compared with (slots + 1)(L1/w1 + L2/w2): a share of 100 % would be the bound.
Exits with 1 if a lag exceeds its bound, or if a job in a heavy lane does not start next.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from heapq import heappop, heappush
from itertools import product

from paceline._scheduler import Entry, LaneState, Scheduler

WEIGHTS = ((1.0, 1.0), (2.0, 1.0), (5.0, 1.0))
SLOTS = (1, 4, 16, 64)
SIZES: dict[str, Callable[[random.Random], float]] = {
    "alike": lambda dice: 1.0,
    "small and large": lambda dice: dice.choice((1.0, 1.0, 1.0, 50.0)),
    "heavy-tailed": lambda dice: min(dice.paretovariate(1.1), 1000.0),
}
ESTIMATES: dict[str, Callable[[random.Random], float]] = {
    "right": lambda dice: 1.0,
    "10x wrong": lambda dice: dice.choice((0.1, 10.0)),
}
BACKGROUND = 10_000


@dataclass(frozen=True, slots=True)
class Case:
    """One row and column of the table, with the seed that came closest to the bound."""

    weights: tuple[float, float]
    slots: int
    sizes: str
    estimates: str
    seed: int
    lag: float
    bound: float

    @property
    def share(self) -> float:
        """The lag as a share of its bound."""
        return self.lag / self.bound


@dataclass(slots=True)
class Side:
    """One of the two lanes."""

    lane: LaneState
    served: float = 0.0
    largest: float = 0.0

    @property
    def normal(self) -> float:
        return self.served / self.lane.weight


def run(weights: tuple[float, float], slots: int, sizes: str, estimates: str, seed: int, jobs: int) -> Case:
    """Keep both lanes backlogged until so many jobs have ended."""
    dice = random.Random(seed)
    scheduler = Scheduler(slots=slots)
    sides = [Side(scheduler.set_lane(str(index), weight, None)) for index, weight in enumerate(weights)]
    reals: dict[Entry, tuple[Side, float]] = {}
    running: list[tuple[float, int, Entry]] = []
    now = low = high = 0.0

    def submit(side: Side) -> None:
        real = SIZES[sizes](dice)
        entry = Entry("job", side.lane, None, 0.0, real * ESTIMATES[estimates](dice))
        reals[entry] = (side, real)
        scheduler.add(entry, now)

    def charge(side: Side, cost: float) -> None:
        nonlocal low, high
        side.served += cost
        lead = sides[0].normal - sides[1].normal
        low, high = min(low, lead), max(high, lead)

    for side in sides * 2:  # one that waits while the other starts: a lane with nothing ready would be idle
        submit(side)
    for number in range(jobs + slots):
        if number >= slots:
            now, _, ended = heappop(running)
            side, real = reals.pop(ended)
            scheduler.finish(ended, real)
            scheduler.end(ended, "succeeded", now)
            charge(side, real - ended.charged)
        started = scheduler.next()
        assert started is not None, "a slot was free and both lanes had jobs"
        side, real = reals[started]
        side.largest = max(side.largest, started.charged, real)
        submit(side)
        charge(side, started.charged)
        heappush(running, (now + real * dice.uniform(0.5, 1.5), number, started))
    bound = (slots + 1) * sum(side.largest / side.lane.weight for side in sides)
    return Case(weights, slots, sizes, estimates, seed, high - low, bound)


def position_of_a_heavy_job(slots: int) -> int:
    """How many background jobs start before a job of a heavy lane that was submitted behind all of them."""
    scheduler = Scheduler(slots=slots)
    background = scheduler.set_lane("background", 1.0, None)
    running: list[Entry] = []
    for _ in range(BACKGROUND):
        scheduler.add(Entry("background", background, None, 0.0, 1.0), 0.0)
    while (entry := scheduler.next()) is not None:
        running.append(entry)
    urgent = Entry("urgent", scheduler.set_lane("heavy", 5.0, None), None, 0.0, 1.0)
    scheduler.add(urgent, 0.0)
    for position, ended in enumerate(running):
        scheduler.finish(ended, None)
        scheduler.end(ended, "succeeded", 0.0)
        started = scheduler.next()
        if started is urgent:
            return position
        assert started is not None
        running.append(started)
    return BACKGROUND


def measure(seeds: int, jobs: int) -> Iterator[Case]:
    """The case closest to its bound of all seeds, for each row and column."""
    for weights, sizes, estimates, slots in product(WEIGHTS, SIZES, ESTIMATES, SLOTS):
        cases = [run(weights, slots, sizes, estimates, seed, jobs) for seed in range(seeds)]
        yield max(cases, key=lambda case: case.share)


def print_table(cases: list[Case], positions: dict[int, int]) -> None:
    print("worst lag, and its share of the bound, by slots")
    print(f"{'weights':8} {'jobs':16} {'estimates':10}" + "".join(f"{slots:>18}" for slots in SLOTS))
    for start in range(0, len(cases), len(SLOTS)):
        row = cases[start : start + len(SLOTS)]
        weights = ":".join(f"{weight:g}" for weight in row[0].weights)
        cells = "".join(f"{case.lag:>11.1f} {case.share:>5.0%} " for case in row)
        print(f"{weights:8} {row[0].sizes:16} {row[0].estimates:10}{cells}")
    print(f"\njobs that start before one of a heavy lane, submitted behind {BACKGROUND:,}: ", end="")
    print(", ".join(f"{position} at {slots} slots" for slots, position in positions.items()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="runs of each case (default: 5)")
    parser.add_argument("--jobs", type=int, default=2000, metavar="N", help="jobs of a run (default: 2000)")
    parser.add_argument("--smoke", action="store_true", help="a run of seconds: one seed, 300 jobs")
    parser.add_argument("--json", action="store_true", help="print the cases as JSON")
    options = parser.parse_args()
    seeds, jobs = (1, 300) if options.smoke else (options.seeds, options.jobs)
    cases = list(measure(seeds, jobs))
    positions = {slots: position_of_a_heavy_job(slots) for slots in SLOTS}
    if options.json:
        rows = [{**asdict(case), "share": case.share} for case in cases]
        print(json.dumps({"cases": rows, "heavy_job_position": positions}, indent=2))
    else:
        print_table(cases, positions)
    broken = [case for case in cases if case.share > 1.0 + 1e-9]
    for case in broken:
        print(f"bound broken: {case}", file=sys.stderr)
    return 1 if broken or any(positions.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
