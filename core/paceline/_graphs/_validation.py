"""Values against annotations, by pydantic, for tasks that ask for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError

from paceline._errors import InputError

from ._types import UNKNOWN, hints_of

__all__ = ["checked_arguments", "checked_return"]

_RETURN = "return"
_adapters: WeakKeyDictionary[Callable[..., Any], dict[str, TypeAdapter[Any] | None]] = WeakKeyDictionary()


def checked_arguments(task: str, fn: Callable[..., Any], payload: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, converted as pydantic does.

    Raises:
        InputError: if one does not fit its annotation.
    """
    return {
        name: _check(f"task {task!r}: argument {name!r}", fn, name, value) for name, value in payload.items()
    }


def checked_return(task: str, fn: Callable[..., Any], value: Any) -> Any:
    """What the function returned, converted as pydantic does.

    Raises:
        InputError: if it does not fit the annotation.
    """
    return _check(f"task {task!r}: what it returned", fn, _RETURN, value)


def _check(what: str, fn: Callable[..., Any], name: str, value: Any) -> Any:
    adapter = _adapter(fn, name)
    if adapter is None:
        return value
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise InputError(f"{what} does not fit its annotation: {error}") from error


def _adapter(fn: Callable[..., Any], name: str) -> TypeAdapter[Any] | None:
    fn = getattr(fn, "__func__", fn)  # a bound method is a new object each time
    adapters = _adapters.get(fn)
    if adapters is None:
        adapters = _adapters[fn] = {}
    if name not in adapters:
        hints, returned = hints_of(fn)
        hint = returned if name == _RETURN else hints.get(name, UNKNOWN)
        adapters[name] = None if hint is UNKNOWN else _make(hint)
    return adapters[name]


def _make(hint: Any) -> TypeAdapter[Any] | None:
    try:
        return TypeAdapter(hint)
    except PydanticSchemaGenerationError:
        return None  # a type of which pydantic knows nothing cannot be checked
