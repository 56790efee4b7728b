"""Of the jobs that name the same lock one is under way at a time, and nobody else waits for it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from paceline import (
    Engine,
    Handle,
    Job,
    JobContext,
    Lane,
    PacelineError,
    RetryPolicy,
    Suspend,
    current_job,
    flow,
    task,
)
from paceline.testing import VirtualClock

Payload = int | Callable[[JobContext], Awaitable[Any]]


class Work:
    """Sleeps so many seconds, or calls the payload; keeps when each job began and ended."""

    def __init__(self) -> None:
        self.times: dict[str, tuple[float, float]] = {}

    async def execute(self, job: Job, ctx: JobContext) -> object:
        began = now()
        output = await (
            asyncio.sleep(job.payload, job.payload) if isinstance(job.payload, int) else job.payload(ctx)
        )
        self.times[job.name] = (began, now())
        return output


def now() -> float:
    return asyncio.get_running_loop().time()


def test_jobs_of_one_lock_run_one_after_another_in_submit_order_and_others_beside_them() -> None:
    work = Work()

    async def main() -> None:
        async with Engine(work, lanes=[Lane("a"), Lane("b")]) as engine:
            for number, lane in enumerate(("a", "b", "a")):
                await engine.submit(2, name=f"locked {number}", lane=lane, lock="user:7")
            await engine.submit(2, name="free")
            await engine.submit(2, name="other", lock="user:8")

    VirtualClock().run(main)
    assert work.times == {
        "locked 0": (0, 2),
        "free": (0, 2),
        "other": (0, 2),
        "locked 1": (2, 4),
        "locked 2": (4, 6),
    }


def test_no_slot_is_spent_on_waiting_for_a_lock() -> None:
    work = Work()

    async def main() -> None:
        async with Engine(work, slots=2) as engine:
            for number in range(3):
                await engine.submit(5, name=str(number), lock="x")
            await engine.submit(1, name="free")
            await asyncio.sleep(0.5)
            assert engine.snapshot().slots_used == 2

    VirtualClock().run(main)
    assert work.times["free"] == (0, 1)


def test_a_lock_is_kept_between_attempts_while_parked_and_while_suspended() -> None:
    work = Work()
    tries = 0

    async def fails_once(ctx: JobContext) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise OSError
        await (await ctx.spawn(3, name="child"))

    async def asks(ctx: JobContext) -> object:
        await asyncio.sleep(0)
        return ctx.job.reply or Suspend("?")

    async def main() -> None:
        async with Engine(work, slots=1) as engine:
            first = await engine.submit(
                fails_once, name="first", lock="x", retry=RetryPolicy(attempts=2, base=1)
            )
            second = await engine.submit(asks, name="second", lock="x")
            await engine.submit(1, name="third", lock="x")
            await first
            assert (await second.wait()).status == "suspended"
            await asyncio.sleep(10)
            await engine.reply(second.id, "yes")

    VirtualClock().run(main)
    began, ended = work.times["first"]
    assert ended == began + 3
    assert work.times["second"][0] >= ended + 10
    assert work.times["third"][0] >= work.times["second"][1]


@pytest.mark.parametrize("whose", ["the holder's", "a waiting one's"])
def test_cancelling_gives_the_lock_or_the_place_in_its_queue_to_the_next(whose: str) -> None:
    work = Work()

    async def main() -> None:
        async with Engine(work) as engine:
            handles = [await engine.submit(5, name=str(n), lock="x") for n in range(3)]
            await asyncio.sleep(1)
            handles[0 if whose == "the holder's" else 1].cancel()

    VirtualClock().run(main)
    expected = {"1": (1, 6), "2": (6, 11)} if whose == "the holder's" else {"0": (0, 5), "2": (5, 10)}
    assert work.times == expected


def test_a_job_that_is_held_back_by_something_else_does_not_keep_the_lock_from_others() -> None:
    work = Work()

    async def main() -> None:
        async with Engine(work) as engine:
            slow = await engine.submit(5, name="slow")
            await engine.submit(1, name="after", after=slow, lock="x")
            await engine.submit(1, name="ready", lock="x")

    VirtualClock().run(main)
    assert work.times == {"slow": (0, 5), "ready": (0, 1), "after": (5, 6)}


def test_a_job_of_a_holder_that_wants_the_same_lock_is_refused() -> None:
    async def parent(ctx: JobContext) -> None:
        await ctx.spawn(1, lock="x")

    async def main() -> None:
        async with Engine(Work()) as engine:
            result = await (await engine.submit(parent, name="parent", lock="x")).wait()
            assert result.error is not None
            assert isinstance(result.error.exception, PacelineError)
            assert "job 'parent' holds the lock 'x'" in result.error.message

    VirtualClock().run(main)


def test_tasks_and_flows_take_locks() -> None:
    spans: list[tuple[str, float, float]] = []

    @task(lock="disk")
    async def write(name: str) -> None:
        began = now()
        await asyncio.sleep(1)
        spans.append((name, began, now()))

    @flow(lock="user:7")
    async def serve(name: str) -> None:
        await asyncio.gather(write(f"{name}1"), write(f"{name}2"))
        assert current_job() is not None

    async def main() -> None:
        async with Engine() as engine:
            runs = [await serve.start(engine, name=name) for name in "ab"]
            for run in runs:
                await run

    VirtualClock().run(main)
    assert spans == [("a1", 0, 1), ("a2", 1, 2), ("b1", 2, 3), ("b2", 3, 4)]


def test_a_lock_is_a_text() -> None:
    async def main() -> Handle:
        async with Engine(Work()) as engine:
            return await engine.submit(1, lock=7)  # type: ignore[arg-type]  # that is the point

    with pytest.raises(TypeError, match="lock must be a text"):
        asyncio.run(main())


def test_a_lock_may_be_given_back_for_as_long_as_its_job_waits_for_an_answer() -> None:
    work = Work()

    async def asks(ctx: JobContext) -> object:
        if ctx.job.reply is None:
            return Suspend("sure?")
        await asyncio.sleep(1)
        return ctx.job.reply

    async def main() -> None:
        async with Engine(work, lock_held_while_suspended=False) as engine:
            asking = await engine.submit(asks, name="asking", lock="user:7")
            others = [await engine.submit(2, name=f"other {n}", lock="user:7") for n in range(2)]
            assert (await asking.wait()).status == "suspended"
            await others[0]
            await engine.reply(asking.id, "yes")
            assert asking.waiting is not None
            assert (asking.waiting.kind, asking.waiting.on) == ("lock", "user:7")
            late = await engine.submit(2, name="late", lock="user:7")
            assert await asking == "yes"
            await late

    VirtualClock().run(main)
    assert [work.times[name] for name in ("other 1", "asking", "late")] == [(2, 4), (4, 5), (5, 7)]


@pytest.mark.parametrize("end", ["cancelled before its turn", "answered at once"])
def test_a_lock_that_was_given_back_is_lost_by_nobody(end: str) -> None:
    work = Work()

    async def asks(ctx: JobContext) -> object:
        return Suspend("sure?") if ctx.job.reply is None else ctx.job.reply

    async def main() -> None:
        async with Engine(work, lock_held_while_suspended=False) as engine:
            asking = await engine.submit(asks, name="asking", lock="user:7")
            await asking.wait()
            other = await engine.submit(2, name="other", lock="user:7")
            if end == "answered at once":
                await other
            await engine.reply(asking.id, "yes")
            if end != "answered at once":
                asking.cancel("no")
            last = await engine.submit(2, name="last", lock="user:7")
            await last
            assert asking.status == ("succeeded" if end == "answered at once" else "cancelled")

    VirtualClock().run(main)
    assert work.times["last"][1] == 4
