"""A chat model that takes its (virtual) time, and a handler that writes down what LangChain traces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

from paceline_integrations.simulator import Simulator, SimulatorSettings


class SlowModel(BaseChatModel):
    """Answers `answer` word by word: the first after `first` seconds, each other `pace` later.

    Like real ones it opens its stream with a frame that has no content. A stubborn one swallows cancellation.
    """

    answer: str = "to be or not to be"
    first: float = 1.0
    pace: float = 1.0
    usage: Any = None
    stubborn: bool = False
    calls: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "slow"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        message = AIMessage(
            self.answer, usage_metadata=self.usage, response_metadata={"model_name": "slow-1"}
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.calls.append("whole")
        await asyncio.sleep(self.first + self.pace * (len(self._words()) - 1))
        return self._generate(messages)

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.calls.append("stream")
        try:
            yield ChatGenerationChunk(message=AIMessageChunk(content=""))
            await asyncio.sleep(self.first)
            for number, word in enumerate(self._words()):
                if number:
                    await self._wait(self.pace)
                yield ChatGenerationChunk(message=AIMessageChunk(content=word))
            last = AIMessageChunk(
                content="",
                usage_metadata=self.usage,
                response_metadata={"model_name": "slow-1"},
                chunk_position="last",
            )
            yield ChatGenerationChunk(message=last)
        finally:
            self.calls.append("closed")

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            if not self.stubborn:
                raise

    def _words(self) -> list[str]:
        words = self.answer.split(" ")
        return [words[0], *(f" {word}" for word in words[1:])]


class Trace(BaseCallbackHandler):
    """The runs that LangChain starts: name, id, parent, tags, metadata."""

    run_inline = True

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        self.runs.append(kwargs)

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        self.runs.append({**kwargs, "name": kwargs.get("name") or serialized["id"][-1]})

    def on_tool_start(self, serialized: Any, input_str: str, **kwargs: Any) -> None:
        self.runs.append({**kwargs, "name": serialized["name"]})

    def __getitem__(self, name: str) -> dict[str, Any]:
        return next(run for run in self.runs if run["name"] == name)

    def ancestors(self, name: str) -> list[str]:
        """The names above the run of that name, nearest first."""
        by_id: dict[UUID, dict[str, Any]] = {run["run_id"]: run for run in self.runs}
        found: list[str] = []
        parent = self[name]["parent_run_id"]
        while parent is not None:
            found.append(by_id[parent]["name"])
            parent = by_id[parent]["parent_run_id"]
        return found


@pytest.fixture
def slow_model() -> Callable[..., SlowModel]:
    return SlowModel


@pytest.fixture
def trace() -> Trace:
    return Trace()


@pytest.fixture
def serve() -> Iterator[Callable[..., Simulator]]:
    """Start a simulator with these settings."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Simulator:
            return stack.enter_context(Simulator(SimulatorSettings.model_validate(settings)))

        yield start
