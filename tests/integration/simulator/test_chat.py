"""Chat Completions, as the official client sees them."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from openai import OpenAI, pydantic_function_tool
from openai.types.chat import ChatCompletionMessageFunctionToolCall, ChatCompletionToolParam
from pydantic import BaseModel

from paceline_integrations.simulator import Simulator


class GetWeather(BaseModel):
    """The weather of a city."""

    city: str
    unit: Literal["celsius", "fahrenheit"]


class GetTime(BaseModel):
    zone: str


TOOLS: list[ChatCompletionToolParam] = [
    {"type": "function", "function": {"name": "get_weather", "parameters": GetWeather.model_json_schema()}},
    {"type": "function", "function": {"name": "get_time", "parameters": GetTime.model_json_schema()}},
]


def ask(client: OpenAI, text: str | list[Any], **options: Any) -> Any:
    create: Any = client.chat.completions.create
    return create(model="simulator", messages=[{"role": "user", "content": text}], **options)


def function_calls(answer: Any) -> list[tuple[str, dict[str, Any]]]:
    calls: list[Any] = answer.choices[0].message.tool_calls or []
    assert all(isinstance(call, ChatCompletionMessageFunctionToolCall) for call in calls)
    return [(call.function.name, json.loads(call.function.arguments)) for call in calls]


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("tokens", [1, 2, 7, 200])
def test_an_answer_has_exactly_the_asked_maximum_of_tokens(client: OpenAI, limit: str, tokens: int) -> None:
    answer = ask(client, "hello", **{limit: tokens})
    assert answer.usage.completion_tokens == tokens
    assert len(answer.choices[0].message.content) == 4 * tokens
    assert answer.choices[0].finish_reason == "stop"


def test_an_answer_has_64_tokens_if_nothing_is_asked(client: OpenAI) -> None:
    answer = ask(client, "hello")
    assert answer.usage.completion_tokens == 64
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 64
    assert answer.usage.completion_tokens_details.reasoning_tokens == 0


def test_a_stream_is_the_same_answer_in_several_chunks(client: OpenAI) -> None:
    whole = ask(client, "hello").choices[0].message.content
    chunks = list(ask(client, "hello", stream=True))
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    assert len(texts) > 2
    assert "".join(texts) == whole
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)


def test_a_stream_ends_with_its_usage_where_that_was_asked_for(client: OpenAI) -> None:
    ask(client, "hello " * 40)
    chunks = list(ask(client, "hello " * 40, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    usage = chunks[-1].usage
    assert usage.completion_tokens == 64
    assert 0 < usage.prompt_tokens_details.cached_tokens < usage.prompt_tokens
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_a_stream_ends_with_done(client: OpenAI) -> None:
    with client.chat.completions.with_streaming_response.create(
        model="simulator", messages=[{"role": "user", "content": "hello"}], stream=True
    ) as response:
        assert response.headers["content-type"] == "text/event-stream"
        assert list(response.iter_lines())[-2:] == ["data: [DONE]", ""]


def test_the_same_seed_and_prompt_have_the_same_answer_and_an_id_of_their_own(
    serve: Any, connect: Any
) -> None:
    def answers(seed: int) -> list[Any]:
        client = connect(serve(seed=seed))
        return [ask(client, text) for text in ("hello", "hello", "other")]

    one, again, other = answers(1), answers(1), answers(2)
    texts = [[answer.choices[0].message.content for answer in run] for run in (one, again, other)]
    assert texts[0] == texts[1]
    assert texts[0][0] == texts[0][1] != texts[0][2]
    assert texts[0][0] != texts[2][0]
    assert len({answer.id for answer in one}) == 3


def test_a_shared_prefix_is_read_from_the_cache(client: OpenAI, server: Simulator) -> None:
    document = "one long document " * 40
    first, second = ask(client, document + "summary?").usage, ask(client, document + "risks?").usage
    assert first.prompt_tokens_details.cached_tokens == 0
    assert second.prompt_tokens_details.cached_tokens == (2 + len(document) // 4) // 16 * 16
    stats = server.stats()
    assert stats.prompt_tokens == first.prompt_tokens + second.prompt_tokens
    assert stats.cached_tokens == second.prompt_tokens_details.cached_tokens
    assert stats.evaluated_tokens == stats.prompt_tokens - stats.cached_tokens
    assert (stats.requests, stats.output_tokens, stats.running, stats.waiting) == (2, 128, 0, 0)


def test_a_tool_that_the_user_says_to_call_is_called(client: OpenAI) -> None:
    answer = ask(client, "please call get_weather for me", tools=TOOLS)
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.choices[0].message.content is None
    [(name, arguments)] = function_calls(answer)
    assert name == "get_weather"
    assert isinstance(GetWeather.model_validate(arguments), GetWeather)


def test_several_tools_are_called_at_once_unless_that_is_forbidden(client: OpenAI) -> None:
    text = "call get_time and call get_weather"
    names = [name for name, _ in function_calls(ask(client, text, tools=TOOLS))]
    assert names == ["get_time", "get_weather"]
    [(name, _)] = function_calls(ask(client, text, tools=TOOLS, parallel_tool_calls=False))
    assert name == "get_time"


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("auto", []),
        ("none", []),
        ("required", ["get_weather"]),
        ({"type": "function", "function": {"name": "get_time"}}, ["get_time"]),
    ],
)
def test_the_tool_choice_is_obeyed(client: OpenAI, choice: Any, names: list[str]) -> None:
    answer = ask(client, "hello", tools=TOOLS, tool_choice=choice)
    assert [name for name, _ in function_calls(answer)] == names


def test_after_the_result_of_a_tool_comes_text(client: OpenAI) -> None:
    first = ask(client, "call get_time", tools=TOOLS).choices[0].message
    history: list[Any] = [
        {"role": "user", "content": "call get_time"},
        first.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "noon"},
    ]
    answer = client.chat.completions.create(model="simulator", messages=history, tools=TOOLS)
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens


def test_streamed_tool_calls_are_those_of_the_whole_answer(client: OpenAI) -> None:
    text = "call get_weather and call get_time"
    whole = function_calls(ask(client, text, tools=TOOLS))
    with client.chat.completions.stream(
        model="simulator", messages=[{"role": "user", "content": text}], tools=TOOLS
    ) as stream:
        final = stream.get_final_completion()
    assert function_calls(final) == whole
    assert final.choices[0].finish_reason == "tool_calls"


def test_a_structured_answer_is_of_its_schema(client: OpenAI) -> None:
    answer = client.chat.completions.parse(
        model="simulator",
        messages=[{"role": "user", "content": "weather"}],
        response_format=GetWeather,
        max_tokens=2,
    )
    assert isinstance(answer.choices[0].message.parsed, GetWeather)


def test_a_structured_answer_can_be_streamed(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model="simulator", messages=[{"role": "user", "content": "weather"}], response_format=GetWeather
    ) as stream:
        final = stream.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, GetWeather)


def test_tools_of_the_clients_own_making_are_parsed(client: OpenAI) -> None:
    answer = client.chat.completions.parse(
        model="simulator",
        messages=[{"role": "user", "content": "call GetWeather"}],
        tools=[pydantic_function_tool(GetWeather)],
    )
    calls = answer.choices[0].message.tool_calls
    assert calls
    assert isinstance(calls[0].function.parsed_arguments, GetWeather)


def test_json_mode_gives_a_json_object(client: OpenAI) -> None:
    answer = ask(client, "hello", response_format={"type": "json_object"})
    assert isinstance(json.loads(answer.choices[0].message.content), dict)


def test_content_may_come_in_parts(client: OpenAI) -> None:
    parts = [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]
    whole, in_parts = (ask(client, said).choices[0].message.content for said in ("hello", parts))
    assert in_parts == whole
