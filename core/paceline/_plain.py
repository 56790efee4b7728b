"""Any Python value as plain JSON data, without ever failing and without running away."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Iterable, Mapping, Set as AbstractSet
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, cast
from uuid import UUID

from pydantic import BaseModel

__all__ = ["plain"]

# pydantic's JSON parser refuses more than 200 levels: what is written here must be readable there.
_DEEPEST: Final = 64
# A value that contains itself many times over (without a cycle) has 2**depth nodes: somewhere it must end.
_MOST: Final = 1_000_000
# Python (and so json and pydantic) refuses to parse an integer of more than 4,300 digits.
_WIDEST_INT: Final = 14_000

_SPELLED: Final = (date, time, timedelta, Decimal, PurePath, UUID)
_LISTED: Final = (list, tuple, AbstractSet, deque)


def plain(value: object, *, most: int = _MOST) -> Any:
    """Copy a value into `None`, booleans, numbers, strings, lists and dicts with string keys.

    Dataclasses and pydantic models become dicts (fields that their `repr`, or their dump, hides stay hidden),
    tuples and sets lists, enums their values, times and paths their usual text. What JSON cannot say becomes
    text: NaN, giant integers, and any other object by its `repr`. Lone surrogates become "?". Cycles, what
    lies deeper than 64 levels, and all that comes after `most` values, are replaced by a note in angle
    brackets. Iterators are not consumed. Nothing but the value's own `repr`, iteration and (for pydantic
    models) dump is run; what these raise becomes a note too.
    """
    return _Walk(most).visit(value, _DEEPEST)


class _Walk:
    __slots__ = ("_above", "_left", "_most")

    def __init__(self, most: int) -> None:
        self._most = self._left = most
        self._above: set[int] = set()

    def visit(self, value: object, depth: int) -> Any:
        self._left -= 1
        kind: type[object] = type(value)
        if kind is str:
            return _clean(cast("str", value))
        if value is None or kind is bool:
            return value
        if kind is int:
            bits = cast("int", value).bit_length()
            return value if bits <= _WIDEST_INT else f"<int of {bits} bits>"
        if kind is float:
            return value if math.isfinite(cast("float", value)) else str(value)
        if depth == 0:
            return f"<{kind.__name__}: nested too deeply>"
        if id(value) in self._above:
            return f"<{kind.__name__}: contains itself>"
        self._above.add(id(value))
        try:
            return self._unfold(value, depth - 1)
        except Exception as error:  # noqa: BLE001 - foreign code (repr, iteration, a dump) may raise anything
            return f"<{kind.__name__}: cannot be shown, {type(error).__name__}>"
        finally:
            self._above.discard(id(value))

    def _unfold(self, value: Any, depth: int) -> Any:
        # Containers are copied before they are walked: the job that owns them may be changing them.
        if isinstance(value, Mapping):
            return self._dict(list(cast("Mapping[object, object]", value).items()), depth)
        if isinstance(value, _LISTED):
            return self._list(list(cast("Iterable[object]", value)), depth)
        if isinstance(value, BaseModel):
            return self.visit(value.model_dump(warnings=False), depth)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            shown = [
                (each.name, getattr(value, each.name)) for each in dataclasses.fields(value) if each.repr
            ]
            return self._dict(shown, depth)
        if isinstance(value, Enum):
            return self.visit(value.value, depth)
        return self.visit(_scalar(value), depth)

    def _dict(self, items: Iterable[tuple[object, object]], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, item in items:
            if self._left <= 0:
                found["…"] = self._cut()
                break
            found[_key(key)] = self.visit(item, depth)
        return found

    def _list(self, items: list[object], depth: int) -> list[Any]:
        found: list[Any] = []
        for item in items:
            if self._left <= 0:
                found.append(self._cut())
                break
            found.append(self.visit(item, depth))
        return found

    def _cut(self) -> str:
        return f"<cut after {self._most} values>"


def _scalar(value: Any) -> str | int | float:
    """Bring subclasses of str, int and float back to these, and all else to text."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "replace")
    if isinstance(value, _SPELLED):
        return str(value)
    return repr(value)


def _key(key: Any) -> str:
    if isinstance(key, Enum):
        return _key(key.value)
    if key is None or type(key) is bool:
        return {None: "null", True: "true", False: "false"}[key]
    return _clean(str(_scalar(key)))


def _clean(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates, as in file names that are not UTF-8
        return text.encode("utf-8", "replace").decode()
    return text
