"""Promise 8: the same seed gives the same schedule, and another seed another one."""

import asyncio
import random
from dataclasses import replace

import pytest

from paceline import Engine, Job, JobContext, Lane, MemorySink, RetryPolicy
from paceline._events import Event, JobEnded, RunStarted
from paceline.testing import VirtualClock


class Mixed:
    """Async and sync work, of equal and of random length, with failures and children."""

    async def execute(self, job: Job, ctx: JobContext) -> object:
        number = job.payload
        await asyncio.sleep(number % 3)
        if number % 7 == 0 and ctx.attempt == 1:
            raise OSError(number)
        if number % 5 == 0:
            return await ctx.on_thread(lambda: sum(range(number * 1000)))
        if number % 11 == 0:
            return await (await ctx.spawn(number + 1))
        return number


def events_of(seed: int) -> list[Event]:
    sink = MemorySink(chunks=True)

    async def main() -> None:
        lanes = [Lane("a", weight=2), Lane("b", max_running=2)]
        async with Engine(Mixed(), slots=4, lanes=lanes, sinks=[sink], retry=RetryPolicy(base=3)) as engine:
            handles = [await engine.submit(i, lane="ab"[i % 2], timeout=50) for i in range(120)]
            await asyncio.sleep(7)
            for handle in handles[::9]:
                handle.cancel()

    VirtualClock(seed).run(main)
    return sink.events


def order(events: list[Event]) -> list[str]:
    names = {event.job: str(event.output) for event in events if isinstance(event, JobEnded)}
    return list(names.values())


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_the_same_seed_gives_the_same_event_log(seed: int) -> None:
    first = events_of(seed)
    random.seed(seed + 1)  # what user code does to the process's own randomness does not matter
    assert events_of(seed) == first
    assert len(first) > 300


def test_another_seed_gives_another_order() -> None:
    orders = {tuple(order(events_of(seed))) for seed in range(5)}
    assert len(orders) == 5


def test_times_and_ids_in_the_log_come_from_the_virtual_clock() -> None:
    [started] = [event for event in events_of(0) if isinstance(event, RunStarted)]
    assert started.time == 946_684_800.0
    assert replace(started, seq=0).run == started.run
    assert started.run.startswith(f"{946_684_800_000:012x}-")
