"""Real clients over loopback: of the simulator, and of a server that says word for word what it is given."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any, Self, TypeVar

import pytest
import uvicorn
from openai import AsyncOpenAI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from paceline_integrations.simulator import Simulator, SimulatorSettings

T = TypeVar("T")


class Clients:
    """Runs a program with a client of its own, which is closed at its end."""

    def __call__(self, base_url: str, main: Callable[[AsyncOpenAI], Awaitable[T]], **settings: Any) -> T:
        async def whole() -> T:
            async with AsyncOpenAI(base_url=base_url, api_key="none", **settings) as client:
                return await main(client)

        return asyncio.run(whole())


class Script:
    """A server that answers each request with the next of its answers; the last one stays.

    `requests` are what came: the path, the body as data, and the headers.
    """

    def __init__(self, answers: tuple[Response, ...]) -> None:
        self._answers = list(answers)
        self._ready: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.requests: list[tuple[str, Any, dict[str, str]]] = []
        app = Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "POST"])])
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, port=0, ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1
            )
        )

    @property
    def base_url(self) -> str:
        """What a client takes."""
        return f"http://127.0.0.1:{self._ready.result(10)}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    def _run(self) -> None:
        async def serve() -> None:
            serving = asyncio.ensure_future(self._server.serve())
            while not self._server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.005)
            self._ready.set_result(self._server.servers[0].sockets[0].getsockname()[1])
            await serving

        asyncio.run(serve())

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        self.requests.append((request.url.path, json.loads(body or b"null"), dict(request.headers)))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.fixture
def run() -> Clients:
    return Clients()


@pytest.fixture
def serve() -> Iterator[Callable[..., Simulator]]:
    """Start a simulator with these settings."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Simulator:
            return stack.enter_context(Simulator(SimulatorSettings.model_validate(settings)))

        yield start


@pytest.fixture
def script() -> Iterator[Callable[..., Script]]:
    """Start a server with these answers."""
    with ExitStack() as stack:

        def start(*answers: Response) -> Script:
            return stack.enter_context(Script(answers))

        yield start


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait for what another thread is about to do."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - it happens in the server, which has no event for it
                await asyncio.sleep(0.005)

    return wait
