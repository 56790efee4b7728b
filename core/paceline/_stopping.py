"""Cancelling: jobs with their children, groups, and everything; what ends is settled at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from ._errors import DeadlineExceeded, JobCancelled

if TYPE_CHECKING:
    from ._job import Job
    from ._record import GroupRecord, Record
    from ._run import Run

__all__ = [
    "cancel",
    "cancel_children",
    "cancel_everything",
    "cancel_group",
    "cancel_those",
    "end_group",
    "fail",
    "let_go",
    "pass_deadline",
]

_log = logging.getLogger("paceline")


def cancel(run: Run, record: Record, reason: str, grace: float | None = None) -> bool:
    """Cancel a job and its children; whether it had not ended yet."""
    if record.status is not None:
        return False
    _cancel_all(run, (record,), reason, grace)
    run.dispatch()
    return True


def cancel_children(run: Run, record: Record, reason: str) -> None:
    """Cancel what a job has started and what has not ended."""
    if record.children:
        _cancel_all(run, tuple(record.children), reason)


def cancel_group(run: Run, group: GroupRecord, reason: str) -> None:
    """Cancel all members that have not ended; an open group takes no more."""
    end_group(run, group, reason)
    run.dispatch()


def end_group(run: Run, group: GroupRecord, reason: str) -> None:
    """The same, while something else is being settled: what may start now starts later."""
    if group.status is None:
        _cancel_all(run, tuple(group.unended), reason)
        run.settling.settle(run.scheduler.close_group(group, run.loop.time()))


def cancel_everything(run: Run, reason: str) -> None:
    """Cancel all that has not ended."""
    _cancel_all(run, tuple(run.records.values()), reason)
    for group in tuple(run.groups.values()):
        end_group(run, group, reason)
    run.dispatch()


def cancel_those(run: Run, records: Iterable[Record], reason: str) -> None:
    """Cancel these jobs and their children."""
    _cancel_all(run, records, reason)
    run.dispatch()


def pass_deadline(run: Run, record: Record, seconds: float) -> None:
    """A job's deadline has passed: it fails, wherever it is, and its children are cancelled."""
    if record.status is not None:
        return
    error = DeadlineExceeded(f"not ended {seconds:g} s after it was accepted (its deadline)", seconds)
    if record.live is not None:
        run.attempts.give_up(record.live, "deadline")
    fail(run, record, error, f"its parent {record.job.name!r} passed its deadline")


def fail(run: Run, record: Record, error: BaseException, below: str) -> None:
    """A job that is not under way fails; its children are cancelled, for the reason `below`."""
    children = tuple(record.children or ())
    record.error = error
    run.settling.settle(run.scheduler.end(record, "failed", run.loop.time()))
    _cancel_all(run, children, below)
    run.dispatch()


def let_go(run: Run, record: Record) -> None:
    """A job has ended without success: its executor may let go of what its last state holds elsewhere."""
    bound = record.bound
    if bound is None or bound.discard is None or record.job.state is None:
        return
    task = asyncio.Task(
        _discard(run, bound.discard, record.job), loop=run.loop, name=record.job.id, context=record.context
    )
    run.keep(task)
    run.discards.add(task)

    def over(done: asyncio.Task[None]) -> None:
        run.discards.discard(done)
        if run.on_idle is not None:
            run.on_idle()

    task.add_done_callback(over)


async def _discard(run: Run, discard: Callable[[Job], Awaitable[object]], job: Job) -> None:
    try:
        await discard(job)
    except (asyncio.CancelledError, GeneratorExit):  # the engine has waited for it long enough
        raise
    except BaseException as error:  # noqa: BLE001 - logged; the job has ended, and nobody is left to be told
        _log.exception("executor %r failed to let go of what job %s held", job.executor, job.id)
        run.note_interrupt(error)


def _cancel_all(run: Run, records: Iterable[Record], reason: str, grace: float | None = None) -> None:
    # The latest first: what waits for another job of these is cancelled too, not skipped because of it.
    stack = [(record, reason) for record in records]
    while stack:
        record, why = stack.pop()
        if record.status is not None:
            continue
        if record.children:
            below = f"its parent {record.job.name!r} was cancelled: {why}"
            stack.extend((child, below) for child in record.children)
        if record.live is not None:
            run.attempts.give_up(record.live, "cancelled", grace)
        record.error = JobCancelled(record.job.id, record.job.name, why)
        run.settling.settle(run.scheduler.end(record, "cancelled", run.loop.time()))
