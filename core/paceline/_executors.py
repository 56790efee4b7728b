"""The executors of one engine, by name, each with the engine's middleware around it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, cast
from weakref import WeakValueDictionary

from ._bodies import Body
from ._errors import CannotGoOn, InputError, PacelineError, UnknownName
from ._executor import Executor, as_executor, executor_name
from ._middleware import Execute, MiddlewareStack
from ._usage import Failure

__all__ = ["Bound", "Executors"]

_log = logging.getLogger("paceline")
_RETRYABLE = Failure(True)
_BROKEN = Failure(True, fault="provider")
_FINAL = Failure(False)


class Bound:
    """An executor under the name by which jobs know it, ready to be called."""

    __slots__ = (
        "__weakref__",
        "_classify",
        "body",
        "discard",
        "estimate",
        "execute",
        "given",
        "lock",
        "name",
        "resources",
    )

    def __init__(
        self, name: str, executor: Executor, middleware: MiddlewareStack, given: object = None
    ) -> None:
        self.name: str = name
        self.given: object = given
        """What it was made from: as long as it is held, its id is not another object's."""
        self.body: Body | None = executor if isinstance(executor, Body) else None
        """The executor, if its jobs hold no slot; middleware sees those as scopes."""
        self.execute: Execute = middleware.wrap(executor.execute) if self.body is None else executor.execute
        self._classify = _offered(executor, "classify")
        self.estimate: Any = _offered(executor, "estimate")
        """What says what a job will use, if the executor can tell."""
        self.lock: Any = _offered(executor, "lock")
        """What says which lock a job needs, if the executor has any."""
        self.discard: Any = _offered(executor, "discard")
        """What lets go of the state that a job without success has left."""
        self.resources: tuple[str, ...] = _resources(name, executor)
        """What its jobs use that a provider may limit: the models that it names, else itself."""

    def judge(self, error: BaseException) -> Failure:
        """What an error means: what `classify` says, else that every Exception is worth another attempt."""
        if not isinstance(error, Exception) or isinstance(error, InputError | CannotGoOn):
            return _FINAL  # what came before it will not change
        if self._classify is None:
            # What Python itself calls a broken connection, or one that took too long.
            return _BROKEN if isinstance(error, ConnectionError | TimeoutError) else _RETRYABLE
        try:
            failure = self._classify(error)
        except BaseException:  # noqa: BLE001 - logged; the job is to end by its own error, whatever is raised here
            _log.exception("executor %r failed to classify %r; taken as retryable", self.name, error)
            return _RETRYABLE
        if not isinstance(failure, Failure):
            _log.error(
                "executor %r classified %r as %r, not a Failure; taken as retryable",
                self.name,
                error,
                failure,
            )
            return _RETRYABLE
        return failure


def _offered(executor: Executor, name: str) -> Any:
    """A method that an executor may have; an attribute that only bears its name is none."""
    method = getattr(executor, name, None)
    return method if callable(method) else None


def _resources(name: str, executor: Executor) -> tuple[str, ...]:
    named: object = getattr(executor, "resources", None)
    if isinstance(named, str):
        return (named,)
    if isinstance(named, Iterable):
        return tuple(dict.fromkeys(each for each in cast("Iterable[object]", named) if isinstance(each, str)))
    return (name,) if _offered(executor, "classify") is not None else ()


class Executors:
    """Finds the executor of a job: the default one, one by its name, or one that came with the job."""

    def __init__(self, executor: object, middleware: MiddlewareStack) -> None:
        self.middleware = middleware
        self.sees_submits: bool = middleware.sees_submits
        self.sees_ends: bool = middleware.sees_ends
        self._named: dict[str, Bound] = {}
        self._given: WeakValueDictionary[int, Bound] = WeakValueDictionary()
        """Those that came with a job, by the id of the object, while a job that has not ended uses them."""
        self._default: Bound | None = None
        if isinstance(executor, Mapping) and not isinstance(executor, Executor):
            for name, each in cast("Mapping[str, object]", executor).items():
                self._named[name] = Bound(name, as_executor(each), middleware)
            self._default = self._named.get("default")
            if self._default is None and len(self._named) == 1:
                self._default = next(iter(self._named.values()))
        elif executor is not None:
            given = as_executor(executor)
            self._default = Bound(executor_name(given), given, middleware)
            self._named[self._default.name] = self._default

    def bind(self, wanted: Any) -> Bound:
        """The executor that a job asks for."""
        if wanted is None:
            if self._default is None:
                names = ", ".join(repr(name) for name in sorted(self._named))
                if names:
                    raise PacelineError(
                        f"say which executor runs the job: executor= one of {names}, or an object"
                    )
                raise PacelineError(
                    "there is no executor: give the engine one, Engine(executor), or the job, "
                    "submit(..., executor=...)"
                )
            return self._default
        if isinstance(wanted, str):
            bound = self._named.get(wanted)
            if bound is None:
                raise UnknownName("executor", wanted, self._named)
            return bound
        known = self._given.get(id(wanted))
        if known is not None:
            return known
        executor = as_executor(wanted)
        self._given[id(wanted)] = bound = Bound(executor_name(executor), executor, self.middleware, wanted)
        return bound
