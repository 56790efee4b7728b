"""Where events go: the protocol of a sink, and the sinks that need no file."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

from pydantic_core import from_json

from ._event_lines import LineEncoder
from ._events import AttemptAbandoned, Event, EventsDropped, JobEnded, JobRetried, RunEnded

__all__ = ["CallbackSink", "LoggingSink", "MemorySink", "Sink"]

E = TypeVar("E", bound=Event)


class Sink(Protocol):
    """What takes events. The engine calls it on a thread of the sink's own, so it may block.

    A sink that raises is logged once and tried again with the next batch; one that is too slow misses
    events, which an `EventsDropped` tells it. Neither touches a job. A sink may have an attribute
    `wants_chunks: bool` (default False), to get a `JobChunk` for every `emit`, `wants_waits: bool`
    (default False), to get a `QueueSampled` about once a second, and `name: str` (default: its class), by
    which logs and statistics call it.
    """

    def write(self, events: Sequence[Event], /) -> None:
        """Take some events, in order. They are shared with the other sinks: change none."""
        ...

    def close(self) -> None:
        """Finish: called once, after the last batch of a run."""
        ...


class MemorySink:
    """Keeps every event in `events`, for tests and notebooks; it grows as long as the run does."""

    def __init__(self, *, chunks: bool = False, waits: bool = False) -> None:
        self.wants_chunks = chunks
        self.wants_waits = waits
        self.events: list[Event] = []

    def write(self, events: Sequence[Event], /) -> None:
        """Keep the events."""
        self.events.extend(events)

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one type, in order: `sink.of(JobEnded)`."""
        return [event for event in tuple(self.events) if isinstance(event, kind)]

    def close(self) -> None:
        """Do nothing: the events stay."""


class CallbackSink:
    """Calls a function with each event, on the sink's thread (not in the event loop).

    Where the function raises, the events after it still come; the first error of a batch is logged.

    Raises:
        TypeError: if the function is not callable, or is a coroutine function, which nobody would await.
    """

    def __init__(
        self, function: Callable[[Event], object], *, chunks: bool = False, waits: bool = False
    ) -> None:
        if not callable(function):
            raise TypeError(f"CallbackSink takes a function of an event, not {function!r}")
        if inspect.iscoroutinefunction(function):
            raise TypeError(
                f"CallbackSink calls {function!r} on a thread without an event loop: give it a plain "
                "function, and in it loop.call_soon_threadsafe(...) to get back into yours"
            )
        self.wants_chunks = chunks
        self.wants_waits = waits
        self._function = function

    def write(self, events: Sequence[Event], /) -> None:
        """Call the function with each event, then raise the first error there was."""
        first: Exception | None = None
        for event in events:
            try:
                self._function(event)
            except Exception as error:  # noqa: BLE001 - raised below: one bad event must not cost the others
                first = first or error
        if first is not None:
            raise first

    def close(self) -> None:
        """Do nothing."""


_STAMP: Final = frozenset({"v", "seq", "time", "run", "type"})


class LoggingSink:
    """Writes each event to the standard `logging`, as a line of text and, structured, as `record.paceline`.

    Payloads, outputs, question values and error messages are left out. What went on as planned is logged at
    `level`; retries, skipped jobs, abandoned attempts and dropped events at WARNING; failures at ERROR.
    """

    def __init__(self, logger: str | logging.Logger = "paceline", level: int = logging.INFO) -> None:
        self._logger = logging.getLogger(logger) if isinstance(logger, str) else logger
        self._level = level
        self._encoder = LineEncoder("none")

    def write(self, events: Sequence[Event], /) -> None:
        """Log each event that the logger's level lets through."""
        for event in events:
            level = self._level_of(event)
            if self._logger.isEnabledFor(level):
                data: dict[str, Any] = from_json(self._encoder.encode(event))
                told = " ".join(f"{key}={_word(each)}" for key, each in data.items() if key not in _STAMP)
                self._logger.log(level, "%s %s", event.type, told, extra={"paceline": data})

    def close(self) -> None:
        """Do nothing: the handlers belong to whoever set them up."""

    def _level_of(self, event: Event) -> int:
        match event:
            case JobEnded(status="failed") | RunEnded(outcome="failed"):
                return logging.ERROR
            case JobRetried() | AttemptAbandoned() | EventsDropped() | JobEnded(status="skipped"):
                return logging.WARNING
            case _:
                return self._level


def _word(value: Any) -> str:
    """Keep a value on its line: a line break in a name must not forge a log entry."""
    plain = not isinstance(value, str) or (value.isprintable() and " " not in value)
    return str(value) if plain else repr(value)
