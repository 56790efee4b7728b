"""A command at a real terminal: what a person sees there and types."""

from __future__ import annotations

import codecs
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# The terminal becomes the one that controls the new session: Ctrl-C there is a signal then.
PROGRAM = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from paceline_integrations.cli import main
main()
"""
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[^\[]")
_PATIENCE = 20.0


class Screen:
    """The terminal of a process: all that was shown on it, and the keyboard."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self.process: subprocess.Popen[bytes] = process
        self.raw: str = ""
        self.text: str = ""
        """What was shown, without what steers the terminal."""
        self._master: int = master
        self._read_to: int = 0
        self._unfinished: str = ""
        self._decoder: codecs.IncrementalDecoder = codecs.getincrementaldecoder("utf-8")("replace")

    def until(self, what: str) -> str:
        """Wait until something is shown after what was waited for before, and return all that was shown."""
        end = time.monotonic() + _PATIENCE
        while (found := self.text.find(what, self._read_to)) < 0:
            if not self._more(end - time.monotonic()):
                raise AssertionError(f"{what!r} was not shown; last: {self.text[self._read_to :][-2000:]}")
        self._read_to = found + len(what)
        return self.text

    def read_on(self, seconds: float) -> None:
        """Take in what is shown next, if that comes in time."""
        self._more(seconds)

    def type(self, keys: str) -> None:
        """Type."""
        os.write(self._master, keys.encode())

    def end(self) -> int:
        """Wait for the end, and return the exit code."""
        end = time.monotonic() + _PATIENCE
        while self._more(end - time.monotonic()):
            assert time.monotonic() < end, f"it goes on; last: {self.text[-2000:]}"
        return self.process.wait(_PATIENCE)

    def echoes(self) -> bool:
        """Whether the terminal shows what is typed, as it does outside of everything."""
        flags: list[Any] = termios.tcgetattr(self._master)
        return bool(flags[3] & termios.ECHO)

    def _more(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, seconds))
        if not ready:
            return False
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:  # Linux says so of a terminal that nobody holds any more
            return False
        new = self._decoder.decode(data)
        self.raw += new
        shown = _CONTROL.sub("", self._unfinished + new).replace("\r", "")
        cut = shown.find("\x1b")  # what steers it may come in parts
        cut = len(shown) if cut < 0 else cut
        self.text += shown[:cut]
        self._unfinished = shown[cut:]
        return bool(data)


@contextmanager
def at_terminal(
    *arguments: str,
    columns: int = 100,
    lines: int = 40,
    stdout: Path | None = None,
    program: str = PROGRAM,
) -> Generator[Screen]:
    """Run the command line at a terminal of its own, or with its standard output in a file."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (lines, columns))
    environment = {key: value for key, value in os.environ.items() if key not in {"COLUMNS", "LINES", "CI"}}
    output = slave if stdout is None else os.open(stdout, os.O_WRONLY | os.O_CREAT)
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=slave,
        stdout=output,
        stderr=slave,
        start_new_session=True,
        env=environment | {"TERM": "xterm-256color"},
    )
    screen = Screen(master, process)
    try:
        os.close(slave)
        yield screen
    finally:
        process.kill()
        process.wait()
        os.close(master)
        if stdout is not None:
            os.close(output)
