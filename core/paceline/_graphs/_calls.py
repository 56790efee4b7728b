"""Calls of tasks, flows and graphs: what to await. Outside flows and graphs awaiting one runs it in place."""

from __future__ import annotations

import warnings
from collections.abc import Coroutine, Generator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from paceline._errors import PacelineError

if TYPE_CHECKING:
    from paceline._handles import Handle

    from ._steps import Step

__all__ = ["Call", "InPlace", "refuse_calls"]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Call(Coroutine[Any, Any, R_co]):
    """A call of a task, flow or graph: await it for what it returns.

    A coroutine, to all who take one: `asyncio.run(flow())`, `create_task(task())`.
    """

    __slots__ = ("_steps",)

    _steps: Generator[Any, Any, R_co]

    def send(self, value: Any, /) -> Any:
        """Take the next step, for an event loop."""
        return self._begun().send(value)

    def throw(self, *error: Any) -> Any:
        """Take the next step by an error, for an event loop."""
        return self._begun().throw(*error)

    def close(self) -> None:
        """Give up whoever waits for it, as for any coroutine."""
        if hasattr(self, "_steps"):
            self._steps.close()

    def _begun(self) -> Generator[Any, Any, R_co]:
        if not hasattr(self, "_steps"):
            self._steps = self.__await__()
        return self._steps

    @property
    def handle(self) -> Handle:
        """The job of the call: its status, its questions, and the way to cancel it.

        Raises:
            PacelineError: outside a flow, where a call is no job.
        """
        raise PacelineError(f"{self!r} is no job: only in a flow does calling a task submit one")


class InPlace(Call[R]):
    """A call outside flows and graphs: it runs when it is awaited, and only then."""

    __slots__ = ("_awaited", "_mapped", "_payload", "_step")

    def __init__(self, step: Step[..., R], payload: Any, mapped: tuple[str, ...] | None) -> None:
        self._awaited = True  # unless this goes well
        refuse_calls(step, payload)
        self._step = step
        self._payload = payload
        self._mapped = mapped
        self._awaited = False

    def __await__(self) -> Generator[Any, Any, R]:
        if self._awaited:
            raise PacelineError(
                f"{self!r} was awaited before; outside a flow that is what runs it: keep its result"
            )
        self._awaited = True
        return self._step.in_place(self._payload, self._mapped).__await__()

    def __del__(self) -> None:
        if not self._awaited:
            warnings.warn(
                f"{self!r} was never awaited, and so never ran", RuntimeWarning, source=self, stacklevel=2
            )

    def __repr__(self) -> str:
        return f"<Call of {self._step.name!r}>"


def refuse_calls(step: Step[..., Any], payload: Any) -> None:
    """Refuse arguments that are calls themselves: whoever takes them wants what these return.

    Raises:
        TypeError: naming the argument, and what to write.
    """
    given = cast("dict[str, Any]", payload) if isinstance(payload, dict) else {"its payload": payload}
    for name, value in given.items():
        several = isinstance(value, list | tuple) and bool(cast("Sequence[Any]", value))
        if isinstance(value[0] if several else value, Call):
            remedy = "await gather(*calls)" if several else "await the call"
            raise TypeError(
                f"{step}: argument {name!r} is {value!r:.80}, which nobody has awaited: {remedy} first"
            )
