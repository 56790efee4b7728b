"""One request over HTTP, from its first byte to its last: what is the same for every path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from ._ask import compact
from ._backend import Backend
from ._client import Client, ClientGone, Dropped
from ._errors import ApiError
from ._log import Entry

__all__ = ["Endpoint", "Exchange", "send_json"]

Exchange: TypeAlias = Callable[[Request, Client, Entry], Awaitable[None]]
"""Answers one request, or raises an ApiError, ClientGone or Dropped."""


class Endpoint:
    """An ASGI application that notes each request and how it ended; `exchange` answers it.

    `refuse` writes the body of an error, as OpenAI does if nothing else is said.
    """

    def __init__(
        self,
        backend: Backend,
        exchange: Exchange,
        refuse: Callable[[ApiError], dict[str, Any]] = ApiError.body,
    ) -> None:
        self._backend = backend
        self._exchange = exchange
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        backend = self._backend
        client = Client(receive, send, backend.clock)
        entry = backend.log.begin(scope)
        try:
            await self._exchange(Request(scope, receive), client, entry)
            entry.outcome, entry.status = "answered", 200
        except (ClientGone, ClientDisconnect):
            entry.outcome = "cancelled"
        except Dropped:
            entry.outcome = "dropped"
        except ApiError as error:
            entry.outcome, entry.status = "refused", error.status
            headers = backend.limiter.headers(backend.clock()) | error.headers
            await JSONResponse(self._refuse(error), error.status, headers)(scope, receive, send)
        finally:
            backend.log.end(entry)
            client.close()


async def send_json(client: Client, content: object) -> None:
    """Answer by JSON."""
    body = compact(content).encode()
    await client.start(200, {"content-type": "application/json", "content-length": str(len(body))})
    await client.write(body, more=False)
