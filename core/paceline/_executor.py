"""How a job runs: the protocol that adapters implement, and the way from an object to one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast, runtime_checkable

from ._errors import NoAdapter

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from ._context import JobContext
    from ._job import Job

__all__ = ["Executor", "ExecutorLike", "as_executor", "executor_name", "is_async"]


@runtime_checkable
class Executor(Protocol):
    """Runs jobs. What it returns is the job's output; what it raises fails the attempt.

    It may also offer:

    - `classify(error: Exception) -> Failure`: whether an error is worth another attempt, and when. Without it
      every `Exception` is, but for `CannotGoOn`.
    - `estimate(job: Job) -> Cost | None`: what a job is expected to use, before it runs.
    - `resources`: the names of what it uses that the engine may have limits for, models say.
    - `lock(job: Job) -> str | None`: a lock that the job needs, as `submit(lock=)`, for a thread or session
      that one run may use at a time. Asked once its inputs are known.
    - `async discard(job: Job)`: called when a job that has left a `job.state` ends without success, to let go
      of what that holds elsewhere.
    """

    def execute(self, job: Job, ctx: JobContext, /) -> Awaitable[object]:
        """Do the work of one attempt: `async def execute(self, job, ctx)`."""
        ...


ExecutorLike: TypeAlias = Executor | Callable[[Any], Any] | Any
"""An Executor, an async or sync callable of the payload, or an object that an installed adapter knows."""

_ADAPTERS = "paceline.adapters"


def as_executor(obj: ExecutorLike) -> Executor:
    """Turn a framework's own object, or a callable of the payload, into an Executor.

    An Executor is returned as it is. Otherwise the adapter is looked up among the entry points of the group
    `paceline.adapters`, by the top-level modules of the object's classes, and imported only now; then comes
    any callable: async ones are awaited, sync ones run on a thread of the engine's.

    Raises:
        NoAdapter: if nothing can run the object; the message lists the adapters that are installed.
        ImportError: if there is an adapter but its framework is not installed; the message gives the line
            to install it.
    """
    if callable(getattr(obj, "execute", None)):  # as isinstance(obj, Executor) says, ten times as fast
        if isinstance(obj, type):
            raise NoAdapter(
                f"{obj.__qualname__} is a class of executors; make one of it: {obj.__qualname__}(...)"
            )
        return cast("Executor", obj)
    own = getattr(obj, "as_executor", None)  # tasks, graphs and flows
    if callable(own):
        return cast("Executor", own())
    adapted = _adapted(obj)
    if adapted is not None:
        return adapted
    if callable(obj):
        if isinstance(obj, type) and obj.__module__.partition(".")[0] in _entry_points():
            raise NoAdapter(f"{obj.__qualname__} is a class: make one of it, {obj.__qualname__}(...)")
        function = cast("Callable[[Any], Any]", obj)
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise NoAdapter(
                f"{executor_name(obj)} is a generator: calling it runs nothing; write an async function that "
                "returns its output, and hand out chunks on the way with current_job().emit(chunk)"
            )
        return AsyncFunction(function) if is_async(function) else SyncFunction(function)
    known = ", ".join(sorted(_entry_points())) or "none"
    raise NoAdapter(
        f"{type(obj).__module__}.{type(obj).__qualname__} object is neither an Executor nor a callable, "
        f"and no adapter knows it; adapters installed: {known}"
    )


def executor_name(obj: object) -> str:
    """What to call an executor that was given without a name."""
    inner = obj.function if isinstance(obj, AsyncFunction | SyncFunction) else obj
    for attribute in ("name", "__name__"):
        name = getattr(inner, attribute, None)
        if isinstance(name, str) and name:
            return name
    return type(inner).__name__


class AsyncFunction:
    """An async callable of the payload, as an executor."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[Any], Awaitable[object]]) -> None:
        self.function = function

    # Not a coroutine itself: one layer less on the path of every job.
    def execute(self, job: Job, ctx: JobContext, /) -> Awaitable[object]:  # noqa: ARG002
        return self.function(job.payload)


class SyncFunction:
    """A sync callable of the payload, run on a thread of the engine's."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[Any], object]) -> None:
        self.function = function

    async def execute(self, job: Job, ctx: JobContext, /) -> object:
        output = await ctx.on_thread(functools.partial(self.function, job.payload))
        # A lambda or partial around an async function shows what it is only by what it returns.
        return await cast("Awaitable[object]", output) if inspect.isawaitable(output) else output


def is_async(obj: Callable[..., Any]) -> bool:
    while isinstance(obj, functools.partial):
        obj = obj.func
    if isinstance(obj, type):  # calling it makes an instance, whatever calling that would be
        return False
    return inspect.iscoroutinefunction(obj) or inspect.iscoroutinefunction(getattr(obj, "__call__", None))  # noqa: B004


@functools.cache
def _entry_points() -> Mapping[str, EntryPoint]:
    import importlib.metadata  # a tenth of the time that importing paceline would take

    return {point.name: point for point in importlib.metadata.entry_points(group=_ADAPTERS)}


def _adapted(obj: object) -> Executor | None:
    # The nearest class first: a framework's object may also be one of the framework that it builds upon.
    modules = dict.fromkeys(cls.__module__.partition(".")[0] for cls in type(obj).__mro__)
    for module in modules:
        point = _entry_points().get(module)
        if point is not None:
            executor: Executor | None = point.load()(obj)
            if executor is not None:  # else it is of the framework, but nothing that the adapter runs
                return executor
    return None
