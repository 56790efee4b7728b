"""What a job is said to have used, and which errors are worth another attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import openai
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import FakeListLLM, GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import PydanticToolsParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from paceline import Engine, Failure, JobFailed, RetryPolicy, Usage
from paceline.testing import VirtualClock
from paceline_adapters.langchain import RunnableExecutor

Model = Callable[..., Any]


def used(runnable: Runnable[Any, Any], *, stream: bool = False) -> Usage | None:
    """What a job used."""

    async def main() -> Usage | None:
        async with Engine(runnable) as engine:
            handle = await engine.submit("x", stream=stream)
            await handle
            return (await handle.wait()).usage

    return VirtualClock().run(main)


def told(**details: Any) -> dict[str, Any]:
    return {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110, **details}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (told(), Usage(100, None, None, 10, None, 1)),
        (
            told(
                input_token_details={"cache_read": 64, "cache_creation": 30, "audio": 1},
                output_token_details={"reasoning": 4},
            ),
            Usage(100, 64, 30, 10, 4, 1),
        ),
        (
            told(
                input_token_details={"priority": 36, "priority_cache_read": 64},
                output_token_details={"priority": 6, "priority_reasoning": 4},
            ),
            Usage(100, 64, None, 10, 4, 1),
        ),
        (
            told(
                input_token_details={
                    "cache_read": 0,
                    "cache_creation": 0,
                    "ephemeral_5m_input_tokens": 20,
                    "ephemeral_1h_input_tokens": 5,
                }
            ),
            Usage(100, 0, 25, 10, None, 1),
        ),
    ],
    ids=["plain", "cached", "service tier", "times to live"],
)
def test_cached_tokens_are_counted_once(
    stream: bool, usage: dict[str, Any], expected: Usage, slow_model: Model
) -> None:
    got = used(slow_model(usage=usage), stream=stream)
    assert got is not None
    assert got == expected + Usage(model="slow-1")


def test_every_model_call_of_a_job_is_counted(slow_model: Model) -> None:
    one, other = slow_model(usage=told()), slow_model(usage=told(input_tokens=5))

    def later(given: Any) -> str:
        # In a thread, by the sync call, without a config: LangChain's context is all there is.
        return str(other.invoke("y").content)

    got = used(RunnableParallel(a=one, b=one) | RunnableLambda(later))
    assert got == Usage(205, None, None, 30, None, 3, model="slow-1")


def test_a_call_that_tells_nothing_is_a_request_of_unknown_size() -> None:
    assert used(GenericFakeChatModel(messages=iter([AIMessage("yes")]))) == Usage(requests=1)
    assert used(FakeListLLM(responses=["yes"])) == Usage(requests=1)


def test_what_langchains_cache_answers_counts_no_tokens_and_no_request(slow_model: Model) -> None:
    model = slow_model(usage=told(), cache=InMemoryCache())
    assert used(model) == Usage(100, None, None, 10, None, 1, model="slow-1")
    assert used(model) is None


def test_a_stream_that_was_cut_short_counts_as_a_request(slow_model: Model) -> None:
    async def main() -> Any:
        async with Engine(slow_model(usage=told(), pace=100.0), slots=1) as engine:
            handle = await engine.submit("x", stream=True, timeout=50.0)
            await handle.wait()
            await asyncio.sleep(0.01)  # its code ends after its job
            return await handle.wait()

    result = VirtualClock().run(main)
    assert (result.status, result.usage) == ("failed", Usage(requests=1))


def client(**settings: Any) -> ChatOpenAI:
    return ChatOpenAI(model="m", api_key=SecretStr("none"), base_url="http://127.0.0.1:9/v1", **settings)


def inner(executor: RunnableExecutor) -> ChatOpenAI:
    """The model that the executor really runs."""
    prepared: Any = executor._prepared
    return next(step for step in prepared.steps if isinstance(step, ChatOpenAI))


def test_usage_in_streams_is_switched_on_where_the_user_said_nothing() -> None:
    prompt, parser = ChatPromptTemplate.from_template("{x}"), StrOutputParser()
    for said, expected in ((None, True), (False, False), (True, True)):
        model = client(stream_usage=said)
        executor = RunnableExecutor(prompt | model | parser)
        assert inner(executor).stream_usage is expected
        assert model.stream_usage is said, "the user's own model stays as it is"
    options = client(model_kwargs={"stream_options": {"include_usage": False}})
    assert inner(RunnableExecutor(prompt | options)).stream_usage is None


def test_models_are_found_in_all_compositions_of_langchain() -> None:
    model = client()

    def reached(runnable: Runnable[Any, Any]) -> bool:
        executor = RunnableExecutor(runnable)
        return executor._has_model and executor._prepared is not runnable

    assert reached(model)
    assert reached(model.bind(stop=["x"]))
    assert reached(model.with_retry())
    assert reached(model.with_fallbacks([model]))
    assert reached(RunnableParallel(a=model) | len)
    assert reached(RunnablePassthrough.assign(a=RunnableLambda(str) | model))
    assert reached(model.map())
    assert not reached(RunnableLambda(len) | str)
    plain = RunnableLambda(len) | str
    assert RunnableExecutor(plain)._prepared is plain, "nothing to exchange, nothing copied"


def response(status: int, headers: Mapping[str, str] | None = None) -> httpx2.Response:
    return httpx2.Response(status, headers=headers, request=httpx2.Request("POST", "http://test/v1"))


REQUEST = httpx2.Request("POST", "http://test/v1")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            openai.RateLimitError("slow down", response=response(429, {"Retry-After": "7"}), body=None),
            Failure(True, 7.0, "limit"),
        ),
        (
            openai.RateLimitError(
                "pay", response=response(429, {"retry-after": "7"}), body={"code": "insufficient_quota"}
            ),
            Failure(False, None, "request"),
        ),
        (
            openai.InternalServerError("oops", response=response(503, {"retry-after-ms": "250"}), body=None),
            Failure(True, 0.25, "provider"),
        ),
        (openai.BadRequestError("no", response=response(400), body=None), Failure(False, fault="request")),
        (
            openai.AuthenticationError("who", response=response(401), body=None),
            Failure(False, fault="request"),
        ),
        (openai.APIConnectionError(request=REQUEST), Failure(True, None, "provider")),
        (openai.APITimeoutError(REQUEST), Failure(True, None, "provider")),
        (openai.APIError("broke off", REQUEST, body=None), Failure(True, None, "provider")),
        (
            openai.APIError("full", REQUEST, body={"code": "rate_limit_exceeded"}),
            Failure(True, None, "limit"),
        ),
        (
            openai.APIError("pay", REQUEST, body={"code": "insufficient_quota"}),
            Failure(False, None, "request"),
        ),
        (httpx2.ReadError("reset"), Failure(True, None, "provider")),
        (ConnectionResetError(), Failure(True, None, "provider")),
        (TimeoutError(), Failure(True, None, "provider")),
        (OutputParserException("not json"), Failure(True)),
        (KeyError("topic"), Failure(False, fault="request")),
        (ValueError("template"), Failure(False, fault="request")),
        (TypeError("payload"), Failure(False, fault="request")),
        (RuntimeError("who knows"), Failure(True)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_errors_are_classified(error: Exception, expected: Failure) -> None:
    assert RunnableExecutor(RunnableLambda(len)).classify(error) == expected


def attempts(runnable: Runnable[Any, Any], payload: Any) -> int:
    async def main() -> int:
        async with Engine(runnable, retry=RetryPolicy(attempts=3)) as engine:
            return len((await (await engine.submit(payload)).wait()).attempts)

    return VirtualClock().run(main)


def test_a_payload_that_does_not_fit_the_template_is_tried_once(slow_model: Model) -> None:
    chain: Any = ChatPromptTemplate.from_template("{topic}") | slow_model()
    assert attempts(chain, {"subject": "x"}) == 1


class Point(BaseModel):
    x: int


def test_an_answer_that_does_not_fit_its_schema_is_tried_again() -> None:
    """PydanticToolsParser raises pydantic's own error; a ValidationError elsewhere is a mistake."""
    call = AIMessage("", tool_calls=[{"name": "Point", "args": {"x": "far"}, "id": "1"}])

    def answer(given: Any) -> AIMessage:
        return call

    assert attempts(RunnableLambda(answer) | PydanticToolsParser(tools=[Point]), "x") == 3
    assert attempts(RunnableLambda(Point.model_validate), {"x": "far"}) == 1


def test_the_failure_of_a_job_inside_is_judged_by_its_cause() -> None:
    def fail(given: Any) -> None:
        raise ValueError("no")

    async def main() -> int:
        async with Engine(RunnableLambda(fail), retry=RetryPolicy(attempts=3)) as engine:

            async def nested(given: Any) -> Any:
                return await (await engine.submit(given, retry=None))

            handle = await engine.submit("x", executor=RunnableLambda(nested))
            with pytest.raises(JobFailed):
                await handle
            return len((await handle.wait()).attempts)

    assert VirtualClock().run(main) == 1
