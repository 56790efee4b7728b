"""Tasks: plain functions, or anything that an executor can be made of, as steps of graphs and flows."""

from __future__ import annotations

import asyncio
import functools
import inspect
import types
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast, final, overload

from paceline._executor import AsyncFunction, Executor, as_executor, executor_name, is_async

from ._private import in_engine
from ._signature import Signature
from ._steps import Step, TaskOptions

if TYPE_CHECKING:
    from typing import Unpack

    from paceline._context import JobContext
    from paceline._executor import ExecutorLike
    from paceline._job import Job

__all__ = ["Task", "TaskDecorator", "task"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")

_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial)


@final
class Task(Step[P, R]):
    """A function, or an executor, that runs as a job wherever graphs and flows call it; made by `task`.

    `fn` is the function itself, to test it as such.
    """

    def __init__(self, fn: Callable[P, Any], options: TaskOptions) -> None:
        given: dict[str, Any] = {**options}
        name, validate, executor = (
            given.pop("name", None),
            given.pop("validate", False),
            given.get("executor"),
        )
        function = isinstance(fn, _FUNCTIONS)
        if function:
            functools.update_wrapper(cast("Any", self), fn)
        super().__init__(name or _name_of(fn), Signature(fn) if function else None, given)
        self.fn: Callable[P, Any] = fn
        if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
            as_executor(fn)  # refuses it, and says what to write
        self._executor: ExecutorLike
        self._runs_here: bool = function and executor is None
        """Whether it is the function that runs, so that a call outside any engine needs none."""
        if executor is not None:
            self._executor = executor
        elif self.signature is not None:
            self._executor = FunctionExecutor(self.name, fn, self.signature, validate=validate)
        else:
            self._executor = as_executor(fn)

    @property
    def executor(self) -> ExecutorLike:
        return self.options.get("executor") or self._executor

    async def in_place(self, payload: Any, mapped: tuple[str, ...] | None) -> Any:
        if not self._runs_here:
            return await in_engine(self, payload, mapped)
        signature = cast("Signature", self.signature)
        if mapped is None:
            output = signature.call(self.fn, payload)
            return await output if inspect.isawaitable(output) else output
        from ._maps import items_of

        outputs = [signature.call(self.fn, each) for each in items_of(self.name, payload, mapped)]
        return await asyncio.gather(*outputs) if outputs and inspect.isawaitable(outputs[0]) else outputs

    @overload
    def __get__(self, instance: None, owner: type) -> Task[P, R]: ...
    @overload
    def __get__(
        self: Task[Concatenate[S, Q], R], instance: S, owner: type[S] | None = None
    ) -> Task[Q, R]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """A task that is a method belongs to the object that it is called on."""
        if instance is None:
            return self
        method = types.MethodType(self.fn, instance)
        bound: Task[..., R] = Task(method, cast("TaskOptions", {**self.options, "name": self.name}))
        bound.when, bound.afters = self.when, self.afters
        return bound


class FunctionExecutor:
    """Runs a function with the arguments that the payload holds by name."""

    __slots__ = ("__weakref__", "_async", "_fn", "_signature", "_validate", "name")

    def __init__(self, name: str, fn: Callable[..., Any], signature: Signature, *, validate: bool) -> None:
        self.name: str = name
        self._fn = fn
        self._signature = signature
        self._async = is_async(fn)
        self._validate = validate

    # Not a coroutine itself: one layer less on the path of every job.
    def execute(self, job: Job, ctx: JobContext, /) -> Awaitable[object]:
        """Call the function; a sync one on a thread of the engine's."""
        if self._validate:
            return self._validated(job.payload, ctx)
        if self._async:
            return cast("Awaitable[object]", self._signature.call(self._fn, job.payload))
        return self._on_thread(job.payload, ctx)

    async def _on_thread(self, payload: Mapping[str, Any], ctx: JobContext) -> object:
        output = await ctx.on_thread(functools.partial(self._signature.call, self._fn, payload))
        # A lambda or partial around an async function shows what it is only by what it returns.
        return await cast("Awaitable[object]", output) if inspect.isawaitable(output) else output

    async def _validated(self, payload: Mapping[str, Any], ctx: JobContext) -> object:
        from ._validation import checked_arguments, checked_return

        payload = checked_arguments(self.name, self._fn, payload)
        if self._async:
            output = await self._signature.call(self._fn, payload)
        else:
            output = await self._on_thread(payload, ctx)
        return checked_return(self.name, self._fn, output)


class TaskDecorator(Protocol):
    """What `task(...)` with options gives: it makes a task of a function, or of anything that runs."""

    @overload
    def __call__(self, fn: Callable[P, Awaitable[R]], /) -> Task[P, R]: ...  # type: ignore[overload-overlap]  # async first
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def __call__(self, fn: Executor, /) -> Task[..., Any]: ...


@overload
def task(fn: Callable[P, Awaitable[R]], /, **options: Unpack[TaskOptions]) -> Task[P, R]: ...
@overload
def task(fn: Callable[P, R], /, **options: Unpack[TaskOptions]) -> Task[P, R]: ...
@overload
def task(fn: ExecutorLike, /, **options: Unpack[TaskOptions]) -> Task[..., Any]: ...
@overload
def task(**options: Unpack[TaskOptions]) -> TaskDecorator: ...
def task(fn: Any = None, /, **options: Unpack[TaskOptions]) -> Any:
    """Make a task of a function, async or sync, or of anything that `as_executor` takes; also a decorator.

        @task
        async def load(query: str) -> list[str]: ...

        @task(name="rank", lane="gpu", retry=RetryPolicy(attempts=3), timeout=30.0)
        def rank(documents: list[str]) -> list[str]: ...        # sync: runs on a thread

        rerank = task(chain, name="rerank")                     # a chain, a graph, an agent

    `TaskOptions` tells what may be said of it. With `executor=` the calls go to that executor, with the arguments
    by name as the payload, and the function only says what they are. A task that is made of an executor takes
    one argument, the payload; or arguments by name, which make a mapping.

    Raises:
        NoAdapter: if nothing can run it. TypeError, ValueError: if an option is unknown or out of range.
    """
    if fn is None:
        return functools.partial(_make, options)
    return _make(options, fn)


def _make(options: TaskOptions, fn: Any) -> Task[..., Any]:
    if isinstance(fn, Task):
        raise TypeError(f"{fn} is a task already; a variant of it is made by with_options(...)")
    return Task(fn, options)


def _name_of(fn: object) -> str:
    inner = fn
    while isinstance(inner, functools.partial):
        inner = inner.func
    return executor_name(AsyncFunction(cast("Any", inner)))
