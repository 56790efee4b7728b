"""What a provider says of its limits, over HTTP: in answers, in streams, in refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import httpx2
import openai
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from paceline import (
    Engine,
    Failure,
    Job,
    JobContext,
    RateLimit,
    RateLimits,
    RetryPolicy,
    Usage,
    parse_rate_limits,
)
from paceline_adapters._langchain_core import usage_of
from paceline_adapters.langchain import RunnableExecutor
from paceline_integrations.simulator import Simulator

T = TypeVar("T")
Serve = Callable[..., Simulator]
Told = list[RateLimits]
PROMPT = ChatPromptTemplate.from_template("{x}")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """The limits that attempts tell of."""
    heard: Told = []
    tell = JobContext.rate_limits

    def hear(ctx: JobContext, said: Any) -> None:
        limits = said if isinstance(said, RateLimits) else parse_rate_limits(said)
        if limits is not None:
            heard.append(limits)
        tell(ctx, said)

    monkeypatch.setattr(JobContext, "rate_limits", hear)
    return heard


class Client:
    """Makes models with connections of their own, and runs a program that closes them at its end."""

    def __init__(self) -> None:
        self._open: list[openai.DefaultAsyncHttpxClient] = []

    def __call__(self, server: Simulator, **settings: Any) -> ChatOpenAI:
        connections = openai.DefaultAsyncHttpxClient()
        self._open.append(connections)
        return ChatOpenAI(
            model="simulator",
            base_url=server.base_url,
            api_key=SecretStr("none"),
            max_retries=0,
            http_async_client=connections,
            max_completion_tokens=8,
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


def one(executor: Any, *, stream: bool = False, retry: RetryPolicy | None = None) -> Any:
    async def main() -> Any:
        async with Engine(executor, retry=retry) as engine:
            return await (await engine.submit({"x": "go on"}, stream=stream)).wait()

    return main


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])
def test_an_answer_tells_what_is_left_once(
    chat: Client, serve: Serve, told: Told, stream: bool, responses: bool
) -> None:
    server = serve(rpm=60, tpm=6000)
    model = chat(server, include_response_headers=True, use_responses_api=responses)
    result = chat.run(one(PROMPT | model | StrOutputParser(), stream=stream))
    assert result.ok
    (limits,) = told
    assert limits.requests is not None
    assert limits.tokens is not None
    assert (limits.requests.limit, limits.requests.remaining) == (60, 59)
    assert limits.tokens.limit == 6000
    assert limits.requests.reset == pytest.approx(1.0, abs=0.5)
    assert result.usage.requests == 1


def test_a_stream_tells_what_is_left_when_it_begins(chat: Client, serve: Serve, told: Told) -> None:
    server = serve(rpm=60, decode_rate=5)
    model = chat(server, include_response_headers=True)

    async def main() -> tuple[int, str]:
        async with Engine(PROMPT | model) as engine:
            handle = await engine.submit({"x": "go on"}, stream=True)
            async with asyncio.timeout(10):
                async for _ in handle.stream():
                    if told:
                        break
            return len(told), handle.status

    assert chat.run(main) == (1, "running")


@pytest.mark.parametrize("stream", [False, True])
def test_headers_that_the_model_does_not_hand_out_are_not_asked_for(
    chat: Client, serve: Serve, told: Told, stream: bool
) -> None:
    result = chat.run(one(PROMPT | chat(serve(rpm=60)), stream=stream))
    assert "headers" not in result.output.response_metadata
    assert told == []


def test_what_langchains_cache_answers_tells_nothing(chat: Client, serve: Serve, told: Told) -> None:
    model = chat(serve(rpm=60), include_response_headers=True, cache=InMemoryCache())

    async def main() -> None:
        async with Engine(PROMPT | model, slots=1) as engine:
            for _ in range(2):
                await (await engine.submit({"x": "go on"}))

    chat.run(main)
    assert len(told) == 1


class Judged:
    """Runs a chain, and keeps what its errors were taken for."""

    def __init__(self, chain: Any) -> None:
        self._inner = RunnableExecutor(chain)
        self.failures: list[Failure] = []

    async def execute(self, job: Job, ctx: JobContext) -> object:
        return await self._inner.execute(job, ctx)

    def classify(self, error: Exception) -> Failure:
        failure = self._inner.classify(error)
        self.failures.append(failure)
        return failure


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_tells_which_limit_it_was_and_how_long_to_wait(
    chat: Client, serve: Serve, stream: bool
) -> None:
    server = serve(rpm=120, burst=0.01)  # one request, then half a second
    judged = Judged(PROMPT | chat(server))

    async def main() -> Any:
        async with Engine(judged, slots=1, retry=RetryPolicy(attempts=3, base=0.001)) as engine:
            handles = [await engine.submit({"x": str(n)}, stream=stream) for n in range(2)]
            return [await handle.wait() for handle in handles]

    results = chat.run(main)
    assert all(result.ok for result in results)
    assert server.stats().rejected == 1, "it waited long enough"
    (failure,) = judged.failures
    assert failure.fault == "limit"
    assert 0.3 < (failure.retry_after or 0) <= 0.5
    assert failure.limits is not None
    assert failure.limits.exhausted == ("requests",)
    assert failure.limits.requests is not None
    assert (failure.limits.requests.limit, failure.limits.requests.remaining) == (120, 0)
    assert failure.limits.requests.reset == pytest.approx(0.5, abs=0.2)


def test_a_request_that_never_fits_is_not_tried_again(chat: Client, serve: Serve) -> None:
    judged = Judged(PROMPT | chat(serve(tpm=5)))
    result = chat.run(one(judged, retry=RetryPolicy(attempts=3)))
    assert len(result.attempts) == 1
    assert judged.failures[0].limits == RateLimits(tokens=RateLimit(5, 5, 0.0))


def test_a_refusal_without_retry_after_waits_for_the_reset_of_what_is_used_up() -> None:
    headers = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m30s"}
    response = httpx2.Response(429, headers=headers, request=httpx2.Request("POST", "http://test/v1"))
    error = openai.RateLimitError("slow down", response=response, body=None)
    expected = RateLimits(tokens=RateLimit(None, 0, 90.0))
    assert RunnableExecutor(RunnableLambda(len)).classify(error) == Failure(True, 90.0, "limit", expected)


def test_an_estimate_holds_what_the_call_then_uses(chat: Client, serve: Serve) -> None:
    """The simulator counts four characters a token too, and what frames a message by its own rule."""
    executor = RunnableExecutor(PROMPT | chat(serve()) | StrOutputParser())
    payload = {"x": "the tide comes in and the tide goes out " * 40}
    estimate = executor.estimate(Job("id", "n", "chain", payload))

    async def main() -> Usage:
        async with Engine(executor) as engine:
            handle = await engine.submit(payload)
            await handle
            usage = (await handle.wait()).usage
            assert usage is not None
            return usage

    usage = chat.run(main)
    assert executor.resources == ("simulator",)
    assert estimate is not None
    assert estimate.input_tokens == pytest.approx(usage.input_tokens, rel=0.1)
    assert (estimate.output_tokens, estimate.requests) == (usage.output_tokens, usage.requests) == (8, 1)


# What was used, where models say it in other ways.


def result_of(message: AIMessage, output: dict[str, Any] | None = None) -> LLMResult:
    return LLMResult(generations=[[ChatGeneration(message=message)]], llm_output=output)


TOKENS = {
    "prompt_tokens": 100,
    "completion_tokens": 10,
    "prompt_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 30},
    "completion_tokens_details": {"reasoning_tokens": 4},
}
WHOLE = Usage(100, 64, 30, 10, 4, 1, model="m")


def test_usage_that_comes_beside_the_message_is_read_as_well() -> None:
    plain = AIMessage("yes")
    assert usage_of(result_of(plain, {"token_usage": TOKENS, "model_name": "m"})) == WHOLE
    told = AIMessage("yes", response_metadata={"token_usage": TOKENS, "model_name": "m"})
    assert usage_of(result_of(told)) == WHOLE


@pytest.mark.parametrize("nonsense", [None, "many", -1, 1.5, True, {}])
def test_numbers_of_tokens_that_are_none_are_unknown(nonsense: Any) -> None:
    tokens = {"prompt_tokens": nonsense, "completion_tokens": 10, "prompt_tokens_details": nonsense}
    assert usage_of(result_of(AIMessage("yes"), {"token_usage": tokens})) == Usage(
        output_tokens=10, requests=1
    )


class Nameless(GenericFakeChatModel):
    """Has a name, but its answers do not say it."""

    model_name: str = "mine"


def test_an_answer_that_names_no_model_is_of_the_only_one_in_the_chain() -> None:
    def used(*models: Any) -> Any:
        chain = RunnableParallel({str(number): model for number, model in enumerate(models)})
        return asyncio.run(one(PROMPT | chain)()).usage

    def model(name: str = "mine") -> Nameless:
        return Nameless(messages=iter([AIMessage("yes")]), model_name=name)

    assert used(model()) == Usage(requests=1, model="mine")
    assert used(model(), model()) == Usage(requests=2, model="mine")
    assert used(model(), model("other")) == Usage(requests=2)
