"""From what came back to what a job gives, and to what it used."""

from __future__ import annotations

import functools
from typing import Any, cast

from openai import pydantic_function_tool
from pydantic import BaseModel, ValidationError

from paceline import OutputInvalid, Usage

from ._requests import Request

__all__ = ["schema_of", "shaped", "used"]


@functools.lru_cache(maxsize=128)
def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """What both APIs take to have answers fit a pydantic model: name, strict, and its JSON Schema."""
    # The client's own public way to a schema that "strict" accepts.
    tool = cast("dict[str, Any]", pydantic_function_tool(model)["function"])
    return {"name": tool["name"], "strict": True, "schema": tool["parameters"]}


def shaped(request: Request, text: str, response: object) -> object:
    """The text, or the object that it stands for.

    Raises:
        OutputInvalid: if it stands for none.
    """
    if request.output == "text":
        return text
    model = request.format
    assert model is not None
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise OutputInvalid(text, model.__name__, response) from error


def used(usage: object, model: str, answered_by: object = None) -> Usage:
    """What one call used, in the names of either API; what a server does not say is unknown.

    Compatible servers leave out any part, or send null for it.
    """
    read = _part(usage, "input_tokens_details") or _part(usage, "prompt_tokens_details")
    written = _part(usage, "output_tokens_details") or _part(usage, "completion_tokens_details")
    return Usage(
        input_tokens=_count(usage, "input_tokens", "prompt_tokens"),
        cached_tokens=_first(
            _count(read, "cached_tokens"),
            _count(usage, "cached_tokens", "prompt_cache_hit_tokens"),  # Kimi's and DeepSeek's names
        ),
        cache_write_tokens=_count(read, "cache_write_tokens"),
        output_tokens=_count(usage, "output_tokens", "completion_tokens"),
        reasoning_tokens=_count(written, "reasoning_tokens"),
        requests=1,
        model=answered_by if isinstance(answered_by, str) and answered_by else model,
    )


def _part(value: object, name: str) -> object:
    return getattr(value, name, None)


def _first(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)


def _count(value: object, *names: str) -> int | None:
    for name in names:
        count = getattr(value, name, None)
        if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
            return count
    return None
