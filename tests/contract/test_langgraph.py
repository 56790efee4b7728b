"""Graphs of LangGraph's keep the promises, a node that asks a person included."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import openai
from langchain_core.messages import HumanMessage
from langchain_core.runnables import Runnable
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import MessagesState, StateGraph
from langgraph.types import interrupt
from pydantic import SecretStr

from paceline.testing.adapter_suite import Provided, Scene
from paceline_adapters.langgraph import GraphExecutor, text_of

from .conftest import HttpSuite


def graph_for(scene: Scene, model: Runnable[Any, Any], *, saved: bool) -> Any:
    async def ask(state: MessagesState) -> dict[str, Any]:
        scene.look()
        if scene.question is not None:
            interrupt(scene.question, response_schema=str)
        return {}

    async def answer(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    builder: Any = StateGraph(MessagesState)
    builder.add_node("ask", ask)
    builder.add_node("answer", answer)
    builder.set_entry_point("ask")
    builder.add_edge("ask", "answer")
    return builder.compile(checkpointer=InMemorySaver() if saved else None)


def read(said: Any) -> str:
    """The text of a chunk, or of the last message of an output."""
    return str(said["messages"][-1].text) if "messages" in said else text_of(said)


class TestGraph(HttpSuite):
    saved = True

    @asynccontextmanager
    async def provide(self, scene: Scene) -> AsyncGenerator[Provided, None]:
        async with openai.DefaultAsyncHttpxClient() as connections:
            model = ChatOpenAI(
                model="poet-1",
                base_url=f"{self.serve(scene)}/v1",
                api_key=SecretStr("none"),
                max_retries=0,
                stream_usage=True,
                http_async_client=connections,
            )
            yield Provided(
                GraphExecutor(graph_for(scene, model, saved=self.saved)),
                {"messages": [{"role": "user", "content": "What is the question?"}]},
                text=read,
                objects={"messages": [HumanMessage("What is the question?")]},
                bad_reply=7,
            )


class TestGraphWithoutACheckpointer(TestGraph):
    lacks = {"suspend": "what is asked must be kept somewhere"}  # noqa: RUF012
    saved = False
