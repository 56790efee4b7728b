"""Sync callables run on daemon threads of the engine's own, which hold up nothing."""

import asyncio
import contextvars
import functools
import threading
import time
from collections.abc import Iterator

import pytest

from paceline import Engine, Handle, Job, JobContext, Lane, MemorySink, RetryPolicy, Usage, current_job
from paceline._events import JobProgress
from paceline.testing import VirtualClock

TENANT: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")


class Gate:
    """Sync code that hangs until it is let go, and tells when it is there."""

    def __init__(self) -> None:
        self.inside = threading.Semaphore(0)
        self.open = threading.Event()
        self.threads: set[threading.Thread] = set()

    def __call__(self, payload: object) -> object:
        self.threads.add(threading.current_thread())
        self.inside.release()
        self.open.wait()
        return payload

    async def entered(self) -> None:
        """Wait until one more call is inside."""
        await asyncio.to_thread(self.inside.acquire)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


def context() -> JobContext:
    ctx = current_job()
    assert ctx is not None
    return ctx


def test_a_sync_callable_runs_on_a_daemon_thread() -> None:
    async def main() -> None:
        async with Engine(lambda _: threading.current_thread()) as engine:
            thread = await (await engine.submit(1))
            assert thread is not threading.main_thread()
            assert thread.daemon
            assert thread.name.startswith("paceline-")

    VirtualClock().run(main)


def test_threads_are_as_many_as_slots_and_used_again(gate: Gate) -> None:
    async def main() -> None:
        async with Engine(gate, slots=3) as engine:
            handles = [await engine.submit(i) for i in range(30)]
            for _ in range(3):
                await gate.entered()
            assert engine.snapshot().slots_used == 3
            assert len(gate.threads) == 3
            gate.open.set()
            assert [await handle for handle in handles] == list(range(30))
            assert len(gate.threads) == 3
            alive = gate.threads
        for thread in alive:
            await asyncio.to_thread(thread.join, 5)
            assert not thread.is_alive()

    asyncio.run(main())


def test_a_thread_sees_the_context_of_the_submit_and_its_job_and_leaks_nothing() -> None:
    def look(payload: str) -> tuple[str, str, object]:
        seen = TENANT.get()
        TENANT.set("leaked")
        return seen, context().job.id, payload

    async def main() -> None:
        async with Engine(look, slots=1) as engine:
            for name in ("ada", "bob"):
                TENANT.set(name)
                handle = await engine.submit(name)
                assert await handle == (name, handle.id, name)

    VirtualClock().run(main)


def test_a_thread_emits_and_reports_usage_and_progress_in_order_and_before_its_end() -> None:
    sink = MemorySink()

    def work(payload: int) -> str:
        ctx = context()
        for i in range(payload):
            ctx.emit(i)
        ctx.progress("half way", 0.5)
        ctx.usage(Usage(input_tokens=3))
        ctx.usage(Usage(output_tokens=4, requests=2))
        return "fine"

    async def main() -> None:
        async with Engine(work, sinks=[sink]) as engine:
            handle = await engine.submit(100, stream=True)
            stream = handle.stream()
            assert [chunk async for chunk in stream] == list(range(100))
            usage = (await handle.wait()).usage
            assert usage == Usage(input_tokens=3, output_tokens=4, requests=3)

    VirtualClock().run(main)
    assert [(event.message, event.fraction) for event in sink.of(JobProgress)] == [("half way", 0.5)]


def test_what_a_thread_raises_is_the_jobs_error() -> None:
    errors: list[BaseException] = [
        ValueError("no"),
        StopIteration(3),
        asyncio.CancelledError(),
        SystemExit(1),
        GeneratorExit(),
    ]

    def fail(payload: BaseException) -> object:
        raise payload

    async def main() -> None:
        async with Engine(fail, slots=1) as engine:
            for error in errors:
                result = await (await engine.submit(error)).wait()
                assert result.status == "failed"
                assert result.error is not None
                if not isinstance(error, StopIteration):  # no coroutine can raise that one
                    assert result.error.exception is error
            assert engine.snapshot().slots_used == 0

    VirtualClock().run(main)


def test_a_keyboard_interrupt_on_a_thread_ends_the_engine() -> None:
    def interrupt(payload: object) -> object:
        raise KeyboardInterrupt

    async def main() -> None:
        with pytest.raises(KeyboardInterrupt):
            async with Engine(interrupt) as engine:
                await engine.submit(1)

    VirtualClock().run(main)


def test_a_cancelled_thread_is_told_and_counts_until_it_ends(gate: Gate) -> None:
    told: list[bool] = []

    def work(payload: object) -> object:
        ctx = context()
        gate(payload)
        told.append(ctx.cancelled)
        ctx.usage(Usage(output_tokens=9))
        return payload

    async def main() -> None:
        async with Engine(work, slots=2, lanes=[Lane("capped", max_running=1)]) as engine:
            first = await engine.submit("first", lane="capped")
            await gate.entered()
            second = await engine.submit("second", lane="capped")
            first.cancel()
            assert first.status == "cancelled"
            snapshot = engine.snapshot()
            assert [each.job for each in snapshot.abandoned] == [first.id]
            assert (snapshot.slots_used, snapshot.lanes["capped"].running) == (0, 1)
            assert str(snapshot.waiting[second.id]) == "lane capped has as many jobs running as it may"
            gate.open.set()
            assert await second == "second"
            assert told == [True, False]
            assert engine.snapshot().abandoned == ()
            result = await first.wait()
            assert (result.status, result.output) == ("cancelled", None)
            assert result.usage == Usage(output_tokens=9, requests=1)

    asyncio.run(main())


def test_a_slot_that_an_abandoned_thread_gave_back_gets_a_thread_of_its_own(gate: Gate) -> None:
    def work(payload: object) -> object:
        return gate(payload) if payload == "hang" else payload

    async def main() -> None:
        async with Engine(work, slots=1) as engine:
            hanging = await engine.submit("hang", timeout=0.01)
            assert (await hanging.wait()).status == "failed"
            assert await (await engine.submit("next")) == "next"
            gate.open.set()

    asyncio.run(main())


def test_the_engine_leaves_within_its_grace_though_a_thread_hangs(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    late: list[str] = []

    def work(payload: object) -> None:
        ctx = context()
        gate(payload)
        ctx.emit("late")
        ctx.usage(Usage(output_tokens=1))
        late.append("said")

    async def main() -> None:
        engine = Engine(work, grace=0.1)
        handles: list[Handle] = []
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what raises
            async with engine:
                handles.append(await engine.submit(1, name="stuck"))
                await gate.entered()
                raise ZeroDivisionError
        assert handles[0].status == "cancelled"

    began = time.monotonic()
    asyncio.run(main())
    assert 0.1 <= time.monotonic() - began < 3
    assert "attempt 1 of job 'stuck'" in caplog.text
    [thread] = gate.threads
    assert thread.is_alive()
    gate.open.set()  # and what it says then finds nobody, and does no harm
    thread.join(5)
    assert not thread.is_alive()
    assert late == ["said"]


def test_a_lambda_around_an_async_function_is_awaited_in_the_loop() -> None:
    async def double(number: int, by: int) -> tuple[int, bool]:
        await asyncio.sleep(1)
        return number * by, threading.current_thread() is threading.main_thread()

    async def main() -> None:
        async with Engine(lambda payload: double(payload, 2)) as engine:
            assert await (await engine.submit(4)) == (8, True)
        async with Engine(functools.partial(double, by=3)) as engine:
            assert await (await engine.submit(4)) == (12, True)

    VirtualClock().run(main)


def test_an_executor_may_run_several_calls_on_threads_and_has_not_ended_before_they_have(gate: Gate) -> None:
    class Several:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            calls = [ctx.on_thread(functools.partial(gate, i)) for i in range(3)]
            return await asyncio.gather(*calls)

    async def main() -> None:
        async with Engine(Several(), slots=1) as engine:
            handle = await engine.submit(1)
            for _ in range(3):
                await gate.entered()
            handle.cancel()
            await asyncio.sleep(0.01)
            assert len(engine.snapshot().abandoned) == 1
            gate.open.set()
        assert engine.snapshot().abandoned == ()

    asyncio.run(main())


def test_a_failed_sync_attempt_is_tried_again_on_a_thread() -> None:
    def flaky(payload: object) -> int:
        if context().attempt < 3:
            raise OSError
        return context().attempt

    async def main() -> None:
        async with Engine(flaky, retry=RetryPolicy(attempts=3)) as engine:
            assert await (await engine.submit(1)) == 3

    VirtualClock().run(main)


def test_virtual_time_goes_on_though_the_thread_of_a_cancelled_job_still_works(gate: Gate) -> None:
    async def main() -> None:
        async with Engine(gate, slots=1) as engine:
            handle = await engine.submit(1)
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_soon(handle.cancel)
            assert (await handle.wait()).status == "cancelled"
            await asyncio.sleep(1000)
            assert len(engine.snapshot().abandoned) == 1
            gate.open.set()
            while engine.snapshot().abandoned:  # noqa: ASYNC110 - a snapshot is looked at, not awaited
                await asyncio.sleep(1)

    clock = VirtualClock()
    clock.run(main)
    assert clock.time() >= 1000
