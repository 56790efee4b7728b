"""What the jobs of a group share: put before what each asks, and marked as the place to cache up to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel

__all__ = ["marked", "several"]


def several(value: object) -> list[Any]:
    """Messages as a list; a text is one of the user's.

    Raises:
        TypeError: if it is neither a text nor messages.
    """
    if value is None:
        return []
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if isinstance(value, Mapping | BaseModel):
        raise TypeError("messages come in a list, also when it is one: [message]")
    if isinstance(value, list | tuple):
        return list(cast("list[Any]", value))
    raise TypeError(f"messages are a text or a list, not {type(value).__name__}")


def marked(items: list[Any], text_part: str) -> list[Any]:
    """A copy in which the last content part bears an explicit cache breakpoint.

    Raises:
        ValueError: if the last item has no content that could bear one.
    """
    last: Any = items[-1]
    if isinstance(last, BaseModel):
        last = last.model_dump(mode="json", exclude_unset=True)
    message: Mapping[str, Any] = cast("Mapping[str, Any]", last) if isinstance(last, Mapping) else {}
    content: object = message.get("content")
    if isinstance(content, str):
        content = [{"type": text_part, "text": content}]
    answered = text_part == "input_text" and message.get("role") == "assistant"  # its parts take no marks
    if not isinstance(content, list | tuple) or not content or answered:
        raise ValueError(
            "breakpoints=True marks the end of the prefix, so the prefix must end in a message to the model "
            f"that has content, not in {last!r:.200}"
        )
    *before, end = cast("list[Any]", content)
    part: dict[str, Any] = {"prompt_cache_breakpoint": {"mode": "explicit"}, **end}
    return [*items[:-1], {**message, "content": [*before, part]}]
