"""Agents on scripted models, and on the simulator by the real client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from typing import Any, TypeVar

import openai
import pytest
from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Usage as AgentsUsage
from agents.testing import ScriptedModel

from paceline_integrations.simulator import Simulator, SimulatorSettings

T = TypeVar("T")


@pytest.fixture(autouse=True)
def _no_traces(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Nothing is posted anywhere; the tests of tracing see to that themselves."""
    if request.path.name != "test_tracing.py":
        monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")


@pytest.fixture
def serve() -> Iterator[Callable[..., Simulator]]:
    """Start a simulator with these settings."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Simulator:
            return stack.enter_context(Simulator(SimulatorSettings.model_validate(settings)))

        yield start


class Clients:
    """Makes models on the real client, and runs a program that closes its connections at the end."""

    def __init__(self, kind: str) -> None:
        self.kind: str = kind
        self._open: list[openai.AsyncOpenAI] = []

    def __call__(self, server: Simulator, *, simulate: str | None = None) -> Any:
        client = openai.AsyncOpenAI(
            base_url=server.base_url,
            api_key="none",
            max_retries=0,
            default_headers=None if simulate is None else {"x-simulate": simulate},
        )
        self._open.append(client)
        model = OpenAIResponsesModel if self.kind == "responses" else OpenAIChatCompletionsModel
        return model("simulator", client)

    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async def whole() -> T:
            try:
                return await main()
            finally:
                for each in self._open:
                    await each.close()

        return asyncio.run(whole())


@pytest.fixture(params=["responses", "chat"])
def clients(request: pytest.FixtureRequest) -> Clients:
    return Clients(request.param)


def scripted(*steps: Any, **settings: Any) -> Agent[Any]:
    """An agent whose model gives these answers, each for ten tokens in, eight of them cached, and two out."""
    usage = AgentsUsage(requests=1, input_tokens=10, output_tokens=2, total_tokens=12)
    usage.input_tokens_details.cached_tokens = 8
    settings.setdefault("name", "scripted")
    return Agent(model=ScriptedModel(steps, default_usage=usage), **settings)


@pytest.fixture
def agent() -> Callable[..., Agent[Any]]:
    return scripted


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - it happens in the server, which has no event for it
            await asyncio.sleep(0.005)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Coroutine[Any, Any, None]]:
    return wait_until
