"""The client that requests go by: without retries of its own, and closed by whoever made it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, final
from weakref import WeakKeyDictionary

from openai import AsyncOpenAI, OpenAI

from paceline import NoAdapter

__all__ = ["Clients", "adapt"]

_METHODS = ("create", "parse", "retrieve", "stream")


@final
class Clients:
    """Hands out the client that a user gave, or makes one for each event loop that it is asked in.

    A client's connections belong to one event loop. What is made here is closed with its loop, as
    `asyncio.run` shuts down the async generators that are left, or earlier by `aclose`.
    """

    def __init__(self, client: AsyncOpenAI | None) -> None:
        self._given: AsyncOpenAI | None = None if client is None else _without_retries(client)
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[AsyncOpenAI, AsyncGenerator[Any]]] = (
            WeakKeyDictionary()
        )

    async def client(self) -> AsyncOpenAI:
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

    async def _keep(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[AsyncOpenAI]:
        client = AsyncOpenAI(max_retries=0)
        try:
            yield client
        finally:
            self._made.pop(loop, None)
            await client.close()


def _without_retries(given: object) -> AsyncOpenAI:
    """A copy that shares the connections, headers and hooks of the client, and tries each request once."""
    if isinstance(given, OpenAI):
        raise TypeError(
            f"{type(given).__name__} is the client for sync code, and would block the event loop: give an "
            f"Async{type(given).__name__}(...) of the same arguments"
        )
    if not isinstance(given, AsyncOpenAI):
        raise TypeError(f"the client must be an openai.AsyncOpenAI, or None to have one made, not {given!r}")
    if not given.max_retries:
        return given
    if _is_wrapped(given):
        raise ValueError(
            "methods of this client were replaced on the object itself (as LangSmith's wrap_openai does), "
            "and a copy without retries would lose that: make it with max_retries=0, then wrap it"
        )
    return given.with_options(max_retries=0)


def _is_wrapped(client: AsyncOpenAI) -> bool:
    # In vars(): there the client keeps its resources once they were used, and replaced methods are.
    chat: object = vars(client).get("chat")
    resources: list[object] = [vars(client).get("responses")]
    if chat is not None:
        resources.append(vars(chat).get("completions"))
    return any(name in vars(each) for each in resources if each is not None for name in _METHODS)


def adapt(obj: object) -> None:
    """Say what runs a client: it names no model by itself. This is what `paceline.as_executor` calls.

    Raises:
        NoAdapter: if it is a client.
    """
    if isinstance(obj, AsyncOpenAI | OpenAI):
        name = type(obj).__name__
        raise NoAdapter(
            f"{name} names no model: paceline_adapters.openai.ResponsesExecutor(client, model=...) runs its "
            "Responses API, and ChatExecutor(client, model=...) Chat Completions"
        )
