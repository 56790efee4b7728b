"""Errors of the client as the engine understands them; bad input."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
import time
from typing import Any

import gigachat
import httpx
import pytest
from gigachat import GigaChat, GigaChatAsyncClient, GigaChatSyncClient, custom_headers_cvar
from gigachat.models import ChatCompletion, ChatCompletionResponse
from gigachat.models.chat_completions import ChatCompletionChunk
from pydantic import BaseModel, field_validator

from paceline import (
    Engine,
    Failure,
    JobResult,
    OutputError,
    OutputFailed,
    OutputIncomplete,
    OutputInvalid,
    OutputRefused,
    RetryPolicy,
)
from paceline_adapters.gigachat import GigaChatExecutor, adapt
from paceline_adapters.gigachat._v1 import FirstContract
from paceline_adapters.gigachat._v2 import PrimaryContract, PrimaryHeard

from .conftest import Giga, Serve

QUESTION = {"role": "user", "content": "x"}
CREDENTIALS = base64.b64encode(b"pace:line").decode()


def classify(error: BaseException | None) -> Failure:
    assert isinstance(error, Exception)
    return GigaChatExecutor().classify(error)


def run(
    giga: Giga,
    payload: object = "hello",
    *,
    wishes: str | None = None,
    retry: RetryPolicy | None = None,
    stream: bool = False,
    client: dict[str, Any] | None = None,
    **options: Any,
) -> JobResult:
    async def main() -> JobResult:
        async with Engine(GigaChatExecutor(giga.client(**(client or {})), **options)) as engine:
            if wishes is not None:
                custom_headers_cvar.set({"x-simulate": wishes})
            return await (await engine.submit(payload, retry=retry, stream=stream)).wait()

    return asyncio.run(giga.run(main))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "retryable", "fault"),
    [
        (400, False, "request"),
        (401, False, "request"),
        (402, False, "request"),
        (403, False, "request"),
        (404, False, "request"),
        (413, False, "request"),
        (422, False, "request"),
        (429, True, "limit"),
        (500, True, "provider"),
        (503, True, "provider"),
    ],
)
def test_statuses_say_whether_it_is_worth_another_attempt(
    giga: Giga, status: int, retryable: bool, fault: str, stream: bool
) -> None:
    result = run(giga, wishes=f"status={status}", stream=stream, retry=RetryPolicy(2, base=0))
    assert result.status == "failed"
    assert result.error is not None
    error = result.error.exception
    assert isinstance(error, gigachat.ResponseError)
    failure = classify(error)
    assert (failure.retryable, failure.fault, failure.retry_after) == (retryable, fault, None)
    assert len(giga.server.requests()) == (2 if retryable else 1)


def test_the_time_that_the_provider_asks_for_is_waited(giga: Giga) -> None:
    begun = time.monotonic()
    result = run(giga, wishes="status=429, retry-after=1, first=1", retry=RetryPolicy(2, base=0))
    assert result.ok
    assert time.monotonic() - begun >= 1.0
    assert [attempt.outcome for attempt in result.attempts] == ["failed", "succeeded"]


def test_what_the_simulators_limit_says_is_understood(serve: Serve) -> None:
    giga = serve(rpm=1)

    async def main() -> Any:
        async with Engine(GigaChatExecutor(giga.client())) as engine:
            await (await engine.submit("hello"))
            return (await (await engine.submit("hello")).wait()).error

    failure = classify(asyncio.run(giga.run(main)).exception)
    assert failure.retryable
    assert failure.fault == "limit"
    assert failure.retry_after is not None
    assert 50 < failure.retry_after <= 60


@pytest.mark.parametrize("stream", [False, True])
def test_a_connection_that_breaks_is_worth_another_attempt(giga: Giga, stream: bool) -> None:
    result = run(giga, wishes="drop=3, first=1", retry=RetryPolicy(2, base=0), stream=stream)
    assert result.ok
    assert [one.outcome for one in giga.server.requests()] == ["dropped", "answered"]
    assert isinstance(result.attempts[0].error.exception, httpx.TransportError)  # type: ignore[union-attr]


def test_a_server_that_is_not_there_is_the_providers_fault(giga: Giga) -> None:
    result = run(giga, client={"base_url": "http://127.0.0.1:1/api/v1"})
    assert result.error is not None
    error = result.error.exception
    assert isinstance(error, httpx.ConnectError)
    failure = classify(error)
    assert (failure.retryable, failure.fault) == (True, "provider")


def test_a_token_that_ran_out_is_renewed_by_the_client_itself(giga: Giga) -> None:
    async def main() -> list[JobResult]:
        async with Engine(GigaChatExecutor(giga.client(credentials=CREDENTIALS))) as engine:
            first = await (await engine.submit("hello")).wait()
            custom_headers_cvar.set({"x-simulate": "status=401, first=1"})
            return [first, await (await engine.submit("hello")).wait()]

    assert all(result.ok for result in asyncio.run(giga.run(main)))
    paths = [one.path for one in giga.server.requests()]
    assert paths.count("/api/v2/oauth") == 2


def test_an_answer_that_is_not_of_its_format_is_tried_again(giga: Giga) -> None:
    class Odd(BaseModel):
        x: int

        @field_validator("x")
        @classmethod
        def _never(cls, value: int) -> int:
            raise ValueError(f"{value} is not odd enough")

    result = run(giga, retry=RetryPolicy(2, base=0), response_format=Odd)
    assert result.error is not None
    error = result.error.exception
    assert isinstance(error, OutputInvalid)
    assert "odd enough" in str(error.__cause__)
    assert '"x"' in error.text
    assert len(result.attempts) == 2


def completion(finish: str | None) -> ChatCompletion:
    said = {"role": "assistant", "content": "so far"}
    return ChatCompletion.model_validate(
        {
            "choices": [{"message": said, "index": 0, "finish_reason": finish}],
            "created": 1,
            "model": "m",
            "object": "chat.completion",
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
    )


def response(finish: str | None) -> ChatCompletionResponse:
    said = {"role": "assistant", "content": [{"text": "so far"}]}
    return ChatCompletionResponse.model_validate({"messages": [said], "finish_reason": finish})


@pytest.mark.parametrize(
    ("finish", "error", "retryable"),
    [("length", OutputIncomplete, False), ("blacklist", OutputRefused, False), ("error", OutputFailed, True)],
)
def test_an_answer_that_ended_early_is_no_text(
    finish: str, error: type[OutputError], retryable: bool
) -> None:
    with pytest.raises(error) as first:
        FirstContract().text(completion(finish))
    with pytest.raises(error) as second:
        PrimaryContract().text(response(finish))
    for caught in (first.value, second.value):
        assert caught.response is not None
        assert classify(caught).retryable is retryable


def test_thoughts_of_the_model_are_no_part_of_the_text() -> None:
    thinking = {"role": "reasoning", "content": [{"text": "hm"}]}
    said = {"role": "assistant", "content": [{"text": "yes"}]}
    whole = ChatCompletionResponse.model_validate({"messages": [thinking, said], "finish_reason": "stop"})
    assert PrimaryContract().text(whole) == "yes"
    heard = PrimaryHeard()
    chunks = [ChatCompletionChunk.model_validate({"messages": [one]}) for one in (thinking, said, said)]
    assert [heard.hear(chunk) for chunk in chunks] == ["", "yes", "yes"]
    assert heard.speaks(chunks[0])
    parts = [(one.role, [part.text for part in one.content or ()]) for one in heard.whole().messages]
    assert parts == [("reasoning", ["hm"]), ("assistant", ["yesyes"])]


def test_an_error_told_in_a_stream_is_raised_with_its_status() -> None:
    told = {"event": "error", "status": 503, "message": "overloaded"}
    with pytest.raises(OutputFailed, match="overloaded") as caught:
        PrimaryHeard().hear(ChatCompletionChunk.model_validate(told))
    failure = classify(caught.value)
    assert (failure.retryable, failure.fault) == (True, "provider")


def test_a_stream_without_an_answer_is_one_that_failed() -> None:
    with pytest.raises(OutputFailed, match="before there was an answer"):
        PrimaryHeard().whole()


WRONG: list[tuple[object, dict[str, Any], str]] = [
    (7, {}, "takes a text"),
    (QUESTION, {}, "one message"),
    ({"messages": [QUESTION], "temprature": 1}, {}, "did you mean 'temperature'"),
    ({"messages": [{"content": 7}]}, {}, "makes no request"),
    ({"messages": [QUESTION], "max_tokens": 3}, {"contract": "v2"}, "model_options"),
    ([QUESTION], {"output": "parsed"}, "response_format"),
    ({"messages": [QUESTION], "n": 2}, {}, "output='response'"),
    ({"messages": [QUESTION], "response_format": int}, {}, "pydantic model"),
]


@pytest.mark.parametrize(("payload", "options", "says"), WRONG)
def test_a_payload_that_makes_no_request_is_not_tried_again(
    giga: Giga, payload: object, options: dict[str, Any], says: str
) -> None:
    result = run(giga, payload, retry=RetryPolicy(3, base=0), **options)
    assert result.error is not None
    assert says in result.error.message
    assert len(result.attempts) == 1
    assert giga.server.requests() == ()


def test_a_missing_model_is_said_and_not_tried_again(giga: Giga) -> None:
    result = run(giga, client={"model": " "}, retry=RetryPolicy(3, base=0))
    assert result.error is not None
    assert "No model specified" in result.error.message
    assert len(result.attempts) == 1


def test_what_cannot_be_used_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="block the event loop"):
        GigaChatExecutor(GigaChatSyncClient())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="must be a gigachat"):
        GigaChatExecutor("GigaChat")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"max_retries=0.*RetryPolicy\(attempts=4\)"):
        GigaChatExecutor(GigaChatAsyncClient(max_retries=3))
    with pytest.raises(ValueError, match="contract"):
        GigaChatExecutor(contract="v3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="output"):
        GigaChatExecutor(output="all")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="did you mean 'temperature'"):
        GigaChatExecutor(temprature=1.0)


def test_a_client_that_is_both_sync_and_async_is_used_as_it_is(giga: Giga) -> None:
    async def main() -> object:
        url = giga.server.gigachat_url
        async with GigaChat(base_url=url, model="GigaChat") as client, Engine(adapt(client)) as engine:
            return await (await engine.submit("hello"))

    assert asyncio.run(main())


def test_without_its_extra_the_import_names_it() -> None:
    code = "import sys; sys.modules['gigachat'] = None; import paceline_adapters.gigachat"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'ImportError: the GigaChat adapter needs an extra: pip install "paceline[gigachat]"' in done.stderr
