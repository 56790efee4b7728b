"""Several calls at once, in a flow (and, drawn, in a graph): all of them, or each as it ends."""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

from paceline._checks import count
from paceline._errors import BuildError, JobError, PacelineError
from paceline._parking import come_back, wait, waiting
from paceline._scheduler import Cap

from ._flow_body import FlowCall
from ._steps import PLACE

if TYPE_CHECKING:
    from paceline._job import JobResult
    from paceline._live import LiveAttempt
    from paceline._record import Record

__all__ = ["as_completed", "gather"]

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
R = TypeVar("R")


@overload
def gather(  # type: ignore[overload-overlap]  # as typeshed has it for asyncio.gather, here and below
    a: Awaitable[A],
    b: Awaitable[B],
    /,
    *,
    max_running: int | None = None,
    return_exceptions: Literal[False] = False,
) -> Coroutine[Any, Any, tuple[A, B]]: ...
@overload
def gather(  # type: ignore[overload-overlap]
    a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], /, *, max_running: int | None = None,
    return_exceptions: Literal[False] = False,
) -> Coroutine[Any, Any, tuple[A, B, C]]: ...  # fmt: skip
@overload
def gather(  # type: ignore[overload-overlap]
    a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], d: Awaitable[D], /, *, max_running: int | None = None,
    return_exceptions: Literal[False] = False,
) -> Coroutine[Any, Any, tuple[A, B, C, D]]: ...  # fmt: skip
@overload
def gather(
    *calls: Awaitable[R], max_running: int | None = None, return_exceptions: Literal[False] = False
) -> Coroutine[Any, Any, list[R]]: ...
@overload
def gather(
    *calls: Awaitable[R], max_running: int | None = None, return_exceptions: bool
) -> Coroutine[Any, Any, list[R | BaseException]]: ...
def gather(
    *calls: Any, max_running: int | None = None, return_exceptions: bool = False
) -> Coroutine[Any, Any, Any]:
    """Wait for several calls, and get what they return, in their order.

    The first that fails is raised at once, as `JobFailed`; the others go on, and their flow ends when they
    have ended. With `return_exceptions` errors stand among the results. `max_running`: how many jobs of these
    calls run at once, those of flows and graphs among them included; for that they must be new, made in the
    call of `gather` itself.

    Raises:
        PacelineError: if `max_running` is asked of what is no call of a flow, or already on its way.
    """
    if PLACE.get() is not None:
        return _drawn(calls, max_running, return_exceptions)
    if max_running is not None:
        _hold(calls, max_running)
    if all(isinstance(each, FlowCall) for each in calls):
        return _outcomes(calls, return_exceptions)
    return _awaited(calls, return_exceptions)


async def _drawn(calls: Sequence[Any], max_running: int | None, return_exceptions: bool) -> Sequence[Any]:
    if max_running is not None or return_exceptions:
        raise BuildError(
            "in a graph, gather takes neither max_running= nor return_exceptions=: "
            "a graph has max_running= for each run and map, and on_failure="
        )
    return calls


async def _awaited(calls: Sequence[Awaitable[Any]], return_exceptions: bool) -> Sequence[Any]:
    """Calls that run in place, and whatever else can be awaited."""
    return await asyncio.gather(*calls, return_exceptions=return_exceptions)


async def _outcomes(calls: Sequence[FlowCall[Any]], return_exceptions: bool) -> list[Any]:
    """Calls of a flow; not by `asyncio.gather`, which goes on waiting for the others when one has failed."""
    refused: dict[FlowCall[Any], Exception] = {}
    records: dict[FlowCall[Any], Record] = {}
    for call in calls:
        try:
            records[call] = call.observe()
        except Exception as error:  # it could not be submitted
            if not return_exceptions:
                raise
            refused[call] = error
    async for record in _as_they_end(records.values()):
        if not return_exceptions:
            record.outcome()  # raises if it failed
    return [refused[call] if call in refused else _outcome(records[call]) for call in calls]


def _outcome(record: Record) -> Any:
    try:
        return record.outcome()
    except JobError as error:
        return error


def as_completed(
    calls: Iterable[Awaitable[Any]], *, max_running: int | None = None
) -> AsyncGenerator[JobResult, None]:
    """Yield the result of each call of a flow as it ends; it never raises for one that failed.

    `max_running` is as for `gather`.

    Raises:
        PacelineError: if one is no call of the flow; or, with `max_running`, already on its way.
    """
    if PLACE.get() is not None:
        raise BuildError("which call ends first is not known while a graph is drawn: write a @flow")
    given = [_flow_call(each) for each in calls]
    if max_running is not None:
        _hold(given, max_running)
    return _results(given)


async def _results(calls: Sequence[FlowCall[Any]]) -> AsyncGenerator[JobResult, None]:
    async for record in _as_they_end([call.observe() for call in calls]):
        yield record.result()


async def _as_they_end(records: Iterable[Record]) -> AsyncGenerator[Record, None]:
    """Yield each of these jobs, once, as it ends, however long it rests before."""
    ended: deque[Record] = deque()
    wake = asyncio.Event()
    wake.set()
    live: LiveAttempt | None = None

    def look(record: Record) -> None:
        if record.status is not None:
            ended.append(record)
            if not wake.is_set():  # it waits
                wake.set()
                if live is not None:
                    come_back(record.run, live)
        elif record.on_rest is None:
            record.on_rest = [functools.partial(look, record)]
        else:
            record.on_rest.append(functools.partial(look, record))

    each_once = dict.fromkeys(records)
    for record in each_once:
        look(record)
    try:
        for record in each_once:
            live = waiting(record.run)
            while not ended:
                wake.clear()
                await wait(record.run, wake.wait())
            yield ended.popleft()
    finally:
        wake.set()


def _flow_call(call: object) -> FlowCall[Any]:
    if not isinstance(call, FlowCall):
        raise PacelineError(
            f"as_completed takes calls of tasks, made in the flow that waits for them; not {call!r}"
        )
    return cast("FlowCall[Any]", call)  # type: ignore[redundant-cast]  # for pyright


def _hold(calls: Iterable[object], max_running: int) -> None:
    """Put calls that have not been submitted under a cap of their own."""
    count("gather", "max_running", max_running)
    cap = Cap("gather", max_running)
    for call in calls:
        if not isinstance(call, FlowCall) or call.record is not None:
            raise PacelineError(
                f"max_running= cannot hold back {call!r}: it takes calls of tasks in a flow, made in the "
                "same expression, gather(*(task(x) for x in xs), max_running=4)"
            )
        call.caps = (cap,)
