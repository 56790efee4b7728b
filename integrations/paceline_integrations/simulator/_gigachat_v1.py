"""The first contract of GigaChat's API: POST /api/v1/chat/completions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError

from ._ask import (
    DEFAULT_TOKENS,
    Ask,
    Function,
    MaxTokens,
    Wire,
    compact,
    schema_of,
    tools_called,
    write_preamble,
)
from ._errors import invalid_body
from ._gigachat import caching_of, model_version, session_headers
from ._reply import Piece, Reply, Usage
from ._tokens import PromptWriter

__all__ = ["GigaChatAnswer", "parse_gigachat"]


class _Message(Wire):
    role: str
    content: str = ""
    function_call: dict[str, Any] | None = None


class _Body(Wire):
    model: str
    messages: list[_Message] = Field(min_length=1)
    max_tokens: MaxTokens | None = None
    stream: bool | None = None
    functions: list[Function] | None = None
    function_call: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None


def parse_gigachat(content: bytes, headers: Mapping[str, str]) -> Ask:
    """Read a body; the session is in the headers.

    Raises:
        ApiError: if it is malformed.
    """
    try:
        body = _Body.model_validate_json(content)
    except ValidationError as error:
        raise invalid_body(error) from error
    functions = body.functions or []
    schema = schema_of(body.response_format, "response_format")
    last = body.messages[-1]
    writer = PromptWriter()
    write_preamble(writer, functions, schema)
    for message in body.messages:
        writer.header(message.role)
        writer.add(message.content)
        if message.function_call is not None:
            writer.add(compact(message.function_call))
    return Ask(
        prompt=writer.prompt(body.model),
        max_tokens=body.max_tokens or DEFAULT_TOKENS,
        called=tools_called(
            functions,
            body.function_call,
            last.content if last.role == "user" else None,
            parallel=False,
        ),
        schema=schema,
        stream=bool(body.stream),
        include_usage=True,
        echo={},
        caching=caching_of(headers),
        headers=session_headers(headers),
    )


class GigaChatAnswer:
    """Writes one reply as a completion, or as the chunks of a stream."""

    def __init__(self, ask: Ask, reply: Reply, created: int) -> None:
        self._reply = reply
        self._base: dict[str, Any] = {
            "created": created,
            "model": model_version(ask.prompt.model),
            "object": "chat.completion",
        }
        self._finish = "function_call" if ask.called else "stop"

    def whole(self, usage: Usage) -> bytes:
        """The body of an answer that is not streamed."""
        [part] = self._reply.parts
        said = {"content": part.text} if part.tool is None else _call(part.tool, part.text)
        choice = {
            "message": {"role": "assistant", **said},
            "index": 0,
            "finish_reason": self._finish,
        }
        return compact({"choices": [choice], **self._base, "usage": _usage(usage)}).encode()

    def opening(self) -> bytes:
        """What is streamed before the first token: nothing."""
        return b""

    def chunk(self, start: int, stop: int) -> bytes:
        """The tokens from `start` up to `stop`; a call comes whole, with its last ones."""
        deltas = (_delta(piece) for piece in self._reply.pieces(start, stop))
        return b"".join(self._event({"delta": delta, "index": 0}) for delta in deltas if delta)

    def closing(self, usage: Usage) -> bytes:
        """The end of the stream, with the usage."""
        last = {"delta": {"content": ""}, "index": 0, "finish_reason": self._finish}
        return self._event(last, usage=_usage(usage)) + b"data: [DONE]\n\n"

    def _event(self, choice: dict[str, Any], **fields: Any) -> bytes:
        return f"data: {compact({'choices': [choice], **self._base, **fields})}\n\n".encode()


def _delta(piece: Piece) -> dict[str, Any] | None:
    part = piece.part
    if part.tool is None:
        return {"role": "assistant", "content": piece.text}
    return {"role": "assistant", **_call(part.tool, part.text)} if piece.ends else None


def _call(name: str, arguments: str) -> dict[str, Any]:
    return {"content": "", "function_call": {"name": name, "arguments": json.loads(arguments)}}


def _usage(usage: Usage) -> dict[str, Any]:
    """As the real one counts: what was cached is told apart, and is in neither of the sums."""
    read = usage.prompt - usage.cached
    return {
        "prompt_tokens": read,
        "completion_tokens": usage.output,
        "total_tokens": read + usage.output,
        "precached_prompt_tokens": usage.cached,
    }
