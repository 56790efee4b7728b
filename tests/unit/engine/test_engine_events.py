"""What the engine records of what happened, end to end."""

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from paceline import (
    CallbackSink,
    Engine,
    Job,
    JobContext,
    JsonlSink,
    MemorySink,
    RetryPolicy,
    Suspend,
    Usage,
    events,
    read_events,
)
from paceline.testing import EchoExecutor, FaultExecutor, Hang, Raise, VirtualClock


class Calls:
    """Calls a payload with the context, or returns a text."""

    async def execute(self, job: Job, ctx: JobContext) -> object:
        return job.payload if isinstance(job.payload, str) else await job.payload(ctx)


def of(sink: MemorySink, job: str) -> list[str]:
    return [event.type for event in sink.events if getattr(event, "job", None) == job]


def record(main: Any, seed: int = 0) -> MemorySink:
    """Run `main(sink)` on the virtual clock and return the sink."""
    sink = MemorySink()
    VirtualClock(seed).run(main, sink)
    return sink


def test_a_job_without_retries_gives_at_most_four() -> None:
    ids: list[str] = []

    async def main(sink: MemorySink) -> None:
        async with Engine(EchoExecutor(), sinks=[sink]) as engine:
            ids.append((await engine.submit("x")).id)
            ids.append((await engine.submit("a b c", stream=True)).id)

    sink = record(main)
    assert of(sink, ids[0]) == ["job.submitted", "job.started", "job.ended"]
    assert of(sink, ids[1]) == ["job.submitted", "job.started", "job.first_token", "job.ended"]


def test_events_are_numbered_in_order_from_the_start_of_the_run_to_its_end() -> None:
    async def main(sink: MemorySink) -> None:
        async with Engine(FaultExecutor(), sinks=[sink], run_id="run-1") as engine:
            await engine.submit_group("g", primer="p", followers=["f"] * 5)
            await engine.submit(Raise(OSError), retry=RetryPolicy(attempts=3))
            handle = await engine.submit(Hang())
            await asyncio.sleep(1)
            handle.cancel()

    sink = record(main)
    assert [event.seq for event in sink.events] == [*range(1, len(sink.events) + 1)]
    assert {event.run for event in sink.events} == {"run-1"}
    times = [event.time for event in sink.events]
    assert times == sorted(times)
    assert sink.events[0].type == "run.started"
    assert sink.events[-1].type == "run.ended"


@pytest.mark.parametrize("seed", range(3))
def test_each_job_is_submitted_once_and_ended_once_whatever_becomes_of_it(seed: int) -> None:
    payloads = [
        "good",
        Raise(OSError),
        Raise(OSError, times=1, then="late"),
        Raise(asyncio.CancelledError),
        Raise(SystemExit(3)),
        Suspend("?"),
        Hang(),
        Hang(swallow=1),
    ]

    async def main(sink: MemorySink) -> None:
        async with Engine(FaultExecutor(), sinks=[sink], slots=3) as engine:
            for payload in payloads:
                handle = await engine.submit(payload, retry=RetryPolicy(attempts=2), timeout=10)
                await engine.submit("x", after=handle)
            await engine.submit_group("g", primer=Raise(OSError), followers=["f"] * 3)
            (await engine.submit("y")).cancel()

    sink = record(main, seed)
    submitted = Counter(event.job for event in sink.of(events.JobSubmitted))
    ended = Counter(event.job for event in sink.of(events.JobEnded))
    (run_ended,) = sink.of(events.RunEnded)
    assert set(submitted.values()) == {1}
    assert set(ended.values()) == {1}
    assert set(submitted) - set(ended) == {event.job for event in sink.of(events.JobSuspended)}
    told: dict[str, int] = {"suspended": 1, **Counter(event.status for event in sink.of(events.JobEnded))}
    assert told == {status: count for status, count in run_ended.counts.items() if count}


def test_retries_are_recorded_with_error_delay_and_usage() -> None:
    async def flaky(ctx: JobContext) -> str:
        ctx.usage(Usage(input_tokens=ctx.attempt))
        if ctx.attempt < 3:
            raise OSError(f"try {ctx.attempt}")
        return "done"

    async def main(sink: MemorySink) -> None:
        async with Engine(Calls(), sinks=[sink]) as engine:
            await engine.submit(flaky, retry=RetryPolicy(attempts=3))

    sink = record(main)
    retried = sink.of(events.JobRetried)
    assert [event.attempt for event in retried] == [1, 2]
    assert [event.error.message if event.error else None for event in retried] == ["try 1", "try 2"]
    assert [event.usage.input_tokens if event.usage else None for event in retried] == [1, 2]
    assert all(0 <= event.delay <= 2 for event in retried)
    (ended,) = sink.of(events.JobEnded)
    assert (ended.status, ended.attempt, ended.output) == ("succeeded", 3, "done")
    assert ended.usage is not None
    assert ended.usage.input_tokens == 6


def test_a_jobs_end_tells_its_last_attempts_seconds_its_cost_and_error() -> None:
    async def slow(ctx: JobContext) -> None:
        await asyncio.sleep(7)
        raise LookupError("not there")

    async def main(sink: MemorySink) -> None:
        async with Engine(Calls(), sinks=[sink], slots=1) as engine:
            await engine.submit(slow, cost=2.5)
            never = await engine.submit("x")
            never.cancel("not needed")

    failed, cancelled = sorted(record(main).of(events.JobEnded), key=lambda event: event.status)[::-1]
    assert (failed.status, failed.attempt, failed.seconds, failed.cost) == ("failed", 1, 7.0, 2.5)
    assert failed.error == events.ErrorText("LookupError", "not there")
    assert (cancelled.status, cancelled.attempt) == ("cancelled", 0)
    assert (cancelled.seconds, cancelled.cost) == (None, None)


def test_a_started_job_tells_how_long_it_waited() -> None:
    async def main(sink: MemorySink) -> None:
        async with Engine(Calls(), sinks=[sink], slots=1) as engine:

            async def work(ctx: JobContext) -> None:
                await asyncio.sleep(5)

            await engine.submit(work)
            await engine.submit(work)

    assert [event.waited for event in record(main).of(events.JobStarted)] == [0, 5]


def test_a_groups_life_is_recorded_around_its_members() -> None:
    async def main(sink: MemorySink) -> None:
        async with Engine(EchoExecutor(), sinks=[sink]) as engine:
            await engine.submit_group("g", primer="p", followers=["f", "f"], metadata={"book": 7})

    sink = record(main)
    order = [event.type for event in sink.events if event.type.startswith("group")]
    assert order == ["group.started", "group.released", "group.ended"]
    first = next(event.seq for event in sink.of(events.JobSubmitted))
    (started,), (ended,) = sink.of(events.GroupStarted), sink.of(events.GroupEnded)
    assert started.seq < first
    assert ended.seq > max(event.seq for event in sink.of(events.JobEnded))
    assert (started.lane, started.metadata) == ("default", {"book": 7})
    assert (ended.outcome, ended.counts) == ("succeeded", {"succeeded": 3})
    assert [event.role for event in sink.of(events.JobSubmitted)] == ["primer", "follower", "follower"]


def test_an_abandoned_attempt_is_told_with_a_word_of_the_engines_and_again_when_it_is_gone() -> None:
    async def stubborn(ctx: JobContext) -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(5)
            ctx.usage(Usage(input_tokens=9))

    async def main(sink: MemorySink) -> None:
        async with Engine(Calls(), sinks=[sink], grace=60) as engine:
            cancelled = await engine.submit(stubborn)
            await engine.submit(stubborn, timeout=2)
            await engine.submit(stubborn, deadline=3)
            await asyncio.sleep(1)
            cancelled.cancel("a secret of the user's")

    sink = record(main)
    assert [event.reason for event in sink.of(events.AttemptAbandoned)] == [
        "cancelled",
        "timeout",
        "deadline",
    ]
    gone = sink.of(events.AttemptGone)
    assert [event.usage.input_tokens if event.usage else None for event in gone] == [9, 9, 9]


def test_a_prompt_end_after_a_cancellation_is_not_called_abandoned() -> None:
    async def main(sink: MemorySink) -> None:
        async with Engine(FaultExecutor(), sinks=[sink]) as engine:
            handle = await engine.submit(Hang())
            await asyncio.sleep(1)
            handle.cancel()

    sink = record(main)
    assert not sink.of(events.AttemptAbandoned)
    assert not sink.of(events.AttemptGone)


def test_what_an_attempt_uses_after_its_job_has_ended_is_told_apart() -> None:
    async def late(ctx: JobContext) -> None:
        ctx.usage(Usage(input_tokens=1))
        try:
            await asyncio.sleep(100)
        finally:
            ctx.usage(Usage(input_tokens=9))

    async def main(sink: MemorySink) -> None:
        async with Engine(Calls(), sinks=[sink]) as engine:
            cancelled = await engine.submit(late)
            timed_out = await engine.submit(late, timeout=2, retry=RetryPolicy(2))
            await asyncio.sleep(1)
            cancelled.cancel()
            await timed_out.wait()

    sink = record(main)
    ended = [event.usage.input_tokens for event in sink.of(events.JobEnded) if event.usage]
    gone = [event.late.input_tokens for event in sink.of(events.AttemptGone) if event.late]
    assert ended == [1, 1 + 9 + 1], "the second attempt had begun when the first told"
    assert gone == [9, 9], "of one that ended with its job each"


def test_progress_and_chunks_are_recorded_for_those_who_ask() -> None:
    async def talk(ctx: JobContext) -> None:
        ctx.progress("half way", 0.5)
        ctx.emit("hello")
        ctx.emit("world")

    wanting, plain = MemorySink(chunks=True), MemorySink()

    async def main() -> None:
        async with Engine(Calls(), sinks=[wanting, plain]) as engine:
            await engine.submit(talk)

    VirtualClock().run(main)
    assert [event.chunk for event in wanting.of(events.JobChunk)] == ["hello", "world"]
    assert plain.of(events.JobChunk) == []
    for sink in (wanting, plain):
        assert [(event.message, event.fraction) for event in sink.of(events.JobProgress)] == [
            ("half way", 0.5)
        ]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(None, "completed"), (LookupError("x"), "failed"), (asyncio.CancelledError(), "cancelled")],
)
def test_the_runs_end_tells_how_it_was_left(error: BaseException | None, outcome: str) -> None:
    sink = MemorySink()

    async def main() -> None:
        async with Engine(FaultExecutor(), sinks=[sink], slots=1) as engine:
            await (await engine.submit("x"))
            if error is not None:
                await engine.submit(Hang())
                raise error

    if error is None:
        VirtualClock().run(main)
    else:
        with pytest.raises(type(error)):
            VirtualClock().run(main)
    (ended,) = sink.of(events.RunEnded)
    assert ended.outcome == outcome
    assert ended.counts["succeeded"] == 1
    assert ended.counts["cancelled"] == (error is not None)
    assert sink.events[-1] is ended


def test_a_file_holds_the_same_events_as_memory(tmp_path: Path) -> None:
    memory, path = MemorySink(), tmp_path / "events.jsonl"

    async def main() -> None:
        async with Engine(FaultExecutor(), sinks=[memory, JsonlSink(path, content="full")]) as engine:
            await engine.submit_group("g", primer="p", followers=["f"] * 20)
            await engine.submit(Raise(OSError("no"), times=1, then="yes"), retry=RetryPolicy(attempts=2))

    VirtualClock().run(main)
    read = list(read_events(path))
    assert [(event.seq, event.type) for event in read] == [(event.seq, event.type) for event in memory.events]
    assert [event.output for event in read if isinstance(event, events.JobEnded)] == [
        event.output for event in memory.of(events.JobEnded)
    ]


def test_content_stays_out_of_the_file_by_default(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"

    async def stubborn(ctx: JobContext) -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(5)

    async def main() -> None:
        async with Engine({"calls": Calls(), "faults": FaultExecutor()}, sinks=[JsonlSink(path)]) as engine:
            await engine.submit("my secret", executor="faults")
            await engine.submit(Raise(OSError("my secret")), executor="faults")
            handle = await engine.submit(stubborn, executor="calls")
            await asyncio.sleep(1)
            handle.cancel("my secret")

    VirtualClock().run(main)
    assert path.read_text().count("\n") > 8
    assert "my secret" not in path.read_text()


@pytest.mark.blocks_loop
def test_a_slow_sink_slows_no_job() -> None:
    written: list[int] = []
    stopped = threading.Event()

    class Slow:
        def write(self, batch: Sequence[object]) -> None:
            written.append(len(batch))
            stopped.wait(0.5)

        def close(self) -> None:
            written.append(0)

    async def main() -> float:
        began = time.monotonic()
        async with Engine(EchoExecutor(), sinks=[Slow()]) as engine:
            handles = [await engine.submit(number) for number in range(2000)]
            for handle in handles:
                await handle
            seconds = time.monotonic() - began
            stopped.set()
        return seconds

    assert asyncio.run(main()) < 5
    assert sum(written) == 2000 * 3 + 2


def test_a_raising_sink_fails_no_job_and_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    memory = MemorySink()

    def broken(event: object) -> None:
        raise OSError("disk full")

    async def main() -> None:
        async with Engine(EchoExecutor(), sinks=[CallbackSink(broken), memory]) as engine:
            assert await (await engine.submit("x")) == "x"

    with caplog.at_level(logging.ERROR, "paceline"):
        VirtualClock().run(main)
    assert [event.type for event in memory.events][-1] == "run.ended"
    assert "disk full" in caplog.text


def test_events_are_in_time_for_who_watches_while_the_engine_runs() -> None:
    sink = MemorySink()

    async def main() -> None:
        async with Engine(FaultExecutor(), sinks=[sink]) as engine:
            handle = await engine.submit(Hang())
            await asyncio.sleep(1)
            await asyncio.to_thread(wait_for, lambda: any(sink.of(events.JobStarted)))
            handle.cancel()

    def wait_for(seen: Any) -> None:
        deadline = time.monotonic() + 10
        while not seen():
            assert time.monotonic() < deadline
            time.sleep(0.005)

    VirtualClock().run(main)


def test_without_a_sink_no_event_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*args: object, **fields: object) -> None:
        pytest.fail("an event was built")

    for name in (
        "JobSubmitted",
        "JobStarted",
        "JobEnded",
        "JobChunk",
        "GroupStarted",
        "RunStarted",
        "RunEnded",
    ):
        monkeypatch.setattr(events, name, build)

    async def main() -> None:
        async with Engine(EchoExecutor()) as engine:
            await engine.submit_group("g", primer="p", followers=["f"])
            await engine.submit("a b", stream=True)

    VirtualClock().run(main)
