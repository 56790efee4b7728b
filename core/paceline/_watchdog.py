"""A thread that notices when a job blocks the event loop, and says which and where."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable

__all__ = ["Watchdog"]

_log = logging.getLogger("paceline.watchdog")

LIMIT = 1.0
"""Seconds without an answer from the loop after which its stack is printed."""


class Watchdog:
    """Asks the loop for a sign of life now and then; names what keeps it from giving one."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, describe: Callable[[asyncio.Task[object]], str | None]
    ) -> None:
        self._loop = loop
        self._describe = describe
        self._loop_thread = threading.get_ident()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="paceline-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stop.set()

    def _watch(self) -> None:
        alive = threading.Event()
        while not self._stop.wait(LIMIT / 2):
            alive.clear()
            asked = time.monotonic()
            try:
                self._loop.call_soon_threadsafe(alive.set)
            except RuntimeError:  # the loop is closed: nothing is left to watch
                return
            if alive.wait(LIMIT) or self._stop.is_set():
                continue
            self._report(asked)
            while not alive.wait(LIMIT):
                if self._stop.is_set() or self._loop.is_closed():
                    return
            _log.warning("the event loop answers again after %.1f s", time.monotonic() - asked)

    def _report(self, asked: float) -> None:
        task = asyncio.current_task(self._loop)
        who = (self._describe(task) if task is not None else None) or (
            f"task {task!r}" if task else "a callback"
        )
        frame = sys._current_frames().get(self._loop_thread)
        stack = "".join(traceback.format_stack(frame)) if frame is not None else "(no stack)"
        _log.warning(
            "%s has blocked the event loop for %.1f s; call blocking code from a sync function instead, "
            "which runs on a thread. It is at:\n%s",
            who,
            time.monotonic() - asked,
            stack,
        )
