"""The whole way: graphs that call ChatOpenAI over HTTP, against the simulator."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypedDict, TypeVar

import openai
import pytest
from langchain_core.messages import AnyMessage
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph, add_messages
from langgraph.types import interrupt
from pydantic import SecretStr

from paceline import Engine, GroupPolicy, RetryPolicy, Usage
from paceline_adapters.langgraph import GraphExecutor, text_of
from paceline_integrations.simulator import Simulator

T = TypeVar("T")
Serve = Callable[..., Simulator]
DOCUMENT = "the tide comes in and the tide goes out " * 40
Builder: Any = StateGraph  # its own types are half known


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    log: Annotated[list[str], operator.add]


class Client:
    """Makes models with connections of their own, and runs a program that closes them at its end."""

    def __init__(self) -> None:
        self._open: list[openai.DefaultAsyncHttpxClient] = []

    def __call__(self, server: Simulator, *, simulate: str | None = None, **settings: Any) -> ChatOpenAI:
        connections = openai.DefaultAsyncHttpxClient()
        self._open.append(connections)
        return ChatOpenAI(
            model="simulator",
            base_url=server.base_url,
            api_key=SecretStr("none"),
            max_retries=0,
            http_async_client=connections,
            default_headers=None if simulate is None else {"x-simulate": simulate},
            stream_usage=True,
            **settings,
        )

    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async def whole() -> T:
            try:
                return await main()
            finally:
                for each in self._open:
                    await each.aclose()

        return asyncio.run(whole())


@pytest.fixture
def chat() -> Client:
    return Client()


def asking(model: ChatOpenAI, ran: list[str], failing: ChatOpenAI | None = None) -> Any:
    """A draft, a question, and a letter; the letter's first call may be given to another model."""
    models = [failing] if failing is not None else []

    async def draft(state: State) -> dict[str, Any]:
        ran.append("draft")
        return {"messages": [await model.ainvoke(state["messages"])]}

    async def ask(state: State) -> dict[str, Any]:
        answer = interrupt("send it?")
        ran.append(f"ask={answer}")
        return {"log": [str(answer)]}

    async def letter(state: State) -> dict[str, Any]:
        ran.append("letter")
        return {"messages": [await (models.pop() if models else model).ainvoke(state["messages"])]}

    graph = Builder(State).add_node(draft).add_node(ask).add_node(letter)
    graph.add_edge(START, "draft").add_edge("draft", "ask").add_edge("ask", "letter")
    return graph.compile(checkpointer=InMemorySaver())


def answering(model: ChatOpenAI) -> Any:
    async def answer(state: State) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return Builder(State).add_node(answer).add_edge(START, "answer").compile(checkpointer=InMemorySaver())


def payload(ask: str) -> dict[str, Any]:
    return {"messages": [("system", DOCUMENT), ("user", ask)]}


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - it happens in the server, which has no event for it
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_error_after_the_reply_neither_loses_nor_repeats_the_answer(
    chat: Client, serve: Serve, stream: bool
) -> None:
    server, ran = serve(), list[str]()
    graph = asking(chat(server, max_completion_tokens=5), ran, chat(server, simulate="status=503"))

    async def main() -> Any:
        async with Engine(GraphExecutor(graph), retry=RetryPolicy(base=0.0)) as engine:
            handle = await engine.submit(payload("write"), stream=stream)
            assert (await handle.wait()).status == "suspended"
            await engine.reply(handle.id, "yes")
            return await handle.wait()

    result = chat.run(main)
    assert [attempt.outcome for attempt in result.attempts] == ["suspended", "failed", "succeeded"]
    assert ran == ["draft", "ask=yes", "letter", "letter"]
    assert result.output["log"] == ["yes"]
    stats = server.stats()
    assert (result.usage.requests, result.usage.input_tokens) == (2, stats.prompt_tokens)


@pytest.mark.parametrize("stream", [False, True])
def test_usage_is_what_the_provider_counted(chat: Client, serve: Serve, stream: bool) -> None:
    server = serve()
    graph = answering(chat(server, max_completion_tokens=8))

    async def main() -> Usage:
        total = Usage()
        async with Engine(GraphExecutor(graph), slots=1) as engine:
            async for result in engine.map([payload(str(n)) for n in range(4)], stream=stream):
                assert result.usage is not None
                total += result.usage
        return total

    total, stats = chat.run(main), server.stats()
    assert (total.requests, total.output_tokens) == (4, 4 * 8)
    assert (total.input_tokens, total.cached_tokens) == (stats.prompt_tokens, stats.cached_tokens)


def test_followers_start_before_the_primers_answer_is_complete_and_find_its_prefix(
    chat: Client, serve: Serve
) -> None:
    server = serve(decode_rate=100)
    graph = answering(chat(server, max_completion_tokens=40))

    async def main() -> Any:
        async with Engine(GraphExecutor(graph)) as engine:
            group = await engine.submit_group(
                "g", primer=payload("sum up"), followers=[payload("risks?")] * 3
            )
            return await group.results()

    primer, *followers = chat.run(main)
    assert all(each.ok for each in (primer, *followers))
    assert [each.attempts[0].started < primer.attempts[0].ended for each in followers] == [True] * 3
    assert all(each.usage.cached_tokens > 0.8 * each.usage.input_tokens for each in followers)


def test_forked_followers_go_on_from_the_primers_answer_and_find_it_cached(
    chat: Client, serve: Serve
) -> None:
    server = serve()
    graph = answering(chat(server, max_completion_tokens=8))

    async def main() -> Any:
        async with Engine(GraphExecutor(graph, thread="fork")) as engine:
            group = await engine.submit_group(
                "g",
                primer=payload("plan"),
                followers=[{"messages": [("user", f"step {n}")]} for n in range(3)],
                policy=GroupPolicy(release="complete"),
            )
            return await group.results()

    _, *followers = chat.run(main)
    assert [len(each.output["messages"]) for each in followers] == [5] * 3
    assert all(each.usage.cached_tokens > 0.8 * each.usage.input_tokens for each in followers)


def test_text_streams_as_the_provider_sends_it(chat: Client, serve: Serve) -> None:
    server = serve(decode_rate=200)
    graph = answering(chat(server, max_completion_tokens=12))

    async def main() -> tuple[list[str], Any]:
        async with Engine(GraphExecutor(graph)) as engine:
            handle = await engine.submit(payload("go"), stream=True)
            words = [text async for chunk in handle.stream() if (text := text_of(chunk))]
            return words, await handle

    words, output = chat.run(main)
    assert len(words) > 3
    assert "".join(words) == output["messages"][-1].content


@pytest.mark.parametrize("stream", [False, True])
def test_cancelling_ends_the_request_at_the_server(chat: Client, serve: Serve, stream: bool) -> None:
    server = serve(decode_rate=10)
    graph = answering(chat(server, max_completion_tokens=1000))

    async def main() -> None:
        async with Engine(GraphExecutor(graph)) as engine:
            handle = await engine.submit(payload("go on and on"), stream=stream)
            if stream:
                async for _ in handle.stream():
                    break
            else:
                await until(lambda: server.stats().running == 1)
            assert handle.cancel("enough")
            await until(lambda: server.stats().running == 0)
            await until(lambda: engine.snapshot().abandoned == ())

    chat.run(main)


@pytest.mark.parametrize(
    ("simulate", "attempts"), [("status=400", 1), ("status=401", 1), ("status=429", 3), ("status=500", 3)]
)
def test_errors_of_the_provider_are_tried_again_where_that_may_help(
    chat: Client, serve: Serve, simulate: str, attempts: int
) -> None:
    server = serve()
    graph = answering(chat(server, simulate=simulate))

    async def main() -> Any:
        async with Engine(GraphExecutor(graph), retry=RetryPolicy(attempts=3, base=0.0, cap=0.01)) as engine:
            return await (await engine.submit(payload("go"))).wait()

    assert len(chat.run(main).attempts) == attempts
