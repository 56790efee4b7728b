"""JSON values of a file with the lines on which they stand, so that a mistake in one can be pointed to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Placed", "members", "values"]

_DECODER: Final = json.JSONDecoder()
_SPACE: Final = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Placed:
    """A value, where its text begins and ends, and the line of its beginning."""

    value: Any
    start: int
    end: int
    line: int


def values(text: str) -> Iterator[Placed]:
    """Read values one after another: JSON Lines, or one value that is spread over lines.

    Raises:
        ValueError: where what follows is not JSON, with the line.
    """
    at, seen = _skip(text, 0), (0, 1)
    while at < len(text):
        placed = _value(text, at, seen)
        yield placed
        at, seen = _skip(text, placed.end), (placed.start, placed.line)


def members(text: str, of: Placed) -> Iterator[tuple[str, Placed]]:
    """Read the members of an object, each with its place: one that comes twice comes twice here."""
    at, seen = _skip(text, of.start + 1), (of.start, of.line)
    while text[at] != "}":
        key = _value(text, at, seen)
        seen = key.start, key.line
        colon = _skip(text, key.end)
        value = _value(text, _skip(text, colon + 1), seen)
        yield key.value, value
        at = _skip(text, value.end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _value(text: str, at: int, seen: tuple[int, int]) -> Placed:
    """Read one value; `seen` is a place before it with its line: lines are counted from there."""
    before, line = seen
    line += text.count("\n", before, at)
    try:
        value, end = _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.lineno}: not JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise ValueError(f"{line}: not JSON that can be read: it is nested too deeply") from error
    return Placed(value, at, end, line)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at
