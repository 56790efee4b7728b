"""What an answer must be, in the words of JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError

__all__ = ["json_schema"]


def json_schema(schema: object) -> dict[str, Any] | None:
    """What an answer must be, as a JSON Schema; None where anything will do, or JSON has no words for it."""
    if schema is None:
        return None
    if isinstance(schema, Mapping):
        return dict(cast("Mapping[str, Any]", schema))
    try:
        return TypeAdapter(cast("type[Any]", schema)).json_schema()
    except (PydanticUserError, TypeError, NameError):  # a class of one's own, a name that is not there yet
        return None
