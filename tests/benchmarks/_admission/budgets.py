"""How close a budget ends to what it holds, when many jobs race for it. In virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal

from tests.benchmarks._admission.rows import Row

from paceline import Budget, Cost, Engine, Job, JobContext, Price, Usage
from paceline.testing import VirtualClock

__all__ = ["budgets"]

SLOTS = 64
MEAN = 505.0


@dataclass(slots=True)
class Piece:
    """A job: what it will use, and what is expected of it."""

    real: int
    expected: int


@dataclass(frozen=True, slots=True)
class Case:
    """How the expectation relates to the truth, in which unit, and what becomes of jobs left over."""

    what: str
    expect: Callable[[Random], float]
    money: bool = False
    exhausted: Literal["pause", "fail", "cancel_run"] = "fail"

    @property
    def upper_bound(self) -> bool:
        """Whether no job takes more than is expected of it."""
        return all(self.expect(Random(seed)) >= 1.0 for seed in range(100))


CASES = (
    Case("estimates right", lambda dice: 1.0),
    Case("estimates up to 3x too high", lambda dice: dice.uniform(1.0, 3.0)),
    Case("estimates up to 3x too high, paused", lambda dice: dice.uniform(1.0, 3.0), exhausted="pause"),
    Case(
        "estimates up to 3x too high, run cancelled", lambda dice: dice.uniform(1.0, 3.0), False, "cancel_run"
    ),
    Case("estimates 10x wrong either way", lambda dice: dice.choice((0.1, 10.0))),
    Case("estimates 10x too low", lambda dice: 0.1),
    Case("money, estimates up to 3x too high", lambda dice: dice.uniform(1.0, 3.0), money=True),
)


class Racer:
    """Uses up what a piece needs, and keeps account of what was spent and of what is in flight."""

    resources = ("simulator",)

    def __init__(self, budget: float, seed: int) -> None:
        self.dice = Random(seed)
        self.budget = budget
        self.spent = 0
        self.short = 0
        self.last_short = 0
        self.dearest = 0

    def estimate(self, job: Job) -> Cost:
        """What is expected."""
        piece: Piece = job.payload
        return Cost(piece.expected, 0)

    async def execute(self, job: Job, ctx: JobContext) -> None:
        """Take the time, then the tokens."""
        piece: Piece = job.payload
        short = max(0, piece.real - piece.expected)
        self.dearest = max(self.dearest, piece.real, piece.expected)
        self.short += short  # what the jobs in flight take more than was expected of them
        self.last_short = self.short
        try:
            await asyncio.sleep(self.dice.uniform(0.5, 1.5))
            self.spent += piece.real
            ctx.usage(Usage(piece.real, 0, output_tokens=0, model="simulator"))
        finally:
            self.short -= short

    @property
    def left(self) -> float:
        """What was left of the budget."""
        return max(0.0, self.budget - self.spent)

    @property
    def over(self) -> float:
        """What was spent beyond it."""
        return max(0.0, self.spent - self.budget)


def race(case: Case, jobs: int, seed: int) -> Racer:
    """Let jobs race for a budget of a fifth of what they want."""
    dice = Random(seed)
    pieces: list[Piece] = []
    for _ in range(jobs):
        real = dice.randint(10, 1000)
        pieces.append(Piece(real, max(1, round(real * case.expect(dice)))))
    racer = Racer(round(jobs * MEAN / 5), seed)
    budget = Budget(
        tokens=None if case.money else racer.budget,
        money=racer.budget / 1e6 if case.money else None,
        on_exhausted=case.exhausted,
    )
    prices = {"simulator": Price(input=1.0, output=1.0)}

    async def main() -> None:
        async with Engine(racer, slots=SLOTS, budget=budget, prices=prices, cost="tokens") as engine:
            handles = [await engine.submit(piece) for piece in pieces]
            if case.exhausted == "pause":
                await asyncio.sleep(
                    jobs * 2.0 / SLOTS
                )  # each job takes 1.5 s at most: all that can go are gone
                for handle in handles:
                    handle.cancel("the budget is spent")
            for handle in handles:
                await handle.wait()

    VirtualClock(seed).run(main)
    return racer


def budgets(smoke: bool) -> list[Row]:
    """Within one job's cost below; above not at all, or by the under-estimates in flight."""
    jobs, seeds = (1000, 1) if smoke else (10_000, 3)
    rows: list[Row] = []
    for case in CASES:
        racers = [race(case, jobs, seed) for seed in range(1 if case.exhausted == "pause" else seeds)]
        near = max(racers, key=lambda racer: racer.left / racer.dearest)
        far = max(racers, key=lambda racer: racer.over - racer.last_short)
        allowed = 0 if case.upper_bound else far.last_short
        # A run that is cancelled gives up its jobs in flight, and with them what these would have used.
        dearest = None if case.exhausted == "cancel_run" else near.dearest
        rows.append(Row(f"{case.what}: left, of a job's cost", near.left, dearest, unit="tokens"))
        rows.append(Row(f"{case.what}: spent beyond it", far.over, allowed, unit="tokens"))
    return rows
