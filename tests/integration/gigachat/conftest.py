"""The real client against a simulator on a free loopback port."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from typing import Any, TypeAlias, TypeVar

import anyio
import pytest
from gigachat import GigaChatAsyncClient

from paceline_integrations.simulator import Simulator, SimulatorSettings, SimulatorStats

T = TypeVar("T")


class Giga:
    """Makes clients of one simulator, and runs programs that close them at their end."""

    def __init__(self, server: Simulator) -> None:
        self.server = server
        self._open: list[GigaChatAsyncClient] = []

    def client(self, **settings: Any) -> GigaChatAsyncClient:
        urls: dict[str, Any] = {
            "base_url": self.server.gigachat_url,
            "auth_url": f"{self.server.url}/api/v2/oauth",
            "model": "GigaChat",
        }
        self._open.append(GigaChatAsyncClient(**(urls | settings)))
        return self._open[-1]

    async def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            return await main()
        finally:
            for each in self._open:
                await each.aclose()

    def sessions(self) -> list[str | None]:
        """The session of each request, as it was received."""
        return [one.headers.get("x-session-id") for one in self.server.requests()]

    async def until(self, holds: Callable[[SimulatorStats], bool]) -> SimulatorStats:
        """Wait until the server's counts are so."""
        with anyio.fail_after(20):
            while not holds(stats := self.server.stats()):  # noqa: ASYNC110 - it has no event for it
                await anyio.sleep(0.005)
        return stats


Serve: TypeAlias = Callable[..., Giga]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a simulator with these settings."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Giga:
            return Giga(stack.enter_context(Simulator(SimulatorSettings.model_validate(settings))))

        yield start


@pytest.fixture
def giga(serve: Serve) -> Giga:
    return serve()
