"""Promise 2: nothing outlives the `async with`."""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Sequence

import pytest

from paceline import Ended, Engine, EngineNotOpen, Handle, Job, JobContext, MemorySink, RetryPolicy, Suspend
from paceline._events import Event, JobEnded, RunEnded
from paceline.testing import DelayExecutor, EchoExecutor, FaultExecutor, Hang, Raise, VirtualClock


def now() -> float:
    return asyncio.get_running_loop().time()


def test_leaving_waits_for_all_that_was_accepted() -> None:
    async def main() -> None:
        async with Engine(DelayExecutor(1, 5), slots=3) as engine:
            handles = [await engine.submit(i) for i in range(30)]
        assert {handle.status for handle in handles} == {"succeeded"}
        with pytest.raises(EngineNotOpen):
            await engine.submit(1)
        assert len(asyncio.all_tasks()) == 1

    VirtualClock().run(main)


def test_leaving_waits_for_backoffs_dependents_and_children_that_come_meanwhile() -> None:
    class Slow:
        async def execute(self, job: Job, ctx: JobContext) -> str:
            await asyncio.sleep(1)
            if job.payload == "parent":
                await ctx.spawn("child")
            if job.payload == "flaky" and ctx.attempt == 1:
                raise OSError
            return str(job.payload)

    async def main() -> None:
        sink = MemorySink()
        async with Engine(Slow(), retry=RetryPolicy(base=100, cap=100), sinks=[sink]) as engine:
            await engine.submit("parent")
            flaky = await engine.submit("flaky")
            await engine.submit("after", after=flaky)
        assert sorted(str(event.output) for event in sink.of(JobEnded)) == [
            "after",
            "child",
            "flaky",
            "parent",
        ]

    VirtualClock().run(main)


def test_a_suspended_job_is_not_waited_for_and_what_waits_for_it_is_cancelled() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor([Suspend("?")])) as engine:
            suspended = await engine.submit(1)
            await suspended.wait()
            needs = await engine.submit("never", after=suspended)
            either = await engine.submit("never", after=[Ended(suspended), needs])
        assert suspended.status == "suspended"
        for handle in (needs, either):
            result = await handle.wait()
            assert result.status == "cancelled"
            assert result.error is not None
            assert "waited for a suspended job" in result.error.message

    VirtualClock().run(main)


def test_leaving_by_an_error_cancels_all_and_the_error_comes_out() -> None:
    error = ZeroDivisionError()

    async def main() -> None:
        sink = MemorySink()
        faults = FaultExecutor()
        handles: list[Handle] = []
        with pytest.raises(ZeroDivisionError) as caught:  # noqa: PT012 - the block is what raises
            async with Engine(faults, slots=2, sinks=[sink]) as engine:
                handles += [await engine.submit(Hang()) for _ in range(5)]
                handles += [await engine.submit(1, after=handles[0])]
                await asyncio.sleep(1)
                raise error
        assert caught.value is error
        assert {handle.status for handle in handles} == {"cancelled"}
        assert (faults.hanging, now()) == (0, 1)
        result = await handles[0].wait()
        assert result.error is not None
        assert result.error.message == "the engine was left by ZeroDivisionError"
        [ended] = sink.of(RunEnded)
        assert (ended.outcome, ended.counts["cancelled"]) == ("failed", 6)

    VirtualClock().run(main)


@pytest.mark.parametrize("grace", [0.1, 3])
def test_leaving_waits_at_most_grace_and_says_what_it_abandons(
    grace: float, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        faults = FaultExecutor()
        stuck: list[Handle] = []
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what raises
            async with Engine(faults, grace=grace) as engine:
                stuck.append(await engine.submit(Hang(swallow=math.inf), name="stuck"))
                await engine.submit(Hang(), name="well-behaved")
                await asyncio.sleep(1)
                raise ZeroDivisionError
        assert now() == 1 + grace
        assert stuck[0].status == "cancelled"
        assert faults.hanging == 1

    VirtualClock().run(main)  # and the end of the loop does not wait for it either
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == 1
    assert said[0].startswith("abandoned at the end of the run: attempt 1 of job 'stuck'")


def test_a_draining_engine_waits_at_most_grace_for_what_was_abandoned_before() -> None:
    async def main() -> None:
        faults = FaultExecutor()
        async with Engine(faults, grace=3) as engine:
            handle = await engine.submit(Hang(swallow=math.inf))
            await engine.submit(Raise(OSError))
            await asyncio.sleep(1)
            handle.cancel()
        assert now() == 4
        async with Engine(faults, grace=3) as engine:
            handle = await engine.submit(Hang(swallow=1))
            await asyncio.sleep(1)
            handle.cancel()
            asyncio.get_running_loop().call_later(1, faults.release)
        assert now() == 6

    VirtualClock().run(main)


def test_being_cancelled_while_draining_cancels_all() -> None:
    async def main() -> None:
        handles: list[Handle] = []

        async def run() -> None:
            async with Engine(FaultExecutor()) as engine:
                handles.append(await engine.submit(Hang()))

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await run()
        assert (handles[0].status, now()) == ("cancelled", 5)

    VirtualClock().run(main)


def test_being_cancelled_again_while_waiting_for_abandoned_attempts_leaves_at_once() -> None:
    async def main() -> None:
        faults = FaultExecutor()

        async def run() -> None:
            async with Engine(faults, grace=1000) as engine:
                await engine.submit(Hang(swallow=math.inf))
                await asyncio.sleep(math.inf)

        task = asyncio.create_task(run())
        for moment in (1, 2):
            await asyncio.sleep(1)
            task.cancel()
            assert now() == moment
        await asyncio.wait([task])
        assert (task.cancelled(), now()) == (True, 2)

    VirtualClock().run(main)


class SlowSink:
    def __init__(self) -> None:
        self.written: list[Event] = []
        self.closed = False

    def write(self, events: Sequence[Event], /) -> None:
        time.sleep(0.02)
        self.written.extend(events)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("by_error", [True, False])
def test_sinks_have_everything_when_the_engine_has_been_left(by_error: bool) -> None:
    sink = SlowSink()

    async def main() -> None:
        async with Engine(EchoExecutor(), sinks=[sink]) as engine:
            for i in range(50):
                await engine.submit(i)
            if by_error:
                raise ZeroDivisionError

    if by_error:
        with pytest.raises(ZeroDivisionError):
            asyncio.run(main())
    else:
        asyncio.run(main())
    assert sink.closed
    assert isinstance(sink.written[-1], RunEnded)
    assert sum(isinstance(event, JobEnded) for event in sink.written) == 50


def test_a_sink_that_hangs_is_waited_for_at_most_grace(caplog: pytest.LogCaptureFixture) -> None:
    let_go = threading.Event()

    class Stuck(SlowSink):
        name = "stuck"

        def close(self) -> None:
            let_go.wait()

    async def main() -> None:
        async with Engine(EchoExecutor(), sinks=[Stuck()], grace=0.1) as engine:
            await engine.submit(1)

    began = time.monotonic()
    asyncio.run(main())
    let_go.set()
    assert time.monotonic() - began < 3
    assert "sinks that had not written everything in time: stuck" in caplog.text


def test_an_engine_is_left_many_times_over_without_leaving_a_thread() -> None:
    async def main() -> None:
        for _ in range(20):
            async with Engine(lambda payload: payload, slots=2, sinks=[MemorySink()]) as engine:
                for i in range(4):
                    await engine.submit(i)

    asyncio.run(main())
    deadline = time.monotonic() + 5
    while left := [each for each in threading.enumerate() if each.name.startswith("paceline")]:
        assert time.monotonic() < deadline, left
        left[0].join(5)


def test_an_engine_that_drains_takes_children_but_nothing_new() -> None:
    async def main() -> None:
        engine = Engine(DelayExecutor(10, 10))

        async def newcomer() -> None:
            await asyncio.sleep(5)
            with pytest.raises(EngineNotOpen, match="closing and takes no more jobs"):
                await engine.submit("new")

        task = asyncio.create_task(newcomer())
        async with engine:
            handle = await engine.submit("old")
        await task
        assert await handle == "old"

    VirtualClock().run(main)
