"""What frameworks do inside of an attempt is traced below it: chains, graphs, clients and agents."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypedDict

import openai
import pytest
from agents import Agent, function_tool
from agents.testing import ScriptedModel, assistant_message, function_call
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr

from paceline import Engine
from paceline_adapters.openai import ChatExecutor
from paceline_integrations.otel import OpenTelemetryMiddleware
from paceline_integrations.simulator import Simulator, SimulatorSettings

Builder: Any = StateGraph  # its own types are half known

DOCUMENT = "The tide comes in, the tide goes out. " * 200


class Kept:
    """A provider whose spans are kept."""

    def __init__(self, **options: Any) -> None:
        self._exporter: InMemorySpanExporter = InMemorySpanExporter()
        self.provider: TracerProvider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.middleware: OpenTelemetryMiddleware = OpenTelemetryMiddleware(self.provider, **options)
        self.tracer: Any = self.provider.get_tracer("somebody's own")

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def path(self, span: ReadableSpan) -> list[str]:
        """The names from the top down to it."""
        if span.parent is None:
            return [span.name]
        above = [each for each in self.spans if _id(each) == span.parent.span_id]
        assert len(above) == 1, f"{span.name} is an orphan"
        return [*self.path(above[0]), span.name]

    def used(self, name: str) -> int:
        """The sum of that over all spans."""
        return sum(int(str((span.attributes or {}).get(name, 0))) for span in self.spans)


def _id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture(scope="module")
def server() -> Iterator[Simulator]:
    with Simulator(SimulatorSettings()) as found:
        yield found


def test_a_chain_of_langchain(kept: Kept, server: Simulator) -> None:
    model = ChatOpenAI(model="simulator", base_url=server.base_url, api_key=SecretStr("none"), max_retries=0)

    async def note(prompt: Any) -> Any:
        with kept.tracer.start_as_current_span("my step"):
            return prompt

    prompt = ChatPromptTemplate.from_messages([("system", "{document}"), ("human", "{ask}")])
    chain: Any = prompt | RunnableLambda(note) | model | StrOutputParser()

    async def main() -> None:
        async with Engine({"chain": chain}, middleware=[kept.middleware]) as engine:
            primer: Any = {"document": DOCUMENT, "ask": "Sum it up."}
            followers = [{"document": DOCUMENT, "ask": f"Name {number}."} for number in range(3)]
            group = await engine.submit_group("tides", executor="chain", primer=primer, followers=followers)
            results = await group.results()
            usages = [result.usage for result in results]
            assert kept.used("gen_ai.usage.input_tokens") == sum(
                usage.input_tokens or 0 for usage in usages if usage
            )
            assert kept.used("gen_ai.usage.cache_read.input_tokens") > 0, "of the followers"

    asyncio.run(main())
    steps = kept.named("my step")
    assert len(steps) == 4
    for step in steps:
        assert kept.path(step)[1:-2] == ["paceline.group tides"]
        assert kept.path(step)[-2] in {"primer chain", "follower chain"}


class State(TypedDict):
    log: Annotated[list[Any], operator.add]


def test_a_graph_of_langgraph_that_asks(kept: Kept) -> None:
    async def left(state: State) -> dict[str, Any]:
        with kept.tracer.start_as_current_span("left"):
            await asyncio.sleep(0)
            return {"log": ["left"]}

    async def right(state: State) -> dict[str, Any]:
        with kept.tracer.start_as_current_span("right"):
            return {"log": ["right"]}

    def ask(state: State) -> dict[str, Any]:
        with kept.tracer.start_as_current_span("asking"):
            return {"log": [interrupt("sure?")]}

    builder = Builder(State).add_node("left", left).add_node("right", right).add_node("ask", ask)
    builder = (
        builder.add_edge(START, "left").add_edge(START, "right").add_edge("left", "ask").add_edge("ask", END)
    )
    graph = builder.compile(checkpointer=InMemorySaver())

    async def main() -> None:
        async with Engine({"graph": graph}, middleware=[kept.middleware]) as engine:
            handle = await engine.submit({"log": []}, executor="graph", name="asks")
            await handle.wait()
            await engine.reply(handle.id, "yes")
            await handle

    asyncio.run(main())
    asked, went_on = kept.named("asks")
    assert [(asked.attributes or {})["paceline.outcome"], (went_on.attributes or {})["paceline.outcome"]] == [
        "suspended",
        "succeeded",
    ]
    assert went_on.links[0].context.span_id == _id(asked)
    for name in ("left", "right", "asking"):
        assert kept.path(kept.named(name)[0])[-2] == "asks"
    assert not [span for span in kept.spans if span.name == "asks" and not span.status.is_unset]


def test_a_client_of_openai(kept: Kept, server: Simulator) -> None:
    async def sending(request: Any) -> None:
        with kept.tracer.start_as_current_span("POST"):
            await asyncio.sleep(0)

    async def main() -> None:
        transport = openai.DefaultAsyncHttpxClient(event_hooks={"request": [sending]})
        async with openai.AsyncOpenAI(
            base_url=server.base_url, api_key="none", http_client=transport
        ) as client:
            executor = ChatExecutor(client, model="simulator")
            async with Engine({"chat": executor}, middleware=[kept.middleware]) as engine:
                for number in range(3):
                    await engine.submit(f"Hello {number}", executor="chat")

    asyncio.run(main())
    assert [kept.path(span)[1:] for span in kept.named("POST")] == [["job chat", "POST"]] * 3
    for span in kept.named("job chat"):
        assert (span.attributes or {})["gen_ai.response.model"] == "simulator"
        assert (span.attributes or {})["gen_ai.usage.input_tokens"] == (span.attributes or {})[
            "paceline.usage.input_tokens"
        ]


def agent(tool: Callable[..., Any]) -> Agent[Any]:
    steps = [[function_call("look_up", '{"city": "Oslo"}', call_id="c1")], [assistant_message("rain")]]
    return Agent(name="Clerk", model=ScriptedModel(steps, emit_traces=True), tools=[function_tool(tool)])


def test_an_agent_of_openai(kept: Kept) -> None:
    async def look_up(city: str) -> str:
        """Look up the weather."""
        with kept.tracer.start_as_current_span("http"):
            return f"rain in {city}"

    async def main() -> None:
        async with Engine({"clerk": agent(look_up)}, middleware=[kept.middleware]) as engine:
            assert await (await engine.submit("weather?", executor="clerk")) == "rain"

    asyncio.run(main())
    path = kept.path(kept.named("http")[0])
    assert path[1] == "job clerk"
    assert path[-3:-1] == ["turn 1", "execute_tool look_up"]
    assert "invoke_agent Clerk" in path
    for span in kept.spans:
        kept.path(span)
    assert "Oslo" not in str([span.to_json() for span in kept.spans])
    assert kept.used("gen_ai.usage.input_tokens") == kept.used("paceline.usage.input_tokens")
