"""Attempts that are parked, given up, cancelled or tried again give back what they hold of a limit, once."""

import asyncio
from typing import Any

import pytest

from paceline import Engine, Job, JobContext, Limits, RetryPolicy
from paceline.testing import VirtualClock

from ._providers import Call, Model, now


def test_a_parked_job_gives_its_concurrency_back_and_takes_it_again() -> None:
    peak = running = 0

    async def leaf(payload: None) -> None:
        nonlocal peak, running
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(1)
        running -= 1

    class Parent:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            nonlocal running
            await (await ctx.spawn(None, executor="leaf"))
            await leaf(None)
            return None

    async def main() -> float:
        executors: dict[str, Any] = {"parent": Parent(), "leaf": leaf}
        async with Engine(executors, slots=8, limits=Limits(concurrency=1)) as engine:
            handles = [await engine.submit(None, executor="parent") for _ in range(4)]
            for handle in handles:
                await handle
        return now()

    assert VirtualClock().run(main) == 8.0
    assert peak == 1


def test_a_parked_job_pays_for_its_rate_once() -> None:
    times: list[float] = []

    async def leaf(payload: None) -> None:
        times.append(now())

    class Parent:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            times.append(now())
            await (await ctx.spawn(None, executor="leaf"))
            await (await ctx.spawn(None, executor="leaf"))
            return None

    async def main() -> None:
        executors: dict[str, Any] = {"parent": Parent(), "leaf": leaf}
        limits = Limits(requests_per_minute=60, burst=1 / 60)
        async with Engine(executors, slots=1, limits=limits) as engine:
            await engine.submit(None, executor="parent")

    VirtualClock().run(main)
    assert times == pytest.approx([0.0, 1.0, 2.0])


def test_an_attempt_that_was_given_up_still_counts_until_it_has_ended() -> None:
    started: list[float] = []

    async def stubborn(payload: str) -> None:
        started.append(now())
        if payload == "stubborn":
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                await asyncio.sleep(5)
                raise

    async def main() -> None:
        async with Engine(stubborn, limits=Limits(concurrency=1), grace=20) as engine:
            first = await engine.submit("stubborn")
            await asyncio.sleep(1)
            second = await engine.submit("quick")
            first.cancel("enough")
            await asyncio.sleep(1)
            assert engine.snapshot().slots_used == 0
            assert second.waiting is not None
            assert second.waiting.kind == "limit"
            await second

    VirtualClock().run(main)
    assert started == [0.0, 6.0]


@pytest.mark.parametrize("way", ["cancel", "deadline", "group"])
def test_a_job_that_ends_while_it_waits_takes_nothing_of_the_limit(way: str) -> None:
    model = Model()

    async def main() -> None:
        async with Engine(model, limits=Limits(requests_per_minute=6, burst=1 / 6)) as engine:
            await (await engine.submit(Call()))
            group = None
            if way == "group":
                group = await engine.submit_group("g", followers=[Call()] * 3)
                handles = list(group.followers)
            else:
                limit = {"deadline": 2.0} if way == "deadline" else {}
                handles = [await engine.submit(Call(), **limit) for _ in range(3)]  # type: ignore[arg-type]
            last = await engine.submit(Call(), name="last")
            await asyncio.sleep(3)
            if way == "cancel":
                for handle in handles:
                    handle.cancel("enough")
            elif group is not None:
                group.cancel("enough")
            await last
            assert {handle.status for handle in handles} == {"failed" if way == "deadline" else "cancelled"}

    VirtualClock().run(main)
    assert model.times == pytest.approx([0.0, 10.0])


def test_an_attempt_that_ran_out_of_time_is_paid_for_and_the_next_waits_for_the_limit() -> None:
    model = Model()

    async def main() -> None:
        limits = Limits(requests_per_minute=6, burst=1 / 6)
        async with Engine(model, limits=limits, retry=RetryPolicy(3, base=0.0)) as engine:
            handle = await engine.submit(Call(seconds=100.0), timeout=2.0)
            assert (await handle.wait()).status == "failed"

    VirtualClock().run(main)
    assert model.times == pytest.approx([0.0, 10.0, 20.0])
