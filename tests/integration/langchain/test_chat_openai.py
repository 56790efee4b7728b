"""The whole way: chains of prompt, ChatOpenAI and parser over HTTP, against the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

import openai
import pytest
from langchain_core.output_parsers import BaseOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableGenerator, RunnableLambda
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from paceline import Engine, RetryPolicy, StreamRestarted, Usage
from paceline_integrations.simulator import Simulator

T = TypeVar("T")
Serve = Callable[..., Simulator]
PROMPT = ChatPromptTemplate.from_template("{document}\n\n{ask}")
DOCUMENT = "the tide comes in and the tide goes out " * 40


class ShoutParser(BaseOutputParser[str]):
    """Wants the whole answer before it says anything."""

    def parse(self, text: str) -> str:
        return text.upper()


class Client:
    """Makes models with connections of their own, and runs a program that closes them at its end."""

    def __init__(self) -> None:
        self._open: list[openai.DefaultAsyncHttpxClient] = []

    def __call__(
        self, server: Simulator, *, simulate: str | None = None, model: str = "simulator", **settings: Any
    ) -> ChatOpenAI:
        connections = openai.DefaultAsyncHttpxClient()
        self._open.append(connections)
        return ChatOpenAI(
            model=model,
            base_url=server.base_url,
            api_key=SecretStr("none"),
            max_retries=0,
            http_async_client=connections,
            default_headers=None if simulate is None else {"x-simulate": simulate},
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


def payload(ask: str) -> dict[str, str]:
    return {"document": DOCUMENT, "ask": ask}


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - it happens in the server, which has no event for it
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("parser", [StrOutputParser(), ShoutParser()], ids=["streams", "holds back"])
def test_followers_start_before_the_primers_answer_is_complete_and_find_its_prefix(
    chat: Client, serve: Serve, parser: Runnable[Any, Any]
) -> None:
    server = serve(decode_rate=100)
    chain = PROMPT | chat(server, max_completion_tokens=40) | parser

    async def main() -> Any:
        async with Engine(chain) as engine:
            group = await engine.submit_group(
                "g", primer=payload("sum up"), followers=[payload("risks?")] * 3
            )
            return await group.results()

    primer, *followers = chat.run(main)
    assert all(each.ok for each in (primer, *followers))
    assert [each.attempts[0].started < primer.attempts[0].ended for each in followers] == [True] * 3
    assert primer.usage.cached_tokens == 0
    assert all(each.usage.cached_tokens > 0.8 * each.usage.input_tokens for each in followers)


@pytest.mark.parametrize("stream", [False, True])
def test_usage_is_what_the_provider_counted(chat: Client, serve: Serve, stream: bool) -> None:
    """Streamed as well, although ChatOpenAI leaves usage off on another base URL."""
    server = serve()
    chain = PROMPT | chat(server, max_completion_tokens=8) | StrOutputParser()

    async def main() -> Usage:
        total = Usage()
        async with Engine(chain, slots=1) as engine:
            async for result in engine.map([payload(str(n)) for n in range(4)], stream=stream):
                assert result.ok
                assert result.usage is not None
                total += result.usage
        return total

    total, stats = chat.run(main), server.stats()
    assert (total.requests, total.model) == (4, "simulator")
    assert (total.input_tokens, total.cached_tokens) == (stats.prompt_tokens, stats.cached_tokens)
    assert total.output_tokens == 4 * 8
    assert stats.cached_tokens > 0


@pytest.mark.parametrize("stream", [False, True])
def test_cancelling_a_job_ends_its_request(chat: Client, serve: Serve, stream: bool) -> None:
    server = serve(decode_rate=1)
    chain = PROMPT | chat(server) | StrOutputParser()

    async def main() -> str:
        async with Engine(chain) as engine:
            handle = await engine.submit(payload("go on"), stream=stream)
            await until(lambda: server.stats().running == 1)
            handle.cancel("enough")
            await until(lambda: server.stats().cancelled == 1)
            return (await handle.wait()).status

    assert chat.run(main) == "cancelled"
    assert server.stats().running == 0


def test_a_parser_that_raises_mid_stream_leaves_no_request_open(chat: Client, serve: Serve) -> None:
    server = serve(decode_rate=20)

    async def refuse(parts: AsyncIterator[str]) -> AsyncIterator[str]:
        async for part in parts:
            if part:
                raise RuntimeError("enough")
            yield part

    chain = PROMPT | chat(server) | StrOutputParser() | RunnableGenerator(refuse)

    async def main() -> Any:
        async with Engine(chain) as engine:
            result = await (await engine.submit(payload("go on"), stream=True)).wait()
            await until(lambda: server.stats().cancelled == 1)
            return result

    result = chat.run(main)
    assert (result.status, result.error.message) == ("failed", "enough")


def test_the_engine_waits_as_long_as_a_429_says(chat: Client, serve: Serve) -> None:
    server = serve()
    chain = PROMPT | chat(server, simulate="status=429, retry-after=0.4, first=1")

    async def main() -> Any:
        async with Engine(chain, retry=RetryPolicy(attempts=2, base=0.001), slots=1) as engine:
            handle = await engine.submit(payload("go on"))
            await until(lambda: handle.waiting is not None)
            other = await engine.submit(payload("me first"), executor=PROMPT | chat(server, model="other"))
            await other
            assert (await other.wait()).usage is not None
            assert handle.status == "waiting", "the wait holds no slot"
            return await handle.wait()

    result = chat.run(main)
    refused, answered = result.attempts
    assert result.ok
    assert refused.error.type.endswith("RateLimitError")
    assert answered.started - refused.ended >= 0.4
    assert result.usage.requests == 1


def test_a_429_holds_all_jobs_of_its_model_whatever_their_chain(chat: Client, serve: Serve) -> None:
    server = serve()
    chain = PROMPT | chat(server, simulate="status=429, retry-after=0.4, first=1")
    alike = PROMPT | chat(server)

    async def main() -> Any:
        async with Engine(chain, retry=RetryPolicy(attempts=2, base=0.001), slots=2) as engine:
            handle = await engine.submit(payload("go on"))
            await until(lambda: handle.waiting is not None)
            other = await engine.submit(payload("me too"), executor=alike)
            assert other.waiting is not None
            assert (other.waiting.kind, other.waiting.on) == ("retry_after", "simulator")
            return await handle.wait(), await other.wait()

    refused, other = chat.run(main)
    assert refused.ok
    assert other.ok
    assert other.attempts[0].started - refused.attempts[0].ended >= 0.4
    assert server.stats().requests == 3


def test_an_answer_dropped_in_the_middle_is_tried_again(chat: Client, serve: Serve) -> None:
    server = serve()
    chain = PROMPT | chat(server, simulate="drop=3, first=1", max_completion_tokens=8) | StrOutputParser()

    async def main() -> tuple[list[str], list[str], Any]:
        async with Engine(chain, retry=RetryPolicy(attempts=2, base=0.001)) as engine:
            handle = await engine.submit(payload("go on"))
            first: list[str] = []

            async def listen() -> None:
                async for chunk in handle.stream():
                    first.append(chunk)  # noqa: PERF401 - what came before the error is wanted too

            with pytest.raises(StreamRestarted):
                await listen()
            second = [chunk async for chunk in handle.stream()]
            return first, second, await handle.wait()

    first, second, result = chat.run(main)
    assert [bool("".join(first)), "".join(second)] == [True, result.output]
    assert [attempt.outcome for attempt in result.attempts] == ["failed", "succeeded"]


def test_a_wrong_request_is_tried_once(chat: Client, serve: Serve) -> None:
    server = serve()
    chain = PROMPT | chat(server, simulate="status=400")

    async def main() -> Any:
        async with Engine(chain, retry=RetryPolicy(attempts=3)) as engine:
            return await (await engine.submit(payload("go on"))).wait()

    assert len(chat.run(main).attempts) == 1
    assert server.stats().requests == 1


def test_a_model_called_in_a_thread_by_a_sync_function_is_heard(chat: Client, serve: Serve) -> None:
    server = serve(decode_rate=200)
    model = chat(server, max_completion_tokens=20, stream_usage=True)

    def ask(given: dict[str, str]) -> str:
        return str(model.invoke(PROMPT.invoke(given)).content)

    async def main() -> Any:
        async with Engine(RunnableLambda(ask)) as engine:
            group = await engine.submit_group("g", primer=payload("sum up"), followers=[payload("risks?")])
            return await group.results()

    primer, follower = chat.run(main)
    assert follower.attempts[0].started < primer.attempts[0].ended
    assert (primer.usage.output_tokens, follower.usage.output_tokens) == (20, 20)
