"""What is printed while the screen stands over it: kept, and told once the terminal is free again."""

from __future__ import annotations

import io
import sys
import threading
from collections import deque
from typing import Final, TextIO, cast

from paceline_integrations.visible import visible

__all__ = ["Kept"]

_MOST_KEPT: Final = 1_000


class Kept:
    """Keeps what is printed to the terminal, the last lines of it; what goes elsewhere goes there at once."""

    def __init__(self) -> None:
        self._out: TextIO = sys.stdout
        self._err: TextIO = sys.stderr
        self._lines: deque[tuple[TextIO, str]] = deque(maxlen=_MOST_KEPT)
        self._dropped: int = 0
        self._begun: dict[TextIO, str] = {}
        self._lock: threading.Lock = threading.Lock()

    def take(self) -> None:
        """Take what is printed from now on; to be called once the screen has the terminal.

        The application has standard output and error then, and gives both back when it ends.
        """
        sys.stdout, sys.stderr = self._instead(self._out), self._instead(self._err)

    def add(self, stream: TextIO, text: str) -> None:
        """Keep a text; from any thread."""
        with self._lock:
            *lines, self._begun[stream] = (self._begun.get(stream, "") + text).split("\n")
            self._dropped += max(0, len(self._lines) + len(lines) - _MOST_KEPT)
            self._lines.extend((stream, line) for line in lines)

    def print(self) -> None:
        """Print what was kept, to the streams that it was meant for."""
        with self._lock:
            lines = [*self._lines, *((stream, text) for stream, text in self._begun.items() if text)]
            dropped, self._dropped = self._dropped, 0
            self._lines.clear()
            self._begun.clear()
        if dropped:
            print(f"({dropped:,} lines before these were not kept)", file=self._err)
        for stream, line in lines:
            print(visible(line, lines=True), file=stream, flush=True)

    def _instead(self, stream: TextIO) -> TextIO:
        return cast("TextIO", _Stream(self, stream)) if stream.isatty() else stream


class _Stream(io.TextIOBase):
    """Stands for a stream to the terminal."""

    def __init__(self, kept: Kept, stream: TextIO) -> None:
        super().__init__()
        self._kept: Kept = kept
        self._stream: TextIO = stream

    def write(self, text: str, /) -> int:
        """Keep a text."""
        self._kept.add(self._stream, text)
        return len(text)
