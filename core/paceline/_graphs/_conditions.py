"""Calls with a condition, `with_options(when=...)`, where no graph is drawn: in a flow, or in place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from paceline._bodies import Inputs

from ._signature import REQUIRED

if TYPE_CHECKING:
    from ._steps import Step

__all__ = ["Conditional"]


class Conditional(Inputs):
    """The payload of a call that runs only where its condition holds.

    A function is asked with those of the call's arguments that it names, defaults included; or with the
    payload, where that is no mapping.

    Raises:
        TypeError: if the condition is an async function, whose answer nobody could wait for.
    """

    __slots__ = ("_payload", "_step")

    def __init__(self, step: Step[..., Any], payload: Any) -> None:
        if inspect.iscoroutinefunction(step.when):
            raise TypeError(f"{step}: `when` is an async function: await it first, and hand in what it says")
        self._step = step
        self._payload = payload

    def conditional(self) -> bool:
        return True

    def met(self) -> bool:
        when = self._step.when
        if not callable(when):
            return bool(when)
        if self._step.signature is None and not isinstance(self._payload, Mapping):
            return bool(when(self._payload))
        return bool(when(**self._asked(when)))

    def resolve(self) -> object:
        return self._payload

    def _asked(self, when: Callable[..., Any]) -> dict[str, Any]:
        signature = self._step.signature
        known: dict[str, Any] = {} if signature is None else dict(signature.parameters)
        known.update(cast("Mapping[str, Any]", self._payload))
        asked = {name: known.get(name, REQUIRED) for name in inspect.signature(when).parameters}
        for name, value in asked.items():
            if value is REQUIRED:
                names = ", ".join(map(repr, known)) or "none"
                raise TypeError(
                    f"{self._step}: `when` asks for {name!r}, which is no argument of it: {names}"
                )
        return asked
