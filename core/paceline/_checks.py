"""Checks at the border, where callers without a type checker come in: one line that names the object."""

from __future__ import annotations

import math
from typing import TypeVar

__all__ = ["count", "instance", "number", "text"]

T = TypeVar("T")


def number(owner: str, name: str, value: object, *, least: float = 0.0, above: bool = False) -> None:
    """Refuse what is not a finite number of at least (or above) `least`."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not good or (isinstance(value, int | float) and (value < least or (above and value == least))):
        bound = "above" if above else "of at least"
        kind = ValueError if isinstance(value, int | float) else TypeError
        raise kind(f"{owner}: {name} must be a finite number {bound} {least:g}, not {value!r}")


def count(owner: str, name: str, value: object) -> None:
    """Refuse what is not a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{owner}: {name} must be a whole number of at least 1, not {value!r}")
    if value < 1:
        raise ValueError(f"{owner}: {name} must be a whole number of at least 1, not {value!r}")


def text(owner: str, name: str, value: object) -> None:
    """Refuse what is not a text with something in it."""
    if not isinstance(value, str):
        raise TypeError(f"{owner}: {name} must be a text, not {value!r}")
    if not value:
        raise ValueError(f"{owner}: {name} must not be empty")


def instance(owner: str, name: str, value: object, kind: type[T], remedy: str = "") -> None:
    """Refuse what is not of that class."""
    if not isinstance(value, kind):
        hint = f"; {remedy}" if remedy else ""
        raise TypeError(f"{owner}: {name} must be a {kind.__name__}, not {value!r}{hint}")
