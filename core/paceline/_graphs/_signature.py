"""What a function takes: how the arguments of a call become data, by name, and data a call again."""

from __future__ import annotations

import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from paceline._executor import executor_name

__all__ = ["REQUIRED", "Signature", "function_name"]

REQUIRED: Any = inspect.Parameter.empty
"""The default of a parameter that has none."""


class Signature:
    """The parameters of a function, read once.

    A call's payload is a dict from parameter to argument: readable in a log, and the same however the call
    was written. What goes to `*args` and `**kwargs` stands under their names, as a tuple and a dict.
    """

    __slots__ = ("_positional", "_required", "_signature", "_simple", "parameters", "rest")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._signature = inspect.signature(function)
        kinds = inspect.Parameter
        given = self._signature.parameters.values()
        many = {kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD}
        self.parameters: dict[str, Any] = {each.name: each.default for each in given if each.kind not in many}
        """Names and defaults (or REQUIRED), without `*args` and `**kwargs`."""
        self.rest: dict[str, bool] = {
            each.name: each.kind is kinds.VAR_KEYWORD for each in given if each.kind in many
        }
        """The names of `*args` and `**kwargs`; whether it is the latter."""
        by_place = {kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD}
        self._positional: tuple[str, ...] = tuple(each.name for each in given if each.kind in by_place)
        self._required: tuple[str, ...] = tuple(
            name for name, default in self.parameters.items() if default is REQUIRED
        )
        self._simple: bool = all(
            each.kind in {kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY} for each in given
        )

    def names(self, number: int) -> tuple[str, ...]:
        """The parameters that so many positional arguments go to."""
        return self._positional[:number]

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call, by name; defaults are left to the function.

        Raises:
            TypeError: if they do not fit, in Python's words.
        """
        if self._simple and len(args) <= len(self._positional):
            payload = dict(zip(self._positional, args, strict=False))
            fits = True
            for name, value in kwargs.items():
                fits = fits and name in self.parameters and name not in payload
                payload[name] = value
            if fits and all(name in payload for name in self._required):
                return payload
        return dict(self._signature.bind(*args, **kwargs).arguments)

    def call(self, function: Callable[..., Any], payload: Any) -> Any:
        """Call the function with what `bind` made, or with such a mapping of somebody else's.

        Raises:
            TypeError: if it is none, or does not fit the parameters.
        """
        given = cast("dict[str, Any]", payload) if isinstance(payload, dict) else _mapping(payload)
        if self._simple:
            return function(**given)
        unknown = given.keys() - self._signature.parameters.keys()
        if unknown:
            raise TypeError(f"got an unexpected argument {min(unknown)!r}")
        bound = inspect.BoundArguments(self._signature, OrderedDict(given))
        return function(*bound.args, **bound.kwargs)


def _mapping(payload: object) -> dict[str, Any]:
    if payload is None:
        return {}
    if isinstance(payload, Mapping):
        return dict(cast("Mapping[str, Any]", payload))
    raise TypeError(f"the payload holds the arguments by name, as a mapping; it is {payload!r:.80}")


def function_name(function: object) -> str:
    """What to call a task or flow that is made of it; of a partial, the function inside."""
    while isinstance(function, functools.partial):
        function = cast("functools.partial[object]", function).func
    return executor_name(function)
