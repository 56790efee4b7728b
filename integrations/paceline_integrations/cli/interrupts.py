"""Ctrl-C: the run is told to end, and the process is gone in time whatever the jobs do."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

__all__ = ["GRACE", "INTERRUPTED", "run_until_interrupted"]

INTERRUPTED = 130
GRACE = 5.0
"""Seconds from the first Ctrl-C to the end of the process, at most."""
_SECOND = 0.5
"""The same, from the second one."""

T = TypeVar("T")


class _Interrupts:
    """Turns SIGINT and SIGTERM into one cancellation of a task, and a clock that cannot be ignored.

    The engine gives up attempts that will not end; but a job may hold the loop itself, and Python waits at
    its end for the threads of pools that a job may have used. So a thread of ours ends the process. What a
    run writes is with the system as soon as it is written: nothing is lost by that.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        self._loop = loop
        self._task = task
        self._last_call = threading.Event()
        self.count = 0

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count == 1:
            threading.Thread(target=self._end_in_time, name="paceline-interrupt", daemon=True).start()
        else:
            self._last_call.set()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel, "interrupted")

    def _end_in_time(self) -> None:
        if self._last_call.wait(GRACE - 0.25):
            threading.Event().wait(_SECOND)
        _leave()


def _leave() -> None:
    try:
        if os.isatty(2):
            os.write(2, b"\x1b[?25h")  # a live screen hides the cursor
    finally:
        os._exit(INTERRUPTED)


def run_until_interrupted(main: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
    """Run in an event loop, and return the result; None if it was interrupted.

    At SIGINT (Ctrl-C) or SIGTERM `main` is cancelled, once for each; `GRACE` seconds after the first, or half
    a second after the second, the process ends with code 130 wherever it is.
    """
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        task = loop.create_task(main())
        interrupts = _Interrupts(loop, task)
        before = {number: signal.signal(number, interrupts) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            return loop.run_until_complete(task)
        except (asyncio.CancelledError, KeyboardInterrupt):
            return None
        finally:
            if not interrupts.count:  # else the clock runs on, and a late Ctrl-C is to hurry it still
                for number, handler in before.items():
                    signal.signal(number, handler)
