"""One request over HTTP, from its body to its last byte, for either API."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from ._ask import Ask
from ._backend import Backend, Generation
from ._client import Client, ClientGone, Dropped
from ._delivery import Answer, deliver_stream, deliver_whole
from ._errors import ApiError, rate_limited
from ._faults import HEADER, Fault
from ._reply import Reply, compose

__all__ = ["Endpoint"]


class Endpoint:
    """An ASGI application that answers POSTs in one format: `parse` reads, `answer` writes."""

    def __init__(self, backend: Backend, parse: Callable[[bytes], Ask], answer: type[Answer]) -> None:
        self._backend = backend
        self._parse = parse
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        backend = self._backend
        backend.counters.requests += 1
        client = Client(receive, send, backend.clock)
        try:
            await self._exchange(Request(scope, receive), client)
        except (ClientGone, ClientDisconnect):
            backend.counters.cancelled += 1
        except Dropped:
            backend.counters.errors += 1
        except ApiError as error:
            headers = backend.limiter.headers(backend.clock()) | error.headers
            await JSONResponse(error.body(), error.status, headers)(scope, receive, send)
        finally:
            client.close()

    async def _exchange(self, request: Request, client: Client) -> None:
        backend = self._backend
        body = await request.body()
        number = next(backend.numbers)
        ask, reply, fault = self._plan(body, request.headers.get(HEADER), number)
        self._admit(ask)
        await client.sleep_until(backend.clock() + fault.latency)
        if (error := fault.error()) is not None:
            backend.counters.errors += 1
            raise error
        headers = {"x-request-id": f"req_{number:08x}"}
        answer = self._answer(ask, reply, int(time.time()))
        async with Generation(backend, client, ask.prompt, reply.tokens) as generation:
            headers |= backend.limiter.headers(backend.clock())
            deliver = deliver_stream if ask.stream else deliver_whole
            await deliver(answer, generation, client, fault, headers)

    def _plan(self, body: bytes, wishes: str | None, number: int) -> tuple[Ask, Reply, Fault]:
        backend = self._backend
        try:
            ask = self._parse(body)
            digest = ask.prompt.digest(backend.settings.seed)
            reply = compose(ask, digest, number)
            return ask, reply, backend.faults.of(wishes, digest, reply.tokens)
        except ApiError:
            backend.counters.errors += 1
            raise

    def _admit(self, ask: Ask) -> None:
        backend = self._backend
        refusal = backend.limiter.admit(ask.prompt.tokens + ask.max_tokens, backend.clock())
        if refusal is not None:
            backend.counters.rejected += 1
            raise rate_limited(refusal)
