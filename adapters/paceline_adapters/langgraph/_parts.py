"""What a graph streams: LangGraph's own stream parts, and how they become an output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage
from langgraph.types import StreamMode

from paceline import JobContext

__all__ = ["Parts", "output_of", "text_of"]

_MODELS = ("ai", "AIMessageChunk")


def text_of(chunk: object) -> str:
    """Return the text that a model wrote in a chunk of a graph's stream; "" for all other parts.

        "".join([text_of(chunk) async for chunk in handle.stream()])

    Tool calls, updates, custom data, and messages that are not a model's have none.
    """
    if not isinstance(chunk, Mapping):
        return ""
    part = cast("Mapping[str, Any]", chunk)
    if part.get("type") != "messages":
        return ""
    message: object = part["data"][0]
    if isinstance(message, Mapping):  # a remote graph's
        told = cast("Mapping[str, Any]", message)
        message = AIMessage(told["content"]) if told.get("type") in _MODELS else None
    return str(message.text) if isinstance(message, AIMessage) else ""


class Parts:
    """Hands the parts of one stream on, and keeps what the output is made of."""

    def __init__(self, ctx: JobContext, modes: Sequence[StreamMode], *, opens: bool) -> None:
        self._ctx: JobContext = ctx
        self._opens: bool = opens
        """Whether any part counts as the first token; of a primer only its model's, and the watch tells."""
        self._modes: Sequence[StreamMode] = modes
        self.value: Any = None
        """The graph's values, as of its last step."""

    def take(self, part: Mapping[str, Any], *, speaks: bool) -> None:
        """Take the next part; `speaks`: whether it is known to be what a model wrote."""
        kind: str = part["type"]
        if kind == "values" and not part["ns"]:
            self.value = part["data"]
        if kind in self._modes:
            self._ctx.emit(part, first_token=self._opens or speaks)


def output_of(value: Any, channels: str | Sequence[str] | None) -> Any:
    """What `ainvoke` returns, from streamed values: those of the graph's output schema."""
    if channels is None or isinstance(channels, str) or not isinstance(value, dict):
        return value
    values = cast("dict[str, Any]", value)
    return {name: values[name] for name in channels if name in values}
