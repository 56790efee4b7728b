"""What a graph streams as a job: parts, text, the first token; and what its models used."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, HumanMessage, ToolMessage
from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph, add_messages

from paceline import Engine, Usage, current_job
from paceline.testing import VirtualClock
from paceline_adapters.langgraph import GraphExecutor, text_of

Model = Callable[..., Any]
USED = Usage(input_tokens=10, output_tokens=4, requests=1, model="slow-1")
Builder: Any = StateGraph  # its own types are half known


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    log: Annotated[list[str], operator.add]


def talking(model: Any, *, below: bool = False) -> Any:
    """A node that loads, one that says how it goes on, and a model, in a subgraph maybe."""

    async def load(state: State) -> dict[str, Any]:
        await asyncio.sleep(1.0)
        return {"log": ["loaded"]}

    async def tell(state: State) -> dict[str, Any]:
        get_stream_writer()("half way")
        return {"log": ["told"]}

    async def talk(state: State) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = Builder(State).add_node(load).add_node(tell)
    graph.add_edge(START, "load").add_edge("load", "tell").add_edge("tell", "talk")
    if below:
        inner = Builder(State).add_node("model", talk).add_edge(START, "model").compile()
        return graph.add_node("talk", inner).compile()
    return graph.add_node(talk).compile()


PAYLOAD = {"messages": [("user", "well?")], "log": []}


async def heard(executor: GraphExecutor, times: list[float] | None = None) -> tuple[list[Any], Any]:
    """All chunks of one job, and its result."""
    async with Engine(executor) as engine:
        handle = await engine.submit(PAYLOAD, stream=True)
        chunks: list[Any] = []
        async for chunk in handle.stream():
            chunks.append(chunk)
            if times is not None:
                times.append(asyncio.get_running_loop().time())
        return chunks, await handle.wait()


def test_chunks_are_langgraphs_parts_as_they_come(slow_model: Model) -> None:
    times: list[float] = []
    chunks, result = VirtualClock().run(lambda: heard(GraphExecutor(talking(slow_model())), times))
    kinds = [part["type"] for part in chunks]
    assert kinds == ["updates", "custom", "updates", *["messages"] * 5, "updates"]
    assert all(part["ns"] == () for part in chunks)
    assert chunks[0]["data"] == {"load": {"log": ["loaded"]}}
    assert chunks[1]["data"] == "half way"
    message, metadata = chunks[3]["data"]
    assert isinstance(message, AIMessageChunk)
    assert (message.content, metadata["langgraph_node"]) == ("to", "talk")
    assert times[3:7] == [2.0, 3.0, 4.0, 5.0]
    assert result.output["messages"][-1].content == "to be or not"
    assert result.output["log"] == ["loaded", "told"]


def test_the_text_of_a_stream_can_be_joined(slow_model: Model) -> None:
    chunks, _ = VirtualClock().run(lambda: heard(GraphExecutor(talking(slow_model()))))
    assert "".join(map(text_of, chunks)) == "to be or not"


@pytest.mark.parametrize("subgraphs", [False, True])
def test_subgraphs_stream_where_they_are_to_and_else_are_heard_as_their_node_ends(
    slow_model: Model, subgraphs: bool
) -> None:
    executor = GraphExecutor(talking(slow_model(), below=True), subgraphs=subgraphs)
    chunks, result = VirtualClock().run(lambda: heard(executor))
    words = [text for text in map(text_of, chunks) if text]
    assert words == (["to", " be", " or", " not"] if subgraphs else ["to be or not"])
    assert {part["ns"][0].partition(":")[0] for part in chunks if part["ns"]} == (
        {"talk"} if subgraphs else set()
    )
    assert result.output["log"] == ["loaded", "told"] * 2
    assert result.usage == USED


@pytest.mark.parametrize(
    ("modes", "kinds"),
    [("values", {"values"}), ("custom", {"custom"}), (["tasks", "messages"], {"tasks", "messages"})],
)
def test_modes_can_be_chosen(slow_model: Model, modes: Any, kinds: set[str]) -> None:
    executor = GraphExecutor(talking(slow_model()), stream_mode=modes)
    chunks, result = VirtualClock().run(lambda: heard(executor))
    assert {part["type"] for part in chunks} == kinds
    assert result.output["messages"][-1].content == "to be or not"


def test_only_a_models_words_are_text() -> None:
    def part(message: Any) -> dict[str, Any]:
        return {"type": "messages", "ns": (), "data": (message, {})}

    assert text_of(part(AIMessage("yes"))) == "yes"
    assert text_of(part(AIMessageChunk(content=[{"type": "text", "text": "yes"}]))) == "yes"
    for chunk in (
        part(HumanMessage("no")),
        part(ToolMessage("no", tool_call_id="1")),
        {"type": "custom", "ns": (), "data": "no"},
        {"no": "part"},
        "no",
        None,
    ):
        assert text_of(chunk) == ""


@pytest.mark.parametrize("stream", [False, True])
def test_each_call_of_a_model_is_counted_once(slow_model: Model, stream: bool) -> None:
    model = slow_model(calls=[])

    async def main() -> Any:
        async with Engine(GraphExecutor(talking(model))) as engine:
            return await (await engine.submit(PAYLOAD, stream=stream)).wait()

    assert VirtualClock().run(main).usage == USED
    assert model.calls == (["stream", "closed"] if stream else ["whole"])


@pytest.mark.parametrize("below", [False, True])
def test_followers_start_at_the_models_first_token_and_not_at_what_comes_before(
    slow_model: Model, below: bool
) -> None:
    async def main() -> tuple[list[float], list[Any]]:
        async with Engine(GraphExecutor(talking(slow_model(first=3.0), below=below))) as engine:
            group = await engine.submit_group("g", primer=PAYLOAD, followers=[PAYLOAD])
            assert group.primer is not None
            chunks: list[Any] = [chunk async for chunk in group.primer.stream()]
            results = await group.results()
        begun = results[0].attempts[0].started
        return [result.attempts[0].started - begun for result in results], chunks

    starts, chunks = VirtualClock().run(main)
    assert starts == [0.0, 4.0]
    assert [part["type"] for part in chunks][:3] == ["updates", "custom", "updates"]


def test_what_a_primer_without_a_model_streams_is_heard_at_its_end() -> None:
    async def load(state: State) -> dict[str, Any]:
        await asyncio.sleep(1.0)
        return {"log": ["loaded"]}

    async def more(state: State) -> dict[str, Any]:
        await asyncio.sleep(1.0)
        return {"log": ["more"]}

    graph = Builder(State).add_node(load).add_node(more)
    graph.add_edge(START, "load").add_edge("load", "more")

    async def main() -> tuple[float, int]:
        async with Engine(GraphExecutor(graph.compile())) as engine:
            group = await engine.submit_group("g", primer={"log": []}, followers=[{"log": []}])
            assert group.primer is not None
            chunks = [chunk async for chunk in group.primer.stream()]
            primer, follower = await group.results()
            return follower.attempts[0].started - primer.attempts[0].started, len(chunks)

    assert VirtualClock().run(main) == (2.0, 2)


def test_nodes_may_speak_to_their_job(slow_model: Model) -> None:
    async def node(state: State) -> dict[str, Any]:
        job = current_job()
        assert job is not None
        job.progress("half", 0.5)
        job.emit("said")
        return {"log": [job.job.name]}

    graph = Builder(State).add_node(node).add_edge(START, "node").compile()
    chunks, result = VirtualClock().run(lambda: heard(GraphExecutor(graph, stream_mode="custom")))
    assert chunks == ["said"]
    assert result.output["log"] == [result.name]
