"""Keys as they are typed: from the bytes of a terminal to a line that is being written."""

from __future__ import annotations

import asyncio
import codecs
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, Final, Literal, TypeAlias

__all__ = ["Key", "LineEditor", "Terminal", "terminal"]

Key: TypeAlias = Literal["enter", "end", "end_all", "changed"]
"""A line was finished; Ctrl-D on an empty one; Ctrl-X; the line is another one now."""

_PASTE: Final = ("\x1b[200~", "\x1b[201~")
_SEQUENCE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|[^\[O])", re.DOTALL)
_UNFINISHED: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O)\Z")
_MOST_READ: Final = 1 << 16


class LineEditor:
    """One line, written at its end: what a terminal edits by itself, where it also shows what is typed."""

    def __init__(self) -> None:
        self.text: str = ""
        self._decoder: codecs.IncrementalDecoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest: str = ""

    def clear(self) -> None:
        """Begin another line; what was typed ahead is not for that one."""
        self.text = self._rest = ""
        self._decoder.reset()

    def feed(self, data: bytes) -> Iterator[Key]:
        """Take in what was typed. After "enter", "end" and "end_all" the rest is for whoever asks next."""
        self._rest += self._decoder.decode(data)
        while self._rest:
            key = self._next()
            if key is None:
                return
            if key:
                yield key

    def _next(self) -> Key | Literal[""] | None:
        """What the next key does: nothing (""), or it is not there as a whole yet (None)."""
        rest = self._rest
        if rest.startswith(_PASTE[0]):
            pasted, end, self._rest = rest[len(_PASTE[0]) :].partition(_PASTE[1])
            if not end:
                self._rest = rest
                return None
            self.text += pasted.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
            return "changed"
        if rest[0] == "\x1b":
            if _UNFINISHED.match(rest):
                return None
            found = _SEQUENCE.match(rest)
            self._rest = rest[1 if found is None else found.end() :]
            return ""
        self._rest = rest[1:]
        return self._plain(rest[0])

    def _plain(self, sign: str) -> Key | Literal[""]:
        match sign:
            case "\r" | "\n":
                return "enter"
            case "\x04":
                return "" if self.text else "end"
            case "\x18":
                return "end_all"
            case "\x7f" | "\x08":
                self.text = self.text[:-1]
            case "\x15":
                self.text = ""
            case "\x17":
                self.text = re.sub(r"\S*\s*\Z", "", self.text, count=1)
            case _ if sign.isprintable():
                self.text += sign
            case _:
                return ""
        return "changed"


class Terminal:
    """The keyboard of a terminal: while it is open, keys come as they are typed and are shown by nobody."""

    def __init__(self, descriptor: int, show: int) -> None:
        self._descriptor: int = descriptor
        self._show: int = show
        self._before: list[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, typed: Callable[[bytes], object]) -> None:
        """Call `typed` with what is typed from now on; with nothing when the terminal has gone."""
        import termios
        import tty

        self._before = termios.tcgetattr(self._descriptor)
        self._loop = asyncio.get_running_loop()
        # TCSAFLUSH: what was typed before there was a question is no answer to it.
        tty.setcbreak(self._descriptor, termios.TCSAFLUSH)
        # Pasted text is marked as such, so that a line break in it sends nothing.
        self._write(b"\x1b[?2004h")
        self._loop.add_reader(self._descriptor, lambda: typed(self._read()))

    def forget_typed(self) -> None:
        """Let go of what was typed ahead."""
        import termios

        if self._before is not None:
            termios.tcflush(self._descriptor, termios.TCIFLUSH)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._descriptor)
        self._loop = None
        self.restore()

    def restore(self) -> None:
        """Let the terminal show what is typed again; from any thread."""
        before, self._before = self._before, None
        if before is None:
            return
        import termios

        with suppress(termios.error):  # it has gone
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, before)
        self._write(b"\x1b[?2004l")

    def _read(self) -> bytes:
        try:
            return os.read(self._descriptor, _MOST_READ)
        except OSError:
            return b""

    def _write(self, data: bytes) -> None:
        with suppress(OSError):
            os.write(self._show, data)


def terminal() -> Terminal | None:
    """The terminal at which a person sits, if standard input and error are one that this process may use."""
    try:
        descriptor, show = sys.stdin.fileno(), sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):  # closed, or no file
        return None
    if find_spec("termios") is None:  # another system
        return None
    if not (os.isatty(descriptor) and os.isatty(show)) or _in_background(descriptor):
        return None
    return Terminal(descriptor, show)


def _in_background(descriptor: int) -> bool:
    """Whether a shell has something else in the foreground: who reads there is stopped, jobs and all."""
    try:
        return os.tcgetpgrp(descriptor) != os.getpgrp()
    except OSError:  # a terminal, but not the one that controls this process
        return False
