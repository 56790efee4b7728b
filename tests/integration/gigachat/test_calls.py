"""Calls of GigaChat as jobs: payloads, outputs, streams, usage."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest
from gigachat.models import (
    Chat,
    ChatCompletion,
    ChatCompletionRequest,
    ChatCompletionResponse,
    Messages,
    MessagesRole,
)
from pydantic import BaseModel

from paceline import Engine, Job, JobFailed, ToolsCalled, Usage
from paceline_adapters.gigachat import GigaChatExecutor

from .conftest import Giga

Contract = Literal["v1", "v2"]
BOTH = pytest.mark.parametrize("contract", ["v1", "v2"])
DOCUMENT = "the tide comes in and the tide goes out " * 40
QUESTION = {"role": "user", "content": "hello"}


class Point(BaseModel):
    x: int
    label: str


FUNCTION: dict[str, Any] = {"name": "plot", "description": "", "parameters": Point.model_json_schema()}


def run(
    giga: Giga, payload: object, *, stream: bool = False, options: dict[str, Any] | None = None, **named: Any
) -> Any:
    """What one job gives, and what its stream handed out."""

    async def main() -> Any:
        async with Engine(GigaChatExecutor(giga.client(), **named, **(options or {}))) as engine:
            handle = await engine.submit(payload, stream=stream)
            chunks = [chunk async for chunk in handle.stream()] if stream else None
            output = await handle
            return (output, chunks) if stream else output

    return asyncio.run(giga.run(main))


def used(giga: Giga, *payloads: object, stream: bool = False, **options: Any) -> list[Usage | None]:
    """What the jobs of a group used, one after another."""

    async def main() -> list[Usage | None]:
        async with Engine(GigaChatExecutor(giga.client(), **options), slots=1) as engine:
            group = await engine.submit_group("family", followers=payloads)
            for each in group.followers if stream else ():
                async for _ in each.stream():
                    pass
            return [result.usage for result in await group.results()]

    return asyncio.run(giga.run(main))


@BOTH
def test_payloads_of_every_kind_make_the_same_request(giga: Giga, contract: Contract) -> None:
    payloads: list[object] = ["hello", [QUESTION], {"messages": [QUESTION]}, (QUESTION,)]
    outputs = [run(giga, payload, contract=contract) for payload in payloads]
    assert len(outputs[0]) == 4 * 64
    assert set(outputs) == {outputs[0]}
    bodies = [one.body for one in giga.server.requests()]
    assert all(body == bodies[0] for body in bodies)
    assert bodies[0]["model"] == "GigaChat"
    assert giga.server.requests()[0].path == f"/api/{contract}/chat/completions"


def test_the_clients_own_requests_go_by_the_contract_they_belong_to(giga: Giga) -> None:
    chat = Chat(messages=[Messages(role=MessagesRole.USER, content="hello")], max_tokens=3)
    request = ChatCompletionRequest.model_validate(
        {"messages": [QUESTION], "model_options": {"max_tokens": 3}}
    )
    outputs = [run(giga, payload, temperature=0.5) for payload in (chat,)]
    outputs.append(run(giga, request))
    assert [len(text) for text in outputs] == [12, 12]
    first, second = giga.server.requests()
    assert (first.path, second.path) == ("/api/v1/chat/completions", "/api/v2/chat/completions")
    assert (first.body["max_tokens"], first.body["temperature"]) == (3, 0.5)
    assert chat.model is None, "what the user holds stays as it is"


def test_payload_goes_over_config_and_config_over_options(giga: Giga) -> None:
    async def main() -> None:
        executor = GigaChatExecutor(giga.client(), max_tokens=3, temperature=0.1, top_p=0.1)
        async with Engine(executor) as engine:
            payload = {"messages": [QUESTION], "top_p": 0.3}
            await (await engine.submit(payload, config={"temperature": 0.2, "top_p": 0.2}))

    asyncio.run(giga.run(main))
    body = giga.server.requests()[0].body
    assert (body["max_tokens"], body["temperature"], body["top_p"]) == (3, 0.2, 0.3)


@BOTH
def test_instructions_come_before_all_messages(giga: Giga, contract: Contract) -> None:
    run(giga, "hello", contract=contract, instructions="Be brief.", model="GigaChat-2")
    body = giga.server.requests()[0].body
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["model"] == "GigaChat-2"


@BOTH
def test_a_stream_hands_out_the_text_and_gives_the_same_answer(giga: Giga, contract: Contract) -> None:
    whole = run(giga, "hello", contract=contract)
    output, chunks = run(giga, "hello", contract=contract, stream=True)
    assert len(chunks) > 2
    assert "".join(chunks) == output == whole
    assert [one.stream for one in giga.server.requests()] == [False, True]


@BOTH
@pytest.mark.parametrize("stream", [False, True])
def test_a_response_is_the_clients_own_streamed_or_not(giga: Giga, contract: Contract, stream: bool) -> None:
    given = run(giga, "hello", contract=contract, output="response", stream=stream)
    response = given[0] if stream else given
    if contract == "v1":
        assert isinstance(response, ChatCompletion)
        assert response.choices[0].finish_reason == "stop"
        assert len(response.choices[0].message.content) == 4 * 64
        assert response.usage.completion_tokens == 64
        assert response.x_headers is not None
        return
    assert isinstance(response, ChatCompletionResponse)
    assert response.finish_reason == "stop"
    [message] = response.messages
    assert message.content is not None
    [part] = message.content
    assert len(part.text or "") == 4 * 64
    assert response.usage is not None
    assert response.usage.output_tokens == 64


@BOTH
@pytest.mark.parametrize("stream", [False, True])
def test_a_structured_answer_is_an_object_of_its_model(giga: Giga, contract: Contract, stream: bool) -> None:
    given = run(giga, "where?", contract=contract, response_format=Point, stream=stream)
    assert isinstance(given[0] if stream else given, Point)


@BOTH
@pytest.mark.parametrize("stream", [False, True])
def test_the_call_of_a_function_is_no_text_but_comes_with_the_response(
    giga: Giga, contract: Contract, stream: bool
) -> None:
    if contract == "v1":
        tools: dict[str, Any] = {"functions": [FUNCTION]}
    else:
        tools = {"tools": [{"functions": {"specifications": [FUNCTION]}}]}
    payload = {"messages": [{"role": "user", "content": "call plot"}], **tools}
    with pytest.raises(JobFailed) as caught:
        run(giga, payload, contract=contract, stream=stream)
    assert isinstance(caught.value.__cause__, ToolsCalled)
    assert caught.value.__cause__.names == ("plot",)
    given = run(giga, payload, contract=contract, output="response", stream=stream)
    response = given[0] if stream else given
    if contract == "v1":
        call = response.choices[0].message.function_call
    else:
        [call] = [part.function_call for part in response.messages[0].content]
    assert (call.name, set(call.arguments)) == ("plot", {"x", "label"})


@BOTH
@pytest.mark.parametrize("stream", [False, True])
def test_usage_counts_cached_tokens_among_the_input_in_both_forms(
    giga: Giga, contract: Contract, stream: bool
) -> None:
    cold, warm = used(giga, DOCUMENT, DOCUMENT, contract=contract, stream=stream)
    assert cold is not None
    assert warm is not None
    assert (cold.cached_tokens, cold.output_tokens, cold.requests) == (0, 64, 1)
    assert warm.cached_tokens
    assert warm.input_tokens == cold.input_tokens
    assert (cold.model, warm.model) == ("GigaChat", "GigaChat")
    assert giga.server.stats().cached_tokens == warm.cached_tokens


@BOTH
@pytest.mark.parametrize("streams", [True, False])
def test_whether_to_stream_may_be_said_for_all_jobs(giga: Giga, contract: Contract, streams: bool) -> None:
    output, chunks = run(giga, "hello", stream=True, contract=contract)
    assert len(chunks) > 1
    given = run(giga, "hello", stream=not streams, contract=contract, options={"stream": streams})
    assert (given[0] if isinstance(given, tuple) else given) == output
    assert [one.stream for one in giga.server.requests()] == [True, streams]


@BOTH
def test_estimates_count_the_prompt_and_the_most_that_may_be_answered(contract: Contract) -> None:
    limit = {"max_tokens": 30}
    options: Any = limit if contract == "v1" else {"model_options": limit}
    executor = GigaChatExecutor(model="GigaChat", contract=contract, **options)
    assert executor.resources == ("GigaChat",)
    cost = executor.estimate(Job("id", "n", "giga", "x" * 400))
    assert cost is not None
    assert cost.input_tokens is not None
    assert 100 <= cost.input_tokens <= 110
    assert cost.output_tokens == 30
    assert executor.estimate(Job("id", "n", "giga", 7)) is None
