"""What limits, budgets and token costs cost each job, and whether lanes stay fair under them."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Any

from tests.benchmarks._admission.rows import Row
from tests.benchmarks.fairness import ESTIMATES, SIZES, SLOTS as FAIR_SLOTS, WEIGHTS
from tests.benchmarks.overhead import engine_flat, no_collection, noop, timed

from paceline import Budget, Cost, Engine, Job, JobContext, Lane, Limits, Usage, current_job
from paceline.testing import VirtualClock

__all__ = ["fairness", "overhead"]

# So high that they hold nothing back: what is measured is that they are looked at.
WIDE = Limits(
    concurrency=100_000,
    requests_per_minute=1e9,
    input_tokens_per_minute=1e12,
    output_tokens_per_minute=1e12,
)
BUDGET = Budget(tokens=1e15)
# Half of what 16 slots would do at PACE: what holds jobs back is the limit.
TIGHT = Limits(tokens_per_minute=48_000, burst=0.2)
PACE = 0.01
COST = Cost(100, 20)
USAGE = Usage(100, 0, output_tokens=20)


async def told(payload: object) -> object:
    """A no-op that reports what it used."""
    ctx = current_job()
    assert ctx is not None
    ctx.usage(USAGE)
    return payload


def estimate(_job: Job) -> Cost:
    """As cheap an estimate as there can be."""
    return COST


ALL: dict[str, Any] = {
    "cost": "tokens",
    "limits": {"job": WIDE},
    "budget": BUDGET,
    "estimate": estimate,
}
PARTS: dict[str, dict[str, Any]] = {
    "token costs alone": {"cost": "tokens"},
    "token costs with estimates": {"cost": "tokens", "estimate": estimate},
    "requests per minute alone": {"limits": {"job": Limits(requests_per_minute=1e9)}},
    "four limits alone": {"limits": {"job": WIDE}},
    "a budget alone": {"budget": BUDGET},
}


async def flat(function: object, n: int, options: dict[str, Any]) -> None:
    async with Engine({"job": function}, slots=64, **options) as engine:
        await engine_flat(engine, n)


def ratio(function: object, n: int, repeat: int, options: dict[str, Any]) -> float:
    """Time with some options over time without, taken in turns; the median over the rounds."""
    ratios: list[float] = []
    for _ in range(repeat):
        with no_collection():
            without = asyncio.run(timed(flat(function, n, {})))
        with no_collection():
            ratios.append(asyncio.run(timed(flat(function, n, options))) / without)
    return statistics.median(ratios)


def overhead(smoke: bool) -> list[Row]:
    """Time per no-op job with all of it against without, and what the parts of it take."""
    n, repeat = (500, 1) if smoke else (10_000, 5)
    rows = [
        Row(f"{n} {name}, all of it: with / without", ratio(function, n, repeat, ALL), 1.5, drifts=True)
        for name, function in (("no-op jobs", noop), ("jobs that report usage", told))
    ]
    for name, options in PARTS.items():
        rows.append(Row(f"{n} no-op jobs, {name}: with / without", ratio(noop, n, repeat, options)))
    return rows


@dataclass(slots=True)
class Side:
    """One of two lanes that compete."""

    weight: float
    jobs: int
    served: float = 0.0
    largest: float = 0.0
    started: int = 0


class Race:
    """An executor that keeps account of how far two lanes get apart while both have jobs waiting."""

    def __init__(self, sides: dict[str, Side], seed: int) -> None:
        self.sides = sides
        self.dice = Random(seed)
        self.low = self.high = 0.0

    def estimate(self, job: Job) -> Cost:
        """What is expected, right or wrong."""
        return Cost(job.payload[1], 0)

    async def execute(self, job: Job, ctx: JobContext) -> None:
        """Take as long as the job is large, more or less."""
        real, expected = job.payload
        side = self.sides[job.lane]
        side.started += 1
        side.largest = max(side.largest, real, expected)
        self._charge(side, expected)
        await asyncio.sleep(real * PACE * self.dice.uniform(0.5, 1.5))
        ctx.usage(Usage(real, 0, output_tokens=0))
        self._charge(side, real - expected)

    def _charge(self, side: Side, cost: float) -> None:
        side.served += cost
        if all(each.started < each.jobs for each in self.sides.values()):
            one, other = (each.served / each.weight for each in self.sides.values())
            self.low, self.high = min(self.low, one - other), max(self.high, one - other)


def lag(
    weights: tuple[float, float],
    slots: int,
    sizes: str,
    estimates: str,
    seed: int,
    jobs: int,
    limits: Limits = WIDE,
) -> float:
    """How far apart two backlogged lanes get in any stretch of time, as a share of the bound."""
    dice = Random(seed)
    sides = {
        str(number): Side(weight, round(jobs * weight / sum(weights)))
        for number, weight in enumerate(weights)
    }
    race = Race(sides, seed)

    async def main() -> None:
        lanes = [Lane(name, side.weight, limits=WIDE, budget=BUDGET) for name, side in sides.items()]
        async with Engine(
            race, lanes=lanes, slots=slots, cost="tokens", limits=limits, budget=BUDGET
        ) as engine:
            for name, side in sides.items():
                for _ in range(side.jobs):
                    real = SIZES[sizes](dice) * 100
                    expected = round(real * ESTIMATES[estimates](dice))
                    await engine.submit((round(real), expected), lane=name)

    VirtualClock(seed).run(main)
    bound = (slots + 1) * sum(side.largest / side.weight for side in sides.values())
    return (race.high - race.low) / bound


def charged_at_dispatch() -> float:
    """What a lane is charged for a job that has just begun, as a share of the job's estimate."""

    async def main() -> float:
        async def look(_payload: object) -> float:
            return engine.snapshot().lanes["default"].served

        async with Engine(look, cost="tokens", slots=1, estimate=estimate) as engine:
            first: float = await (await engine.submit(None))
            return first

    return VirtualClock().run(main) / (100 + 20)


def cases(seeds: int, jobs: int) -> Iterator[tuple[str, float]]:
    """The worst of all weights, slots and seeds for each mix of sizes and estimates."""
    for sizes, estimates in product(SIZES, ESTIMATES):
        worst = max(
            lag(weights, slots, sizes, estimates, seed, jobs)
            for weights, slots, seed in product(WEIGHTS, FAIR_SLOTS, range(seeds))
        )
        yield f"jobs {sizes}, estimates {estimates}", worst


def fairness(smoke: bool) -> list[Row]:
    """The cases of `fairness.py`, in the whole engine with tokens for costs, limits and budgets."""
    seeds, jobs = (1, 200) if smoke else (3, 1500)
    off = abs(charged_at_dispatch() - 1.0)
    rows = [
        Row("a lane's charge at dispatch is off the job's estimate by", off, 0.0, unit="%"),
        *(Row(f"{what}: lag / bound", share, 1.0) for what, share in cases(seeds, jobs)),
    ]
    for sizes, estimates in product(("alike", "small and large"), ESTIMATES):
        worst = max(
            lag(weights, 16, sizes, estimates, seed, jobs, TIGHT)
            for weights, seed in product(WEIGHTS, range(seeds))
        )
        rows.append(Row(f"the same under a limit that binds, {sizes}, {estimates}: lag / bound", worst))
    return rows
