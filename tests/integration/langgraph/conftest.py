"""A chat model that takes its (virtual) time, what a graph's nodes did, and servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

from paceline_integrations.simulator import Simulator, SimulatorSettings

USAGE = UsageMetadata(input_tokens=10, output_tokens=4, total_tokens=14)


class SlowModel(BaseChatModel):
    """Answers `answer` word by word: the first after `first` seconds, each other `pace` later."""

    answer: str = "to be or not"
    first: float = 1.0
    pace: float = 1.0
    calls: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "slow"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        message = AIMessage(self.answer, usage_metadata=USAGE, response_metadata={"model_name": "slow-1"})
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.calls.append("whole")
        await asyncio.sleep(self.first + self.pace * self.answer.count(" "))
        return self._generate(messages)

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.calls.append("stream")
        try:
            await asyncio.sleep(self.first)
            for number, word in enumerate(self.answer.split(" ")):
                if number:
                    await asyncio.sleep(self.pace)
                yield ChatGenerationChunk(message=AIMessageChunk(content=f" {word}" if number else word))
            last = AIMessageChunk(
                content="",
                usage_metadata=USAGE,
                response_metadata={"model_name": "slow-1"},
                chunk_position="last",
            )
            yield ChatGenerationChunk(message=last)
        finally:
            self.calls.append("closed")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def slow_model() -> Callable[..., SlowModel]:
    return SlowModel


@pytest.fixture
def serve() -> Iterator[Callable[..., Simulator]]:
    """Start a simulator with these settings."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Simulator:
            return stack.enter_context(Simulator(SimulatorSettings.model_validate(settings)))

        yield start
