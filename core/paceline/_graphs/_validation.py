"""Values against annotations, by pydantic, for tasks that ask for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError

from paceline._errors import InputError

from ._signature import Signature
from ._types import UNKNOWN, hints_of

__all__ = ["Checks"]

_log = logging.getLogger("paceline")
_ANY_CLASS = ConfigDict(arbitrary_types_allowed=True)


class Checks:
    """What a function says of its arguments and of what it returns, ready to hold values against.

    What it says nothing of passes as it is. So does what pydantic can make nothing of, which the log names.
    """

    def __init__(self, task: str, function: Callable[..., Any], signature: Signature) -> None:
        self._task = task
        hints = hints_of(function)
        self._arguments: dict[str, TypeAdapter[Any]] = {}
        for name, hint in hints.parameters.items():
            several = _several(hint, named=signature.rest[name]) if name in signature.rest else hint
            adapter = self._adapter(f"argument {name!r}", several)
            if adapter is not None:
                self._arguments[name] = adapter
        self._returned = self._adapter("what it returns", hints.returns)

    def arguments(self, payload: Any) -> Any:
        """The arguments, by name, converted as pydantic does.

        Raises:
            InputError: if one does not fit its annotation.
        """
        if not isinstance(payload, Mapping):
            return payload  # the call refuses it, in its own words
        given = cast("Mapping[str, Any]", payload)
        return {name: self._argument(name, value) for name, value in given.items()}

    def _argument(self, name: str, value: Any) -> Any:
        adapter = self._arguments.get(name)
        if adapter is None:
            return value
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            raise InputError(
                f"task {self._task!r}: argument {name!r} does not fit its annotation: {error}"
            ) from error

    def returned(self, value: Any) -> Any:
        """What the function returned, converted as pydantic does.

        Raises:
            ValueError: if it does not fit the annotation; another attempt may return something better.
        """
        if self._returned is None:
            return value
        try:
            return self._returned.validate_python(value)
        except ValidationError as error:
            raise ValueError(
                f"task {self._task!r}: what it returned does not fit its annotation: {error}"
            ) from error

    def _adapter(self, what: str, hint: Any) -> TypeAdapter[Any] | None:
        if hint is UNKNOWN:
            return None
        try:
            return _adapter(hint)
        except Exception as error:  # noqa: BLE001 - said in the log; an annotation can be anything at all
            _log.warning("task %r: %s is not checked: %s", self._task, what, error)
            return None


def _several(hint: Any, *, named: bool) -> Any:
    """The type of `**kwargs` or `*args` of that annotation."""
    return dict[str, hint] if named else tuple[hint, ...]


def _adapter(hint: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(hint)
    except PydanticSchemaGenerationError:  # somewhere in it there is a class that pydantic does not know
        return TypeAdapter(hint, config=_ANY_CLASS)
