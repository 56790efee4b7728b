"""Calls of OpenAI's own client keep the promises, in both of its APIs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import openai
from openai.types.chat import ChatCompletionMessage
from openai.types.responses import EasyInputMessage

from paceline.testing.adapter_suite import Provided, Scene
from paceline_adapters.openai import ChatExecutor, ResponsesExecutor

from .conftest import HttpSuite


@asynccontextmanager
async def client_for(scene: Scene, base_url: str) -> AsyncGenerator[openai.AsyncOpenAI, None]:
    async def look(request: object) -> None:
        scene.look()

    hooks = openai.DefaultAsyncHttpxClient(event_hooks={"request": [look]})
    async with openai.AsyncOpenAI(base_url=base_url, api_key="none", http_client=hooks) as client:
        yield client


class TestResponses(HttpSuite):
    lacks = {"suspend": "a call asks nobody"}  # noqa: RUF012

    @asynccontextmanager
    async def provide(self, scene: Scene) -> AsyncGenerator[Provided, None]:
        async with client_for(scene, f"{self.serve(scene)}/v1") as client:
            question = EasyInputMessage(role="user", content="What is the question?")
            yield Provided(
                ResponsesExecutor(client, model="poet-1"),
                {"input": [{"role": "user", "content": "What is the question?"}]},
                objects=[question],
            )


class TestChat(HttpSuite):
    lacks = {"suspend": "a call asks nobody"}  # noqa: RUF012

    @asynccontextmanager
    async def provide(self, scene: Scene) -> AsyncGenerator[Provided, None]:
        async with client_for(scene, f"{self.serve(scene)}/v1") as client:
            earlier = ChatCompletionMessage(role="assistant", content="To be?")
            yield Provided(
                ChatExecutor(client, model="poet-1"),
                {"messages": [{"role": "user", "content": "What is the question?"}]},
                objects=[earlier, {"role": "user", "content": "Or not?"}],
            )
