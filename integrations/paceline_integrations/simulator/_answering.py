"""The endpoints that answer prompts: from the body to the last token, in the format of an API."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from starlette.requests import ClientDisconnect, Request

from ._ask import Ask
from ._backend import Backend, Generation
from ._background import Shelf
from ._client import Client, ClientGone, Dropped
from ._delivery import Answer, deliver_stream, deliver_whole
from ._endpoint import send_json
from ._errors import ApiError, rate_limited
from ._faults import HEADER, Fault
from ._log import Entry
from ._reply import Reply, compose

__all__ = ["Answering"]


class Answering:
    """Answers POSTs in one format: `parse` reads a body (and headers), `answer` writes.

    Work in the background is put on the `shelf`.
    """

    def __init__(
        self,
        backend: Backend,
        parse: Callable[[bytes, Mapping[str, str]], Ask],
        answer: type[Answer],
        shelf: Shelf | None = None,
    ) -> None:
        self._backend = backend
        self._parse = parse
        self._answer = answer
        self._shelf = shelf

    async def __call__(self, request: Request, client: Client, entry: Entry) -> None:
        """Answer one request."""
        backend = self._backend
        backend.counters.requests += 1
        try:
            ask, reply, fault, number = await self._accept(request, client, entry)
            headers = {"x-request-id": f"req_{number:08x}", **ask.headers}
            if not ask.background or self._shelf is None:
                await self._work(client, ask, reply, fault, headers)
                return
        except (ClientGone, ClientDisconnect):
            backend.counters.cancelled += 1
            raise
        except Dropped:
            backend.counters.errors += 1
            raise
        response = self._shelf.begin(ask, reply, fault)
        if ask.stream:
            await response.follow(client, headers)
        else:
            await send_json(client, response.told())

    async def _accept(self, request: Request, client: Client, entry: Entry) -> tuple[Ask, Reply, Fault, int]:
        backend = self._backend
        body = await request.body()
        entry.received(body)
        number = next(backend.numbers)
        ask, reply, fault = self._plan(body, request.headers, number)
        entry.understood(ask)
        self._admit(ask)
        await client.sleep_until(backend.clock() + fault.latency)
        if (error := fault.error()) is not None:
            backend.counters.errors += 1
            raise error
        return ask, reply, fault, number

    def _plan(self, body: bytes, headers: Mapping[str, str], number: int) -> tuple[Ask, Reply, Fault]:
        backend = self._backend
        try:
            ask = self._parse(body, headers)
            digest = ask.prompt.digest(backend.settings.seed)
            reply = compose(ask, digest, number)
            return ask, reply, backend.faults.of(headers.get(HEADER), digest, reply.tokens)
        except ApiError:
            backend.counters.errors += 1
            raise

    def _admit(self, ask: Ask) -> None:
        backend = self._backend
        refusal = backend.limiter.admit(ask.prompt.tokens + ask.max_tokens, backend.clock())
        if refusal is not None:
            backend.counters.rejected += 1
            raise rate_limited(refusal)

    async def _work(
        self, client: Client, ask: Ask, reply: Reply, fault: Fault, headers: dict[str, str]
    ) -> None:
        backend = self._backend
        answer = self._answer(ask, reply, int(time.time()))
        async with Generation(backend, client, ask.prompt, reply.tokens, ask.caching) as generation:
            headers |= backend.limiter.headers(backend.clock())
            deliver = deliver_stream if ask.stream else deliver_whole
            await deliver(answer, generation, client, fault, headers)
