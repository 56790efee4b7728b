"""Responses that are worked on in the background: begun by one request, asked for by others."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from starlette.requests import Request

from ._ask import Ask
from ._backend import Backend, Generation
from ._client import Client, ClientGone, Dropped, Message
from ._delivery import deliver_stream
from ._endpoint import send_json
from ._errors import ApiError, bad_request
from ._faults import HEADER, Fault
from ._log import Entry
from ._reply import Reply, Usage
from ._response_answer import ResponseAnswer, Status

__all__ = ["BackgroundResponse", "Shelf"]

_END = b"\n\n"  # of an event: compact JSON has no such thing inside


class BackgroundResponse:
    """One response, from "queued" to its end, and the events that tell of it.

    Their numbers are their places: whoever comes late, or comes again, goes on after the last that they saw.
    """

    def __init__(self, backend: Backend, ask: Ask, reply: Reply, fault: Fault) -> None:
        loop = asyncio.get_running_loop()
        self._backend = backend
        self._ask = ask
        self._reply = reply
        self._fault = fault
        self._answer = ResponseAnswer(ask, reply, int(time.time()))
        self._usage: Usage | None = None
        self._events: list[bytes] = []
        self._news: asyncio.Future[None] = loop.create_future()
        self._stop: asyncio.Future[Message] = loop.create_future()
        self.ident: str = f"resp_{reply.ident}"
        self.status: Status = "queued"
        self._note(self._answer.queued())
        self._task: asyncio.Task[None] = loop.create_task(self._work())

    @property
    def ended(self) -> bool:
        """Whether it is worked on no more."""
        return self.status not in {"queued", "in_progress"}

    def told(self) -> dict[str, Any]:
        """The response as it stands."""
        return self._answer.response(self.status, self._usage)

    def cancel(self) -> None:
        """Stop the work, if it still goes on."""
        if not self.ended:
            self._backend.counters.cancelled += 1
            self._end("cancelled")
            self._stop.set_result({"type": "http.disconnect"})

    async def follow(self, client: Client, headers: dict[str, str], after: int = -1) -> None:
        """Stream what comes after event number `after`, as it comes."""
        client.watch()
        await client.start(200, {"content-type": "text/event-stream", "cache-control": "no-cache", **headers})
        seen = after + 1
        while True:
            for event in self._events[seen:]:
                await client.write(event, more=True)
                seen += 1
            if seen >= len(self._events):
                if self.ended:
                    break
                await client.wait_for(self._news)
        await client.write(b"", more=False)

    async def _work(self) -> None:
        ask, nobody = self._ask, Client(self._stopped, self._written, self._backend.clock)
        try:
            async with Generation(
                self._backend, nobody, ask.prompt, self._reply.tokens, ask.caching
            ) as generation:
                self.status = "in_progress"
                await deliver_stream(self._answer, generation, nobody, self._fault, {})
                self._usage = generation.usage
            self._end("completed")
        except ClientGone:
            """It was cancelled, and that is told."""
        except Dropped:
            self._backend.counters.errors += 1
            self._events.append(self._answer.failing())
            self._end("failed")
        finally:
            if not self.ended:
                self._end("failed")
            nobody.close()

    def _stopped(self) -> asyncio.Future[Message]:
        """Who works for nobody is stopped by what would be a hangup."""
        return self._stop

    async def _written(self, message: Message) -> None:
        self._note(message.get("body", b""))

    def _note(self, events: bytes) -> None:
        if not self.ended:
            self._events += [event + _END for event in events.split(_END) if event]
            self._wake()

    def _end(self, status: Status) -> None:
        self.status = status
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.get_running_loop().create_future()
        news.set_result(None)


class Shelf:
    """The background responses of a server: the last ones, and all that are still worked on."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._responses: dict[str, BackgroundResponse] = {}

    def begin(self, ask: Ask, reply: Reply, fault: Fault) -> BackgroundResponse:
        """Begin to work on one."""
        response = BackgroundResponse(self._backend, ask, reply, fault)
        self._responses[response.ident] = response
        spare = len(self._responses) - self._backend.settings.remember
        ended = [one.ident for one in self._responses.values() if one.ended] if spare > 0 else []
        for ident in ended[:spare]:
            del self._responses[ident]
        return response

    async def retrieve(self, request: Request, client: Client, _entry: Entry) -> None:
        """Answer `GET /v1/responses/{id}`, as a stream from where it was left if that is asked for."""
        response = await self._found(request, client)
        if request.query_params.get("stream") == "true":
            await response.follow(client, {}, _number(request.query_params.get("starting_after", "-1")))
        else:
            await send_json(client, response.told())

    async def cancel(self, request: Request, client: Client, _entry: Entry) -> None:
        """Answer `POST /v1/responses/{id}/cancel`; what has ended stays as it is."""
        response = await self._found(request, client)
        response.cancel()
        await send_json(client, response.told())

    async def _found(self, request: Request, client: Client) -> BackgroundResponse:
        await request.body()  # only then is the next message a hangup
        ident: str = request.path_params["ident"]
        backend = self._backend
        fault = backend.faults.of(request.headers.get(HEADER), ident.encode()[-16:], 0)
        await client.sleep_until(backend.clock() + fault.latency)
        if (error := fault.error()) is not None:
            raise error
        response = self._responses.get(ident)
        if response is None:
            message = f"Response with id '{ident}' not found; the simulator keeps background ones only."
            raise ApiError(404, message, kind="invalid_request_error", param="id")
        return response


def _number(text: str) -> int:
    try:
        return max(-1, int(text))
    except ValueError as error:
        raise bad_request(f"Invalid value for 'starting_after': {text!r}.", param="starting_after") from error
