"""The other end of a request: waits that end at once when it hangs up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

__all__ = ["Client", "ClientGone", "Dropped"]

Message = MutableMapping[str, Any]


class ClientGone(Exception):
    """Raised in a request whose client has hung up, by the next wait or send."""


class Dropped(Exception):
    """Raised to leave an answer unfinished, so that the server breaks the connection."""


class Client:
    """Sends an answer, and waits on behalf of one who may not wait for it. Make it when the body is read.

    `clock` tells the time of `sleep_until`.
    """

    def __init__(
        self,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self._receive = receive
        self._send = send
        self._clock = clock
        self._hangup: asyncio.Future[Message] | None = None  # begun at the first wait: most answers need none

    def watch(self) -> None:
        """Begin to watch for a hangup; waits do so themselves."""
        _ = self._watched()

    def _watched(self) -> asyncio.Future[Message]:
        """The message that says the client is gone: once the body is read there is no other."""
        if self._hangup is None:
            self._hangup = asyncio.ensure_future(self._receive())
        return self._hangup

    def check(self) -> None:
        """Raise if the client is known to be gone."""
        if self._hangup is not None and self._hangup.done():
            raise ClientGone

    async def sleep_until(self, when: float) -> None:
        """Wait until the clock says so."""
        while (delay := when - self._clock()) > 0:
            await asyncio.wait({self._watched()}, timeout=delay)
            self.check()

    async def wait_for(self, future: asyncio.Future[None]) -> None:
        """Wait for a future."""
        watched: set[asyncio.Future[Any]] = {self._watched(), future}
        await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        if not future.done():
            self.check()

    async def hang(self) -> None:
        """Wait for nothing."""
        await asyncio.wait({self._watched()})
        self.check()

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send status and headers."""
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, body: bytes, *, more: bool) -> None:
        """Send some of the body; with `more` false, its end."""
        await self._send({"type": "http.response.body", "body": body, "more_body": more})
        self.check()

    def close(self) -> None:
        """Stop watching."""
        if self._hangup is not None:
            self._hangup.cancel()
