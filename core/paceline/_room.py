"""Back-pressure: submitting waits while too many jobs wait to run."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from ._errors import EngineNotOpen

if TYPE_CHECKING:
    from ._run import Run

__all__ = ["BREATH", "Room"]

BREATH = 100
"""After so many submissions the loop gets a turn: a long row of them must not keep it from all else."""


class Room:
    """Room for `limit` jobs that wait to run (None: for any number); first come, first served."""

    def __init__(self, run: Run, limit: int | None) -> None:
        self._run = run
        self._limit = limit
        self._promised = 0
        """Places given to callers that have not accepted their job yet."""
        self.queued: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """Wait for room; to be followed by the acceptance of the job without another wait."""
        limit = self._limit
        if limit is None or (not self.queued and self._taken < limit):
            return
        run = self._run
        place: asyncio.Future[None] = run.loop.create_future()
        self.queued.append(place)
        try:
            await place
        finally:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._promised -= 1
                # The caller accepts its job in this step, or was cancelled and leaves its place to the next.
                run.loop.call_soon(self.make)
            elif place in self.queued:
                self.queued.remove(place)

    def make(self) -> None:
        """Let in as many of those that wait as there is room for."""
        while self.queued and self._limit is not None and self._taken < self._limit:
            place = self.queued.popleft()
            if not place.done():
                self._promised += 1
                place.set_result(None)

    def refuse(self) -> None:
        """Nobody who waits will get in."""
        while self.queued:
            place = self.queued.popleft()
            if not place.done():
                place.set_exception(EngineNotOpen(self._run.draining or "the engine is closing"))

    @property
    def _taken(self) -> int:
        return self._run.scheduler.pending + self._promised
