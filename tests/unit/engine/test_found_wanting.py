"""Behaviour that a review found wanting: each of these hung, lied or leaked once."""

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest

from paceline import (
    Engine,
    EngineNotOpen,
    JobResult,
    NoAdapter,
    RetryPolicy,
    Suspend,
    as_executor,
    current_job,
)
from paceline.testing import VirtualClock


async def ask_once(payload: object) -> object:
    ctx = current_job()
    assert ctx is not None
    if payload == "ask" and ctx.attempt == 1:
        return Suspend("really?")
    await asyncio.sleep(1)
    return payload


def test_a_reply_given_while_the_engine_drains_is_carried_out() -> None:
    async def main() -> str:
        async with Engine(ask_once, slots=2) as engine:
            handle = await engine.submit("ask")
            await handle.wait()
            slow = await engine.submit("slow")

            async def answer() -> None:
                await slow.wait()
                await engine.reply(handle.id, "yes")

            task = asyncio.create_task(answer())
        await task
        return handle.status

    assert VirtualClock().run(main) == "succeeded"


def test_leaving_does_not_wait_for_a_job_that_waits_for_a_suspended_one() -> None:
    async def parent(_payload: object) -> object:
        ctx = current_job()
        assert ctx is not None
        asked = await ctx.spawn("ask", executor=ask_once)
        after = await ctx.spawn("later", executor=ask_once, after=asked)
        return await after

    async def main() -> str:
        async with Engine(parent, slots=1) as engine:
            handle = await engine.submit(None)
        return handle.status

    assert VirtualClock().run(main) == "cancelled"


def test_all_who_wait_see_the_same_end_though_one_of_them_replies() -> None:
    async def main() -> list[str]:
        async with Engine(ask_once) as engine:
            handle = await engine.submit("ask")

            async def wait_and_reply() -> str:
                with suppress(LookupError):
                    if (await handle.wait()).status == "suspended":
                        await engine.reply(handle.id, "yes")
                return (await handle.wait()).status

            async def only_wait() -> str:
                return (await handle.wait()).status

            return [*await asyncio.gather(wait_and_reply(), only_wait())]

    assert "running" not in VirtualClock().run(main)


def test_a_grace_that_is_no_number_is_refused_and_nothing_is_lost() -> None:
    async def main() -> str:
        async with Engine(ask_once) as engine:
            handle = await engine.submit("work")
            await asyncio.sleep(0.1)
            with pytest.raises(TypeError, match="grace"):
                handle.cancel(grace="1")  # type: ignore[arg-type]  # what an untyped caller writes
        return handle.status

    assert VirtualClock().run(main) == "succeeded"


def test_a_job_that_was_given_up_starts_no_more_by_a_map_either() -> None:
    started: list[object] = []

    async def note(payload: object) -> object:
        started.append(payload)
        await asyncio.sleep(1)
        return payload

    async def main() -> None:
        async with Engine(note, slots=2) as engine:

            async def mapper(_payload: object) -> None:
                with suppress(EngineNotOpen):
                    async for _ in engine.map(range(100), window=1):
                        pass

            handle = await engine.submit(None, executor=mapper)
            await asyncio.sleep(2.5)
            handle.cancel()
            before = len(started)
            await asyncio.sleep(5)
            assert len(started) == before

    VirtualClock().run(main)


def test_a_chain_of_groups_holds_only_its_last_one() -> None:
    class Output:
        pass

    watched: list[weakref.ref[Output]] = []

    async def produce(_payload: object) -> Output:
        output = Output()
        watched.append(weakref.ref(output))
        return output

    async def main() -> None:
        async with Engine(produce) as engine:
            group = await engine.submit_group("0", followers=[1])
            for number in range(1, 20):
                group = await engine.submit_group(str(number), followers=[1], after=group)
            results: list[JobResult] = await group.results()
            assert results[0].ok
            del results
            gc.collect()
            assert sum(ref() is not None for ref in watched) <= 2

    VirtualClock().run(main)


def test_leaving_by_an_error_leaves_no_task_behind() -> None:
    async def main() -> set[str]:
        before = asyncio.all_tasks()

        async def endless() -> AsyncGenerator[int, None]:
            while True:
                yield 1
                await asyncio.sleep(1)

        async def enough() -> None:
            async with Engine(ask_once, slots=1) as engine:
                async for _ in engine.map(endless()):
                    raise ValueError("enough")

        with pytest.raises(ValueError, match="enough"):
            await enough()
        return {task.get_name() for task in asyncio.all_tasks() - before}

    assert VirtualClock().run(main) == set()


def test_a_long_row_of_submissions_lets_the_loop_do_all_else() -> None:
    async def main() -> None:
        turns = 0

        async def count_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(count_turns())
        async with Engine(ask_once, slots=1000) as engine:
            for number in range(1000):
                await engine.submit(number)
            assert turns >= 5
            before = turns
            await engine.submit_group("wide", followers=range(1000))
            assert turns >= before + 5
            other.cancel()

    VirtualClock().run(main)


def test_a_generator_is_refused_for_calling_it_would_run_nothing() -> None:
    async def chunks(_payload: object) -> AsyncGenerator[int, None]:
        yield 1

    with pytest.raises(NoAdapter, match=r"chunks is a generator.*emit"):
        as_executor(chunks)


def test_an_abandoned_attempt_tells_since_when_though_its_job_is_tried_again() -> None:
    async def stubborn(_payload: object) -> None:
        ctx = current_job()
        assert ctx is not None
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(5)
        if ctx.attempt == 1:
            await asyncio.sleep(20)

    async def main() -> None:
        async with Engine(stubborn, retry=RetryPolicy(attempts=2, base=0.0), grace=30) as engine:
            await engine.submit(None, timeout=2)
            await asyncio.sleep(3)
            assert [each.since for each in engine.snapshot().abandoned] == [2.0]

    VirtualClock().run(main)
