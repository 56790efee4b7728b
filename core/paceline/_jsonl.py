"""The event log as a file: one line of JSON an event."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from io import FileIO
from pathlib import Path
from typing import Any

from ._event_lines import Content, LineEncoder, UnreadableEvent, parse_event
from ._events import Event

__all__ = ["JsonlSink", "read_events"]

_log = logging.getLogger("paceline.events")


class JsonlSink:
    """Writes events to a file, one line of JSON each; read it back with `read_events`, also while it grows.

    An existing file is replaced, or with `append=True` continued (a torn last line is ended first). Each
    batch is written at once, at most about 0.05 seconds after the event.

    `content` decides about payloads, outputs, chunks, question values and error messages, which all may hold
    parts of a prompt: "none" leaves them out, "snippet" writes their first 200 characters, "full" all of
    them. Names, keys, metadata, progress messages and the types of errors are always written. `redact` is
    called with every such value before it is written (payload, output, chunk, question, each value of a
    metadata, error and progress message) in plain JSON data, its own copy, and returns what to write
    instead; where it raises, a marker is written and `redaction_failures` counts it. `chunks` asks for a
    `JobChunk` for every `emit`; mind that a secret which is streamed in two chunks is never seen whole.
    `waits` asks for a `QueueSampled` about once a second, by which a reader knows what jobs wait for.

    Raises:
        OSError: if the file cannot be opened for writing, saying why (FileNotFoundError: no such folder).
        ValueError: if `content` is not one of its three values.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        content: Content = "none",
        chunks: bool = False,
        waits: bool = True,
        redact: Callable[[Any], object] | None = None,
        append: bool = False,
    ) -> None:
        self.path: Path = Path(path)
        self.wants_chunks = chunks
        self.wants_waits = waits
        self._encoder = LineEncoder(content, redact)
        self._file = _open(self.path, append=append)
        self._torn = append and _is_torn(self._file)

    @property
    def redaction_failures(self) -> int:
        """How many values were replaced by a marker, because `redact` raised."""
        return self._encoder.redaction_failures

    def write(self, events: Sequence[Event], /) -> None:
        """Append the events to the file.

        Raises:
            OSError: if the file cannot take them; the next batch starts on a new line.
            ValueError: if the sink is closed.
        """
        data = b"".join([self._encoder.encode(event) for event in events])
        # Unbuffered: a batch is one write, and readers see it at once.
        left = memoryview(b"\n" + data if self._torn else data)
        self._torn = True
        while left:
            written = self._file.write(left)
            if not written:  # a pipe that does not block; to go on trying would burn the processor
                raise BlockingIOError(f"{self.path} takes no more for now")
            left = left[written:]
        self._torn = False

    def close(self) -> None:
        """Close the file; all that was written is already in it."""
        self._file.close()


def read_events(
    path: str | os.PathLike[str], *, on_error: Callable[[int, UnreadableEvent], object] | None = None
) -> Iterator[Event]:
    """Yield the events of a log that a `JsonlSink` wrote or is still writing.

    A torn last line (the writer was killed, or has not finished it) is read past in silence. A damaged line
    before it is skipped and reported: to `on_error(line_number, error)`, else as a warning in the log
    `paceline.events`.

        for event in read_events("events.jsonl"):
            if event.type == "job.ended":
                print(event.job, event.status, event.usage)

    Raises:
        OSError: at the first event, if the file cannot be read.
    """
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                event = parse_event(line)
            except UnreadableEvent as error:
                if not line.endswith(b"\n"):
                    return
                if on_error is None:
                    _log.warning("%s:%d: skipped: %s", path, number, error)
                else:
                    on_error(number, error)
                continue
            yield event


def _open(path: Path, *, append: bool) -> FileIO:
    try:
        return FileIO(path, "a+" if append else "w")
    except OSError as error:
        why = error.strerror
        if isinstance(error, FileNotFoundError):
            why = f"the folder {path.parent} does not exist"
        raise type(error)(error.errno, f"cannot write the event log: {why}", str(path)) from error


def _is_torn(file: FileIO) -> bool:
    if not file.seekable() or file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"
