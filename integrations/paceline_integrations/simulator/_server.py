"""Serving the simulator: from a thread of its own, for tests and demos, or until a signal, as a command."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
import anyio.to_thread
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from ._app import build_app
from ._backend import Backend
from ._log import SimulatorRequest
from ._settings import SimulatorSettings
from ._stats import SimulatorStats

__all__ = ["Simulator", "serve"]

_T = TypeVar("_T")
_PATIENCE = 30.0  # seconds; a server on loopback starts and stops in well under one

_log = logging.getLogger("paceline.simulator")
# What uvicorn says of an answer left unfinished. Here that is a drop on demand, and no news.
_log.addFilter(lambda record: record.msg != "ASGI callable returned without completing response.")


class _Connection(H11Protocol):
    """A connection that logs to a logger of its own: `uvicorn.error` is configured by whoever else serves."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = _log
        self.access_log = False


class _Server(uvicorn.Server):
    """A uvicorn server that says when it is ready, and breaks what connections are open when it stops."""

    def __init__(self, backend: Backend, ready: Callable[[], None]) -> None:
        config = uvicorn.Config(
            build_app(backend),
            http=_Connection,
            ws="none",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # for the connections to learn of it
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65_535:  # the resolver would take the remainder
        raise OSError(f"a port is a number from 0 to 65535, not {port}")
    family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    settings: SimulatorSettings | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve in this thread until SIGINT or SIGTERM; port 0 takes a free one.

    `on_ready` is called with the base URL (it ends in /v1) once requests are answered.

    Raises:
        OSError: if host and port cannot be listened on.
        KeyboardInterrupt: after a SIGINT, when the server is down.
    """
    listener = _listen(host, port)
    base_url = f"{_url(listener)}/v1"

    def ready() -> None:
        if on_ready is not None:
            on_ready(base_url)

    # Not the server's own `run`: with old versions of uvicorn it sets the event loop policy of the process.
    asyncio.run(_Server(Backend(settings or SimulatorSettings()), ready).serve(sockets=[listener]))


class Simulator:
    """A simulated server on loopback, in a thread of its own, while its `with` or `async with` lasts.

        with Simulator(SimulatorSettings(cache="slot", slots=3)) as server:
            client = OpenAI(base_url=server.base_url, api_key="none")

    Leaving takes a fraction of a second: streams that are still open are broken, as by a server that dies.

    Raises:
        RuntimeError: if it is entered twice.
        OSError: on entering, if the port cannot be listened on.
    """

    def __init__(self, settings: SimulatorSettings | None = None, *, port: int = 0) -> None:
        self._settings = settings or SimulatorSettings()
        self._backend = Backend(self._settings)
        self._port = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._url = ""

    @property
    def settings(self) -> SimulatorSettings:
        """How it behaves."""
        return self._settings

    @property
    def url(self) -> str:
        """The root: /_stats and /_reset are below it.

        Raises:
            RuntimeError: if it was never entered.
        """
        if not self._url:
            raise RuntimeError(
                "the simulator has no address before it is entered: `with Simulator() as server:`"
            )
        return self._url

    @property
    def base_url(self) -> str:
        """What a client takes as its base URL; ends in /v1."""
        return f"{self.url}/v1"

    @property
    def gigachat_url(self) -> str:
        """What GigaChat's client takes as its `base_url`; its `auth_url` is `{url}/api/v2/oauth`."""
        return f"{self.url}/api/v1"

    def stats(self) -> SimulatorStats:
        """Count what was done so far: whatever a client has seen the end of is in it."""
        return self._in_loop(self._backend.stats)

    def requests(self) -> tuple[SimulatorRequest, ...]:
        """The last requests as they were received, oldest first, and what became of each."""
        return self._in_loop(self._backend.log.told)

    def reset(self) -> None:
        """Forget cached prompts, counts, requests, used-up limits and past faults. Work under way goes on."""
        self._in_loop(self._backend.reset)

    def __enter__(self) -> Self:
        if self._thread is not None:
            raise RuntimeError("a Simulator is entered once: make another")
        listener = _listen("127.0.0.1", self._port)
        self._url = _url(listener)
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(listener, started), name="paceline-simulator", daemon=True
        )
        self._thread.start()
        started.result(_PATIENCE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(_PATIENCE)

    async def __aenter__(self) -> Self:
        return await anyio.to_thread.run_sync(self.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.__exit__, kind, error, trace)

    def _run(self, listener: socket.socket, started: Future[None]) -> None:
        def ready() -> None:
            self._loop = asyncio.get_running_loop()
            started.set_result(None)

        try:
            self._server = _Server(self._backend, ready)
            asyncio.run(self._server.serve(sockets=[listener]))
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)
        finally:
            self._loop = None
            listener.close()

    def _in_loop(self, function: Callable[[], _T]) -> _T:
        """Call where requests are served, between two of their steps; once it is down, here."""
        loop, answer = self._loop, Future[_T]()

        def call() -> None:
            answer.set_result(function())

        if loop is None:
            return function()
        try:
            loop.call_soon_threadsafe(call)
        except RuntimeError:  # it was closed just now
            return function()
        return answer.result(_PATIENCE)
