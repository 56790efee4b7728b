"""Several calls at once, in a flow (and, drawn, in a graph): all of them, or each as it ends."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

from paceline._checks import count
from paceline._errors import PacelineError
from paceline._parking import wait
from paceline._scheduler import Cap

from ._flow import FlowCall
from ._steps import PLACE

if TYPE_CHECKING:
    from paceline._job import JobResult
    from paceline._record import Record

__all__ = ["as_completed", "gather"]

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
R = TypeVar("R")


@overload
async def gather(
    a: Awaitable[A],
    b: Awaitable[B],
    /,
    *,
    max_running: int | None = None,
    return_exceptions: Literal[False] = False,
) -> tuple[A, B]: ...
@overload
async def gather(
    a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], /, *, max_running: int | None = None,
    return_exceptions: Literal[False] = False,
) -> tuple[A, B, C]: ...  # fmt: skip
@overload
async def gather(
    a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], d: Awaitable[D], /, *, max_running: int | None = None,
    return_exceptions: Literal[False] = False,
) -> tuple[A, B, C, D]: ...  # fmt: skip
@overload
async def gather(
    *calls: Awaitable[R], max_running: int | None = None, return_exceptions: Literal[False] = False
) -> list[R]: ...
@overload
async def gather(
    *calls: Awaitable[R], max_running: int | None = None, return_exceptions: bool
) -> list[R | BaseException]: ...
async def gather(*calls: Any, max_running: int | None = None, return_exceptions: bool = False) -> Any:
    """Wait for several calls, and get what they return, in their order.

    The first that fails is raised at once, as `JobFailed`; the others go on, and their flow ends when they have
    ended. With `return_exceptions` errors stand among the results. `max_running`: how many jobs of these calls run
    at once, those of flows and graphs among them included; calls must be new for that, made in the argument itself.

    Raises:
        PacelineError: if `max_running` is asked of calls that are no calls of the flow, or already on their way.
    """
    if PLACE.get() is not None:
        return list(calls)
    if max_running is not None:
        _hold(calls, max_running)
    return await asyncio.gather(*calls, return_exceptions=return_exceptions)


async def as_completed(
    calls: Iterable[Awaitable[Any]], *, max_running: int | None = None
) -> AsyncGenerator[JobResult, None]:
    """Yield the result of each call of a flow as it ends; it never raises for one that failed.

    Raises:
        PacelineError: if one is no call of the flow; or, with `max_running`, already on its way.
    """
    given = list(calls)
    if max_running is not None:
        _hold(given, max_running)
    records = [_record(each) for each in given]
    if not records:
        return
    run = records[0].run
    ended: OrderedDict[Record, None] = OrderedDict()
    wake = asyncio.Event()

    def watch(record: Record) -> None:
        if record.status is not None:
            ended[record] = None
            wake.set()
            return
        if record.on_rest is None:
            record.on_rest = []
        record.on_rest.append(lambda: watch(record))

    for record in records:
        watch(record)
    left = len(set(records))
    while left:
        while ended:
            left -= 1
            yield ended.popitem(last=False)[0].result()
        if left:
            wake.clear()
            await wait(run, wake.wait())


def _record(call: object) -> Record:
    if not isinstance(call, FlowCall):
        raise PacelineError(
            f"as_completed takes calls of tasks, made in the flow that waits for them; not {call!r}"
        )
    return cast("FlowCall[Any]", call).submitted()


def _hold(calls: Iterable[object], max_running: int) -> None:
    """Put calls that have not been submitted under a cap of their own."""
    count("gather", "max_running", max_running)
    cap = Cap("gather", max_running)
    for call in calls:
        if not isinstance(call, FlowCall) or call.record is not None:
            raise PacelineError(
                f"max_running= cannot hold back {call!r}: it takes calls of tasks in a flow, made in the same "
                "expression, gather(*(task(x) for x in xs), max_running=4)"
            )
        call.caps = (cap,)
