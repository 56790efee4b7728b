"""The wire format of Responses: what comes in."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from ._ask import (
    DEFAULT_TOKENS,
    Ask,
    Content,
    MaxTokens,
    Tool,
    Wire,
    compact,
    plain_text,
    schema_of,
    tools_called,
    write_preamble,
)
from ._errors import bad_request, invalid_body
from ._tokens import Prompt, PromptWriter

__all__ = ["parse_response"]


class _Item(Wire):
    """An input item: a message, a call that was made, its output, or anything else, kept as JSON."""

    type: str | None = None
    role: str | None = None
    content: Content = None
    name: str | None = None
    arguments: str | None = None
    output: Content = None


class _Tool(Wire):
    type: str
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Text(Wire):
    format: dict[str, Any] | None = None


class _ResponseBody(Wire):
    model: str
    input: str | list[_Item]
    instructions: str | None = None
    previous_response_id: str | None = None
    max_output_tokens: MaxTokens | None = None
    stream: bool | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: _Text | None = None
    metadata: dict[str, str] | None = None
    background: bool | None = None


def parse_response(content: bytes) -> Ask:
    """Read the body of a POST to /v1/responses. An earlier response may be named, but is not remembered.

    Raises:
        ApiError: if it is malformed, or asks for work in the background.
    """
    try:
        body = _ResponseBody.model_validate_json(content)
    except ValidationError as error:
        raise invalid_body(error) from error
    if body.background:
        raise bad_request("The simulator does not work in the background.", param="background")
    items = [_Item(role="user", content=body.input)] if isinstance(body.input, str) else body.input
    if not items:
        raise bad_request("Invalid value for 'input': it is empty.", param="input", code="invalid_value")
    tools = [tool for tool in body.tools or () if tool.type == "function" and tool.name is not None]
    schema = schema_of(body.text.format if body.text else None, "text.format")
    last = items[-1]
    return Ask(
        prompt=_prompt(body, items, tools, schema),
        max_tokens=body.max_output_tokens or DEFAULT_TOKENS,
        called=tools_called(
            [Tool(tool.name or "", tool.parameters or {"type": "object"}) for tool in tools],
            body.tool_choice,
            plain_text(last.content) if last.role == "user" else None,
            parallel=body.parallel_tool_calls is not False,
        ),
        schema=schema,
        stream=bool(body.stream),
        include_usage=True,
        echo=_echo(body, tools),
    )


def _prompt(body: _ResponseBody, items: list[_Item], tools: list[_Tool], schema: Any) -> Prompt:
    """Write the prompt as the Chat format does, so that both share what they have in common."""
    writer = PromptWriter()
    write_preamble(writer, ([tool.name, tool.description, tool.parameters] for tool in tools), schema)
    if body.instructions is not None:
        writer.header("system")
        writer.add(body.instructions)
    for item in items:
        if item.role is not None:
            writer.header(item.role)
            writer.add(plain_text(item.content))
        elif item.type == "function_call":
            writer.header("assistant")
            writer.add("")
            writer.add(compact([item.name, item.arguments]))
        elif item.type == "function_call_output":
            writer.header("tool")
            writer.add(plain_text(item.output))
    return writer.prompt(body.model)


def _echo(body: _ResponseBody, tools: list[_Tool]) -> dict[str, Any]:
    return {
        "instructions": body.instructions,
        "previous_response_id": body.previous_response_id,
        "max_output_tokens": body.max_output_tokens,
        "metadata": body.metadata or {},
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "tool_choice": body.tool_choice or "auto",
        "tools": [{**tool.model_dump(), "strict": True} for tool in tools],
        "text": {"format": (body.text and body.text.format) or {"type": "text"}},
    }
