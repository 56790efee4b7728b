"""The executors of the test kit do what their names say, without an engine."""

import asyncio
import json
import math
import pickle
import time
from dataclasses import dataclass, field
from typing import cast

import pytest
from hypothesis import given, strategies as st

from paceline._context import JobContext
from paceline._job import Job
from paceline.testing import (
    Block,
    DelayExecutor,
    EchoExecutor,
    FaultExecutor,
    Hang,
    Nonsense,
    Raise,
    VirtualClock,
)


@dataclass
class Context:
    """As much of a JobContext as these executors ask for."""

    attempt: int = 1
    streaming: bool = False
    chunks: list[object] = field(default_factory=list[object])

    def emit(self, chunk: object) -> None:
        self.chunks.append(chunk)

    @property
    def of_job(self) -> JobContext:
        return cast("JobContext", self)


def job(payload: object, name: str = "job", group: str | None = None) -> Job:
    return Job(id="1", name=name, executor="default", payload=payload, group=group)


async def fault(executor: FaultExecutor, payload: object = "fine", attempt: int = 1) -> object:
    return await executor.execute(job(payload), Context(attempt).of_job)


async def turn() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_echo_returns_the_very_payload_and_emits_nothing_unheard() -> None:
    context, payload = Context(), {"text": "to be"}
    assert VirtualClock().run(EchoExecutor().execute, job(payload), context.of_job) is payload
    assert context.chunks == []


def test_echo_streams_words() -> None:
    context = Context(streaming=True)
    assert (
        VirtualClock().run(EchoExecutor().execute, job("to be\nor  not"), context.of_job) == "to be\nor  not"
    )
    assert context.chunks == ["to ", "be\n", "or  ", "not"]


@given(st.text())
def test_the_words_that_echo_streams_join_to_the_text(text: str) -> None:
    context = Context(streaming=True)
    VirtualClock().run(EchoExecutor().execute, job(text), context.of_job)
    assert "".join(map(str, context.chunks)) == text


def took(executor: DelayExecutor, work: Job, attempt: int = 1) -> float:
    clock = VirtualClock()
    assert clock.run(executor.execute, work, Context(attempt).of_job) == work.payload
    return clock.time()


def test_a_delay_lies_between_its_bounds_and_spreads_over_them() -> None:
    executor = DelayExecutor(2.0, 4.0)
    delays = [took(executor, job(i, name=f"job {i}")) for i in range(200)]
    assert 2.0 <= min(delays) < 2.1
    assert 3.9 < max(delays) <= 4.0


def test_a_job_takes_as_long_whenever_its_turn_comes() -> None:
    works = [job(1, "a"), job(2, "b"), job(3, "a", group="g")]
    executor = DelayExecutor(0, 10, seed=5)
    assert [took(executor, work) for work in works] == [took(executor, work) for work in works]
    assert [took(DelayExecutor(0, 10, seed=5), work) for work in works[::-1]] == [
        took(executor, work) for work in works[::-1]
    ]


def test_name_group_attempt_and_seed_each_change_the_delay() -> None:
    executor = DelayExecutor(0, 10)
    delays = {
        took(executor, job(1, "a")),
        took(executor, job(1, "b")),
        took(executor, job(1, "a", group="g")),
        took(executor, job(1, "a"), attempt=2),
        took(DelayExecutor(0, 10, seed=1), job(1, "a")),
    }
    assert len(delays) == 5


def test_jobs_without_a_name_draw_in_order_whatever_their_ids() -> None:
    def delays(tag: str) -> list[float]:
        executor = DelayExecutor(0, 10)
        return [took(executor, Job(f"{tag}{i}", f"{tag}{i}", "default", i)) for i in range(3)]

    assert delays("a") == delays("b")
    assert len(set(delays("a"))) == 3


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (2, 1), (math.nan, 1)])
def test_bounds_that_make_no_sense_are_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="0 <= low <= high"):
        DelayExecutor(low, high)


@pytest.mark.parametrize(
    "error", [ValueError("no"), ValueError, asyncio.CancelledError, GeneratorExit, BaseException("odd")]
)
def test_raise_raises_whatever_it_holds(error: BaseException | type[BaseException]) -> None:
    async def main() -> None:
        with pytest.raises(error if isinstance(error, type) else type(error)) as caught:
            await fault(FaultExecutor(), Raise(error))
        if isinstance(error, BaseException):
            assert caught.value is error

    VirtualClock().run(main)


def test_system_exit_comes_out_of_the_call() -> None:
    with pytest.raises(SystemExit, match="3"):
        VirtualClock().run(fault, FaultExecutor(), Raise(SystemExit(3)))


def test_raise_counts_attempts_then_succeeds() -> None:
    async def main() -> None:
        executor, payload = FaultExecutor(), Raise(OSError, times=2, then="yes")
        for attempt in (1, 2):
            with pytest.raises(OSError):  # noqa: PT011 - it carries no message
                await fault(executor, payload, attempt)
        assert await fault(executor, payload, 3) == "yes"

    VirtualClock().run(main)


def test_a_script_speaks_of_calls_and_then_leaves_the_word_to_the_payload() -> None:
    async def main() -> None:
        executor = FaultExecutor([Raise(KeyError), "scripted", Raise(IndexError)])
        with pytest.raises(KeyError):
            await fault(executor)
        assert await fault(executor) == "scripted"
        with pytest.raises(IndexError):
            await fault(executor)
        assert await fault(executor) == "fine"
        with pytest.raises(ZeroDivisionError):
            await fault(executor, Raise(ZeroDivisionError))

    VirtualClock().run(main)


@pytest.mark.parametrize("swallow", [0, 1, 3])
def test_hang_ends_by_the_first_cancellation_that_it_does_not_swallow(swallow: int) -> None:
    async def main() -> None:
        executor = FaultExecutor()
        call = asyncio.create_task(fault(executor, Hang(swallow)))
        await asyncio.sleep(1_000_000)
        for _ in range(swallow):
            call.cancel()
            await turn()
            assert executor.hanging == 1
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert executor.hanging == 0

    VirtualClock().run(main)


def test_what_swallows_every_cancellation_ends_by_release() -> None:
    async def main() -> None:
        executor = FaultExecutor()
        calls = [asyncio.create_task(fault(executor, Hang(math.inf))) for _ in range(2)]
        for _ in range(10):
            await turn()
            calls[0].cancel()
        await turn()
        assert executor.hanging == 2
        executor.release()
        assert await asyncio.gather(*calls) == [None, None]
        assert executor.hanging == 0

    VirtualClock().run(main)


@pytest.mark.blocks_loop
def test_block_blocks_the_loop_itself() -> None:
    clock, began = VirtualClock(), time.monotonic()
    assert clock.run(fault, FaultExecutor(), Block(0.05)) is None
    assert clock.time() == 0.0
    assert time.monotonic() - began >= 0.05


def test_nonsense_cannot_be_printed_pickled_or_written_as_json() -> None:
    nonsense = VirtualClock().run(fault, FaultExecutor(), Nonsense())
    with pytest.raises(RuntimeError):
        repr(nonsense)
    with pytest.raises(TypeError):
        pickle.dumps(nonsense)
    with pytest.raises(TypeError):
        json.dumps(nonsense)
