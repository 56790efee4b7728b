"""Promise 1: a job that was accepted ends exactly once, whatever its executor does."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import pytest

from paceline import Engine, Failure, Handle, Job, JobContext, JobFailed, MemorySink, RetryPolicy, Usage
from paceline._events import JobEnded
from paceline.testing import Block, FaultExecutor, Hang, Nonsense, Raise, VirtualClock


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words for it")


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError

    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        raise ValueError("nor notes")


class Stop(BaseException):
    """What no `except Exception` sees."""


ERRORS: list[BaseException | type[BaseException]] = [
    ValueError("no"),
    Unprintable(),
    Unspeakable(),
    Stop("halt"),
    SystemExit(3),
    GeneratorExit(),
    asyncio.CancelledError("by nobody"),
    asyncio.CancelledError,
    StopIteration(1),
    StopAsyncIteration(),
    asyncio.InvalidStateError(),
    RecursionError(),
    MemoryError(),
    BaseExceptionGroup("several", [SystemExit(1), ValueError("two")]),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: getattr(error, "__name__", type(error).__name__))
@pytest.mark.parametrize("retry", [None, RetryPolicy(attempts=2)])
def test_whatever_is_raised_fails_that_job_only_and_once(
    error: BaseException | type[BaseException], retry: RetryPolicy | None
) -> None:
    sink = MemorySink()

    async def main() -> None:
        async with Engine(FaultExecutor(), slots=2, retry=retry, sinks=[sink]) as engine:
            before = await engine.submit("before")
            bad = await engine.submit(Raise(error))
            after = await engine.submit("after")
            assert (await bad.wait()).status == "failed"
            with pytest.raises(JobFailed):
                await bad
            assert [await before, await after] == ["before", "after"]
            snapshot = engine.snapshot()
            assert (snapshot.slots_used, snapshot.abandoned) == (0, ())
        assert sum(event.job == bad.id for event in sink.of(JobEnded)) == 1

    VirtualClock().run(main)


@pytest.mark.parametrize("error", [Stop("halt"), SystemExit(3), asyncio.CancelledError()])
def test_what_is_no_exception_is_never_retried(error: BaseException) -> None:
    async def main() -> None:
        async with Engine(FaultExecutor(), retry=RetryPolicy(attempts=5)) as engine:
            result = await (await engine.submit(Raise(error))).wait()
            assert len(result.attempts) == 1

    VirtualClock().run(main)


def test_nonsense_is_handed_over_as_it_is() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor(), sinks=[MemorySink()]) as engine:
            output = await (await engine.submit(Nonsense()))
            with pytest.raises(RuntimeError):
                repr(output)

    VirtualClock().run(main)


def test_an_exception_without_words_is_described_without_them() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            result = await (await engine.submit(Raise(Unspeakable()))).wait()
            assert result.error is not None
            assert result.error.message == "<no message: its __str__ raised ZeroDivisionError>"
            assert "ValueError" in result.error.traceback

    VirtualClock().run(main)


@pytest.mark.parametrize("swallow", [0, 1, 3, math.inf])
def test_a_job_that_hangs_ends_when_it_is_cancelled_whether_it_listens_or_not(swallow: float) -> None:
    faults = FaultExecutor()

    async def main() -> None:
        async with Engine(faults, slots=1, grace=0) as engine:
            handle = await engine.submit(Hang(swallow))
            await asyncio.sleep(10)
            handle.cancel()
            assert handle.status == "cancelled"
            assert await (await engine.submit("next")) == "next"
            assert faults.hanging == (1 if swallow else 0)
            faults.release()
            await asyncio.sleep(0.01)
            assert engine.snapshot().abandoned == ()
            assert handle.status == "cancelled"

    VirtualClock().run(main)


@pytest.mark.blocks_loop
def test_a_job_that_blocks_the_loop_ends_when_the_block_ends() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor(), slots=2) as engine:
            blocking = await engine.submit(Block(0.05), timeout=0.01)
            other = await engine.submit("fine")
            assert await blocking is None
            assert await other == "fine"

    asyncio.run(main())


def test_a_keyboard_interrupt_cancels_the_engine_and_is_raised_again_by_it() -> None:
    faults = FaultExecutor()
    interrupt = KeyboardInterrupt("enough")

    async def main() -> None:
        engine = Engine(faults, slots=4, retry=RetryPolicy(attempts=3))
        handles: list[Handle] = []
        with pytest.raises(KeyboardInterrupt) as caught:  # noqa: PT012 - the block is what is left
            async with engine:
                handles = [await engine.submit(Hang()) for _ in range(10)]
                await asyncio.sleep(1)
                handles.append(await engine.submit(Raise(interrupt), priority=1))
                handles[0].cancel()
                await asyncio.sleep(100)
                pytest.fail("the block went on")
        assert caught.value is interrupt
        assert faults.hanging == 0
        assert {handle.status for handle in handles[:-1]} == {"cancelled"}
        result = await handles[-1].wait()
        assert (result.status, len(result.attempts)) == ("failed", 1)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0  # whoever catches the interrupt can go on
        await asyncio.sleep(1)

    clock = VirtualClock()
    clock.run(main)
    assert clock.time() == 2


def test_a_keyboard_interrupt_while_the_engine_drains_ends_it_too() -> None:
    async def interrupt(payload: float) -> None:
        await asyncio.sleep(payload)
        raise KeyboardInterrupt

    async def main() -> None:
        others: list[Handle] = []
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - the block is what raises
            async with Engine(interrupt) as engine:
                await engine.submit(1.0)
                others.append(await engine.submit(1000.0))
        assert others[0].status == "cancelled"

    clock = VirtualClock()
    clock.run(main)
    assert clock.time() == 1


def test_a_function_that_is_not_async_but_called_execute_fails_its_job_clearly() -> None:
    class Sync:
        def execute(self, job: Job, ctx: JobContext) -> object:
            return "not awaitable"

    async def main() -> None:
        async with Engine(cast("Any", Sync())) as engine:
            result = await (await engine.submit(1)).wait()
            assert result.error is not None
            assert result.error.type == "TypeError"
            assert "await" in result.error.message

    VirtualClock().run(main)


def test_an_execute_that_raises_before_there_is_anything_to_await_fails_its_job() -> None:
    class Early:
        def execute(self, job: Job, ctx: JobContext) -> NoReturn:
            raise StopIteration

    async def main() -> None:
        async with Engine(Early()) as engine:
            assert (await (await engine.submit(1)).wait()).status == "failed"

    VirtualClock().run(main)


@dataclass
class Classifying:
    classify: Callable[[Exception], Any]

    async def execute(self, job: Job, ctx: JobContext) -> NoReturn:
        raise ValueError("no")


def raises(error: BaseException) -> Callable[[Exception], NoReturn]:
    def classify(_: Exception) -> NoReturn:
        raise error

    return classify


def gives(make: Callable[[], object]) -> Callable[[Exception], object]:
    return lambda _: make()


@pytest.mark.parametrize(
    "classify",
    [
        raises(ZeroDivisionError()),
        raises(SystemExit()),
        raises(asyncio.CancelledError()),
        gives(lambda: None),
        gives(lambda: "retry"),
        gives(lambda: Failure(True, cast("Any", "soon"))),
        gives(lambda: Failure(True, math.nan)),
        gives(lambda: Failure(True, -1)),
    ],
)
def test_a_classify_that_is_broken_is_logged_and_the_error_taken_as_retryable(
    classify: Callable[[Exception], Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with Engine(Classifying(classify), retry=RetryPolicy(attempts=3)) as engine:
            result = await (await engine.submit(1)).wait()
            assert (result.status, len(result.attempts)) == ("failed", 3)

    VirtualClock().run(main)
    assert "classif" in caplog.text


@pytest.mark.parametrize("tokens", ["many", -5, math.nan, math.inf])
def test_usage_that_makes_no_sense_leaves_the_reservation(
    tokens: object, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd:
        async def execute(self, job: Job, ctx: JobContext) -> str:
            ctx.usage(Usage(input_tokens=cast("int", tokens)))
            return "fine"

    async def main() -> None:
        async with Engine(Odd(), cost="tokens") as engine:
            assert await (await engine.submit(1, cost=7)) == "fine"
            assert engine.snapshot().lanes["default"].served == 7

    VirtualClock().run(main)
    assert f"input_tokens={tokens!r}; that counts as unknown" in caplog.text


def test_a_job_whose_executor_changes_its_id_still_ends() -> None:
    class Rude:
        async def execute(self, job: Job, ctx: JobContext) -> str:
            job.id = job.name = job.lane = "mine"
            return "fine"

    async def main() -> None:
        async with Engine(Rude()) as engine:
            assert await (await engine.submit(1)) == "fine"
            assert engine.snapshot().counts["succeeded"] == 1

    VirtualClock().run(main)
