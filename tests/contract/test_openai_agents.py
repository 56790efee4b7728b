"""Agents of the OpenAI Agents SDK keep the promises, with both of its models, a tool that asks included."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import openai
from agents import Agent, Model, OpenAIChatCompletionsModel, OpenAIResponsesModel, RunHooks

from paceline.testing.adapter_suite import Provided, Scene
from paceline_adapters.openai_agents import AgentExecutor, ask_user

from .conftest import HttpSuite


class Looking(RunHooks[Any]):
    """Hooks of the user's, which look around."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    async def on_llm_start(self, *args: Any, **kwargs: Any) -> None:
        self.scene.look()


class TestResponsesModel(HttpSuite):
    lacks = {"objects": "input items are plain data"}  # noqa: RUF012
    model: type[Model] = OpenAIResponsesModel

    @asynccontextmanager
    async def provide(self, scene: Scene) -> AsyncGenerator[Provided, None]:
        connections = openai.AsyncOpenAI(base_url=f"{self.serve(scene)}/v1", api_key="none", max_retries=0)
        async with connections as client:
            model = self.model("poet-1", client)  # type: ignore[call-arg]
            agent = Agent[Any]("Poet", model=model, tools=[ask_user])
            executor = AgentExecutor(agent, hooks=Looking(scene))
            yield Provided(executor, "What is the question?", bad_reply=7)


class TestChatCompletionsModel(TestResponsesModel):
    model = OpenAIChatCompletionsModel
