"""A provider over loopback that plays scenes, in a thread of its own."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self, cast

from paceline.testing.adapter_suite import Scene

from .wire import Body, Chat, Event, Events, Form, GigaChat, GigaChatPrimary, Responses

__all__ = ["Provider"]

FORMS: dict[str, Form] = {  # by what comes after a scene's own part of the path
    "v1/chat/completions": Chat(),
    "v1/responses": Responses(),
    "gigachat/v1/chat/completions": GigaChat(),
    "gigachat/v2/chat/completions": GigaChatPrimary(),
}
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


class Call:
    """One HTTP request, read, and the way to answer it."""

    def __init__(self, form: Form, body: Body, writer: asyncio.StreamWriter) -> None:
        self.form = form
        self.body = body
        self._writer = writer

    async def whole(self, status: int, content: object, headers: Mapping[str, str] | None = None) -> None:
        text = json.dumps(content).encode()
        told = {"content-type": "application/json", "content-length": str(len(text)), **(headers or {})}
        self._head(status, told)
        self._writer.write(text)
        await self._writer.drain()

    async def stream(self, events: Events) -> None:
        self._head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        async with aclosing(events):
            async for name, data in events:
                named = f"event: {name}\n" if name else ""
                text = data if isinstance(data, str) else json.dumps(data)
                await self._chunk(f"{named}data: {text}\n\n".encode())
        await self._chunk(b"")

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        first = f"HTTP/1.1 {status} {REASONS.get(status, 'Error')}"
        lines = [first, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        self._writer.write("\r\n".join(lines).encode())

    async def _chunk(self, data: bytes) -> None:
        self._writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        await self._writer.drain()


async def play(call: Call, scene: Scene) -> None:
    """Answer a request as its scene says; if that asks, the model first calls its tool."""
    if isinstance(call.form, Chat | Responses) and _is_to_ask(scene, call.body):
        whole, events = call.form.call(call.body, {"question": scene.question})
        await (call.stream(_each(events)) if call.body.get("stream") else call.whole(200, whole))
        return
    with scene.request() as request:
        if request.refusal is not None:
            await call.whole(*call.form.refusal(request.refusal), request.refusal.headers)
        elif call.body.get("stream"):
            await call.stream(call.form.stream(call.body, request))
        else:
            async with aclosing(request.chunks()) as chunks:
                text = "".join([chunk async for chunk in chunks])
            await call.whole(200, call.form.whole(call.body, text, request.usage))


def _is_to_ask(scene: Scene, body: Body) -> bool:
    if scene.question is None or not body.get("tools"):
        return False
    said = json.dumps(body)
    return '"tool_call_id"' not in said and '"function_call_output"' not in said


async def _each(events: list[Event]) -> Events:
    for event in events:
        yield event


class Provider:
    """The server, while its `with` lasts; each scene has a base URL of its own."""

    def __init__(self) -> None:
        self._scenes: dict[str, Scene] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count()
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="provider", daemon=True)
        self.most = 0
        """Of connections, how many were open at once."""

    def serve(self, scene: Scene) -> str:
        """The base URL at which this scene is played."""
        name = str(next(self._numbers))
        self._scenes[name] = scene
        return f"http://127.0.0.1:{self._started.result()[2]}/{name}"

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._connections)

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop, over, _ = self._started.result()
        loop.call_soon_threadsafe(over.set)
        self._thread.join(10)

    async def _run(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=2048)
        over = asyncio.Event()
        self._started.set_result((asyncio.get_running_loop(), over, server.sockets[0].getsockname()[1]))
        async with server:
            await over.wait()
            for each in tuple(self._connections):
                each.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._connections.add(task)
        self.most = max(self.most, self.connections)
        try:
            await self._converse(reader, writer)
        except (asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
            pass  # as the client, or the script, will have it
        finally:
            writer.transport.abort()
            self._connections.discard(task)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ahead = b""
        while True:
            first, *lines = (ahead + await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(":") for line in lines)}
            content = await reader.readexactly(int(headers.get("content-length", "0")))
            _, name, path = first.split(" ")[1].split("/", 2)
            call = Call(FORMS[path], json.loads(content), writer)
            ahead = await _unless_gone(play(call, self._scenes[name]), reader)


async def _unless_gone(answering: Coroutine[Any, Any, None], reader: asyncio.StreamReader) -> bytes:
    """Answer, unless the client goes away before; return what it has sent of its next request."""
    work, client = asyncio.create_task(answering), asyncio.create_task(reader.read(1))
    try:
        await asyncio.wait({work, client}, return_when=asyncio.FIRST_COMPLETED)
        if client.done() and not client.result():
            raise ConnectionAbortedError("the client has gone")
        await work
        return client.result() if client.done() else b""
    finally:
        for each in (work, client):
            each.cancel()
        await asyncio.gather(work, client, return_exceptions=True)
