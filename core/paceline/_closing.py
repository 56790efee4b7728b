"""The end of a run: nothing of it outlives the `async with`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from ._middleware import Scope
from ._resting import held_by_questions
from ._scheduler import State
from ._stopping import cancel_everything, cancel_those

if TYPE_CHECKING:
    from ._run import Run

__all__ = ["abort", "drain", "finish"]

_log = logging.getLogger("paceline")

SINKS_CLOSE = 1.0
"""Seconds that sinks have at least to write what they hold, however short `grace` is for jobs."""


async def drain(run: Run) -> None:
    """Let all that was accepted end; a suspended job stays as it is, and what waits for one is cancelled."""
    run.draining = run.draining or "the engine is closing and takes no more jobs"
    run.room.refuse()
    for last in (False, True):
        for group in tuple(run.groups.values()):
            # A group that a job has opened is for that job to close, as long as it runs.
            if not group.closed and (last or not group.exempt):
                run.close_group(group)
        await _until(run, lambda: run.scheduler.at_rest(lambda: held_by_questions(run)))
    _let_rest(run)
    await _grace(run)


def _let_rest(run: Run) -> None:
    """What is suspended stays so, also a body that rests, though its code ends; the rest is cancelled."""
    stuck = [record for record in run.records.values() if not record.resting]
    # Bodies first: they are not to be told that what comes after a suspended job of theirs was cancelled.
    for record in tuple(run.records.values()):
        if record.live is not None and record.resting:
            run.attempts.give_up(record.live, "suspended")
            run.scheduler.suspend(record)
    broke = [record for record in stuck if record.state is State.PAUSED]
    cancel_those(run, broke, "the engine was left while it waited for more of a budget")
    rest = [record for record in stuck if record.status is None]
    cancel_those(run, rest, "the engine was left while it waited for a suspended job")


async def abort(run: Run, reason: str) -> None:
    """Cancel everything, and wait at most `grace` seconds for the attempts to end."""
    run.draining = run.draining or "the engine is closing and takes no more jobs"
    run.room.refuse()
    cancel_everything(run, reason)
    run.attempts.release()
    await _grace(run)


async def finish(run: Run, scope: Scope, error: BaseException | None) -> None:
    """Say what had to be abandoned, record the end, and let the sinks write what they have."""
    for live in run.attempts.abandoned:
        _log.warning(
            "abandoned at the end of the run: attempt %d of job %r (%s), whose code ignored cancellation "
            "or is still at work on a thread",
            live.number,
            live.job.name,
            live.job.id,
        )
    if unused := run.admission.unused():
        known = sorted(name for name in run.admission.gates if name not in {*unused, "*"})
        _log.warning(
            "limits of %s held for no job of the run; what jobs used: %s (an executor's name, what it or the "
            "job names in `resources`)",
            ", ".join(repr(name) for name in unused),
            ", ".join(repr(name) for name in known) or "nothing that has a name here",
        )
    if run.history is not None:
        resting = run.scheduler.states[State.SUSPENDED]
        run.history.run_ended(error, {**run.counts, "suspended": resting})
    for group in run.groups.values():  # with a suspended member: unfinished, but this run sees no more of it
        run.executors.middleware.end(group.scope, group.first_error)
    for record in run.records.values():
        if record.body is not None and record.body.scope is not None:
            run.executors.middleware.end(record.body.scope, None)
    run.executors.middleware.end(scope, error)
    run.close()
    run.attempts.close()
    for record in run.records.values():  # suspended, and to stay so
        record.stop_clocks()
    await _end_tasks(run)
    await _close_sinks(run)


async def _end_tasks(run: Run) -> None:
    """Cancel the engine's own tasks, each once, and let go of those that ignore it."""
    for task in run.tasks:
        if not task.cancelling():
            task.cancel()
    if not run.tasks:
        return
    _, hanging = await asyncio.wait(run.tasks, timeout=run.settings.grace)
    for task in hanging:
        _log.warning("abandoned at the end of the run: %s, whose code ignored cancellation", task.get_name())
        asyncio.tasks._unregister_task(task)  # else asyncio.run waits for it, for ever
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # it was said


async def _grace(run: Run) -> None:
    if run.attempts.abandoned or run.discards:
        await _until(run, lambda: not run.attempts.abandoned and not run.discards, run.settings.grace)


async def _until(run: Run, is_so: Callable[[], bool], timeout: float | None = None) -> None:
    """Wait until the run has come that far, or the time is over."""
    # Looked at again after each wait: whoever was told first may have changed it, by a reply for instance.
    while not is_so():
        if not await _came_to(run, is_so, timeout):
            return


async def _came_to(run: Run, is_so: Callable[[], bool], timeout: float | None) -> bool:
    reached: asyncio.Future[None] = run.loop.create_future()

    def look() -> None:
        if is_so() and not reached.done():
            reached.set_result(None)

    run.on_idle = look
    try:
        await asyncio.wait([reached], timeout=timeout)
    finally:
        run.on_idle = None
    return reached.done()


async def _close_sinks(run: Run) -> None:
    if run.history is None:
        return
    recorder = run.history.recorder
    closed: asyncio.Future[None] = run.loop.create_future()

    def tell() -> None:
        if not closed.done():
            closed.set_result(None)

    run.hooks.thread_started()
    recorder.start_close(lambda: run.hooks.deliver(0, tell, thread=True))
    await asyncio.wait([closed], timeout=max(run.settings.grace, SINKS_CLOSE))
    if recorder.unfinished:
        _log.warning("sinks that had not written everything in time: %s", ", ".join(recorder.unfinished))
