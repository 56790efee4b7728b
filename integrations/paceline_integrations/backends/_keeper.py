"""Runs a command for as long as its own standard input stays open: `python _keeper.py COMMAND...`.

A server that was started for a run must not outlive it, whatever ends the run: an exception, Ctrl-C, or a
SIGKILL, after which nobody is left to stop anything. The system then closes the other end of our input.
It imports nothing of the project, so that it is up at once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from types import FrameType

__all__: list[str] = []

_PATIENCE = 5.0  # seconds for a server to leave by itself


def _stop(child: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        child.terminate()
        return
    os.killpg(0, signal.SIGTERM)  # whoever started us made us the head of a group
    try:
        child.wait(_PATIENCE)
    finally:
        os.killpg(0, signal.SIGKILL)  # what is left of it, and us


def _leave_it(_number: int, _frame: FrameType | None) -> None:
    """A signal to the group is for the child; one that we ignored, it would ignore as well."""


def main() -> int:
    """Start the command, end it once nobody wants it any more, and return its exit code."""
    signal.signal(signal.SIGTERM, _leave_it)
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)  # noqa: S603 - what we were started for

    def until_closed() -> None:
        while os.read(0, 1):  # not by sys.stdin, whose lock would be held when the interpreter leaves
            pass
        _stop(child)

    threading.Thread(target=until_closed, daemon=True).start()
    code = child.wait()
    if sys.platform != "win32":
        os.killpg(0, signal.SIGTERM)  # it may have left something of its own
    return code


if __name__ == "__main__":
    sys.exit(main())
