"""Random engine lives with all of admission at once: nothing is lost, nothing hangs, nothing stays reserved.

Seed 10 once had a parent that could not go on behind a job that waited for what the parent itself held, and
seed 64 jobs behind a mark that nobody looked at any more.
"""

import asyncio
import random

import pytest

from paceline import (
    Budget,
    CircuitBreaker,
    Cost,
    Engine,
    EngineNotOpen,
    GroupPolicy,
    Handle,
    Job,
    JobContext,
    Lane,
    Limits,
    RetryPolicy,
    Usage,
)
from paceline._limits import OnExhausted
from paceline.testing import VirtualClock

from ._providers import Broken, Call, Model, Refused


class Life:
    """One of them; everything in it is drawn from one seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.handles: list[Handle] = []

    def call(self) -> Call:
        pick = self.dice.choice
        size = pick([1, 10, 50, 100])
        used = pick([size, size // 2, size * 2])
        error = pick([None] * 8 + [Broken(), Refused(pick([None, 3.0])), ValueError("x")])
        usage = pick(
            [
                None,
                Usage(input_tokens=used, output_tokens=pick([None, 5])),
                Usage(input_tokens=used, output_tokens=5),
            ]
        )
        return Call(pick([None, Cost(size, 5), Cost(size)]), usage, pick([0.0, 0.5, 1, 5]), error)

    def limits(self) -> Limits:
        pick = self.dice.choice
        return Limits(
            concurrency=pick([None, 1, 3]),
            requests_per_minute=pick([None, 30, 600]),
            input_tokens_per_minute=pick([None, 1000, 6000]),
            tokens_per_minute=pick([None, 3000]),
            burst=pick([0.05, 0.3, 1]),
            cached_tokens_count=self.dice.random() < 0.5,
            breaker=pick([None, CircuitBreaker(2, 5)]),
        )

    def budgets(self) -> list[Budget]:
        pick, found = self.dice.choice, list[Budget]()
        if self.dice.random() < 0.5:
            found.append(
                Budget(
                    tokens=pick([500, 3000]),
                    period=pick([None, 30]),
                    on_exhausted=pick(["pause", "fail", "cancel_run"]),
                    name="a",
                )
            )
        if self.dice.random() < 0.4:
            exhausted: OnExhausted = pick(["pause", "fail"])
            found.append(
                Budget(tokens=400, by="t", on_exhausted=exhausted, name="b", period=pick([None, 20]))
            )
        return found

    async def submit(self, engine: Engine, *, key: bool) -> None:
        pick = self.dice.choice
        self.handles.append(
            await engine.submit(
                self.call(),
                executor=pick("mnp"),
                lane=pick(["default", "a", "b"]),
                priority=pick([0, 0, 3]),
                timeout=pick([None, 2.0]),
                deadline=pick([None, None, 40.0]),
                resources=pick([(), ("k",) if key else ()]),
                lock=pick([None, None, "l"]),
                metadata={"t": self.dice.randint(0, 2)},
            )
        )

    async def group(self, engine: Engine) -> None:
        pick = self.dice.choice
        policy = GroupPolicy(in_flight=pick([None, 1, 2, "auto"]), budget=pick([None, Budget(tokens=200)]))
        followers = [self.call() for _ in range(4)]
        group = await engine.submit_group(
            "g", primer=self.call(), followers=followers, executor=pick("mn"), policy=policy
        )
        self.handles += group.followers

    async def live(self) -> None:
        dice, pick = self.dice, self.dice.choice

        class Parent(Model):
            async def call(self, job: Job, ctx: JobContext) -> object:
                for _ in range(dice.randint(1, 3)):
                    child = await ctx.spawn(life.call(), executor=pick("mn"), priority=dice.randint(0, 2))
                    await child.wait()
                await asyncio.sleep(dice.random())
                return None

        life = self
        limits = {name: self.limits() for name in ("*", "m", "n", "p", "k") if dice.random() < 0.6}
        lanes = [
            Lane("a", 2, None, pick([None, self.limits()]), pick([None, Budget(tokens=1000)])),
            Lane("b", max_running=pick([None, 2])),
        ]
        executors = {"m": Model("m"), "n": Model("n"), "p": Parent(pick(["m", "p"]))}
        async with Engine(
            executors,
            slots=pick([1, 4, 16]),
            lanes=lanes,
            limits=limits,
            budget=self.budgets(),
            retry=pick([None, RetryPolicy(2, base=0.5)]),
        ) as engine:
            for number in range(60):
                try:
                    await self.submit(engine, key="k" in limits)
                    if number == 30 and dice.random() < 0.5:
                        await self.group(engine)
                except EngineNotOpen:  # its budget ended the run
                    break
                if dice.random() < 0.3:
                    await asyncio.sleep(dice.random() * 3)
                if dice.random() < 0.1:
                    pick(self.handles).cancel("x")
                if dice.random() < 0.2:
                    engine.snapshot()
            run = engine._run
        assert run is not None
        assert {handle.status for handle in self.handles} <= {"succeeded", "failed", "cancelled", "skipped"}
        for gate in (
            *run.admission.gates.values(),
            *run.admission.lanes.values(),
            *run.admission.tags.values(),
        ):
            assert gate.used == 0
            assert not gate.paused
            assert all(meter.earmark is None for meter in gate.meters)
            assert all(abs(each.reserved) < 1e-6 and abs(each.resting) < 1e-6 for each in gate.allowances)


@pytest.mark.parametrize("seed", [*range(20), 64, 87, 101, 123])
def test_a_random_life_loses_nothing_and_leaves_nothing_reserved(seed: int) -> None:
    VirtualClock(seed=seed).run(Life(seed).live)
