"""The second contract of GigaChat's API, which its client calls primary: POST /api/v2/chat/completions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError

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
    write_preamble,
)
from ._errors import invalid_body
from ._gigachat import caching_of, model_version, session_headers
from ._reply import Part, Piece, Reply, Usage
from ._tokens import PromptWriter

__all__ = ["GigaChatPrimaryAnswer", "parse_gigachat_primary"]


class _Message(Wire):
    role: str
    content: Content = None


class _Functions(Wire):
    specifications: list[Function] = Field(default_factory=list[Function])


class _Tool(Wire):
    functions: _Functions | None = None


class _ToolConfig(Wire):
    mode: str = "auto"
    function_name: str | None = None


class _Options(Wire):
    max_tokens: MaxTokens | None = None
    response_format: dict[str, Any] | None = None


class _Body(Wire):
    model: str
    messages: list[_Message] = Field(min_length=1)
    model_options: _Options = _Options()
    tools: list[_Tool] | None = None
    tool_config: _ToolConfig = _ToolConfig()
    stream: bool | None = None


def parse_gigachat_primary(content: bytes, headers: Mapping[str, str]) -> Ask:
    """Read a body; the session is in the headers.

    Raises:
        ApiError: if it is malformed.
    """
    try:
        body = _Body.model_validate_json(content)
    except ValidationError as error:
        raise invalid_body(error) from error
    functions = [one for tool in body.tools or () if tool.functions for one in tool.functions.specifications]
    options, last = body.model_options, body.messages[-1]
    schema = schema_of(options.response_format, "model_options.response_format")
    writer = PromptWriter()
    write_preamble(writer, functions, schema)
    for message in body.messages:
        writer.header(message.role)
        writer.add(plain_text(message.content))
    return Ask(
        prompt=writer.prompt(body.model),
        max_tokens=options.max_tokens or DEFAULT_TOKENS,
        called=tools_called(
            functions,
            _choice(body.tool_config),
            plain_text(last.content) if last.role == "user" else None,
            parallel=False,
        ),
        schema=schema,
        stream=bool(body.stream),
        include_usage=True,
        echo={},
        caching=caching_of(headers),
        headers=session_headers(headers),
    )


def _choice(config: _ToolConfig) -> str | dict[str, Any]:
    """Its tool policy in OpenAI's words."""
    if config.mode != "forced":
        return config.mode
    return {"name": config.function_name} if config.function_name else "required"


class GigaChatPrimaryAnswer:
    """Writes one reply as a response, or as the named events of a stream."""

    def __init__(self, ask: Ask, reply: Reply, created: int) -> None:
        self._reply = reply
        self._base: dict[str, Any] = {"model": model_version(ask.prompt.model), "created_at": created}
        self._finish = "function_call" if ask.called else "stop"
        self._state = {"tool_state_id": f"state-{reply.ident}"} if ask.called else {}

    def whole(self, usage: Usage) -> bytes:
        """The body of an answer that is not streamed."""
        content = [_content(part) for part in self._reply.parts]
        return compact({**self._base, "messages": [self._message(content)], **self._end(usage)}).encode()

    def opening(self) -> bytes:
        """What is streamed before the first token: nothing."""
        return b""

    def chunk(self, start: int, stop: int) -> bytes:
        """The tokens from `start` up to `stop`; a call comes whole, with its last ones."""
        contents = (_delta(piece) for piece in self._reply.pieces(start, stop))
        return b"".join(
            self._event("response.message.delta", {"messages": [self._message([content])]})
            for content in contents
            if content
        )

    def closing(self, usage: Usage) -> bytes:
        """The end of the stream, with the usage."""
        return self._event("response.message.done", self._end(usage))

    def _message(self, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {"role": "assistant", **self._state, "content": content}

    def _end(self, usage: Usage) -> dict[str, Any]:
        return {"finish_reason": self._finish, "usage": _usage(usage)}

    def _event(self, name: str, fields: dict[str, Any]) -> bytes:
        return f"event: {name}\ndata: {compact({**self._base, **fields})}\n\n".encode()


def _delta(piece: Piece) -> dict[str, Any] | None:
    if piece.part.tool is None:
        return {"text": piece.text}
    return _content(piece.part) if piece.ends else None


def _content(part: Part) -> dict[str, Any]:
    if part.tool is None:
        return {"text": part.text}
    return {"function_call": {"name": part.tool, "arguments": json.loads(part.text)}}


def _usage(usage: Usage) -> dict[str, Any]:
    """As the real one counts: unlike in the first contract what was cached is among the input."""
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"prompt_tokens": usage.prompt, "cached_tokens": usage.cached},
        "output_tokens": usage.output,
        "total_tokens": usage.prompt + usage.output,
    }
