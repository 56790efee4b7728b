"""What can be a node of a graph and a call in a flow: tasks, flows and graphs, called alike in all places.

Calling a step makes a `Call`, and the place says which. While a graph is drawn, it is a symbol for what a new
node will put out. In a flow, it is a job of the flow. Anywhere else it does nothing until it is awaited, and
then runs in place, as the plain function would.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, Self, TypeVar, cast

from paceline._checks import text
from paceline._errors import PacelineError
from paceline._executor import Executor, as_executor
from paceline._job import Ended
from paceline._live import CURRENT
from paceline._options import JobOptions, Options

from ._calls import Call, InPlace
from ._conditions import Conditional
from ._maps import MapBody
from ._signature import Signature

if TYPE_CHECKING:
    from typing import Unpack

    from paceline._executor import ExecutorLike
    from paceline._live import LiveAttempt
    from paceline._record import Record
    from paceline._run import Run
    from paceline._scheduler import Cap, Edge

__all__ = [
    "PLACE",
    "CallOptions",
    "GraphOptions",
    "NodeOptions",
    "Place",
    "Step",
    "TaskOptions",
    "as_method",
]

P = ParamSpec("P")
R = TypeVar("R")
StepT = TypeVar("StepT", bound="Step[..., Any]")


class CallOptions(JobOptions, total=False):
    """What may be said of a task, flow or graph: all that may be said of the jobs that it becomes, and more.

    when: a value of the graph, or a function of some of the task's arguments; where it is false the task is
    skipped, and what needs it too. max_running: of a graph or flow, how many jobs below it run at once; of a
    task, how many of the items of one `map` of it. metadata: yours, kept with the result.
    """

    when: Any
    max_running: int | None
    metadata: Mapping[str, Any] | None


class GraphOptions(CallOptions, total=False):
    """What may be said of a graph or flow when it is declared: its name too, by default the function's."""

    name: str | None


class TaskOptions(GraphOptions, total=False):
    """What may be said of a task when it is declared.

    validate: arguments and what is returned are checked by pydantic, and converted as it does.
    """

    validate: bool


class NodeOptions(TaskOptions, total=False):
    """What may be said of a task when it is put into a graph by hand.

    after: tasks, functions or names that must succeed first (in `Ended(...)`: end). bind: where arguments
    come from, by name: a `From`, or a value; of a task that takes a payload, the payload.
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


_OPTIONS = CallOptions.__optional_keys__ - {"when"}
_OF_MAPS = {"lane", "max_running"}
"""What holds for a fan-out as a whole; the rest is meant for its items."""


class Step(ABC, Generic[P, R]):
    """A task, flow or graph: what can be called, in the same words, wherever work is put together."""

    def __init__(self, name: str, signature: Signature | None, options: Mapping[str, Any]) -> None:
        text(type(self).__name__.lower(), "name", name)
        given = dict(options)
        self.name: str = name
        """What its nodes and jobs are called."""
        self.signature: Signature | None = signature
        self.when: Any = given.pop("when", None)
        self.afters: tuple[object, ...] = ()
        self.origin: Step[..., Any] = self
        """The step as it was declared, of which this one may be a variant."""
        self.options: Mapping[str, Any] = given
        self.job_options: Options = self._checked(given)
        """The same, checked, as its jobs have them."""
        self._method: tuple[Step[..., Any], object] | None = None
        """What it was declared as, in a class, and the object that it belongs to."""

    def _checked(self, given: Mapping[str, Any]) -> Options:
        unknown = given.keys() - _OPTIONS
        if unknown:
            known = ", ".join(sorted(_OPTIONS | {"when"}))
            raise TypeError(f"{self}: unknown option {', '.join(sorted(unknown))}; known: {known}")
        try:
            return Options(given)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{self}: {str(error).removeprefix('job: ')}") from None

    @property
    @abstractmethod
    def executor(self) -> ExecutorLike:
        """What runs its jobs."""

    @abstractmethod
    def in_place(self, payload: Any, mapped: tuple[str, ...] | None) -> Awaitable[Any]:
        """Run it here and now."""

    def as_executor(self) -> Executor:
        """What runs its jobs, for `submit(payload, executor=...)`: the payload is the arguments, by name.

        Raises:
            PacelineError: if that is known by its name only; say that instead.
        """
        executor = self.executor
        if isinstance(executor, str):
            raise PacelineError(
                f"{self} runs on the executor {executor!r} of an engine: executor={executor!r}"
            )
        return as_executor(executor)

    # Calling.

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Call it: await what this returns."""
        return self._call(self.bind(args, kwargs), None)

    def map(self, *lists: Any, **same: Any) -> Call[list[R]]:
        """Call it once for each item of a list, and get the list of what these return, in order.

        Several lists are taken side by side, as by `zip`, and must be of one length. Arguments by name are
        the same for each item. The lists may be known only at run time. Of a list that is itself made by a
        map each item goes on as soon as it is there.
        """
        if not lists:
            raise TypeError(f"{self}.map needs a list to go over, as its first argument")
        payload = self.bind(lists, same)
        mapped = () if self.signature is None else self.signature.names(len(lists))
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
        """The payload of a call.

        Raises:
            TypeError: if these arguments do not fit, naming the step.
        """
        if self.signature is None:
            if len(args) + bool(kwargs) != 1:
                raise TypeError(f"{self} takes one argument, its payload, or arguments by name that make one")
            return args[0] if args else dict(kwargs)
        try:
            return self.signature.bind(args, kwargs)
        except TypeError as error:
            raise TypeError(f"{self}: {error}") from None

    # Running.

    def jobs_before(self) -> list[object]:
        """The jobs and groups that it comes after; where calls run in place, all else has run before."""
        targets = ((each, each.of if isinstance(each, Ended) else each) for each in self.afters)
        return [each for each, target in targets if not isinstance(target, Call | Step)]

    def as_job(self, mapped: tuple[str, ...] | None) -> tuple[Options, ExecutorLike]:
        """How a call of it runs: its options and its executor; as a fan-out, with those of that."""
        if mapped is None:
            return self.job_options, self.executor
        return Options({name: self.options[name] for name in _OF_MAPS & self.options.keys()}), MapBody(
            self, mapped
        )

    def submit(
        self,
        run: Run,
        payload: Any,
        mapped: tuple[str, ...] | None,
        parent: LiveAttempt | None,
        *,
        key: str | None = None,
        after: Sequence[Edge] = (),
        caps: tuple[Cap, ...] = (),
        context: Context | None = None,
    ) -> Record:
        """A call of it becomes a job, in its parent's lane unless another was said; the caller dispatches."""
        options, executor = self.as_job(mapped)
        inherits = None if parent is None or "lane" in self.options else parent.record.lane
        return run.intake.add(
            payload if self.when is None else Conditional(self, payload),
            options,
            parent,
            inherits or run.intake.lane(options.lane),
            key,
            bound=run.executors.bind(executor),
            name=self.name,
            after=after,
            caps=caps,
            context=context,
        )

    # Variants.

    def after(self, *others: object) -> Self:
        """The same, to be called once others have succeeded, without taking anything from them.

        `others`: calls, tasks (their calls so far; in a flow, those that have not ended), handles,
        groups; inside `Ended(...)` it is their end that counts, not their success.
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
        variant.job_options = self._checked(variant.options)
        self._tell(variant)
        return variant

    def _variant(self) -> Self:
        variant = copy.copy(self)
        variant._method = None
        return variant

    def _tell(self, variant: Step[..., Any]) -> None:
        place = PLACE.get()
        if place is not None:
            place.dangling(self, variant)

    # As a method of an object, it is equal to what another look at that gives.

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        mine, others = self._method, other._method if isinstance(other, Step) else None
        return mine is not None and others is not None and mine[0] is others[0] and mine[1] is others[1]

    def __hash__(self) -> int:
        return id(self) if self._method is None else hash((id(self._method[0]), id(self._method[1])))

    def __repr__(self) -> str:
        return f"{type(self).__name__.lower()} {self.name!r}"


def as_method(step: StepT, function: Callable[..., Any]) -> StepT:
    """What was declared in a class, as the method of an object; `function` is the bound method."""
    method = copy.copy(step)
    method.origin = method
    method.signature = Signature(function)
    method._method = (step, cast("Any", function).__self__)
    vars(method)["__wrapped__"] = function
    return method
