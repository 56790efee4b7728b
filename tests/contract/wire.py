"""How an answer is written: Chat Completions, Responses, and both contracts of GigaChat's API."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Protocol, TypeAlias

from paceline import Usage
from paceline.testing.adapter_suite import Refuse, Request

__all__ = ["Body", "Chat", "Event", "Events", "Form", "GigaChat", "GigaChatPrimary", "Responses"]

Body: TypeAlias = Mapping[str, Any]
Event: TypeAlias = tuple[str | None, object]
"""Of a stream: its name, if it has one, and its data."""
Events: TypeAlias = AsyncGenerator[Event, None]


class Form(Protocol):
    """One form of answers."""

    def whole(self, body: Body, text: str, usage: Usage) -> object:
        """An answer that is not streamed."""
        ...

    def stream(self, body: Body, request: Request) -> Events:
        """The events of one that is."""
        ...

    def refusal(self, refuse: Refuse) -> tuple[int, object]:
        """The status and body of an error."""
        ...


class OpenAI:
    """What both of OpenAI's APIs have in common."""

    def refusal(self, refuse: Refuse) -> tuple[int, object]:
        error = {"message": refuse.message, "type": "error", "code": refuse.code, "param": None}
        return refuse.status, {"error": error}


class Chat(OpenAI):
    """Chat Completions."""

    def whole(self, body: Body, text: str, usage: Usage) -> object:
        return self._answer(body, {"role": "assistant", "content": text}, "stop", self._usage(usage))

    async def stream(self, body: Body, request: Request) -> Events:
        yield None, self._chunk(body, {"role": "assistant", "content": ""})
        async with aclosing(request.chunks()) as chunks:
            async for chunk in chunks:
                yield None, self._chunk(body, {"content": chunk})
        yield None, self._chunk(body, {}, "stop")
        options: Body = body.get("stream_options") or {}
        if options.get("include_usage"):
            yield None, {**self._chunk(body, {}), "choices": [], "usage": self._usage(request.usage)}
        yield None, "[DONE]"

    def call(self, body: Body, arguments: object) -> tuple[object, list[Event]]:
        """The call of the first tool, whole and streamed."""
        function = {"name": body["tools"][0]["function"]["name"], "arguments": json.dumps(arguments)}
        calls = [{"index": 0, "id": "call-1", "type": "function", "function": function}]
        said = {"role": "assistant", "content": None, "tool_calls": calls}
        events: list[Event] = [(None, self._chunk(body, said, "tool_calls")), (None, "[DONE]")]
        return self._answer(body, said, "tool_calls", None), events

    def _answer(self, body: Body, said: object, finish: str, usage: object) -> object:
        choice = {"index": 0, "message": said, "finish_reason": finish}
        fixed = {"id": "chat-1", "object": "chat.completion", "created": 1, "model": body["model"]}
        return {**fixed, "choices": [choice], "usage": usage}

    def _chunk(self, body: Body, delta: object, finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        fixed = {"id": "chat-1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        return {**fixed, "choices": [choice]}

    def _usage(self, usage: Usage) -> object:
        return {
            "prompt_tokens": usage.input_tokens,
            "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.tokens,
        }


class Responses(OpenAI):
    """The Responses API."""

    def whole(self, body: Body, text: str, usage: Usage) -> dict[str, Any]:
        return self._response(body, [self._message(text)], usage)

    async def stream(self, body: Body, request: Request) -> Events:
        events = self._events(body, request)
        number = 0
        async with aclosing(events):
            async for event in events:
                yield event["type"], {**event, "sequence_number": number}
                number += 1

    def call(self, body: Body, arguments: object) -> tuple[object, list[Event]]:
        """The call of the first tool, whole and streamed."""
        call: dict[str, Any] = {
            "type": "function_call",
            "id": "fc-1",
            "call_id": "call-1",
            "status": "completed",
        }
        item = {**call, "name": body["tools"][0]["name"], "arguments": json.dumps(arguments)}
        done = self._response(body, [item], None)
        events: list[dict[str, Any]] = [
            {"type": "response.created", "response": self._response(body, [], None)},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": done},
        ]
        return done, [(each["type"], {**each, "sequence_number": n}) for n, each in enumerate(events)]

    async def _events(self, body: Body, request: Request) -> AsyncGenerator[dict[str, Any], None]:
        at = {"item_id": "msg-1", "output_index": 0, "content_index": 0}
        empty, text = self._message(""), ""
        begun: dict[str, Any] = {**empty, "status": "in_progress", "content": []}
        yield {"type": "response.created", "response": self._response(body, [], None)}
        yield {"type": "response.in_progress", "response": self._response(body, [], None)}
        async with aclosing(request.chunks()) as chunks:
            async for chunk in chunks:
                if not text:  # the prompt has been read: an item begins
                    yield {"type": "response.output_item.added", "output_index": 0, "item": begun}
                    yield {"type": "response.content_part.added", **at, "part": empty["content"][0]}
                text += chunk
                yield {"type": "response.output_text.delta", **at, "delta": chunk, "logprobs": []}
        message = self._message(text)
        yield {"type": "response.output_text.done", **at, "text": text, "logprobs": []}
        yield {"type": "response.content_part.done", **at, "part": message["content"][0]}
        yield {"type": "response.output_item.done", "output_index": 0, "item": message}
        yield {"type": "response.completed", "response": self.whole(body, text, request.usage)}

    def _message(self, text: str) -> dict[str, Any]:
        part: dict[str, Any] = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        return {
            "type": "message",
            "id": "msg-1",
            "role": "assistant",
            "status": "completed",
            "content": [part],
        }

    def _response(self, body: Body, output: list[Any], usage: Usage | None) -> dict[str, Any]:
        fixed: dict[str, Any] = {"id": "resp-1", "object": "response", "created_at": 1, "tools": []}
        fixed |= {
            "parallel_tool_calls": False,
            "tool_choice": "auto",
            "error": None,
            "incomplete_details": None,
        }
        status = "completed" if output else "in_progress"
        return {
            **fixed,
            "model": body["model"],
            "status": status,
            "output": output,
            "usage": self._usage(usage),
        }

    def _usage(self, usage: Usage | None) -> object:
        return usage and {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.tokens,
        }


class GigaChat:
    """The first contract of GigaChat's API: cached tokens are not among those of the prompt."""

    def whole(self, body: Body, text: str, usage: Usage) -> object:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return {**self._fixed(body), "choices": [choice], "usage": self._usage(usage)}

    async def stream(self, body: Body, request: Request) -> Events:
        async with aclosing(request.chunks()) as chunks:
            async for chunk in chunks:
                delta = {"role": "assistant", "content": chunk}
                yield None, {**self._fixed(body), "choices": [{"index": 0, "delta": delta}]}
        last = {"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}
        yield None, {**self._fixed(body), "choices": [last], "usage": self._usage(request.usage)}
        yield None, "[DONE]"

    def refusal(self, refuse: Refuse) -> tuple[int, object]:
        # It has a status of its own for a spent quota, and no codes.
        status = 402 if refuse.code == "insufficient_quota" else refuse.status
        return status, {"status": status, "message": refuse.message}

    def _fixed(self, body: Body) -> dict[str, Any]:
        return {"object": "chat.completion", "created": 1, "model": body["model"]}

    def _usage(self, usage: Usage) -> object:
        read = (usage.input_tokens or 0) - (usage.cached_tokens or 0)
        return {
            "prompt_tokens": read,
            "precached_prompt_tokens": usage.cached_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": read + (usage.output_tokens or 0),
        }


class GigaChatPrimary(GigaChat):
    """The second contract, primary to its client: cached tokens are among those of the input."""

    def whole(self, body: Body, text: str, usage: Usage) -> object:
        return {**self._said(body, text), **self._end(usage)}

    async def stream(self, body: Body, request: Request) -> Events:
        async with aclosing(request.chunks()) as chunks:
            async for chunk in chunks:
                yield "response.message.delta", self._said(body, chunk)
        yield "response.message.done", {"model": body["model"], "created_at": 1, **self._end(request.usage)}

    def _said(self, body: Body, text: str) -> dict[str, Any]:
        message = {"role": "assistant", "content": [{"text": text}]}
        return {"model": body["model"], "created_at": 1, "messages": [message]}

    def _end(self, usage: Usage) -> dict[str, Any]:
        told = {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {
                "prompt_tokens": usage.input_tokens,
                "cached_tokens": usage.cached_tokens,
            },
            "output_tokens": usage.output_tokens,
            "total_tokens": usage.tokens,
        }
        return {"finish_reason": "stop", "usage": told}
