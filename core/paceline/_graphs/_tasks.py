"""Tasks: plain functions, or anything that an executor can be made of, as steps of graphs and flows."""

from __future__ import annotations

import asyncio
import functools
import inspect
import types
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast, final, overload

from paceline._context import JobContext
from paceline._executor import (
    AsyncFunction,
    Executor,
    SyncFunction,
    as_executor,
    is_async,
)
from paceline._live import CURRENT

from ._in_place import in_engine
from ._signature import Signature, function_name
from ._steps import Step, TaskOptions, as_method

if TYPE_CHECKING:
    from typing import Unpack

    from paceline._executor import ExecutorLike
    from paceline._job import Job

    from ._validation import Checks

__all__ = ["Task", "TaskDecorator", "task"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")

OnThread = Callable[[Callable[[], object]], Awaitable[object]]


@final
class Task(Step[P, R]):
    """A function, or an executor, that runs as a job wherever graphs and flows call it; made by `task`.

    `fn` is the function itself, to test it as such.
    """

    def __init__(self, fn: Callable[P, Any], options: TaskOptions) -> None:
        given: dict[str, Any] = {**options}
        name, validate = given.pop("name", None), given.pop("validate", False)
        function = _function(fn)
        signature = None if function is None else _signature(function)
        if function is not None:
            functools.update_wrapper(self, function, updated=())
        super().__init__(function_name(fn) if name is None else name, signature, given)
        self.fn: Callable[P, Any] = fn
        self._executor: ExecutorLike = (
            as_executor(fn)
            if signature is None
            else FunctionExecutor(self.name, fn, signature, validate=validate)
        )

    @property
    def executor(self) -> ExecutorLike:
        other = self.options.get("executor")
        return self._executor if other is None else other

    async def in_place(self, payload: Any, mapped: tuple[str, ...] | None) -> Any:
        executor = self.executor
        plain = mapped is None and self.when is None and not self.jobs_before()
        if not plain or not isinstance(executor, FunctionExecutor):
            return await in_engine(self, payload, mapped)
        live = CURRENT.get()
        on_thread = _to_thread if live is None or not live.live else JobContext(live).on_thread
        return await executor.call(payload, on_thread)

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
        function = types.MethodType(self.fn, instance)
        method = as_method(self, function)
        method.fn = cast("Callable[P, Any]", function)
        if isinstance(self._executor, FunctionExecutor):
            method._executor = self._executor.of(function, cast("Signature", method.signature))
        return method


class FunctionExecutor:
    """Runs a function with the arguments that the payload holds by name."""

    __slots__ = ("__weakref__", "_async", "_checks", "_fn", "_signature", "_validate", "name")

    def __init__(self, name: str, fn: Callable[..., Any], signature: Signature, *, validate: bool) -> None:
        self.name: str = name
        self._fn = fn
        self._signature = signature
        self._async = is_async(fn)
        self._validate = validate
        self._checks: Checks | None = None

    # Not a coroutine itself: one layer less on the path of every job.
    def execute(self, job: Job, ctx: JobContext, /) -> Awaitable[object]:
        """Call the function; a sync one on a thread of the engine's."""
        return self.call(job.payload, ctx.on_thread)

    def call(self, payload: Any, on_thread: OnThread) -> Awaitable[object]:
        """Call the function; a sync one through `on_thread`."""
        if self._async and not self._validate:
            return cast("Awaitable[object]", self._signature.call(self._fn, payload))
        return self._call(payload, on_thread)

    async def _call(self, payload: Any, on_thread: OnThread) -> object:
        if self._validate:
            payload = self._checked.arguments(payload)
        if self._async:
            output = await self._signature.call(self._fn, payload)
        else:
            output = await on_thread(functools.partial(self._signature.call, self._fn, payload))
            if inspect.isawaitable(
                output
            ):  # a lambda around an async function shows it only by what it returns
                output = await output
        return self._checked.returned(output) if self._validate else output

    @property
    def _checked(self) -> Checks:
        if self._checks is None:
            from ._validation import Checks  # pydantic's schemas: only for those who ask for them

            self._checks = Checks(self.name, self._fn, self._signature)
        return self._checks

    def of(self, method: Callable[..., Any], signature: Signature) -> FunctionExecutor:
        """The same for the function as a method of an object."""
        other = FunctionExecutor(self.name, method, signature, validate=self._validate)
        if self._validate:
            other._checks = self._checked  # made once, not for each look at the attribute
        return other


async def _to_thread(call: Callable[[], object]) -> object:
    """Run a call on a thread, outside any engine."""
    return await asyncio.to_thread(_without_stopping, call)


def _without_stopping(call: Callable[[], object]) -> object:
    try:
        return call()
    except StopIteration as error:  # a future cannot carry it, and whoever waits would do so for ever
        raise RuntimeError(f"the task raised {error!r}") from error


class TaskDecorator(Protocol):
    """What `task(...)` with options gives: it makes a task of a function, or of anything that runs."""

    @overload
    def __call__(self, fn: Callable[P, Awaitable[R]], /) -> Task[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def __call__(self, fn: Executor, /) -> Task[..., Any]: ...


@overload
def task(fn: Callable[P, Awaitable[R]], /, **options: Unpack[TaskOptions]) -> Task[P, R]: ...
@overload
def task(fn: Callable[P, R], /, **options: Unpack[TaskOptions]) -> Task[P, R]: ...  # type: ignore[overload-overlap]  # functions first
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

    `TaskOptions` tells what may be said of it. With `executor=` the calls go to that executor, with the
    arguments by name as the payload, and the function only says what they are. A task that is made of an
    executor takes one argument, the payload; or arguments by name, which make a mapping.

    Raises:
        NoAdapter: if nothing can run it.
        TypeError, ValueError: if an option is unknown or out of range.
    """
    if fn is None:
        return functools.partial(_make, options)
    return _make(options, fn)


def _make(options: TaskOptions, fn: Any) -> Task[..., Any]:
    if isinstance(cast("object", fn), Step):
        raise TypeError(
            f"{fn} is a {type(fn).__name__.lower()} already; a variant of it is made by with_options(...)"
        )
    for kind in (staticmethod, classmethod):
        if isinstance(fn, kind):
            raise TypeError(f"@task goes below @{kind.__name__}, next to the function")
    return Task(fn, options)


_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial)


def _function(obj: Any) -> Callable[..., Any] | None:
    """The object, if it is to be called with the arguments, and not run as some framework's executor.

    Raises:
        NoAdapter: if nothing can run it, a generator for instance.
    """
    generator = inspect.isgeneratorfunction(obj) or inspect.isasyncgenfunction(obj)
    if isinstance(cast("object", obj), _FUNCTIONS) and not generator:
        return cast("Callable[..., Any]", obj)
    made = as_executor(obj)
    return made.function if isinstance(made, AsyncFunction | SyncFunction) and made.function is obj else None


def _signature(function: Callable[..., Any]) -> Signature | None:
    try:
        return Signature(function)
    except ValueError:  # some builtins do not tell: such a one is called with the payload
        return None
