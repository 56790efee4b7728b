"""A job that waits for its own engine gives back what it holds, and takes it again before it goes on.

Whoever awaits a handle, group or run inside a job goes through `wait`. The job is parked while any of its
awaits is open. When one is over, the job queues for what it gave back, ahead of new jobs of its lane, and
only then does the await return; if others are still open it gives everything back a moment later, so that
their jobs can run. That is why every nesting works with one slot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

from ._live import CURRENT, LiveAttempt
from ._scheduler import State

if TYPE_CHECKING:
    from ._run import Run

__all__ = ["body_moves", "come_back", "resume", "wait", "waiting"]

T = TypeVar("T")


async def wait(run: Run, until: Awaitable[T]) -> T:
    """Await something of this run's; inside one of its jobs, that job is parked meanwhile."""
    live = waiting(run)
    if live is None:
        return await until
    _park(run, live)
    try:
        return await until
    finally:
        await _take_back(run, live)


def waiting(run: Run) -> LiveAttempt | None:
    """The attempt of this run that the caller's code runs in, if it is still its job's."""
    live = CURRENT.get()
    return live if live is not None and live.run is run and live.live else None


def come_back(run: Run, live: LiveAttempt) -> None:
    """What it awaits has just ended: queue for what it gave back before a new job takes the freed slot.

    A job without a slot is at work from now on: nobody is to be told that it rests.
    """
    if not live.live or live.record.state is not State.PARKED:
        return
    if live.record.slotless:
        run.scheduler.body_is(live.record, State.BODY)
    else:
        live.grants = []
        run.scheduler.unpark(live.record)


def resume(run: Run, live: LiveAttempt) -> None:
    """The scheduler gave a parked job back what it held: let the awaits that are over return."""
    free_waits(live)
    if live.waits:
        run.loop.call_soon(_park_again, run, live)


def free_waits(live: LiveAttempt) -> None:
    grants, live.grants = live.grants, None
    for grant in grants or ():
        if not grant.done():
            grant.set_result(None)


def body_moves(run: Run, live: LiveAttempt) -> None:
    """A job without a slot has begun or ceased to wait: it asks, waits for its own, or works."""
    record, body = live.record, live.record.body
    state = State.PARKED if live.waits else State.BODY
    if record.questions and body is not None:
        state = State.SUSPENDED if body.lasting else State.DOZING
        record.answer_by = body.answer_by
    if not live.live or record.state is state:
        return
    asked = record.asks
    run.scheduler.body_is(record, state)
    if record.asks is not asked:
        run.attempts.rests(live, so=record.asks)
        run.dispatch()
    if record.resting:
        run.settling.rested(record)
    if run.on_idle is not None:
        run.on_idle()


def _park(run: Run, live: LiveAttempt) -> None:
    live.waits += 1
    if live.record.slotless:
        body_moves(run, live)
    elif live.record.state is State.RUNNING:
        run.scheduler.park(live.record)
        run.settling.look_above(live.record)
        run.dispatch()


def _park_again(run: Run, live: LiveAttempt) -> None:
    if live.live and live.waits and live.record.state is State.RUNNING:
        run.scheduler.park(live.record)
        run.settling.look_above(live.record)
        run.dispatch()


async def _take_back(run: Run, live: LiveAttempt) -> None:
    live.waits -= 1
    if live.record.slotless:
        body_moves(run, live)
        return
    if not live.live or live.record.state is State.RUNNING:
        return
    grant: asyncio.Future[None] = run.loop.create_future()
    if live.grants is None:
        live.grants = []
        run.scheduler.unpark(live.record)
    live.grants.append(grant)
    run.dispatch()
    cancelled: asyncio.CancelledError | None = None
    while not grant.done() and live.live:
        try:
            await asyncio.wait([grant])
        except asyncio.CancelledError as error:
            # A timeout around the await, say: the job goes on after it, and so needs its slot first.
            cancelled = error
    if cancelled is not None:
        raise cancelled
