"""The client that requests go by: without retries of its own, and closed by whoever made it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, final
from weakref import WeakKeyDictionary

from gigachat import GigaChatAsyncClient, GigaChatSyncClient

__all__ = ["Clients"]


@final
class Clients:
    """Hands out the client that a user gave, or makes one for each event loop that it is asked in.

    A client's connections belong to one event loop. What is made here is closed with its loop, as
    `asyncio.run` shuts down the async generators that are left, or earlier by `aclose`.

    Raises:
        TypeError: if the client cannot be awaited, or is none.
        ValueError: if it retries by itself.
    """

    def __init__(self, client: GigaChatAsyncClient | None) -> None:
        if client is not None:
            _check(client)
        self._given: GigaChatAsyncClient | None = client
        self._made: WeakKeyDictionary[
            asyncio.AbstractEventLoop, tuple[GigaChatAsyncClient, AsyncGenerator[GigaChatAsyncClient]]
        ] = WeakKeyDictionary()

    @property
    def model(self) -> str | None:
        """The model that the given client asks where a request names none."""
        model: object = _setting(self._given, "model")
        return model if isinstance(model, str) and model.strip() else None

    async def client(self) -> GigaChatAsyncClient:
        """The client for the running event loop."""
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        made = self._made.get(loop)
        if made is None:
            generator = self._keep(loop)
            # Nothing is awaited up to its yield: no other job makes a second one meanwhile.
            self._made[loop] = made = await anext(generator), generator
        return made[0]

    async def aclose(self) -> None:
        """Close what was made for the running loop; the user's own client is the user's to close."""
        made = self._made.get(asyncio.get_running_loop())
        if made is not None:
            await made[1].aclose()

    async def _keep(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[GigaChatAsyncClient]:
        client = GigaChatAsyncClient(max_retries=0)
        try:
            yield client
        finally:
            self._made.pop(loop, None)
            await client.aclose()


def _check(client: object) -> None:
    if isinstance(client, GigaChatSyncClient) and not isinstance(client, GigaChatAsyncClient):
        raise TypeError(
            "GigaChatSyncClient would block the event loop: give a GigaChatAsyncClient(...), or a "
            "GigaChat(...), of the same arguments"
        )
    if not isinstance(client, GigaChatAsyncClient):
        raise TypeError(f"the client must be a gigachat.GigaChat, or None to have one made, not {client!r}")
    retries = _setting(client, "max_retries")
    if retries:
        raise ValueError(
            f"this client tries each request {retries + 1} times by itself, and holds a place of the engine "
            "while it waits: make it with max_retries=0 (GIGACHAT_MAX_RETRIES counts too), and give the "
            f"engine retry=RetryPolicy(attempts={retries + 1})"
        )


def _setting(client: GigaChatAsyncClient | None, name: str) -> Any:
    """What the client was made with. It keeps that to itself; where it does not tell, nothing is known."""
    return getattr(getattr(client, "_settings", None), name, None)
