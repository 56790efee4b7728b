"""What a function takes: how the arguments of a call become data, by name, and data a call again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["REQUIRED", "Signature"]

REQUIRED: Any = inspect.Parameter.empty
"""The default of a parameter that has none."""


class Signature:
    """The parameters of a function, read once.

    A call's payload is a dict from parameter to argument: readable in a log, and the same however it was written.
    """

    __slots__ = ("_positional", "_signature", "_simple", "parameters")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._signature = inspect.signature(function)
        kinds = inspect.Parameter
        given = list(self._signature.parameters.values())
        self.parameters: dict[str, Any] = {
            each.name: each.default
            for each in given
            if each.kind not in {kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD}
        }
        """Names and defaults (or REQUIRED), without `*args` and `**kwargs`."""
        self._positional: tuple[str, ...] = tuple(
            each.name for each in given if each.kind in {kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD}
        )
        self._simple: bool = all(
            each.kind in {kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY} for each in given
        )

    @property
    def required(self) -> tuple[str, ...]:
        """The parameters without a default."""
        return tuple(name for name, default in self.parameters.items() if default is REQUIRED)

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
            if fits and all(name in payload for name in self.required):
                return payload
        return dict(self._signature.bind(*args, **kwargs).arguments)

    def call(self, function: Callable[..., Any], payload: Mapping[str, Any]) -> Any:
        """Call the function with what `bind` made."""
        if self._simple:
            return function(**payload)
        bound = inspect.BoundArguments(self._signature, dict(payload))  # type: ignore[arg-type]  # it is ordered
        return function(*bound.args, **bound.kwargs)
