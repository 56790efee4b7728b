"""Ctrl-C: the run is told to end, and the process is gone in time whatever the jobs do."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

__all__ = [
    "GRACE",
    "INTERRUPTED",
    "held_by",
    "leave_interrupted",
    "run_until_interrupted",
    "undone_in_any_case",
]

INTERRUPTED = 130
GRACE = 5.0
"""Seconds from the first Ctrl-C to the end of the process, at most."""
_MARGIN = 0.5
_HURRY = 0.5
"""Seconds to the end from the second Ctrl-C, or once all has been told."""
_PATIENCE = 0.2
"""Seconds in which tasks that jobs left behind may end."""
_HELD = "paceline: interrupted; {} held on to the process. Results so far are kept, as they came.\n"

T = TypeVar("T")


class _Clock:
    """Ends the process, some time after it is started.

    The engine gives up attempts that will not end; but a job may hold the loop itself, and Python waits at
    its end for the threads of pools that a job may have used. So a thread of ours ends the process. What a
    run writes is with the system as soon as it is written: nothing is lost by that.
    """

    def __init__(self) -> None:
        self._hurry = threading.Event()
        self.told = False
        self.holder = "a job"
        self.undo: list[Callable[[], object]] = []

    def start(self) -> None:
        threading.Thread(target=self._end_in_time, name="paceline-interrupt", daemon=True).start()

    def hurry(self) -> None:
        self._hurry.set()

    def _end_in_time(self) -> None:
        if self._hurry.wait(GRACE - _MARGIN):
            threading.Event().wait(_HURRY)
        for undo in self.undo:
            undo()
        if not self.told:
            # A live screen hides the cursor.
            held = _HELD.format(self.holder).encode()
            os.write(2, b"\x1b[?25h\n" + held if os.isatty(2) else held)
        os._exit(INTERRUPTED)


_CLOCK = _Clock()


class _Handler:
    """Turns signals into cancellations of a task, the first of which starts the clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        self._loop = loop
        self._task = task
        self.count = 0

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count == 1:
            _CLOCK.start()
        else:
            _CLOCK.hurry()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel, "interrupted")


def run_until_interrupted(main: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
    """Run in an event loop, and return the result; None if it was interrupted.

    At SIGINT (Ctrl-C) or SIGTERM `main` is cancelled, once for each; `GRACE` seconds after the first, or half
    a second after the second, the process ends with code 130 wherever it is.
    """
    runner = asyncio.Runner()
    loop = runner.get_loop()
    task = loop.create_task(main())
    handler = _Handler(loop, task)
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    interrupted = False
    try:
        return loop.run_until_complete(task)
    except (asyncio.CancelledError, KeyboardInterrupt):
        interrupted = True
        if task.done() and not task.cancelled():
            task.exception()  # a job raised KeyboardInterrupt; asyncio need not say so again
        if not handler.count:
            _CLOCK.start()
        return None
    finally:
        if interrupted or handler.count:
            # The handler stays, for a late Ctrl-C to hurry the clock.
            _close_at_once(loop)
        else:
            runner.close()
            for number, earlier in before.items():
                signal.signal(number, earlier)


@contextmanager
def undone_in_any_case(undo: Callable[[], object]) -> Generator[None]:
    """Have something undone when the block is left, and also if the process is ended before that."""
    _CLOCK.undo.append(undo)
    try:
        yield
    finally:
        undo()
        _CLOCK.undo.remove(undo)


@contextmanager
def held_by(what: str) -> Generator[None]:
    """In the block it is this, and no job, that holds on to a process which is ended before its time."""
    before, _CLOCK.holder = _CLOCK.holder, what
    try:
        yield
    finally:
        _CLOCK.holder = before


def leave_interrupted() -> None:
    """All has been told: nothing is worth much more time, and one more Ctrl-C changes nothing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _CLOCK.told = True
    _CLOCK.hurry()


def _close_at_once(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop without waiting for the threads of its pool, as a Runner would: there is news to tell."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=_PATIENCE))
    loop.close()
