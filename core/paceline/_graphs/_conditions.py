"""Conditions, `with_options(when=...)`: what they are asked with, wherever a call stands."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, Any, cast

from paceline._bodies import Inputs
from paceline._executor import is_async

from ._signature import REQUIRED, Signature

if TYPE_CHECKING:
    from ._steps import Step

__all__ = ["Condition", "Conditional"]


class Condition:
    """A function that says whether a task is wanted.

    It is asked with those of the task's arguments that it names, defaults included; its own default stands in
    for what is no argument of the task. Of a payload that is no mapping it is asked with the payload.

    Raises:
        TypeError: if it is a task or async function, whose answer nobody could wait for.
    """

    __slots__ = ("_defaults", "_function", "_own", "_signature", "_step", "names")

    def __init__(self, step: Step[..., Any], function: Callable[..., Any]) -> None:
        from ._steps import Step

        if isinstance(function, Step) or is_async(function):
            raise TypeError(
                f"{step}: `when` is a task or async function: "
                "give it what a call of that has put out, or a plain function"
            )
        self._step = step
        self._function = function
        try:
            self._signature: Signature | None = Signature(function)
        except ValueError:  # a builtin: it can be asked with a payload
            self._signature = None
        own = self._signature
        self._own: Mapping[str, Any] = {} if own is None else own.parameters
        self.names: tuple[str, ...] = () if own is None else (*own.parameters, *own.rest)
        """The arguments that it asks for."""
        takes = {} if step.signature is None else step.signature.parameters
        self._defaults = {name: each for name, each in takes.items() if each is not REQUIRED}

    def check(self, given: Container[str]) -> None:
        """Refuse it where it asks for more than the arguments of these names, and defaults.

        Raises:
            TypeError: naming the argument; or if it does not tell what it asks for.
        """
        if self._signature is None:
            raise TypeError(
                f"{self._step}: `when` does not tell its parameters, it is {self._function!r}: "
                "put a lambda around it"
            )
        for name in self.names:
            if name not in given and name not in self._defaults and self._own.get(name, REQUIRED) is REQUIRED:
                takes = () if self._step.signature is None else self._step.signature.parameters
                listed = f": {', '.join(map(repr, takes))}" if takes else ""
                raise TypeError(f"{self._step}: `when` asks for {name!r}, which is no argument of it{listed}")

    def holds(self, payload: Any) -> bool:
        """Ask it.

        Raises:
            TypeError: as for `check`; or if it answers with something to be awaited.
        """
        if self._step.signature is None and not isinstance(payload, Mapping):
            answer = self._function(payload)
        else:
            given = cast("Mapping[str, Any]", payload)
            self.check(given)
            known = {**self._defaults, **given}
            asked = {name: known[name] for name in self.names if name in known}
            answer = cast("Signature", self._signature).call(self._function, asked)
        if inspect.isawaitable(answer):
            if inspect.iscoroutine(answer):
                answer.close()
            raise TypeError(f"{self._step}: `when` answers with something to be awaited, {answer!r:.80}")
        return bool(answer)


class Conditional(Inputs):
    """The payload of a call that runs only where its condition holds: in a flow, or in place.

    Raises:
        TypeError: as for `Condition`.
    """

    __slots__ = ("_condition", "_payload")

    def __init__(self, step: Step[..., Any], payload: Any) -> None:
        self._condition = Condition(step, step.when) if callable(step.when) else step.when
        self._payload = payload

    def conditional(self) -> bool:
        return True

    def met(self) -> bool:
        condition = self._condition
        return condition.holds(self._payload) if isinstance(condition, Condition) else bool(condition)

    def resolve(self) -> object:
        return self._payload
