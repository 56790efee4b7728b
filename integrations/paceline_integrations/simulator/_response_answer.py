"""The wire format of Responses: what goes out, whole or as the sequence of events that clients accumulate."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from ._ask import Ask, compact
from ._reply import Part, Piece, Reply, Usage

__all__ = ["ResponseAnswer", "Status"]

Status: TypeAlias = Literal["queued", "in_progress", "completed", "failed", "cancelled"]


class ResponseAnswer:
    """Writes one reply as a response, or as the events of a stream, numbered from 0."""

    def __init__(self, ask: Ask, reply: Reply, created: int) -> None:
        self._reply = reply
        self._background = ask.background
        self._events = 0
        self._base: dict[str, Any] = {
            "id": f"resp_{reply.ident}",
            "object": "response",
            "created_at": created,
            "model": ask.prompt.model,
            "incomplete_details": None,
            "service_tier": "default",
            "temperature": 1.0,
            "top_p": 1.0,
            **ask.echo,
        }

    def whole(self, usage: Usage) -> bytes:
        """The body of an answer that is not streamed."""
        return compact(self.response("completed", usage)).encode()

    def queued(self) -> bytes:
        """What is streamed of work in the background before it has begun."""
        response = self.response("queued")
        return self._event("response.created", response=response) + self._event(
            "response.queued", response=response
        )

    def opening(self) -> bytes:
        """What is streamed before the first token."""
        response = self.response("in_progress")
        created = b"" if self._background else self._event("response.created", response=response)
        return created + self._event("response.in_progress", response=response)

    def chunk(self, start: int, stop: int) -> bytes:
        """The tokens from `start` up to `stop`, with the begin and end of the items they belong to."""
        return b"".join(self._piece(piece) for piece in self._reply.pieces(start, stop))

    def closing(self, usage: Usage) -> bytes:
        """The end of the stream."""
        return self._event("response.completed", response=self.response("completed", usage))

    def failing(self) -> bytes:
        """The end of a stream whose work broke off."""
        return self._event("response.failed", response=self.response("failed"))

    def response(self, status: Status, usage: Usage | None = None) -> dict[str, Any]:
        """The response as it stands; its output and usage are told when it is complete."""
        parts = self._reply.parts if status == "completed" else ()
        broke = {"code": "server_error", "message": "The simulator was asked to break off."}
        return {
            **self._base,
            "status": status,
            "error": broke if status == "failed" else None,
            "output": [_item(part, part.text, "completed") for part in parts],
            "usage": None if usage is None else _usage(usage),
        }

    def _piece(self, piece: Piece) -> bytes:
        return self._text_piece(piece) if piece.part.tool is None else self._call_piece(piece)

    def _text_piece(self, piece: Piece) -> bytes:
        part, place = (
            piece.part,
            {"output_index": piece.index, "item_id": piece.part.ident, "content_index": 0},
        )
        events: list[bytes] = []
        if piece.begins:
            item: dict[str, Any] = {**_item(part, "", "in_progress"), "content": []}
            events += [
                self._event("response.output_item.added", output_index=piece.index, item=item),
                self._event("response.content_part.added", **place, part=_content("")),
            ]
        events.append(self._event("response.output_text.delta", **place, delta=piece.text, logprobs=[]))
        if piece.ends:
            item = _item(part, part.text, "completed")
            events += [
                self._event("response.output_text.done", **place, text=part.text, logprobs=[]),
                self._event("response.content_part.done", **place, part=_content(part.text)),
                self._event("response.output_item.done", output_index=piece.index, item=item),
            ]
        return b"".join(events)

    def _call_piece(self, piece: Piece) -> bytes:
        part, place = piece.part, {"output_index": piece.index, "item_id": _item_id(piece.part)}
        events: list[bytes] = []
        if piece.begins:
            item = _item(part, "", "in_progress")
            events.append(self._event("response.output_item.added", output_index=piece.index, item=item))
        events.append(self._event("response.function_call_arguments.delta", **place, delta=piece.text))
        if piece.ends:
            item = _item(part, part.text, "completed")
            done = "response.function_call_arguments.done"
            events += [
                self._event(done, **place, name=part.tool, arguments=part.text),
                self._event("response.output_item.done", output_index=piece.index, item=item),
            ]
        return b"".join(events)

    def _event(self, kind: str, **fields: Any) -> bytes:
        data = compact({"type": kind, "sequence_number": self._events, **fields})
        self._events += 1
        return f"event: {kind}\ndata: {data}\n\n".encode()


def _item_id(part: Part) -> str:
    return part.ident if part.tool is None else part.ident.replace("call_", "fc_", 1)


def _item(part: Part, text: str, status: str) -> dict[str, Any]:
    if part.tool is None:
        return {
            "id": part.ident,
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": [_content(text)],
        }
    return {
        "id": _item_id(part),
        "type": "function_call",
        "call_id": part.ident,
        "name": part.tool,
        "arguments": text,
        "status": status,
    }


def _content(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.written or 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.prompt + usage.output,
    }
