"""Responses, as the official client sees them."""

from __future__ import annotations

import json
from typing import Any

from openai import OpenAI
from openai.types.responses import FunctionToolParam, ResponseFunctionToolCall
from pydantic import BaseModel

from paceline_integrations.simulator import Simulator


class Point(BaseModel):
    x: int
    label: str


TOOL: FunctionToolParam = {
    "type": "function",
    "name": "plot",
    "strict": True,
    "parameters": Point.model_json_schema(),
}


def test_an_answer_has_the_asked_tokens_and_its_usage(client: OpenAI) -> None:
    answer = client.responses.create(model="simulator", input="hello", max_output_tokens=9)
    assert answer.status == "completed"
    assert len(answer.output_text) == 36
    assert answer.usage is not None
    assert answer.usage.output_tokens == 9
    assert answer.usage.output_tokens_details.reasoning_tokens == 0
    assert answer.usage.total_tokens == answer.usage.input_tokens + 9


def test_both_apis_share_prompts_and_answers(client: OpenAI) -> None:
    text = "one long document " * 40
    answer = client.responses.create(model="simulator", input=text, instructions="Be brief.")
    chat = client.chat.completions.create(
        model="simulator",
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}],
    )
    assert chat.choices[0].message.content == answer.output_text
    assert chat.usage is not None
    assert chat.usage.prompt_tokens_details is not None
    assert answer.usage is not None
    assert chat.usage.prompt_tokens == answer.usage.input_tokens
    assert chat.usage.prompt_tokens_details.cached_tokens == answer.usage.input_tokens // 16 * 16


def test_input_may_be_items_and_an_earlier_response_may_be_named(client: OpenAI) -> None:
    plain = client.responses.create(model="simulator", input="hello")
    items: Any = [{"role": "user", "content": [{"type": "input_text", "text": "hello"}]}]
    answer = client.responses.create(model="simulator", input=items, previous_response_id=plain.id)
    assert answer.output_text == plain.output_text
    assert answer.previous_response_id == plain.id
    assert answer.id != plain.id


def test_the_client_accumulates_a_stream_to_the_same_answer(client: OpenAI) -> None:
    whole = client.responses.create(model="simulator", input="hello", max_output_tokens=40)
    with client.responses.stream(model="simulator", input="hello", max_output_tokens=40) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == whole.output_text
    assert final.usage is not None
    assert final.usage.output_tokens == 40
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events if event.type != "response.output_text.delta"] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]


def test_a_tool_is_called_whole_and_streamed_alike(client: OpenAI) -> None:
    whole = client.responses.create(model="simulator", input="call plot", tools=[TOOL])
    [call] = whole.output
    assert isinstance(call, ResponseFunctionToolCall)
    assert isinstance(Point.model_validate_json(call.arguments), Point)
    with client.responses.stream(model="simulator", input="call plot", tools=[TOOL]) as stream:
        types = {event.type for event in stream}
        [streamed] = stream.get_final_response().output
    assert "response.function_call_arguments.done" in types
    assert isinstance(streamed, ResponseFunctionToolCall)
    assert (streamed.name, streamed.arguments) == (call.name, call.arguments)


def test_the_named_tool_is_called_and_its_output_is_answered_by_text(client: OpenAI) -> None:
    first = client.responses.create(
        model="simulator", input="draw", tools=[TOOL], tool_choice={"type": "function", "name": "plot"}
    )
    [call] = first.output
    assert isinstance(call, ResponseFunctionToolCall)
    items: Any = [
        {"role": "user", "content": "draw"},
        call.model_dump(),
        {"type": "function_call_output", "call_id": call.call_id, "output": "done"},
    ]
    assert client.responses.create(model="simulator", input=items, tools=[TOOL]).output_text


def test_a_structured_answer_is_of_its_schema(client: OpenAI) -> None:
    answer = client.responses.parse(model="simulator", input="where?", text_format=Point)
    assert isinstance(answer.output_parsed, Point)
    with client.responses.stream(model="simulator", input="where?", text_format=Point) as stream:
        assert stream.get_final_response().output_parsed == answer.output_parsed


def test_json_mode_gives_a_json_object(client: OpenAI) -> None:
    answer = client.responses.create(
        model="simulator", input="hello", text={"format": {"type": "json_object"}}
    )
    assert isinstance(json.loads(answer.output_text), dict)


def test_usage_tells_cached_tokens(client: OpenAI, server: Simulator) -> None:
    for expected in (0, 96):
        answer = client.responses.create(model="simulator", input="x" * 400)
        assert answer.usage is not None
        assert answer.usage.input_tokens_details.cached_tokens == expected
    assert server.stats().cached_tokens == 96
