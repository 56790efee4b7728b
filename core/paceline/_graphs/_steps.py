"""What can be a node of a graph and a call in a flow: tasks, flows and graphs, called alike in all places.

Calling a step makes a `Call`, and the place says which. While a graph is drawn, it is a symbol for what a new node
will put out. In a flow, it is a job of the flow. Anywhere else it does nothing until it is awaited, and then runs
in place, as the plain function would.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Generator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, Self, TypeVar, cast

from paceline._checks import text
from paceline._errors import PacelineError
from paceline._executor import Executor, as_executor
from paceline._live import CURRENT
from paceline._options import JobOptions, Options

if TYPE_CHECKING:
    from typing import Unpack

    from paceline._executor import ExecutorLike
    from paceline._handles import Handle

    from ._signature import Signature

__all__ = ["PLACE", "Call", "CallOptions", "GraphOptions", "NodeOptions", "Place", "Step", "TaskOptions"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class CallOptions(JobOptions, total=False):
    """What may be said of a task, flow or graph: all that may be said of the jobs that it becomes, and more.

    when: a value of the graph, or a function of some of the task's arguments; where it is false the task is
    skipped, and what needs it too. metadata: yours, kept with the result.
    """

    when: Any
    metadata: Mapping[str, Any] | None


class GraphOptions(CallOptions, total=False):
    """What may be said of a graph or flow when it is declared: its name too, by default that of the function."""

    name: str | None


class TaskOptions(GraphOptions, total=False):
    """What may be said of a task when it is declared.

    validate: arguments and what is returned are checked by pydantic, and converted as it does.
    """

    validate: bool


class NodeOptions(TaskOptions, total=False):
    """What may be said of a task when it is put into a graph by hand.

    after: tasks, functions or names that must succeed first (in `Ended(...)`: end). bind: where arguments come
    from, by name: a `From`, or a value; of a task that takes a payload, the payload.
    """

    after: object
    bind: object


class Place(Protocol):
    """Where calls are made."""

    def call(self, step: Step[..., Any], payload: Any, mapped: tuple[str, ...] | None) -> Any:
        """Take in a call; `mapped`: the arguments over whose items it fans out."""
        ...

    def dangling(self, old: Step[..., Any], new: Step[..., Any]) -> None:
        """A step was made out of another, to be called."""
        ...


PLACE: ContextVar[Place | None] = ContextVar("paceline_place", default=None)
"""The graph that is being drawn, if any."""


class Call(ABC, Generic[R_co]):
    """A call of a task, flow or graph: await it for what it returns."""

    __slots__ = ()

    @abstractmethod
    def __await__(self) -> Generator[Any, Any, R_co]:
        """Wait for it."""

    @property
    def handle(self) -> Handle:
        """The job of the call: its status, its questions, and the way to cancel it.

        Raises:
            PacelineError: outside a flow, where a call is no job.
        """
        raise PacelineError("this call is no job: only in a flow does calling a task submit one")


class InPlace(Call[R]):
    """A call outside flows and graphs: it runs when it is awaited."""

    __slots__ = ("_mapped", "_payload", "_step")

    def __init__(self, step: Step[..., R], payload: Any, mapped: tuple[str, ...] | None) -> None:
        self._step = step
        self._payload = payload
        self._mapped = mapped

    def __await__(self) -> Generator[Any, Any, R]:
        return self._step.in_place(self._payload, self._mapped).__await__()

    def __repr__(self) -> str:
        return f"<Call of {self._step.name!r}>"


class Step(ABC, Generic[P, R]):
    """A task, flow or graph: something that can be called, in the same words, wherever work is put together."""

    def __init__(self, name: str, signature: Signature | None, options: Mapping[str, Any]) -> None:
        text("task", "name", name)
        given = dict(options)
        self.name: str = name
        """What its nodes and jobs are called."""
        self.signature: Signature | None = signature
        self.when: Any = given.pop("when", None)
        self.afters: tuple[object, ...] = ()
        self.origin: Step[..., Any] = self
        """The step as it was declared, of which this one may be a variant."""
        self.options: Mapping[str, Any] = given
        Options(cast("Any", given))  # now, while the line that says it is on the stack

    @property
    @abstractmethod
    def executor(self) -> ExecutorLike:
        """What runs its jobs."""

    @abstractmethod
    def in_place(self, payload: Any, mapped: tuple[str, ...] | None) -> Awaitable[Any]:
        """Run it here and now."""

    def as_executor(self) -> Executor:
        """What runs its jobs, for `submit(payload, executor=...)`: the payload is the arguments, by name."""
        return as_executor(self.executor)

    # Calling.

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Call it: await what this returns."""
        return self._call(self.bind(args, kwargs), None)

    def map(self, *lists: Any, **same: Any) -> Call[list[R]]:
        """Call it once for each item of a list, and get the list of what these return, in order.

        Several lists are taken side by side, as by `zip`, and must be of one length. Arguments by name are the
        same for each item. The lists may be known only at run time. Of a list that is itself made by a map each
        item goes on as soon as it is there.
        """
        if not lists:
            raise TypeError(f"{self}.map needs a list to go over, as its first argument")
        payload = self.bind(lists, same)
        if self.signature is None:
            return cast("Call[list[R]]", self._call(payload, ()))
        mapped = tuple(self.signature.names(len(lists)))
        return cast("Call[list[R]]", self._call(payload, mapped))

    def _call(self, payload: Any, mapped: tuple[str, ...] | None) -> Call[R]:
        place = PLACE.get()
        if place is None:
            live = CURRENT.get()
            body = None if live is None else live.record.body
            if body is None or body.kind != "flow":
                return InPlace(self, payload, mapped)
            place = cast("Place", body)
        return cast("Call[R]", place.call(self, payload, mapped))

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The payload of a call."""
        if self.signature is None:
            if len(args) + bool(kwargs) != 1:
                raise TypeError(f"{self} takes one argument, its payload, or arguments by name that make one")
            return args[0] if args else dict(kwargs)
        try:
            return self.signature.bind(args, kwargs)
        except TypeError as error:
            raise TypeError(f"{self}: {error}") from None

    # Variants.

    def after(self, *others: object) -> Self:
        """The same, to be called once others have succeeded, without taking anything from them.

        `others`: calls, tasks (each call of them so far), handles, groups; inside `Ended(...)` it is their end
        that counts, not their success.
        """
        variant = self._variant()
        variant.afters = (*self.afters, *others)
        self._tell(variant)
        return variant

    def with_options(self, **options: Unpack[CallOptions]) -> Self:
        """The same with other options, for some of its calls.

        Raises:
            TypeError, ValueError: if an option is unknown or out of range.
        """
        given: dict[str, Any] = {**options}
        variant = self._variant()
        variant.when = given.pop("when", self.when)
        variant.options = {**self.options, **given}
        Options(cast("Any", variant.options))
        self._tell(variant)
        return variant

    def _variant(self) -> Self:
        return copy.copy(self)

    def _tell(self, variant: Step[..., Any]) -> None:
        place = PLACE.get()
        if place is not None:
            place.dangling(self, variant)

    def __repr__(self) -> str:
        return f"{type(self).__name__.lower()} {self.name!r}"
