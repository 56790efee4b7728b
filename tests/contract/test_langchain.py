"""Chains of LangChain's keep the promises, with the real client over HTTP and with a fake model."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import openai
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from paceline.testing.adapter_suite import AdapterSuite, Provided, Scene
from paceline_adapters.langchain import RunnableExecutor

from .conftest import HttpSuite

ASK = ChatPromptTemplate.from_messages([("placeholder", "{history}"), ("user", "{ask}")])
PAYLOAD = {"ask": "What is the question?"}
OBJECTS = {"ask": "What is the question?", "history": [HumanMessage("Hail."), AIMessage("My lord.")]}


class Looking(BaseCallbackHandler):
    """A callback of the user's, which looks around."""

    run_inline = True

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        self.scene.look()


def text_of(said: Any) -> str:
    return str(said.text)


class TestChatOpenAI(HttpSuite):
    lacks = {"suspend": "a chain asks nobody"}  # noqa: RUF012

    @asynccontextmanager
    async def provide(self, scene: Scene) -> AsyncGenerator[Provided, None]:
        async with openai.DefaultAsyncHttpxClient() as connections:
            model = ChatOpenAI(
                model="poet-1",
                base_url=f"{self.serve(scene)}/v1",
                api_key=SecretStr("none"),
                max_retries=0,
                http_async_client=connections,
            )
            chain = RunnableExecutor(ASK | model, config={"callbacks": [Looking(scene)]})
            yield Provided(chain, PAYLOAD, text=text_of, objects=OBJECTS)


class FakeModel(BaseChatModel):
    """A chat model that plays a scene."""

    scene: Any

    @property
    def _llm_type(self) -> str:
        return "fake"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        async with aclosing(self.scene.play()) as chunks:
            said = "".join([chunk async for chunk in chunks])
        return ChatResult(generations=[ChatGeneration(message=AIMessage(said, usage_metadata=self._usage()))])

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncGenerator[ChatGenerationChunk, None]:
        yield ChatGenerationChunk(message=AIMessageChunk(content=""))
        async with aclosing(self.scene.play()) as chunks:
            async for chunk in chunks:
                yield ChatGenerationChunk(message=AIMessageChunk(content=chunk))
        last = AIMessageChunk(content="", usage_metadata=self._usage(), chunk_position="last")
        yield ChatGenerationChunk(message=last)

    def _usage(self) -> Any:
        usage = self.scene.usage
        return {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "total_tokens": usage.tokens,
            "input_token_details": {"cache_read": usage.cached_tokens},
        }


class TestFakeModel(AdapterSuite):
    lacks = {"suspend": "a chain asks nobody"}  # noqa: RUF012

    @asynccontextmanager
    async def provide(self, scene: Scene) -> AsyncGenerator[Provided, None]:
        yield Provided(ASK | FakeModel(scene=scene), PAYLOAD, text=text_of, objects=OBJECTS)
