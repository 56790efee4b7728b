"""The wire format of Responses: what comes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ._ask import (
    DEFAULT_TOKENS,
    Ask,
    Content,
    Function,
    MaxTokens,
    Wire,
    compact,
    plain_text,
    schema_of,
    tools_called,
    write_content,
    write_preamble,
)
from ._cache_options import CacheKey, CacheOptions, caching_of
from ._errors import bad_request, invalid_body
from ._tokens import PromptWriter

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
    store: bool | None = None
    prompt_cache_key: CacheKey | None = None
    prompt_cache_options: CacheOptions | None = None


def parse_response(content: bytes, _headers: Mapping[str, str]) -> Ask:
    """Read the body of a POST to /v1/responses. An earlier response may be named, but is not remembered.

    Raises:
        ApiError: if it is malformed, or asks for work in the background that is not to be stored.
    """
    try:
        body = _ResponseBody.model_validate_json(content)
    except ValidationError as error:
        raise invalid_body(error) from error
    if body.background and body.store is False:
        raise bad_request("Background responses are stored: 'store' must not be false.", param="store")
    items = [_Item(role="user", content=body.input)] if isinstance(body.input, str) else body.input
    if not items:
        raise bad_request("Invalid value for 'input': it is empty.", param="input", code="invalid_value")
    tools = [tool for tool in body.tools or () if tool.type == "function" and tool.name is not None]
    functions = [
        Function(name=tool.name or "", description=tool.description, parameters=tool.parameters)
        for tool in tools
    ]
    schema = schema_of(body.text.format if body.text else None, "text.format")
    last = items[-1]
    prewarm = body.prompt_cache_options is not None and body.prompt_cache_options.prewarm
    writer = _written(body, items, functions, schema)
    return Ask(
        prompt=writer.prompt(body.model),
        max_tokens=0 if prewarm else body.max_output_tokens or DEFAULT_TOKENS,
        called=tools_called(
            functions,
            body.tool_choice,
            plain_text(last.content) if last.role == "user" else None,
            parallel=body.parallel_tool_calls is not False,
        ),
        schema=schema,
        stream=bool(body.stream),
        include_usage=True,
        echo=_echo(body, tools),
        caching=caching_of(body.prompt_cache_options, writer.marks),
        cache_key=body.prompt_cache_key,
        background=bool(body.background),
    )


def _written(body: _ResponseBody, items: list[_Item], functions: list[Function], schema: Any) -> PromptWriter:
    """Write the prompt as the Chat format does, so that both share what they have in common."""
    writer = PromptWriter()
    write_preamble(writer, functions, schema)
    if body.instructions is not None:
        writer.header("system")
        writer.add(body.instructions)
    for item in items:
        if item.role is not None:
            writer.header(item.role)
            write_content(writer, item.content)
        elif item.type == "function_call":
            writer.header("assistant")
            writer.add("")
            writer.add(compact([item.name, item.arguments]))
        elif item.type == "function_call_output":
            writer.header("tool")
            write_content(writer, item.output)
    return writer


def _echo(body: _ResponseBody, tools: list[_Tool]) -> dict[str, Any]:
    options = body.prompt_cache_options
    applied = None if options is None else {"mode": options.mode, "ttl": options.ttl or "30m"}
    return {
        "background": bool(body.background),
        "store": bool(body.background),  # no other response is remembered
        "prompt_cache_key": body.prompt_cache_key,
        "prompt_cache_options": applied,
        "instructions": body.instructions,
        "previous_response_id": body.previous_response_id,
        "max_output_tokens": body.max_output_tokens,
        "metadata": body.metadata or {},
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "tool_choice": body.tool_choice or "auto",
        "tools": [{**tool.model_dump(), "strict": True} for tool in tools],
        "text": {"format": (body.text and body.text.format) or {"type": "text"}},
    }
