"""The engine's single point of record: stamps events and hands them to the sinks, off the event loop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final, Protocol

from ._events import Event, EventsDropped, JobChunk, QueueSampled
from ._sinks import Sink

__all__ = ["Recorder", "SinkStatistics"]

_log = logging.getLogger("paceline.events")

_BATCH: Final = 500
_MOST_AT_ONCE: Final = 5_000
_SAMPLED_EVERY: Final = 1.0
"""Seconds between looks at what waits; a person does not read faster."""


class _Timer(Protocol):
    def cancel(self) -> object: ...


@dataclass(frozen=True, slots=True)
class SinkStatistics:
    """What became of the events for one sink, in numbers of events.

    `written`: in batches that it took. `failed`: in batches at which it raised. `dropped`: not given to it,
    because too many were `waiting`.
    """

    name: str
    written: int
    failed: int
    dropped: int
    waiting: int


class Recorder:
    """Stamps events and hands them to sinks in batches, each sink on a daemon thread of its own.

    All methods but `close` belong to the thread of the event loop; none of them waits. `wall` gives epoch
    seconds. `call_later` is armed only while events wait for their batch to fill (500 events or
    `flush_after` seconds), and for a second after an event if a sink wants to know what waits (`sample`
    tells it), so that a virtual clock can come to rest. At most `capacity` events wait for a
    sink, besides those that it is writing; more are dropped for it, counted, and told to it by an
    `EventsDropped` ahead of the next batch it gets.

    Raises:
        TypeError: if something in `sinks` is not a sink.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        run: str,
        wall: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], _Timer],
        capacity: int = 100_000,
        flush_after: float = 0.05,
        sample: Callable[[], Event] | None = None,
    ) -> None:
        for sink in sinks:
            _check(sink)
        self.enabled: bool = bool(sinks)
        self.wants_chunks: bool = any(_wants(sink, "chunks") for sink in sinks)
        self._run = run
        self._wall = wall
        self._call_later = call_later
        self._flush_after = flush_after
        self._batch = min(_BATCH, capacity)
        self._seq = 0
        self._buffer: list[Event] = []
        self._timer: _Timer | None = None
        self._sample = sample if any(_wants(sink, "waits") for sink in sinks) else None
        self._sample_timer: _Timer | None = None
        self._feeds = [
            _Feed(sink, name, capacity, self._ended) for sink, name in zip(sinks, _names(sinks), strict=True)
        ]
        self._lock = threading.Lock()
        self._open = set(self._feeds)
        self._done = threading.Event()
        self._on_done: Callable[[], object] | None = None
        self._closing = False

    def record(self, event: Event) -> None:
        """Stamp an event with seq, time and run, and pass it on. Does nothing once closing has begun.

        Ask `enabled` (for chunks `wants_chunks`) before building one: without sinks nothing need be built.
        """
        if not self.enabled:
            return
        self._write(event)
        if self._sample is not None and self._sample_timer is None:
            self._sample_timer = self._call_later(_SAMPLED_EVERY, self._take_sample)

    def _take_sample(self) -> None:
        self._sample_timer = None
        if self.enabled and self._sample is not None:
            self._write(self._sample())

    def _write(self, event: Event) -> None:
        self._seq += 1
        event.seq = self._seq
        event.time = self._wall()
        event.run = self._run
        self._buffer.append(event)
        if len(self._buffer) >= self._batch:
            self.flush()
        elif self._timer is None:
            self._timer = self._call_later(self._flush_after, self.flush)

    def flush(self) -> None:
        """Hand what is buffered to the sinks' threads now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._buffer:
            batch = tuple(self._buffer)
            self._buffer.clear()
            for feed in self._feeds:
                feed.offer(batch)

    def start_close(self, on_done: Callable[[], object] | None = None) -> None:
        """Let every sink write what waits and close, without waiting for it.

        `on_done` is called once all have, on a sink's thread (without sinks: at once, here); so an event
        loop waits with `start_close(lambda: loop.call_soon_threadsafe(done.set))`. Only the first call
        counts.
        """
        if self._closing:
            return
        self._closing = True
        if self._sample_timer is not None:
            self._sample_timer.cancel()
        self.flush()
        self.enabled = self.wants_chunks = False
        self._on_done = on_done
        for feed in self._feeds:
            feed.finish()
        if not self._feeds:
            self._finished()

    def close(self, timeout: float | None = None) -> tuple[str, ...]:
        """Close all sinks, wait up to `timeout` seconds for it, and return the names of those unfinished.

        These go on in their daemon threads for as long as the process lives.
        """
        self.start_close()
        self._done.wait(timeout)
        return self.unfinished

    @property
    def closed(self) -> bool:
        """Whether all sinks have written everything and are closed."""
        return self._done.is_set()

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The names of the sinks that are not closed."""
        with self._lock:
            return tuple(feed.name for feed in self._feeds if feed in self._open)

    def statistics(self) -> tuple[SinkStatistics, ...]:
        """Count what became of the events so far, for each sink."""
        return tuple(feed.statistics() for feed in self._feeds)

    def _ended(self, feed: _Feed) -> None:
        with self._lock:
            self._open.discard(feed)
            last = not self._open
        if last:
            self._finished()

    def _finished(self) -> None:
        self._done.set()
        if self._on_done is not None:
            try:
                self._on_done()
            except Exception:  # noqa: BLE001 - most likely the loop is closed: nobody waits for a sink that took too long
                _log.debug("nobody waits for the sinks any more", exc_info=True)


class _Feed:
    """One sink with its queue and thread. `offer` and `finish` on the loop's thread, `_work` on its own."""

    def __init__(self, sink: Sink, name: str, capacity: int, on_end: Callable[[_Feed], None]) -> None:
        self.name = name
        self._sink = sink
        self._capacity = capacity
        self._on_end = on_end
        asked = {JobChunk: _wants(sink, "chunks"), QueueSampled: _wants(sink, "waits")}
        self._unasked = frozenset[type]([kind for kind, wanted in asked.items() if not wanted])
        self._queue: SimpleQueue[tuple[Event, ...] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        # Each counter is changed by one thread only, so none needs a lock.
        self._offered = self._dropped = 0
        self._taken = self._written = self._failed = 0
        self._missed: EventsDropped | None = None
        self._complained = False

    def offer(self, batch: tuple[Event, ...]) -> None:
        if self._unasked and any(type(event) in self._unasked for event in batch):
            batch = tuple(event for event in batch if type(event) not in self._unasked)
        if not batch:
            return
        if self._offered - self._taken + len(batch) > self._capacity:
            self._drop(batch)
            return
        self._put(batch)

    def finish(self) -> None:
        self._put(())
        self._queue.put(None)

    def statistics(self) -> SinkStatistics:
        waiting = self._offered - self._taken
        return SinkStatistics(self.name, self._written, self._failed, self._dropped, waiting)

    def _put(self, batch: tuple[Event, ...]) -> None:
        if self._missed is not None:
            batch = (self._missed, *batch)
            self._missed = None
        self._offered += len(batch)
        self._queue.put(batch)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=f"paceline-{self.name}", daemon=True)
            self._thread.start()

    def _drop(self, batch: tuple[Event, ...]) -> None:
        if not self._dropped:
            _log.warning(
                "sink %s is too slow: %d events wait, newer ones are dropped", self.name, self._capacity
            )
        self._dropped += len(batch)
        last, before = batch[-1], 0 if self._missed is None else self._missed.count
        self._missed = EventsDropped(
            seq=last.seq, time=last.time, run=last.run, sink=self.name, count=before + len(batch)
        )

    def _work(self) -> None:
        try:
            while self._step():
                pass
            self._sink.close()
        except BaseException:  # noqa: BLE001 - from `close`; a thread has nobody to raise it to but the log
            _log.exception("sink %s failed to close", self.name)
        finally:
            self._on_end(self)

    def _step(self) -> bool:
        # A function of its own: no variable keeps the last events, with all their outputs, while it idles.
        batch = self._queue.get()
        events = list(batch or ())
        # All that has come meanwhile, in one write: whoever writes to a file gives the interpreter away, and
        # waits 5 ms (`sys.getswitchinterval`) to get it back from a busy loop, which by then has made more
        # than one batch.
        while batch is not None and len(events) < _MOST_AT_ONCE and not self._queue.empty():
            batch = self._queue.get()
            events += batch or ()
        self._taken += len(events)
        if events:
            self._write(events)
        return batch is not None

    def _write(self, batch: list[Event]) -> None:
        try:
            self._sink.write(batch)
        except BaseException:  # noqa: BLE001 - even a SystemExit of a sink must not end its thread unsaid
            self._failed += len(batch)
            if not self._complained:
                self._complained = True
                _log.exception("sink %s failed; further failures of it are only counted", self.name)
        else:
            self._written += len(batch)


def _wants(sink: Sink, what: str) -> bool:
    return bool(getattr(sink, f"wants_{what}", False))


def _names(sinks: Sequence[Sink]) -> list[str]:
    found: list[str] = []
    for sink in sinks:
        name = str(getattr(sink, "name", None) or type(sink).__qualname__)
        same = sum(each == name or each.startswith(f"{name}#") for each in found)
        found.append(f"{name}#{same + 1}" if same else name)
    return found


def _check(sink: object) -> None:
    if isinstance(sink, type):
        raise TypeError(f"sinks: {sink.__qualname__} is a class; make one of it: {sink.__qualname__}(...)")
    for method in ("write", "close"):
        if not callable(getattr(sink, method, None)):
            raise TypeError(
                f"sinks: {sink!r} has no method {method}(), so it is no Sink; "
                "a function goes in as CallbackSink(function)"
            )
