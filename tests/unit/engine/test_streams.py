"""What a job emits, on its way to whoever listens."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from paceline import (
    Engine,
    Handle,
    Job,
    JobContext,
    RetryPolicy,
    StreamLagged,
    StreamRestarted,
    Suspend,
    current_job,
)
from paceline.testing import EchoExecutor, VirtualClock


class Calls:
    """Calls each payload with the context."""

    async def execute(self, job: Job, ctx: JobContext) -> object:
        return await job.payload(ctx)


def chunks(count: int, every: float = 1.0) -> Callable[[JobContext], Awaitable[object]]:
    async def emit(ctx: JobContext) -> str:
        for number in range(count):
            ctx.emit(number)
            if every:
                await asyncio.sleep(every)
        return "done"

    return emit


async def heard(handle: Handle) -> list[Any]:
    return [chunk async for chunk in handle.stream()]


def test_chunks_come_in_order_and_the_stream_ends_with_the_job() -> None:
    async def main() -> None:
        async with Engine(Calls()) as engine:
            handle = await engine.submit(chunks(5))
            assert await heard(handle) == [0, 1, 2, 3, 4]
            assert handle.status == "succeeded"
            assert await heard(handle) == []

    VirtualClock().run(main)


@pytest.mark.parametrize("how", ["fails", "is cancelled", "is suspended", "times out"])
def test_the_stream_ends_however_the_job_does(how: str) -> None:
    async def work(ctx: JobContext) -> object:
        ctx.emit("once")
        if how == "fails":
            raise OSError
        if how == "is suspended":
            return Suspend("?")
        await asyncio.sleep(100)
        return None

    async def main() -> None:
        async with Engine(Calls()) as engine:
            handle = await engine.submit(work, timeout=5 if how == "times out" else None)
            if how == "is cancelled":
                asyncio.get_running_loop().call_later(5, handle.cancel)
            assert await heard(handle) == ["once"]
            assert handle.status == {"is cancelled": "cancelled", "is suspended": "suspended"}.get(
                how, "failed"
            )

    VirtualClock().run(main)


def test_several_listeners_hear_the_same_and_a_late_one_what_is_still_to_come() -> None:
    async def main() -> None:
        async with Engine(Calls()) as engine:
            handle = await engine.submit(chunks(6))
            first, second = handle.stream(), handle.stream()
            await asyncio.sleep(2.5)
            late = handle.stream()
            assert [chunk async for chunk in first] == [0, 1, 2, 3, 4, 5]
            assert [chunk async for chunk in second] == [0, 1, 2, 3, 4, 5]
            assert [chunk async for chunk in late] == [3, 4, 5]

    VirtualClock().run(main)


def test_a_listener_counts_from_the_call_not_from_the_first_chunk_asked_for() -> None:
    async def main() -> None:
        async with Engine(Calls()) as engine:
            handle = await engine.submit(chunks(3))
            stream = handle.stream()
            await handle
            assert [chunk async for chunk in stream] == [0, 1, 2]

    VirtualClock().run(main)


def test_emit_never_waits_and_text_is_joined_for_who_lags() -> None:
    words = [f"word{number} " for number in range(5000)]

    async def talk(ctx: JobContext) -> float:
        before = asyncio.get_running_loop().time()
        for word in words:
            ctx.emit(word)
        return asyncio.get_running_loop().time() - before

    async def main() -> None:
        async with Engine(Calls()) as engine:
            handle = await engine.submit(talk)
            stream = handle.stream()
            assert await handle == 0
            got = [chunk async for chunk in stream]
            assert got[:1024] == words[:1024]
            assert len(got) == 1025
            assert "".join(got) == "".join(words)

    VirtualClock().run(main)


def test_other_chunks_are_counted_for_who_lags() -> None:
    async def main() -> None:
        async with Engine(Calls()) as engine:
            handle = await engine.submit(chunks(3000, every=0))
            stream = handle.stream()
            await handle
            assert [chunk async for chunk in stream] == [*range(1024), StreamLagged(3000 - 1024)]

    VirtualClock().run(main)


def test_a_listener_that_catches_up_hears_everything_again() -> None:
    async def bursts(ctx: JobContext) -> None:
        for number in range(2000):
            ctx.emit(number)
        await asyncio.sleep(10)
        for number in range(2000, 2003):
            ctx.emit(number)

    async def main() -> None:
        async with Engine(Calls()) as engine:
            got = await heard(await engine.submit(bursts))
            assert got == [*range(1024), StreamLagged(976), 2000, 2001, 2002]

    VirtualClock().run(main)


def test_a_lagging_listener_does_not_hold_back_another() -> None:
    async def main() -> None:
        async with Engine(Calls()) as engine:
            handle = await engine.submit(chunks(3000, every=0.001))
            slow = handle.stream()
            assert await heard(handle) == [*range(3000)]
            assert [chunk async for chunk in slow][-1] == StreamLagged(3000 - 1024)

    VirtualClock().run(main)


def test_a_retry_after_chunks_were_heard_restarts_the_stream() -> None:
    async def flaky(ctx: JobContext) -> str:
        ctx.emit(f"{ctx.attempt}a")
        await asyncio.sleep(1)
        if ctx.attempt == 1:
            raise OSError
        ctx.emit(f"{ctx.attempt}b")
        return "done"

    async def main() -> None:
        async with Engine(Calls()) as engine:
            handle = await engine.submit(flaky, retry=RetryPolicy(attempts=2))
            got: list[str] = []

            async def keep() -> None:
                async for chunk in handle.stream():
                    got.append(chunk)  # noqa: PERF401 - what came before the error counts

            with pytest.raises(StreamRestarted, match="attempt 1") as caught:
                await keep()
            assert got == ["1a"]
            assert (caught.value.job_id, caught.value.attempt) == (handle.id, 1)
            assert await heard(handle) == ["2a", "2b"]

    VirtualClock().run(main)


def test_a_retry_before_anything_was_heard_goes_unnoticed() -> None:
    async def flaky(ctx: JobContext) -> None:
        if ctx.attempt == 1:
            raise OSError
        ctx.emit("second")

    async def main() -> None:
        async with Engine(Calls()) as engine:
            handle = await engine.submit(flaky, retry=RetryPolicy(attempts=2))
            assert await heard(handle) == ["second"]

    VirtualClock().run(main)


def test_what_was_buffered_is_heard_before_the_restart() -> None:
    async def flaky(ctx: JobContext) -> None:
        if ctx.attempt == 1:
            ctx.emit("first")
            raise OSError

    async def main() -> None:
        async with Engine(Calls()) as engine:
            handle = await engine.submit(flaky, retry=RetryPolicy(attempts=2))
            stream = handle.stream()
            await handle
            assert await anext(stream) == "first"
            with pytest.raises(StreamRestarted):
                await anext(stream)
            with pytest.raises(StopAsyncIteration):
                await anext(stream)

    VirtualClock().run(main)


def test_after_a_suspension_stream_follows_the_attempt_that_is_answered() -> None:
    async def asking(ctx: JobContext) -> object:
        if ctx.job.reply is None:
            ctx.emit("a question")
            return Suspend("?")
        await asyncio.sleep(1)
        ctx.emit("an answer")
        return "done"

    async def main() -> None:
        async with Engine(Calls()) as engine:
            handle = await engine.submit(asking)
            assert await heard(handle) == ["a question"]
            await engine.reply(handle.id, "yes")
            assert await heard(handle) == ["an answer"]

    VirtualClock().run(main)


@pytest.mark.parametrize("seed", range(3))
def test_threads_emit_too_and_in_order(seed: int) -> None:
    def talk(payload: int) -> str:
        ctx = current_job()
        assert ctx is not None
        assert threading.current_thread() is not threading.main_thread()
        for number in range(payload):
            ctx.emit(number)
        return "done"

    async def main() -> None:
        async with Engine(talk) as engine:
            handle = await engine.submit(100)
            assert await heard(handle) == [*range(100)]
            assert await handle == "done"

    VirtualClock(seed).run(main)


def test_nothing_is_kept_without_a_listener() -> None:
    class Chunk:
        """Something that can be referred to weakly."""

    alive: weakref.WeakSet[Chunk] = weakref.WeakSet()
    most = 0

    async def talk(ctx: JobContext) -> None:
        nonlocal most
        for _ in range(100):
            chunk = Chunk()
            alive.add(chunk)
            ctx.emit(chunk)
            del chunk
            await asyncio.sleep(1)
            most = max(most, len(alive))

    async def main() -> None:
        async with Engine(Calls()) as engine:
            await (await engine.submit(talk, stream=True))

    VirtualClock().run(main)
    assert most == 0


def test_a_listener_that_was_left_is_forgotten() -> None:
    seen: list[bool] = []

    async def talk(ctx: JobContext) -> None:
        for number in range(10):
            ctx.emit(number)
            await asyncio.sleep(1)
            seen.append(ctx.streaming)

    async def main() -> None:
        async with Engine(Calls()) as engine:
            handle = await engine.submit(talk)
            async for chunk in handle.stream():
                if chunk == 3:
                    break
            gc.collect()
            await handle

    VirtualClock().run(main)
    assert seen == [True] * 3 + [False] * 7


def test_closing_a_stream_ends_it_for_who_waits_in_it() -> None:
    async def main() -> None:
        async with Engine(Calls()) as engine:
            handle = await engine.submit(chunks(1, every=100))
            stream = handle.stream()
            assert await anext(stream) == 0
            waiting = asyncio.create_task(anext(stream, "ended"))
            await asyncio.sleep(1)
            await stream.aclose()
            assert await waiting == "ended"
            handle.cancel()

    VirtualClock().run(main)


def test_what_was_buffered_is_dropped_when_a_stream_is_closed() -> None:
    async def main() -> None:
        async with Engine(Calls()) as engine:
            handle = await engine.submit(chunks(2000, every=0))
            stream = handle.stream()
            await handle
            stream.close()
            assert [chunk async for chunk in stream] == []

    VirtualClock().run(main)


def test_giving_up_one_wait_for_a_chunk_leaves_the_stream_whole() -> None:
    async def main() -> None:
        async with Engine(Calls()) as engine:
            handle = await engine.submit(chunks(3, every=10))
            stream = handle.stream()
            assert await anext(stream) == 0
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await anext(stream)
            assert [chunk async for chunk in stream] == [1, 2]

    VirtualClock().run(main)


def test_a_job_that_listens_to_its_own_child_gives_its_slot_to_it() -> None:
    async def parent(ctx: JobContext) -> list[Any]:
        child = await ctx.spawn(chunks(3))
        return [chunk async for chunk in child.stream()]

    async def main() -> None:
        async with Engine(Calls(), slots=1) as engine:
            assert await (await engine.submit(parent)) == [0, 1, 2]

    VirtualClock().run(main)


def test_the_echo_executor_streams_its_words() -> None:
    async def main() -> None:
        async with Engine(EchoExecutor()) as engine:
            handle = await engine.submit("to be or not", stream=True)
            assert await heard(handle) == ["to ", "be ", "or ", "not"]

    VirtualClock().run(main)


def test_what_an_attempt_says_after_it_was_given_up_is_heard_by_nobody() -> None:
    async def stubborn(ctx: JobContext) -> None:
        try:
            ctx.emit("before")
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            ctx.emit("after")

    async def main() -> None:
        async with Engine(Calls()) as engine:
            handle = await engine.submit(stubborn)
            stream = handle.stream()
            await asyncio.sleep(1)
            handle.cancel()
            await asyncio.sleep(1)
            assert [chunk async for chunk in stream] == ["before"]

    VirtualClock().run(main)
