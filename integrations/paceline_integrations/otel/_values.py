"""Values as attributes take them: plain, and never a text that an exporter chokes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from . import _names as names

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from paceline import Usage

__all__ = ["Attributes", "clean", "described", "error_type", "number", "told_by_metadata", "usage_attributes"]

Attributes = dict[str, "AttributeValue"]

_LONGEST = 200
"""Characters of an id or a tag: Langfuse drops longer ones."""


def clean(text: str) -> str:
    """The text without lone surrogates: one of them, and OTLP loses the whole batch of spans."""
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode()


def described(value: object) -> str:
    """The value as Python shows it; its kind, where that fails."""
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - foreign code, or a number of more digits than Python writes
        return f"<{type(value).__qualname__}>"


def number(value: int) -> int:
    """The number as it can be sent: OTLP has integers of 64 bits, and what is larger counts nothing."""
    return max(-_LARGEST, min(value, _LARGEST - 1))


_LARGEST = 1 << 63


def told_by_metadata(metadata: Mapping[str, Any]) -> Attributes:
    """What `session_id`, `user_id` and `tags` of a job or group are called where backends look for it."""
    told: Attributes = {}
    session, user, tags = metadata.get("session_id"), metadata.get("user_id"), metadata.get("tags")
    if session is not None:
        told[names.SESSION] = told[names.CONVERSATION] = _short(session)
    if user is not None:
        told[names.USER] = _short(user)
    if tags:
        told[names.TAGS] = told[names.LANGFUSE_TAGS] = tuple(_short(each) for each in _several(tags))
    return told


def _several(tags: object) -> Iterable[object]:
    if isinstance(tags, str) or not isinstance(tags, Iterable):
        return (tags,)
    return cast("Iterable[object]", tags)


def _short(value: object) -> str:
    try:
        text = str(value)
    except Exception:  # noqa: BLE001 - as above
        text = described(value)
    return clean(text[:_LONGEST])


def error_type(error: BaseException) -> Attributes:
    """The kind of an error: its class, and the HTTP status where it has one. Never its message."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    told: Attributes = {names.ERROR_TYPE: clean(name)}
    status = getattr(error, "status_code", None)
    if type(status) is int:
        told[names.HTTP_STATUS] = number(status)
    return told


_COUNTED = (
    ("input_tokens", names.INPUT_TOKENS),
    ("output_tokens", names.OUTPUT_TOKENS),
    ("cached_tokens", names.CACHE_READ_TOKENS),
    ("cache_write_tokens", names.CACHE_WRITE_TOKENS),
    ("reasoning_tokens", names.REASONING_TOKENS),
)


def usage_attributes(usage: Usage, *, told_below: bool) -> Attributes:
    """What an attempt used; in the words that backends add up only if no span below it has said so."""
    told: Attributes = {}
    for field, name in _COUNTED:
        if (value := getattr(usage, field)) is not None:
            value = number(value)
            told[names.OWN_USAGE + field] = value
            if not told_below:
                told[name] = value
    if usage.requests is not None:
        told[names.OWN_USAGE + "requests"] = number(usage.requests)
    if usage.money is not None:
        told[names.OWN_USAGE + "money"] = usage.money
    if not told_below and usage.model is not None:
        told[names.REQUEST_MODEL] = told[names.RESPONSE_MODEL] = clean(usage.model)
    return told
