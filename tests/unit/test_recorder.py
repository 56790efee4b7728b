"""The recorder: stamps, batches, and sinks that are slow, broken or hang."""

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import Callable, Sequence
from itertools import count

import pytest

from paceline._events import Event, EventsDropped, JobChunk, JobEnded, JobFirstToken
from paceline._recorder import Recorder, SinkStatistics
from paceline._sinks import CallbackSink, MemorySink, Sink


class Timers:
    """Stands in for the loop's `call_later`: holds what is armed, fires when told."""

    def __init__(self) -> None:
        self.armed: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, delay: float, action: Callable[[], None]) -> "Timer":
        self.armed.append((delay, action))
        return Timer(self, self.armed[-1])

    def fire(self) -> None:
        (_, action) = self.armed[0]
        action()


class Timer:
    def __init__(self, timers: Timers, entry: tuple[float, Callable[[], None]]) -> None:
        self.timers = timers
        self.entry = entry

    def cancel(self) -> None:
        self.timers.armed.remove(self.entry)


class Gate:
    """A sink that takes nothing until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.events: list[Event] = []
        self.batches: list[int] = []
        self.closed = False

    def write(self, events: Sequence[Event], /) -> None:
        self.entered.set()
        assert self.opened.wait(20)
        self.events.extend(events)
        self.batches.append(len(events))

    def close(self) -> None:
        self.closed = True


class Counted(MemorySink):
    """Lets a test wait for each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = threading.Semaphore(0)

    def write(self, events: Sequence[Event], /) -> None:
        super().write(events)
        self.arrived.release()


class Failing:
    def __init__(self, error: BaseException, *, at: int = 0, on_close: BaseException | None = None) -> None:
        self.error = error
        self.at = at
        self.on_close = on_close
        self.batches = 0
        self.taken: list[int] = []
        self.arrived = threading.Semaphore(0)

    def write(self, events: Sequence[Event], /) -> None:
        self.batches += 1
        self.arrived.release()
        if self.batches >= self.at:
            raise self.error
        self.taken.extend(event.seq for event in events)

    def close(self) -> None:
        if self.on_close is not None:
            raise self.on_close


def recorder(*sinks: Sink, timers: Timers | None = None, capacity: int = 100_000) -> Recorder:
    ticks = count(100.0)
    return Recorder(
        sinks, run="r", wall=lambda: next(ticks), call_later=timers or Timers(), capacity=capacity
    )


def first_token() -> JobFirstToken:
    return JobFirstToken(job="j", attempt=1)


def record(made: Recorder, events: int, *, batched: bool = False) -> None:
    for _ in range(events):
        made.record(first_token())
        if not batched:
            made.flush()


def seqs(events: Sequence[Event]) -> list[int]:
    return [event.seq for event in events]


def test_without_sinks_nothing_is_enabled_and_nothing_happens() -> None:
    timers = Timers()
    made = recorder(timers=timers)
    assert (made.enabled, made.wants_chunks) == (False, False)
    event = first_token()
    made.record(event)
    assert event.seq == 0
    done: list[int] = []
    made.start_close(lambda: done.append(1))
    assert (made.closed, done, timers.armed, made.statistics()) == (True, [1], [], ())


def test_events_are_stamped_in_order_and_reach_every_sink() -> None:
    one, two = MemorySink(), MemorySink()
    made = recorder(one, two)
    record(made, 2, batched=True)
    assert made.close(20) == ()
    assert [(event.seq, event.time, event.run) for event in one.events] == [(1, 100.0, "r"), (2, 101.0, "r")]
    assert one.events == two.events


def test_the_timer_is_armed_only_while_events_wait() -> None:
    timers, sink = Timers(), MemorySink()
    made = recorder(sink, timers=timers)
    assert timers.armed == []
    record(made, 3, batched=True)
    assert [delay for delay, _ in timers.armed] == [0.05]
    timers.fire()
    assert timers.armed == []
    record(made, 1, batched=True)
    assert len(timers.armed) == 1
    made.close(20)
    assert timers.armed == []
    assert seqs(sink.events) == [1, 2, 3, 4]


def test_five_hundred_events_go_without_waiting_for_the_timer() -> None:
    arrived = threading.Event()
    batches: list[int] = []

    class Watching(MemorySink):
        def write(self, events: Sequence[Event], /) -> None:
            batches.append(len(events))
            arrived.set()

    timers = Timers()
    made = recorder(Watching(), timers=timers)
    record(made, 500, batched=True)
    assert arrived.wait(20)
    assert timers.armed == []
    made.close(20)
    assert batches == [500]


def test_sinks_run_on_daemon_threads_of_their_own() -> None:
    threads: list[threading.Thread] = []
    made = recorder(
        *(CallbackSink(lambda event: threads.append(threading.current_thread())) for _ in range(2))
    )
    record(made, 2)
    made.close(20)
    assert len(set(threads)) == 2
    assert threading.current_thread() not in threads
    assert all(thread.daemon for thread in threads)


def test_chunks_go_only_to_the_sinks_that_ask() -> None:
    plain, asking = MemorySink(), MemorySink(chunks=True)
    assert not recorder(plain).wants_chunks
    made = recorder(plain, asking)
    assert made.wants_chunks
    made.record(JobChunk(job="j", attempt=1, chunk="a"))
    made.flush()
    made.record(JobChunk(job="j", attempt=1, chunk="b"))
    made.record(first_token())
    made.close(20)
    assert [event.type for event in plain.events] == ["job.first_token"]
    assert [event.type for event in asking.events] == ["job.chunk", "job.chunk", "job.first_token"]


def test_a_slow_sink_drops_its_own_events_counts_them_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    slow, quick = Gate(), Counted()
    made = recorder(slow, quick, capacity=3)
    for _ in range(6):  # the first is being written, three wait, 5 and 6 are dropped
        record(made, 1)
        assert quick.arrived.acquire(timeout=20)
        assert slow.entered.wait(20)
    assert made.statistics()[0] == SinkStatistics("Gate", written=0, failed=0, dropped=2, waiting=3)
    slow.opened.set()
    made.close(20)
    assert slow.events[:4] == quick.events[:4]
    (told,) = slow.events[4:]
    assert told == EventsDropped(seq=6, time=105.0, run="r", sink="Gate", count=2)
    assert seqs(quick.events) == [1, 2, 3, 4, 5, 6]
    assert slow.closed
    assert [record.getMessage() for record in caplog.records] == [
        "sink Gate is too slow: 3 events wait, newer ones are dropped"
    ]


def test_a_sink_that_catches_up_is_told_before_its_next_event() -> None:
    caught_up = threading.Event()

    class CatchingUp(Gate):
        def write(self, events: Sequence[Event], /) -> None:
            super().write(events)
            if self.events[-1].seq == 2:
                caught_up.set()

    slow = CatchingUp()
    made = recorder(slow, capacity=1)
    record(made, 1)
    assert slow.entered.wait(20)
    record(made, 3)
    slow.opened.set()
    assert caught_up.wait(20)
    record(made, 1)
    made.close(20)
    assert [(event.seq, event.type) for event in slow.events] == [
        (1, "job.first_token"), (2, "job.first_token"), (4, "events.dropped"), (5, "job.first_token"),
    ]  # fmt: skip
    assert made.statistics()[0].dropped == 2


def test_a_sink_gets_all_that_came_meanwhile_at_once_within_bounds() -> None:
    slow = Gate()
    made = recorder(slow)
    record(made, 1)
    assert slow.entered.wait(20)
    record(made, 6_000, batched=True)
    slow.opened.set()
    made.close(20)
    assert slow.batches == [1, 5_000, 1_000]
    assert seqs(slow.events) == list(range(1, 6_002))


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_a_broken_sink_is_logged_once_counted_and_tried_again(
    error: BaseException, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    broken, healthy = Failing(error, at=2), MemorySink()
    made = recorder(broken, healthy)
    for _ in range(4):
        record(made, 1)
        assert broken.arrived.acquire(timeout=20)
    assert made.close(20) == ()
    assert broken.taken == [1]
    assert broken.batches == 4
    assert made.statistics()[0] == SinkStatistics("Failing", written=1, failed=3, dropped=0, waiting=0)
    assert seqs(healthy.events) == [1, 2, 3, 4]
    (said,) = caplog.records
    assert (said.levelno, "sink Failing failed" in said.getMessage()) == (logging.ERROR, True)
    assert said.exc_info is not None
    assert said.exc_info[1] is error
    assert capfd.readouterr().err == ""


def test_a_sink_that_fails_to_close_is_logged_and_counts_as_closed(caplog: pytest.LogCaptureFixture) -> None:
    made = recorder(Failing(ValueError(), at=9, on_close=SystemExit(1)))
    assert made.close(20) == ()
    assert made.closed
    assert [record.getMessage() for record in caplog.records] == ["sink Failing failed to close"]


def test_closing_names_the_sinks_that_do_not_finish_in_time() -> None:
    hanging, quick, other = Gate(), MemorySink(), Gate()
    made = recorder(hanging, quick, other)
    record(made, 1)
    assert made.close(0.01) in {("Gate", "Gate#2"), ("Gate", "MemorySink", "Gate#2")}
    assert not made.closed
    hanging.opened.set()
    other.opened.set()
    assert made.close(20) == ()
    assert hanging.closed


def test_a_sink_that_got_no_event_is_closed_too() -> None:
    sink = Gate()
    assert recorder(sink).close(20) == ()
    assert sink.closed
    assert sink.events == []


def test_nothing_is_recorded_once_closing_has_begun() -> None:
    sink = MemorySink()
    made = recorder(sink)
    record(made, 1)
    made.start_close()
    assert not made.enabled
    record(made, 1)
    made.close(20)
    assert seqs(sink.events) == [1]


def test_closing_twice_closes_the_sinks_once() -> None:
    closed: list[str] = []

    class Once(MemorySink):
        def close(self) -> None:
            closed.append("sink")

    made = recorder(Once())
    made.start_close(lambda: closed.append("first"))
    made.start_close(lambda: closed.append("second"))
    assert made.close(20) == ()
    made.close(20)
    assert set(closed) == {"sink", "first"}
    assert len(closed) == 2


def test_an_event_loop_can_wait_for_the_sinks_without_blocking() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        gate, done = Gate(), asyncio.Event()
        made = Recorder([gate], run="r", wall=lambda: 1.0, call_later=loop.call_later)
        made.record(first_token())
        made.start_close(lambda: loop.call_soon_threadsafe(done.set))
        await asyncio.sleep(0)
        assert not done.is_set()
        gate.opened.set()
        async with asyncio.timeout(20):
            await done.wait()
        assert made.closed

    asyncio.run(main())


def test_a_sink_that_ends_when_nobody_waits_any_more_does_no_harm(capfd: pytest.CaptureFixture[str]) -> None:
    def too_late() -> None:
        raise RuntimeError("Event loop is closed")

    made = recorder(MemorySink())
    made.start_close(too_late)
    assert made.close(20) == ()
    assert capfd.readouterr().err == ""


def test_an_idle_recorder_holds_on_to_no_output() -> None:
    class Output:
        pass

    class Blind(Gate):
        def write(self, events: Sequence[Event], /) -> None:
            self.entered.set()

    sink = Blind()
    made = recorder(sink)
    output = Output()
    gone = threading.Event()
    weakref.finalize(output, gone.set)
    made.record(JobEnded(job="j", lane="l", status="succeeded", attempt=1, output=output))
    del output
    made.flush()
    assert sink.entered.wait(20)
    gc.collect()
    assert gone.wait(20)
    made.close(20)


def test_sinks_are_told_apart_by_name() -> None:
    class Named(MemorySink):
        name = "audit"

    made = recorder(MemorySink(), Named(), MemorySink(), Named())
    assert [each.name for each in made.statistics()] == ["MemorySink", "audit", "MemorySink#2", "audit#2"]
    made.close(20)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (print, "has no method write.*CallbackSink"),
        (MemorySink, r"MemorySink is a class; make one of it: MemorySink\(\.\.\.\)"),
        (type("Half", (), {"write": print})(), "has no method close"),
    ],
)
def test_what_is_no_sink_is_refused_at_once(wrong: Sink, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        recorder(wrong)
