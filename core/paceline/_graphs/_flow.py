"""Flows: plain async functions in which calling a task submits a job, and which decide what comes next."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast, final, overload

from ._flow_body import FlowBody
from ._runs import Composite, GraphRun
from ._signature import Signature, function_name
from ._steps import GraphOptions, as_method

if TYPE_CHECKING:
    from typing import Unpack

    from paceline._bodies import Body
    from paceline._engine import Engine
    from paceline._report import RunReport

__all__ = ["Flow", "FlowDecorator", "flow"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


@final
class Flow(Composite[P, R]):
    """A reactive graph, made by `flow`: call it, or run it for a report.

    `fn` is the function itself.
    """

    def __init__(self, fn: Callable[P, Awaitable[R]], options: GraphOptions) -> None:
        if not inspect.iscoroutinefunction(fn):
            raise TypeError(f"a flow is an async function: write `async def`, or make {fn!r} a task")
        given: dict[str, Any] = {**options}
        name = given.pop("name", None)
        functools.update_wrapper(self, fn, updated=())
        super().__init__(function_name(fn) if name is None else name, Signature(fn), given)
        self.fn: Callable[P, Awaitable[R]] = fn

    def body(self) -> Body:
        return FlowBody(self)

    @overload
    def __get__(self, instance: None, owner: type) -> Flow[P, R]: ...
    @overload
    def __get__(
        self: Flow[Concatenate[S, Q], R], instance: S, owner: type[S] | None = None
    ) -> Flow[Q, R]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """A flow that is a method belongs to the object that it is called on."""
        if instance is None:
            return self
        function = types.MethodType(self.fn, instance)
        method = as_method(self, function)
        method.fn = cast("Callable[P, Awaitable[R]]", function)
        return method

    async def start(
        self,
        engine: Engine,
        *,
        inputs: Mapping[str, Any] | None = None,
        max_running: int | None = None,
        **named: Any,
    ) -> GraphRun[R]:
        """Start it in an engine, and come back at once: watch it, await what it returns, or cancel it.

        All its calls are kept for the report, as long as it runs or the run is held; `await` it for its value
        alone, and it keeps none that has ended.

        `inputs`, or the same as arguments by name. `max_running`: how many of its jobs run at once.

        Raises:
            TypeError: if the arguments do not fit, or one is given twice.
            EngineNotOpen, WrongLoop: as for `engine.submit`.
        """
        run = self._run_of(engine)
        return await self._start(run, self.body(), self.bind((), self._merged(inputs, named)), max_running)

    async def run(
        self,
        engine: Engine | None = None,
        *,
        inputs: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        max_running: int | None = None,
        **named: Any,
    ) -> RunReport:
        """Run it, and tell what became of it and of each call in it: it does not raise for what these do.

        Without an engine: in that of the job which asks or, outside of any, in one of its own, whose run
        `run_id` names. Comes back when it has ended, or rests for an answer. The rest is as for `start`.
        """
        given = self.bind((), self._merged(inputs, named))
        return await self._report(
            engine,
            lambda run: self._start(run, self.body(), given, max_running),
            max_running,
            run_id,
        )


class FlowDecorator(Protocol):
    """What `flow(...)` with options gives."""

    def __call__(self, fn: Callable[P, Awaitable[R]], /) -> Flow[P, R]:
        """Make a flow of an async function."""
        ...


@overload
def flow(fn: Callable[P, Awaitable[R]], /, **options: Unpack[GraphOptions]) -> Flow[P, R]: ...
@overload
def flow(**options: Unpack[GraphOptions]) -> FlowDecorator: ...
def flow(fn: Any = None, /, **options: Unpack[GraphOptions]) -> Any:
    """Make a flow of an async function; also a decorator.

        @flow(max_running=4)
        async def research(topic: str) -> str:
            pages = await search(topic)                 # a job; what fails is caught here, as JobFailed
            notes = await gather(*(read(page) for page in pages))
            return await write(notes)

        print(await research("tea"))                    # in an engine of its own
        report = await research.run(engine, topic="tea")

    In its body each call of a task submits a job, whether awaited at once or later; all else is plain Python.
    The flow itself holds no slot. It ends when all that it has started has ended; cancelling it cancels that
    too. A call that fails and that nobody has awaited fails the flow. `max_running`: how many of its jobs run
    at once, those of flows and graphs in it included.

    Raises:
        TypeError: if it is no async function.
    """
    if fn is None:
        return functools.partial(_make, options)
    return _make(options, fn)


def _make(options: GraphOptions, fn: Callable[..., Any]) -> Flow[..., Any]:
    return Flow(fn, options)
