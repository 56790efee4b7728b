"""What a virtual clock cannot do, and where the program stood when it could not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from paceline._errors import PacelineError

__all__ = ["ClockRefused", "ClockStalled"]


class ClockRefused(PacelineError):
    """Raised when code under a `VirtualClock` reaches for what does not keep virtual time."""

    def __init__(self, operation: str, remedy: str) -> None:
        super().__init__(f"{operation} is refused under VirtualClock: {remedy}")
        self.operation = operation


class ClockStalled(PacelineError):
    """Raised by `VirtualClock.run` when nothing can happen any more: in real time the program would hang.

    No timer is set, nothing is ready and no thread works. `waiting` has a line for each task that still
    waits: its name and where it stands, from its own function down to what it awaits. `now` is the time.
    """

    def __init__(self, now: float, tasks: Iterable[asyncio.Task[Any]]) -> None:
        self.now = now
        self.waiting: tuple[str, ...] = tuple(sorted(_describe(task) for task in tasks if not task.done()))
        listed = "".join(f"\n  {line}" for line in self.waiting)
        super().__init__(
            f"virtual time stands still at {now!r} for ever: no timer, nothing ready, no thread at work. "
            "Look for an event that nobody sets, a task that swallows its cancellation, or a thread that the "
            f"loop does not know of (start it by asyncio.to_thread). Still waiting:{listed or ' nobody'}"
        )


def _describe(task: asyncio.Task[Any]) -> str:
    return f"{task.get_name()}: {' > '.join(_steps(task.get_coro()))}"


def _steps(awaited: Any) -> Iterator[str]:
    # From a coroutine down through what it awaits, for as long as there are frames to name.
    while True:
        for kind, below in (("cr", "cr_await"), ("gi", "gi_yieldfrom"), ("ag", "ag_await")):
            frame = getattr(awaited, f"{kind}_frame", None)
            if frame is not None:
                yield f"{frame.f_code.co_name} ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})"
                awaited = getattr(awaited, below)
                break
        else:
            return
