"""What can go wrong, on the wire and in an answer, and what it means for the job."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion
from pydantic import BaseModel
from starlette.responses import HTMLResponse, JSONResponse, Response

from paceline import (
    Engine,
    Failure,
    JobResult,
    OutputFailed,
    OutputIncomplete,
    OutputInvalid,
    OutputRefused,
    RetryPolicy,
    ToolsCalled,
)
from paceline_adapters.openai import ChatExecutor, ResponsesExecutor
from paceline_integrations.simulator import Simulator

Serve = Callable[..., Simulator]
Run = Callable[..., Any]
Make = type[ResponsesExecutor] | type[ChatExecutor]

BOTH = pytest.mark.parametrize("make", [ResponsesExecutor, ChatExecutor])
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
USED = {
    ResponsesExecutor: {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
    ChatExecutor: {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
}


class City(BaseModel):
    name: str


def named(make: Make, model: type[BaseModel]) -> dict[str, Any]:
    return {"text_format" if make is ResponsesExecutor else "response_format": model}


def outcome(
    run: Run, server: Any, make: Make, *, stream: bool = False, attempts: int = 2, **options: Any
) -> JobResult:
    """Of one job with so many attempts; the client's own retries stay on, and are not to be used."""

    async def main(client: AsyncOpenAI) -> JobResult:
        async with Engine(make(client, model="m", **options), retry=RetryPolicy(attempts, base=0)) as engine:
            return await (await engine.submit("Why?", stream=stream)).wait()

    result: JobResult = run(server.base_url, main)
    return result


# What a server says, in both APIs, whole and streamed.


def told(make: Make, stream: bool, text: str = "", **said: Any) -> Response:
    """An answer with this text: `refusal`, `calls` (names of tools), `ended` (early, and why)."""
    body = _response(text, **said) if make is ResponsesExecutor else _completion(text, **said)
    if not stream:
        return JSONResponse(body)
    return _events(body) if make is ResponsesExecutor else _chunks(body)


def _response(
    text: str, *, refusal: str = "", calls: tuple[str, ...] = (), ended: str = ""
) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "output_text", "text": text, "annotations": []}] if text else []
    content += [{"type": "refusal", "refusal": refusal}] if refusal else []
    output: list[dict[str, Any]] = []
    if content:
        output.append(
            {"id": "msg", "type": "message", "role": "assistant", "status": "x", "content": content}
        )
    output += [
        {"id": "fc", "type": "function_call", "name": name, "call_id": "c", "arguments": "{}"}
        for name in calls
    ]
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 0,
        "model": "m-2026",
        "status": "incomplete" if ended else "completed",
        "incomplete_details": {"reason": ended} if ended else None,
        "output": output,
        "usage": USED[ResponsesExecutor],
    }


def _events(body: dict[str, Any], *more: dict[str, Any]) -> Response:
    told: list[dict[str, Any]] = [{"type": "response.created", "response": {**body, "output": []}}]
    for number, item in enumerate(body["output"]):
        told.append({"type": "response.output_item.added", "output_index": number, "item": item})
        for part in item.get("content", ()):
            kind = "output_text" if part["type"] == "output_text" else "refusal"
            delta = part.get("text", part.get("refusal"))
            told.append({"type": f"response.{kind}.delta", "output_index": number, "delta": delta})
        told.append({"type": "response.output_item.done", "output_index": number, "item": item})
    told += more or ({"type": f"response.{body['status']}", "response": body},)
    return sse(*(f"event: {each['type']}\ndata: {json.dumps(each)}" for each in told))


def _completion(
    text: str, *, refusal: str = "", calls: tuple[str, ...] = (), ended: str = ""
) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text or None, "refusal": refusal or None}
    if calls:
        message["tool_calls"] = [
            {"id": "c", "type": "function", "function": {"name": name, "arguments": "{}"}} for name in calls
        ]
    reason = ended or ("tool_calls" if calls else "stop")
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "m-2026",
        "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}],
        "usage": USED[ChatExecutor],
    }


def _chunks(body: dict[str, Any]) -> Response:
    (choice,) = body["choices"]
    message = dict(choice["message"])
    message["tool_calls"] = [
        {**call, "index": number} for number, call in enumerate(message.get("tool_calls", ()))
    ] or None
    deltas = [{"role": "assistant", "content": ""}, {k: v for k, v in message.items() if v is not None}, {}]
    return sse(*(f"data: {json.dumps(chunk)}" for chunk in chunked(body, choice, deltas)), "data: [DONE]")


def chunked(
    body: dict[str, Any], choice: dict[str, Any], deltas: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    base = {**body, "object": "chat.completion.chunk", "usage": None}
    ends = [None] * (len(deltas) - 1) + [choice["finish_reason"]]
    chunks = [
        {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}
        for delta, end in zip(deltas, ends, strict=True)
    ]
    return [*chunks, {**base, "choices": [], "usage": body["usage"]}]


def sse(*events: str) -> Response:
    return Response("".join(f"{event}\n\n" for event in events), media_type="text/event-stream")


@BOTH
@STREAMED
def test_the_words_that_these_tests_put_into_a_server_are_understood(
    run: Run, script: Any, make: Make, stream: bool
) -> None:
    result = outcome(run, script(told(make, stream, "Because.")), make, stream=stream)
    assert result.output == "Because."
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens, result.usage.model) == (7, 3, "m-2026")


# Answers that are none.


@BOTH
@STREAMED
def test_a_refusal_is_an_error_that_is_not_tried_again(
    run: Run, script: Any, make: Make, stream: bool
) -> None:
    server = script(told(make, stream, refusal="I would rather not."))
    result = outcome(run, server, make, stream=stream)
    assert isinstance(result.error and result.error.exception, OutputRefused)
    assert "I would rather not." in str(result.error)
    assert len(server.requests) == 1
    assert result.usage is not None
    assert result.usage.output_tokens == 3


@BOTH
@STREAMED
@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_an_answer_that_is_cut_off_is_an_error_that_has_what_there_was(
    run: Run, script: Any, make: Make, stream: bool, reason: str
) -> None:
    said = "max_output_tokens" if (make, reason) == (ResponsesExecutor, "length") else reason
    server = script(told(make, stream, "Because the", ended=said))
    result = outcome(run, server, make, stream=stream)
    error = result.error and result.error.exception
    assert isinstance(error, OutputIncomplete)
    assert (error.reason, error.text) == (said, "Because the")
    assert error.response is not None
    assert len(server.requests) == 1
    assert result.usage is not None
    assert result.usage.output_tokens == 3


@BOTH
@STREAMED
def test_who_takes_the_whole_response_takes_it_as_it_is(
    run: Run, script: Any, make: Make, stream: bool
) -> None:
    server = script(told(make, stream, "Because the", ended="content_filter"))
    result = outcome(run, server, make, stream=stream, output="response")
    assert result.ok, result.error


@BOTH
@STREAMED
def test_calls_of_tools_without_a_text_are_an_error_that_says_where_they_go(
    run: Run, script: Any, make: Make, stream: bool
) -> None:
    server = script(told(make, stream, calls=("look_up",)))
    result = outcome(run, server, make, stream=stream)
    error = result.error and result.error.exception
    assert isinstance(error, ToolsCalled)
    assert error.names == ("look_up",)
    assert "output='response'" in str(error)
    assert len(server.requests) == 1


@BOTH
@STREAMED
def test_calls_of_tools_are_handed_out_with_the_whole_response(
    run: Run, script: Any, make: Make, stream: bool
) -> None:
    result = outcome(
        run, script(told(make, stream, calls=("look_up",))), make, stream=stream, output="response"
    )
    if isinstance(result.output, ChatCompletion):
        (call,) = result.output.choices[0].message.tool_calls or []
        assert call.type == "function"
        assert (call.function.name, call.function.arguments) == ("look_up", "{}")
    else:
        assert result.output.output[0].name == "look_up"


@BOTH
@STREAMED
def test_an_answer_that_does_not_fit_its_format_is_asked_for_again(
    run: Run, script: Any, make: Make, stream: bool
) -> None:
    good = told(make, stream, '{"name": "Ulm"}')
    server = script(told(make, stream, '{"nam'), good)
    result = outcome(run, server, make, stream=stream, **named(make, City))
    assert result.output == City(name="Ulm")
    error = result.attempts[0].error and result.attempts[0].error.exception
    assert isinstance(error, OutputInvalid)
    assert error.text == '{"nam'
    assert result.usage is not None
    assert result.usage.requests == 2


# Errors of HTTP, and those that are told inside an answer.


@BOTH
@STREAMED
@pytest.mark.parametrize(
    ("status", "error", "retried"),
    [
        (400, openai.BadRequestError, False),
        (401, openai.AuthenticationError, False),
        (403, openai.PermissionDeniedError, False),
        (404, openai.NotFoundError, False),
        (408, openai.APIStatusError, True),
        (409, openai.ConflictError, True),
        (422, openai.UnprocessableEntityError, False),
        (429, openai.RateLimitError, True),
        (500, openai.InternalServerError, True),
        (503, openai.InternalServerError, True),
    ],
)
def test_a_status_says_whether_to_try_again_and_the_client_does_not_by_itself(
    run: Run, script: Any, make: Make, stream: bool, status: int, error: type[Exception], retried: bool
) -> None:
    refusal = JSONResponse({"error": {"message": "no", "code": None, "type": None}}, status)
    server = script(refusal, told(make, stream, "Because."))
    result = outcome(run, server, make, stream=stream)
    assert result.ok is retried
    assert len(server.requests) == len(result.attempts) == (2 if retried else 1)
    assert isinstance(result.attempts[0].error and result.attempts[0].error.exception, error)
    assert result.usage is None or result.usage.requests == 1


@BOTH
@pytest.mark.parametrize(
    ("answer", "retried"),
    [
        (JSONResponse({"error": {"message": "no", "code": "insufficient_quota"}}, 429), False),
        (JSONResponse({"error": {"message": "no"}}, 400, {"x-should-retry": "true"}), True),
        (JSONResponse({"error": {"message": "no"}}, 503, {"x-should-retry": "false"}), False),
        (HTMLResponse("<h1>Bad gateway</h1>", 502), True),
        (HTMLResponse("<h1>Please log in</h1>"), True),
        (Response('{"id": "resp', media_type="application/json"), True),
    ],
)
def test_what_else_an_answer_says_about_trying_again(
    run: Run, script: Any, make: Make, answer: Response, retried: bool
) -> None:
    result = outcome(run, script(answer, told(make, False, "Because.")), make)
    assert result.ok is retried, result.error
    assert len(result.attempts) == (2 if retried else 1)


@BOTH
def test_retry_after_is_obeyed(run: Run, serve: Serve, make: Make) -> None:
    server = serve()
    wishes = {"x-simulate": "status=429, retry-after=0.5, first=1"}
    result = outcome(run, server, make, extra_headers=wishes)
    assert result.ok
    first, second = result.attempts
    assert first.ended is not None
    assert second.started - first.ended >= 0.5


@BOTH
@STREAMED
def test_a_connection_that_breaks_is_tried_again(run: Run, serve: Serve, make: Make, stream: bool) -> None:
    result = outcome(run, serve(), make, stream=stream, extra_headers={"x-simulate": "drop=3, first=1"})
    assert result.ok
    assert len(result.attempts) == 2  # of the client or, with older ones, of httpx2


@BOTH
def test_nobody_there_is_a_fault_of_the_provider(run: Run, make: Make) -> None:
    class Nowhere:
        base_url = "http://127.0.0.1:9"

    result = outcome(run, Nowhere, make)
    assert isinstance(result.error and result.error.exception, openai.APIConnectionError)
    assert len(result.attempts) == 2


@BOTH
@pytest.mark.parametrize(
    ("code", "retried"),
    [
        ("server_error", True),
        ("rate_limit_exceeded", True),
        ("overloaded", True),
        (500, True),
        (None, True),
        ("insufficient_quota", False),
        ("invalid_prompt", False),
        ("context_length_exceeded", False),
        (400, False),
    ],
)
def test_an_error_told_in_a_stream_that_began_well(
    run: Run, script: Any, make: Make, code: str | int | None, retried: bool
) -> None:
    error = {"message": "it broke", "code": code, "type": None}
    server = script(sse(f"data: {json.dumps({'error': error})}"), told(make, True, "Because."))
    result = outcome(run, server, make, stream=True)
    assert result.ok is retried, result.error
    first = result.attempts[0].error
    assert first is not None
    assert "it broke" in first.message


@STREAMED
@pytest.mark.parametrize(
    ("code", "retried", "fault"),
    [
        ("server_error", True, "provider"),
        ("rate_limit_exceeded", True, "limit"),
        ("invalid_prompt", False, "request"),
        ("image_too_large", False, "request"),
    ],
)
def test_a_response_that_failed(
    run: Run, script: Any, stream: bool, code: str, retried: bool, fault: str
) -> None:
    body = {**_response(""), "status": "failed", "error": {"code": code, "message": "it broke"}}
    server = script(
        _events(body) if stream else JSONResponse(body), told(ResponsesExecutor, stream, "Because.")
    )
    result = outcome(run, server, ResponsesExecutor, stream=stream)
    assert result.ok is retried, result.error
    first = result.attempts[0].error and result.attempts[0].error.exception
    assert isinstance(first, OutputFailed)
    assert first.code == code
    verdict = ResponsesExecutor(AsyncOpenAI(api_key="none"), model="m").classify(first)
    assert verdict == Failure(retried, fault=fault)  # type: ignore[arg-type]


def test_an_error_event_of_a_response(run: Run, script: Any) -> None:
    event = {"type": "error", "code": "server_error", "message": "it broke", "param": None}
    server = script(_events(_response("Beca"), event), told(ResponsesExecutor, True, "Because."))
    result = outcome(run, server, ResponsesExecutor, stream=True)
    assert result.output == "Because."
    assert isinstance(result.attempts[0].error and result.attempts[0].error.exception, OutputFailed)


@BOTH
def test_a_stream_that_ends_before_its_time_is_tried_again(run: Run, script: Any, make: Make) -> None:
    server = script(sse(": nothing"), told(make, True, "Because."))
    result = outcome(run, server, make, stream=True)
    assert result.output == "Because."
    assert "before" in str(result.attempts[0].error)


def test_a_completion_without_choices_is_the_providers_fault(run: Run, script: Any) -> None:
    server = script(JSONResponse({**_completion(""), "choices": []}), told(ChatExecutor, False, "Because."))
    result = outcome(run, server, ChatExecutor)
    assert result.output == "Because."


def test_the_clients_own_parsing_errors_are_not_tried_again() -> None:
    executor = ChatExecutor(AsyncOpenAI(api_key="none"), model="m")
    completion = ChatCompletion.model_validate(_completion("x"))
    for error in (
        openai.LengthFinishReasonError(completion=completion),
        openai.ContentFilterFinishReasonError(),
        openai.OpenAIError("no key"),
        TypeError("x"),
    ):
        assert executor.classify(error) == Failure(False, fault="request")
    assert executor.classify(RuntimeError("who knows")) == Failure(True)


# Servers that speak the API in their own way.


def test_a_chat_stream_as_other_servers_send_it(run: Run, script: Any) -> None:
    """The role in every chunk, thoughts in a field of their own, frames in between, usage before the end."""
    body = _completion("")
    base = {**body, "object": "chat.completion.chunk"}
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13, "prompt_tokens_details": None}
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": None, "reasoning_content": "Let me "},
        {"role": "assistant", "content": None, "reasoning_content": "think."},
        *({"role": "assistant", "content": word} for word in ("Be", "cau", "se")),
        {"role": "assistant", "content": ".", "new_field": 1},
    ]
    chunks: list[dict[str, Any]] = [
        {**base, "usage": None, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas
    ]
    frame = {**base, "choices": None}
    chunks.insert(4, frame)
    chunks.append({**base, "usage": usage, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    chunks.append({**base, "usage": None, "choices": []})

    async def main(client: AsyncOpenAI) -> tuple[list[Any], JobResult]:
        executor = ChatExecutor(client, model="m", output="response", stream_options={})
        async with Engine(executor) as engine:
            handle = await engine.submit("Why?", stream=True)
            return [chunk async for chunk in handle.stream()], await handle.wait()

    server = script(sse(*(f"data: {json.dumps(chunk)}" for chunk in chunks), "data: [DONE]"))
    seen, result = run(server.base_url, main)
    assert result.ok, result.error
    assert "".join(seen) == "Because."
    message = result.output.choices[0].message
    assert message.content == "Because."
    assert message.role == "assistant"
    assert message.reasoning_content == "Let me think."
    assert (result.usage.input_tokens, result.usage.cached_tokens, result.usage.output_tokens) == (9, None, 4)
    assert server.requests[0][1]["stream_options"] == {}


def test_a_chat_stream_that_ends_politely_in_the_middle_is_no_answer(run: Run, script: Any) -> None:
    base = {**_completion(""), "object": "chat.completion.chunk", "usage": None}
    begun = {**base, "choices": [{"index": 0, "delta": {"content": "Beca"}, "finish_reason": None}]}

    async def main(client: AsyncOpenAI) -> JobResult:
        async with Engine(ChatExecutor(client, model="m"), retry=RetryPolicy(2, base=0)) as engine:
            return await (await engine.submit("Why?", stream=True)).wait()

    server = script(sse(f"data: {json.dumps(begun)}"))
    result = run(server.base_url, main)
    assert result.status == "failed"
    assert result.error.type.endswith("OutputFailed")
    assert "ended before the answer did" in result.error.message
    assert len(server.requests) == 2, "tried again"


def test_usage_is_asked_for_in_chat_streams_and_may_be_missing(run: Run, script: Any) -> None:
    body = {**_completion("Because."), "usage": None}
    server = script(_chunks(body))
    result = outcome(run, server, ChatExecutor, stream=True)
    assert result.output == "Because."
    assert result.usage is not None
    assert (result.usage.requests, result.usage.input_tokens) == (1, None)
    assert server.requests[0][1]["stream_options"] == {"include_usage": True}


def test_a_response_whose_end_leaves_out_what_came_before(run: Run, script: Any) -> None:
    body = _response("Because.")
    (item,) = body["output"]
    done = {"type": "response.output_item.done", "output_index": 0, "item": item}
    end = {"type": "response.completed", "response": {**body, "output": None, "usage": None}}
    result = outcome(run, script(_events(body, done, end)), ResponsesExecutor, stream=True)
    assert result.output == "Because."
    assert result.usage is not None
    assert result.usage.input_tokens is None


@BOTH
@pytest.mark.parametrize(
    "details",
    [{"cached_tokens": None}, None, {}, {"cached_tokens": 5, "cache_write_tokens": 2}],
)
def test_details_of_usage_may_be_anything(run: Run, script: Any, make: Make, details: Any) -> None:
    name = "input_tokens_details" if make is ResponsesExecutor else "prompt_tokens_details"
    body = _response("x") if make is ResponsesExecutor else _completion("x")
    body["usage"] = {**body["usage"], name: details}
    usage = outcome(run, script(JSONResponse(body)), make).usage
    assert usage is not None
    found: dict[str, Any] = details or {}
    assert usage.cached_tokens == found.get("cached_tokens")
    assert usage.cache_write_tokens == found.get("cache_write_tokens")


def test_cached_tokens_by_other_names(run: Run, script: Any) -> None:
    usage = {**USED[ChatExecutor], "prompt_cache_hit_tokens": 4}
    result = outcome(run, script(JSONResponse({**_completion("x"), "usage": usage})), ChatExecutor)
    assert result.usage is not None
    assert result.usage.cached_tokens == 4
