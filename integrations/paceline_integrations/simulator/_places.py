"""Places: how many requests are worked on at once, and who waits for one, in order."""

from __future__ import annotations

import asyncio
from collections import deque

from ._client import Client

__all__ = ["Places"]


class Places:
    """Gives places to requests, first come, first served. `limit` None: there is always one more."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._queue: deque[asyncio.Future[None]] = deque()
        self.running = 0

    @property
    def waiting(self) -> int:
        """How many requests wait for a place."""
        return len(self._queue)

    async def take(self, client: Client) -> None:
        """Wait for a place.

        Raises:
            ClientGone: if the client hangs up first; it then has no place.
        """
        if self._limit is None or self.running < self._limit:
            self.running += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await client.wait_for(turn)
        except BaseException:
            if turn.done():
                self.give_back()
            else:
                self._queue.remove(turn)
            raise

    def give_back(self) -> None:
        """Leave a place, to who has waited longest if anyone has."""
        if self._queue:
            self._queue.popleft().set_result(None)
        else:
            self.running -= 1
