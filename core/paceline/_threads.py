"""Daemon threads for sync callables: as many as run at once, kept for the next call, never waited for."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Threads"]

Call: TypeAlias = Callable[[], object]
Done: TypeAlias = Callable[[object, BaseException | None], None]


class Threads:
    """Runs calls on threads of its own.

    The scheduler's slots say how many calls run at once, so there is no queue here: a call takes an idle
    thread, or a new one. The threads are daemons: a call that never returns (its attempt was given up long
    ago) holds up neither the engine nor the end of the process.
    """

    def __init__(self, keep: int, name: str) -> None:
        self._keep = keep
        self._name = name
        self._idle: list[_Thread] = []
        self._lock = threading.Lock()
        self._started = 0
        self._closed = False

    def start(self, call: Call, done: Done) -> None:
        """Run `call` on a thread; there, at its end, `done` is told what it returned or raised."""
        with self._lock:
            thread = self._idle.pop() if self._idle else None
            if thread is None:
                self._started += 1
                thread = _Thread(self, f"{self._name}-thread-{self._started}")
        thread.calls.put((call, done))

    def close(self) -> None:
        """Let idle threads end, and busy ones when their call returns."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for thread in idle:
            thread.calls.put(None)

    def keep(self, thread: _Thread) -> bool:
        """Whether a thread that has become idle is to wait for another call."""
        with self._lock:
            if self._closed or len(self._idle) >= self._keep:
                return False
            self._idle.append(thread)
            return True


class _Thread(threading.Thread):
    def __init__(self, owner: Threads, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.calls: queue.SimpleQueue[tuple[Call, Done] | None] = queue.SimpleQueue()
        self._owner = owner
        self.start()

    def run(self) -> None:
        while (item := self.calls.get()) is not None:
            call, done = item
            output: object = None
            error: BaseException | None = None
            try:
                output = call()
            except BaseException as raised:  # noqa: BLE001 - carried to the job, which ends by it
                error = raised
            # Idle first: when the engine hears of the end and starts the next call, this thread can take it.
            waits = self._owner.keep(self)
            done(output, error)
            del item, call, done, output, error
            if not waits:
                return
