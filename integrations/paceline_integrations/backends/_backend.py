"""What backends have in common: an environment, a server on loopback, traces in and spans out."""

from __future__ import annotations

import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self
from urllib.parse import quote

import anyio
import anyio.to_thread

from ._environments import Environment, quiet
from ._errors import BackendError
from ._server import Server, free_port
from ._spans import BackendSpan

__all__ = ["Backend"]

_LOOK = 0.1


class Backend(ABC):
    """A trace backend on a free port of loopback, while its `with` or `async with` lasts.

    The first time it is installed, into an environment of its own (`environment`), which takes a minute or
    two; `tell` gets a line about what takes long. What it stores is kept in `folder`; by default in a
    temporary one, gone at the end. It is to be up within `patience` seconds. Nothing leaves the machine:
    telemetry, assistants and the like are off.

    Raises:
        BackendError: on entering, if it cannot be installed or started.
        RuntimeError: if it is entered twice.
    """

    environment: ClassVar[Environment]
    """Where it is installed; `make()` does that ahead of time."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        port: int = 0,
        patience: float = 180.0,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._folder = folder
        self._port = port
        self._patience = patience
        self._tell = tell or quiet
        self._url = ""
        self._open = ExitStack()

    @property
    def url(self) -> str:
        """Where its page is.

        Raises:
            RuntimeError: if it was never entered.
        """
        if not self._url:
            name = type(self).__name__
            raise RuntimeError(f"{name} has no address before it is entered: `with {name}() as backend:`")
        return self._url

    @property
    def endpoint(self) -> str:
        """Where traces are sent: OTLP over HTTP."""
        return f"{self.url}/v1/traces"

    @abstractmethod
    def page_of(self, trace_id: str) -> str:
        """Return the address at which a person sees this trace, or finds it."""

    @property
    def headers(self) -> dict[str, str]:
        """What an exporter has to say with each request."""
        return {}

    @property
    def resource(self) -> dict[str, str]:
        """Attributes of the resource that the spans come from, by which it sorts them."""
        return {}

    @property
    def variables(self) -> dict[str, str]:
        """The same as standard OTEL_ variables: for `configure()`, `paceline run`, or any other program."""
        found = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": self.endpoint,
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS": _listed(self.headers),
            "OTEL_RESOURCE_ATTRIBUTES": _listed(self.resource),
            "OTEL_METRICS_EXPORTER": "none",  # it takes traces only
        }
        return {name: value for name, value in found.items() if value}

    def spans(
        self, trace_id: str | None = None, *, at_least: int = 0, patience: float = 15.0
    ) -> list[BackendSpan]:
        """Read back what it has, in the order in which the spans began; of one trace if its id is given.

        It needs a moment to store what was sent: where `at_least` so many are expected, they are waited for.

        Raises:
            BackendError: if it does not answer, or has too few after `patience` seconds.
        """
        until = time.monotonic() + patience
        while True:
            found = self._read(trace_id)
            if len(found) >= at_least:
                return sorted(found, key=lambda span: span.started)
            if time.monotonic() > until:
                raise BackendError(
                    f"{type(self).__name__} has {len(found)} spans after {patience:g} s, not {at_least}: "
                    f"were they flushed, and sent to {self.endpoint}?"
                )
            time.sleep(_LOOK)

    def __enter__(self) -> Self:
        if self._url:
            raise RuntimeError(f"a {type(self).__name__} is entered once: make another")
        python = self.environment.make(self._tell)
        with ExitStack() as opened:
            folder = self._folder
            if folder is None:
                # Without a word if something is still being written there.
                temporary = tempfile.TemporaryDirectory(prefix="paceline-", ignore_cleanup_errors=True)
                folder = Path(opened.enter_context(temporary))
            folder = folder.absolute()
            folder.mkdir(parents=True, exist_ok=True)
            port = self._port or free_port()
            self._tell(f"starting {self.environment.name} on port {port}")
            command, environ = self._command(python, folder, port)
            server = Server(self.environment.name, command, environ, folder / "server.log")
            opened.callback(server.stop)
            self._url = f"http://127.0.0.1:{port}"
            server.wait_until_up(f"{self._url}{self._health}", self._patience)
            self._prepare()
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    async def __aenter__(self) -> Self:
        return await anyio.to_thread.run_sync(self.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.__exit__, kind, error, trace)

    _health: ClassVar[str]

    @abstractmethod
    def _command(self, python: Path, folder: Path, port: int) -> tuple[Sequence[str], Mapping[str, str]]:
        """How it is started, and with which settings in its environment."""

    @abstractmethod
    def _read(self, trace_id: str | None) -> list[BackendSpan]:
        """What it has now, in any order."""

    def _prepare(self) -> None:
        """Do what is to be done once it is up."""
        return


def _listed(values: Mapping[str, str]) -> str:
    return ",".join(f"{name}={quote(value)}" for name, value in values.items())
