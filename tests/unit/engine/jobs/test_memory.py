"""Promise 5: memory holds the unfinished work and what the caller holds a handle to, nothing else."""

import asyncio
import contextvars
import gc
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from paceline import Engine, Handle, Job, JobContext, RetryPolicy, Suspend
from paceline._record import Record
from paceline.testing import FaultExecutor, VirtualClock

TENANT: contextvars.ContextVar[object] = contextvars.ContextVar("tenant")


class Thing:
    """A payload, output or error's detail that can be watched."""


class Fate:
    """Ends as the payload's `how` says, holding on to the payload in its output or error."""

    async def execute(self, job: Job, ctx: JobContext) -> object:
        how, thing = job.payload
        await asyncio.sleep(0)
        ctx.emit(thing)
        if how == "fail" or (how == "retry" and ctx.attempt == 1):
            raise ValueError(thing)
        if how == "hang":
            await asyncio.Event().wait()
        if how == "parent":
            await (await ctx.spawn(("succeed", Thing())))
        return thing


FATES = ["succeed", "fail", "retry", "cancel queued", "cancel running", "parent", "skip", "deadline"]


async def meet(engine: Engine, fate: str, thing: Thing) -> Handle:
    how = "hang" if fate in {"cancel running", "deadline"} else fate
    after = await engine.submit(("fail", None)) if fate == "skip" else ()
    handle = await engine.submit(
        (how, thing),
        key=None if fate == "parent" else "key",
        after=after,
        retry=RetryPolicy(attempts=2, base=0) if fate == "retry" else None,
        deadline=5 if fate == "deadline" else 1000,
        timeout=500,
    )
    if fate.startswith("cancel"):
        if fate == "cancel running":
            await asyncio.sleep(1)
        handle.cancel()
    await handle.wait()
    return handle


def records() -> int:
    gc.collect()
    return sum(isinstance(each, Record) for each in gc.get_objects())


@pytest.mark.parametrize("fate", FATES)
def test_an_ended_job_is_kept_by_its_handle_and_goes_with_it(fate: str) -> None:
    async def main() -> None:
        async with Engine(Fate(), slots=1) as engine:
            thing = Thing()
            watch = weakref.ref(thing)
            handle = await meet(engine, fate, thing)
            del thing
            await asyncio.sleep(1)  # an attempt that was given up ends
            gc.collect()
            assert watch() is not None
            assert (await handle.wait()).id == handle.id
            before = records()
            del handle
            assert records() < before
            assert records() == 0
            assert watch() is None

    VirtualClock().run(main)


def test_a_handle_keeps_what_became_of_the_job_and_not_what_the_job_took() -> None:
    """Its context, its timers and its executor."""

    async def submit(engine: Engine) -> tuple[Handle, list[weakref.ref[object]]]:
        executor, tenant = Fate(), Thing()
        TENANT.set(tenant)
        handle = await engine.submit(("succeed", 1), executor=executor, deadline=1000, timeout=1000)
        return handle, [weakref.ref(executor), weakref.ref(tenant)]

    async def main() -> None:
        async with Engine(lambda _: None) as engine:
            # In a task of its own, so that its context is nobody else's.
            handle, watches = await asyncio.create_task(submit(engine))
            assert None not in [watch() for watch in watches]
            await handle
            await asyncio.sleep(0)
            gc.collect()
            assert [watch() for watch in watches] == [None, None]
            assert (await handle.wait()).ok

    VirtualClock().run(main)


@pytest.mark.parametrize("how", ["succeed", "fail"])
def test_the_last_of_a_chain_does_not_keep_those_that_it_came_after(how: str) -> None:
    async def main() -> None:
        async with Engine(Fate()) as engine:
            last = await engine.submit((how, None))
            for _ in range(100):
                last = await engine.submit(("succeed", None), after=last)
            result = await last.wait()
            assert result.status == ("succeeded" if how == "succeed" else "skipped")
            # What was skipped has the first one's error, whose traceback holds that job's frame.
            assert records() == (1 if how == "succeed" else 2)

    VirtualClock().run(main)


@pytest.mark.parametrize("limit", ["timeout", "idle_timeout", "deadline"])
def test_a_job_that_runs_does_not_keep_the_one_whose_end_let_it_start(limit: str) -> None:
    async def main() -> None:
        async with Engine(Fate(), slots=1) as engine:
            first = await engine.submit(("succeed", Thing()))
            options: Any = {limit: 1000}
            running = await engine.submit(("hang", None), **options)
            await first
            await asyncio.sleep(1)
            assert records() == 2
            del first
            assert records() == 1
            running.cancel()

    VirtualClock().run(main)


def test_a_job_that_was_cancelled_while_it_backed_off_is_gone_before_it_would_have_been_tried_again() -> None:
    async def main() -> None:
        async with Engine(Fate(), retry=RetryPolicy(base=1e6, cap=1e6)) as engine:
            handle = await engine.submit(("fail", Thing()))
            await asyncio.sleep(1)
            assert handle.status == "waiting"
            handle.cancel()
            del handle
            assert records() == 0

    VirtualClock().run(main)


def flood(number: int) -> Iterator[tuple[str, object]]:
    for i in range(number):
        how = "fail" if i % 10 == 0 else "retry" if i % 10 == 1 else "hang" if i % 10 == 2 else "succeed"
        yield how, bytes(1000)


async def run_through(engine: Engine, number: int) -> None:
    for payload in flood(number):
        handle = await engine.submit(payload, deadline=1000, timeout=1000)
        if payload[0] == "hang":
            await asyncio.sleep(0)
            handle.cancel()
        await handle.wait()


def objects() -> int:
    gc.collect()
    return len(gc.get_objects())


def traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


# 4,000 jobs of 1 kB each; asyncio itself keeps up to some hundred timers that were cancelled.
@pytest.mark.parametrize(("measure", "slack"), [(objects, 1000), (traced, 400_000)])
def test_memory_does_not_grow_with_the_number_of_jobs_that_have_ended(
    measure: Callable[[], int], slack: int
) -> None:
    async def main() -> None:
        async with Engine(Fate(), slots=1, retry=RetryPolicy(attempts=2, base=0)) as engine:
            await run_through(engine, 1000)
            before = measure()
            await run_through(engine, 4000)
            grown = measure() - before
            assert grown < slack

    tracemalloc.start()
    try:
        VirtualClock().run(main)
    finally:
        tracemalloc.stop()


def test_a_suspended_job_is_unfinished_work_and_is_kept() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor([Suspend("?"), "fine"])) as engine:
            job_id = (await engine.submit(1)).id
            await asyncio.sleep(1)
            gc.collect()
            await engine.reply(job_id, "yes")

    VirtualClock().run(main)
    assert records() == 0


def test_an_engine_that_was_left_keeps_nothing_alive() -> None:
    engines: list[weakref.ref[Engine]] = []

    async def main() -> None:
        engine = Engine(FaultExecutor([Suspend("?")]))
        engines.append(weakref.ref(engine))
        async with engine:
            await engine.submit(1, deadline=1e6)
            await engine.submit(2, timeout=1e6)
        del engine
        gc.collect()
        assert engines[0]() is None
        assert records() == 0

    VirtualClock().run(main)
