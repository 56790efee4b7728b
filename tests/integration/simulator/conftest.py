"""Real clients against a simulator on a free loopback port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from openai import OpenAI

from paceline_integrations.simulator import Simulator, SimulatorSettings

Serve = Callable[..., Simulator]
Connect = Callable[[Simulator], OpenAI]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a simulator with these settings."""
    with ExitStack() as stack:

        def start(**settings: object) -> Simulator:
            return stack.enter_context(Simulator(SimulatorSettings.model_validate(settings)))

        yield start


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make a client that does not retry."""
    with ExitStack() as stack:

        def make(server: Simulator) -> OpenAI:
            return stack.enter_context(OpenAI(base_url=server.base_url, api_key="none", max_retries=0))

        yield make


@pytest.fixture(scope="module")
def plain_server() -> Iterator[Simulator]:
    with Simulator() as server:
        yield server


@pytest.fixture
def server(plain_server: Simulator) -> Simulator:
    """A simulator as it is by default, with nothing done so far."""
    plain_server.reset()
    return plain_server


@pytest.fixture
def client(connect: Connect, server: Simulator) -> OpenAI:
    return connect(server)
