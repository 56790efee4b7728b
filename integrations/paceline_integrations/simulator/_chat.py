"""The wire format of Chat Completions."""

from __future__ import annotations

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
    write_content,
    write_preamble,
)
from ._cache_options import CacheKey, ChatCacheOptions, caching_of
from ._errors import bad_request, invalid_body
from ._reply import Part, Piece, Reply, Usage
from ._tokens import PromptWriter

__all__ = ["ChatAnswer", "parse_chat"]


class _CalledFunction(Wire):
    name: str
    arguments: str = ""


class _ToolCall(Wire):
    function: _CalledFunction | None = None


class _Message(Wire):
    role: str
    content: Content = None
    tool_calls: list[_ToolCall] | None = None


class _Tool(Wire):
    type: str
    function: Function | None = None


class _StreamOptions(Wire):
    include_usage: bool | None = None


class _ChatBody(Wire):
    model: str
    messages: list[_Message] = Field(min_length=1)
    n: int | None = None
    max_tokens: MaxTokens | None = None
    max_completion_tokens: MaxTokens | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    prompt_cache_key: CacheKey | None = None
    prompt_cache_options: ChatCacheOptions | None = None


def parse_chat(content: bytes, _headers: Mapping[str, str]) -> Ask:
    """Read the body of a POST to /v1/chat/completions.

    Raises:
        ApiError: if it is malformed, or asks for several choices.
    """
    try:
        body = _ChatBody.model_validate_json(content)
    except ValidationError as error:
        raise invalid_body(error) from error
    if body.n not in {None, 1}:
        raise bad_request("The simulator gives one choice: 'n' must be 1.", param="n", code="invalid_value")
    functions = [tool.function for tool in body.tools or () if tool.function is not None]
    schema = schema_of(body.response_format, "response_format")
    last = body.messages[-1]
    writer = _written(body, functions, schema)
    return Ask(
        prompt=writer.prompt(body.model),
        max_tokens=body.max_completion_tokens or body.max_tokens or DEFAULT_TOKENS,
        called=tools_called(
            functions,
            body.tool_choice,
            plain_text(last.content) if last.role == "user" else None,
            parallel=body.parallel_tool_calls is not False,
        ),
        schema=schema,
        stream=bool(body.stream),
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
        echo={},
        caching=caching_of(body.prompt_cache_options, writer.marks),
        cache_key=body.prompt_cache_key,
    )


def _written(body: _ChatBody, functions: list[Function], schema: Any) -> PromptWriter:
    writer = PromptWriter()
    write_preamble(writer, functions, schema)
    for message in body.messages:
        writer.header(message.role)
        write_content(writer, message.content)
        for call in message.tool_calls or ():
            if call.function is not None:
                writer.add(compact([call.function.name, call.function.arguments]))
    return writer


class ChatAnswer:
    """Writes one reply as a completion, or as the chunks of a stream."""

    def __init__(self, ask: Ask, reply: Reply, created: int) -> None:
        self._ask = ask
        self._reply = reply
        self._base: dict[str, Any] = {
            "id": f"chatcmpl-{reply.ident}",
            "object": "chat.completion",
            "created": created,
            "model": ask.prompt.model,
            "system_fingerprint": "fp_simulator",
        }
        self._finish = "tool_calls" if ask.called else "stop"

    def whole(self, usage: Usage) -> bytes:
        """The body of an answer that is not streamed."""
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
        if self._ask.called:
            message["tool_calls"] = [_call(part) for part in self._reply.parts]
        else:
            message["content"] = self._reply.parts[0].text
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish}
        return compact({**self._base, "choices": [choice], "usage": _usage(usage)}).encode()

    def opening(self) -> bytes:
        """What is streamed before the first token: nothing."""
        return b""

    def chunk(self, start: int, stop: int) -> bytes:
        """The tokens from `start` up to `stop`; the first come with the role."""
        events = [self._event({"role": "assistant", "content": "", "refusal": None})] if start == 0 else []
        events += [
            self._event(delta) for piece in self._reply.pieces(start, stop) for delta in _deltas(piece)
        ]
        return b"".join(events)

    def closing(self, usage: Usage) -> bytes:
        """The end of the stream, with the usage where that was asked for."""
        events = [self._event({}, finish=self._finish)]
        if self._ask.include_usage:
            events.append(self._data({"choices": [], "usage": _usage(usage)}))
        events.append(b"data: [DONE]\n\n")
        return b"".join(events)

    def _event(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        absent = {"usage": None} if self._ask.include_usage else {}
        return self._data({"choices": [choice], **absent})

    def _data(self, fields: dict[str, Any]) -> bytes:
        return f"data: {compact({**self._base, 'object': 'chat.completion.chunk', **fields})}\n\n".encode()


def _call(part: Part) -> dict[str, Any]:
    return {
        "id": part.ident,
        "type": "function",
        "function": {"name": part.tool, "arguments": part.text},
    }


def _deltas(piece: Piece) -> list[dict[str, Any]]:
    """A text as it is; a call with its name first, then its arguments."""
    if piece.part.tool is None:
        return [{"content": piece.text}]
    deltas: list[dict[str, Any]] = []
    if piece.begins:
        head = _call(piece.part)
        head["function"]["arguments"] = ""
        deltas.append({"tool_calls": [{"index": piece.index, **head}]})
    deltas.append({"tool_calls": [{"index": piece.index, "function": {"arguments": piece.text}}]})
    return deltas


def _usage(usage: Usage) -> dict[str, Any]:
    written = {} if usage.written is None else {"cache_write_tokens": usage.written}
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.output,
        "total_tokens": usage.prompt + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0, **written},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
