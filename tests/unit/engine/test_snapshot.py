"""`engine.snapshot()`: the engine at one moment, frozen."""

import asyncio
import dataclasses
import time

import pytest

from paceline import Engine, GroupPolicy, Job, JobContext, Lane, Suspend
from paceline.testing import VirtualClock


class Calls:
    """Calls a payload, returns a Suspend, sleeps for a number."""

    async def execute(self, job: Job, ctx: JobContext) -> object:
        if isinstance(job.payload, BaseException):
            raise job.payload
        if isinstance(job.payload, Suspend):
            return job.payload
        if not isinstance(job.payload, int):
            return await job.payload(ctx)
        await asyncio.sleep(job.payload)
        return None


def test_counts_tell_where_every_job_is() -> None:
    async def parent(ctx: JobContext) -> None:
        await (await ctx.spawn(50))

    async def main() -> None:
        async with Engine(Calls(), slots=4, run_id="run-7") as engine:
            good, bad = await engine.submit(1), await engine.submit(OSError())
            await engine.submit(1, after=bad)
            (await engine.submit(1, after=good)).cancel()
            await engine.submit(Suspend("?"))
            await asyncio.sleep(2)
            await engine.submit(parent)
            for _ in range(5):
                await engine.submit(60)
            await asyncio.sleep(1)
            snapshot = engine.snapshot()
            assert snapshot.counts == {
                "waiting": 2,
                "running": 5,
                "suspended": 1,
                "succeeded": 1,
                "failed": 1,
                "cancelled": 1,
                "skipped": 1,
            }
            assert (snapshot.run_id, snapshot.time, snapshot.slots) == ("run-7", 3.0, 4)
            assert (snapshot.slots_used, snapshot.parked) == (4, 1)
            assert len(snapshot.waiting) == 4

    VirtualClock().run(main)


def test_lanes_tell_weight_cap_queue_and_share() -> None:
    async def main() -> None:
        lanes = [Lane("a", 3.0), Lane("b", 1.0, max_running=1)]
        async with Engine(Calls(), slots=4, lanes=lanes) as engine:
            assert engine.snapshot().lanes["a"].share == 0
            for _ in range(6):
                await engine.submit(10, lane="a")
                await engine.submit(10, lane="b", cost=3)
            await asyncio.sleep(1)
            a, b = engine.snapshot().lanes["a"], engine.snapshot().lanes["b"]
            assert (a.name, a.weight, a.max_running, a.closed) == ("a", 3.0, None, False)
            assert (a.ready, a.running, a.unfinished, a.served, a.share) == (3, 3, 6, 3.0, 0.5)
            assert (b.name, b.weight, b.max_running, b.closed) == ("b", 1.0, 1, False)
            assert (b.ready, b.running, b.unfinished, b.served, b.share) == (5, 1, 6, 3.0, 0.5)
            assert set(engine.snapshot().lanes) == {"a", "b", "default"}
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        VirtualClock().run(main)


def test_abandoned_attempts_are_named_until_they_are_gone() -> None:
    async def stubborn(ctx: JobContext) -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(10)

    async def main() -> None:
        async with Engine(Calls(), grace=60) as engine:
            handle = await engine.submit(stubborn, name="the stubborn one")
            await asyncio.sleep(1)
            handle.cancel()
            await asyncio.sleep(1)
            (abandoned,) = engine.snapshot().abandoned
            assert (abandoned.job, abandoned.name) == (handle.id, "the stubborn one")
            assert (abandoned.attempt, abandoned.since) == (1, 1.0)
            assert engine.snapshot().slots_used == 0
            await asyncio.sleep(10)
            assert engine.snapshot().abandoned == ()

    VirtualClock().run(main)


def test_unfinished_groups_are_named() -> None:
    async def main() -> None:
        async with Engine(Calls()) as engine:
            first = await engine.submit_group("first", primer=1)
            await engine.submit_group("second", primer=5, policy=GroupPolicy(settle=1))
            assert engine.snapshot().groups == ("first", "second")
            await first.results()
            assert engine.snapshot().groups == ("second",)

    VirtualClock().run(main)


def test_a_snapshot_stays_as_it_was() -> None:
    async def main() -> None:
        async with Engine(Calls(), slots=1) as engine:
            await engine.submit(5)
            last = await engine.submit(1)
            before = engine.snapshot()
            with pytest.raises(dataclasses.FrozenInstanceError):
                before.slots = 9  # type: ignore[misc]
            await last
            assert (before.counts["running"], before.counts["waiting"]) == (1, 1)
            assert set(before.waiting) == {last.id}
            assert engine.snapshot().waiting == {}

    VirtualClock().run(main)


def test_it_can_be_taken_after_the_end() -> None:
    async def main() -> None:
        async with Engine(Calls()) as engine:
            await engine.submit(1)
        assert engine.snapshot().counts["succeeded"] == 1

    VirtualClock().run(main)


def test_a_snapshot_of_ten_thousand_waiting_jobs_is_quick() -> None:
    async def main() -> float:
        async with Engine(Calls(), slots=1) as engine:
            await engine.submit_group("g", followers=[1] * 10_000)
            began = time.perf_counter()
            snapshot = engine.snapshot()
            seconds = time.perf_counter() - began
            assert len(snapshot.waiting) == 9_999
            engine.group("g").cancel()
            return seconds

    assert VirtualClock().run(main) < 2
