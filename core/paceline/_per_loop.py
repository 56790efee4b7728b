"""What belongs to one event loop, as a client's connections do: made when needed, closed with the loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar, final
from weakref import WeakKeyDictionary

__all__ = ["PerLoop"]

T = TypeVar("T")


@final
class PerLoop(Generic[T]):
    """Hands out the client that a user gave, or makes one for each event loop that it is asked in.

    What is made here is closed with its loop, as `asyncio.run` shuts down the async generators that are left,
    or earlier by `aclose`. What was given is the user's to close.
    """

    def __init__(
        self, given: T | None, make: Callable[[], T], close: Callable[[T], Awaitable[object]]
    ) -> None:
        self.given: T | None = given
        self._make: Callable[[], T] = make
        self._close: Callable[[T], Awaitable[object]] = close
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[T, AsyncGenerator[T]]] = (
            WeakKeyDictionary()
        )

    async def get(self) -> T:
        """The one for the running event loop."""
        if self.given is not None:
            return self.given
        loop = asyncio.get_running_loop()
        made = self._made.get(loop)
        if made is None:
            generator = self._keep(loop)
            # Nothing is awaited up to its yield: no other job makes a second one meanwhile.
            self._made[loop] = made = await anext(generator), generator
        return made[0]

    async def aclose(self) -> None:
        """Close what was made for the running loop."""
        made = self._made.get(asyncio.get_running_loop())
        if made is not None:
            await made[1].aclose()

    async def _keep(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[T]:
        thing = self._make()
        try:
            yield thing
        finally:
            self._made.pop(loop, None)
            await self._close(thing)
