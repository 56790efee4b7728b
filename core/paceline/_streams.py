"""What a job emits, on its way to whoever listens: nobody waits, and memory is bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._job import StreamLagged
from ._parking import wait

if TYPE_CHECKING:
    from ._run import Run

__all__ = ["Listener", "Stream"]

CAPACITY = 1024
"""Chunks that a listener may lag behind before text is joined and anything else is dropped."""


class Listener:
    """The buffer of one listener to one job; filled and read on the loop's thread.

    When it is full, further text is joined into one chunk, so that no text is lost, and other chunks are
    counted: the reader gets what was buffered, then `StreamLagged` with that count, then the joined text.
    """

    __slots__ = ("_chunks", "_end", "_error", "_missed", "_text", "_wake", "heard")

    def __init__(self) -> None:
        self._chunks: deque[object] = deque()
        self._text: list[str] = []
        self._missed = 0
        self._wake: asyncio.Future[None] | None = None
        self._end = False
        self._error: Exception | None = None
        self.heard: bool = False
        """Whether anything came."""

    def put(self, chunk: object) -> None:
        """Take one chunk; never waits."""
        if self._end:
            return
        self.heard = True
        if len(self._chunks) < CAPACITY and not (self._text or self._missed):
            self._chunks.append(chunk)
        elif isinstance(chunk, str):
            self._text.append(chunk)
        else:
            self._missed += 1
        self._notify()

    def end(self, error: Exception | None = None) -> None:
        """No more chunks come; an error is raised once what came before has been read."""
        if not self._end:
            self._end = True
            self._error = error
            self._notify()

    def stop(self) -> None:
        """Nobody listens any more: drop what was buffered."""
        self.end()
        self._chunks.clear()
        self._text.clear()
        self._missed = 0
        self._error = None

    async def get(self, run: Run) -> object:
        """The next chunk; StopAsyncIteration at the end. A job of the same run is parked while it waits."""
        while not self._chunks:
            if self._missed:
                self._chunks.append(StreamLagged(self._missed))
                self._missed = 0
            if self._text:
                self._chunks.append("".join(self._text))
                self._text.clear()
            if self._chunks:
                break
            if self._end:
                error, self._error = self._error, None
                raise error or StopAsyncIteration
            self._wake = run.loop.create_future()
            await wait(run, self._wake)
        return self._chunks.popleft()

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class Stream:
    """The chunks of a job from now on: `async for chunk in handle.stream()`.

    It listens from the moment it is made, and stops when the loop over it is left for good, or by `aclose`.
    """

    def __init__(self, listener: Listener, run: Run, close: Callable[[Listener], None]) -> None:
        self._listener = listener
        self._run = run
        self._close = close

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._listener.get(self._run)
        except BaseException as error:
            if not isinstance(error, asyncio.CancelledError):
                self._close(self._listener)
            raise

    async def aclose(self) -> None:
        """Stop listening; what was buffered is dropped."""
        self.close()

    def close(self) -> None:
        """Stop listening, from sync code."""
        self._listener.stop()
        self._close(self._listener)

    def __del__(self) -> None:
        # A loop that was left by `break` drops its iterator here; the job is not to go on feeding it.
        self._close(self._listener)
