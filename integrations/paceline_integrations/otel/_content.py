"""Prompts and outputs: whether they leave, and how. By default none does."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from typing import Any, final

from pydantic_core import PydanticSerializationError, from_json, to_json

from . import _names as names
from ._values import Attributes, clean, described

__all__ = ["Content"]

_log = logging.getLogger("paceline.otel")

LONGEST = 32_768
"""Characters of one value; what is longer is cut. Collectors refuse batches of more than a few megabytes."""

_WITHHELD = object()


@final
class Content:
    """What prompts and outputs become: nothing, or what `redact` leaves of them, in plain JSON data."""

    __slots__ = ("_redact", "_said", "captured")

    def __init__(self, captured: bool, redact: Callable[[Any], object] | None) -> None:
        self.captured: bool = captured
        self._redact: Callable[[Any], object] | None = redact
        self._said: bool = False

    def given(self, value: object) -> Attributes:
        """What went in, under the names that backends read."""
        shown = self._shown(value)
        if shown is _WITHHELD:
            return {}
        text, kind = _spelled(shown)
        return {
            names.INPUT_VALUE: text,
            names.INPUT_TYPE: kind,
            names.INPUT_MESSAGES: _message("user", text),
        }

    def made(self, value: object) -> Attributes:
        """What came out, likewise."""
        shown = self._shown(value)
        if shown is _WITHHELD:
            return {}
        text, kind = _spelled(shown)
        return {
            names.OUTPUT_VALUE: text,
            names.OUTPUT_TYPE: kind,
            names.OUTPUT_MESSAGES: _message("assistant", text),
        }

    def text(self, value: object) -> str | None:
        """A question, or the message of an error; None where it must not leave."""
        shown = self._shown(value)
        return None if shown is _WITHHELD else _spelled(shown)[0]

    def _shown(self, value: object) -> object:
        if not self.captured:
            return _WITHHELD
        try:
            plain = _plain(value)
            if self._redact is None:
                return plain
            redacted = self._redact(plain)
            return _WITHHELD if redacted is None else _plain(redacted)
        except Exception as error:  # noqa: BLE001 - logged; foreign code, and content that it was to make safe
            self._say(error)
            return _WITHHELD

    def _say(self, error: Exception) -> None:
        """Log what failed, once: without message and traceback, for these quote what was to be made safe."""
        if self._said:
            return
        self._said = True
        _log.error(
            "redact, or reading a value for it, failed (%s in %s): the value is left out of its span, and "
            "so is each other one for which it fails; this is said once, and not in the error's own words: "
            "they may quote the value",
            type(error).__name__,
            traceback.extract_tb(error.__traceback__)[-1].name,
        )


def _plain(value: object) -> object:
    """A copy in plain JSON data."""
    if isinstance(value, str):
        return value
    try:
        return from_json(to_json(value, fallback=described, bytes_mode="base64", inf_nan_mode="strings"))
    except (PydanticSerializationError, ValueError, RecursionError):
        pass  # it has lone surrogates, which UTF-8 cannot say, or contains itself
    try:
        return json.loads(json.dumps(value, default=described, skipkeys=True))
    except (TypeError, ValueError, RecursionError):
        return described(value)


def _spelled(value: object) -> tuple[str, str]:
    if isinstance(value, str):
        return _cut(value), "text/plain"
    text = json.dumps(value, ensure_ascii=False, default=described)
    return _cut(text), "text/plain" if len(text) > LONGEST else "application/json"


def _cut(text: str) -> str:
    more = len(text) - LONGEST
    return clean(text if more <= 0 else f"{text[:LONGEST]}… ({more} characters more)")


def _message(role: str, text: str) -> str:
    message: dict[str, object] = {"role": role, "parts": [{"type": "text", "content": text}]}
    if role == "assistant":
        message["finish_reason"] = "stop"
    return json.dumps([message], ensure_ascii=False)
