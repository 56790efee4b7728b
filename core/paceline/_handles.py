"""The caller's hold on a job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, final

from ._checks import number
from ._errors import PacelineError
from ._job import JobResult, Question, Status
from ._parking import come_back, wait, waiting
from ._resting import stands_still
from ._stopping import cancel
from ._streams import Listener, Stream

if TYPE_CHECKING:
    from ._live import LiveAttempt
    from ._record import GroupRecord, Record
    from ._run import Run
    from ._scheduler import WaitReason

__all__ = ["Handle", "record_of", "rest", "until_end"]


@final
class Handle:
    """A job that was accepted: await it for its output, or ask what becomes of it.

    `await handle` gives the output or raises `JobFailed`, `JobCancelled`, `JobSkipped` or `JobSuspended`,
    with the job's own error as the cause. Giving up the await (a timeout, a cancelled task) leaves the job
    running; `cancel` ends it. Two handles to one job are equal.
    """

    __slots__ = ("__weakref__", "_record")

    def __init__(self, record: Record) -> None:
        self._record = record

    def __await__(self) -> Generator[Any, None, Any]:
        record = self._record
        if record.status == "succeeded":
            return record.output
        if not record.resting:
            yield from rest((record,)).__await__()
        return record.outcome()

    async def wait(self) -> JobResult:
        """Wait until the job has ended or is suspended, and return what became of it. Never raises for it."""
        if not self._record.resting:
            await rest((self._record,))
        return self._record.result()

    def cancel(self, reason: str = "cancelled by its caller", *, grace: float | None = None) -> bool:
        """End the job and its children now; whether there was anything to end.

        The handle is settled and the slot free at once. Its code gets one `Task.cancel()`, after `grace`
        seconds if that is given, in which `ctx.cancelled` is already true. Nothing that it does then
        changes how the job ended.
        """
        if self._record.status is not None:
            return False
        if grace is not None:
            number("cancel", "grace", grace)
        self._record.run.check("handle.cancel")
        return cancel(self._record.run, self._record, reason, grace)

    def stream(self) -> Stream:
        """Listen to what the job emits from now on; the iteration ends when the job ends or is suspended.

        Frameworks decide as an attempt begins whether to stream: submit with `stream=True`, or listen before.

        Buffers 1,024 chunks; beyond that text is joined, and other chunks are replaced by one `StreamLagged`.

        Raises:
            StreamRestarted: out of the iteration, when the job is tried again after chunks were heard.
        """
        record = self._record
        listener = Listener()
        if record.resting:
            listener.end()
        elif record.listeners is None:
            record.listeners = [listener]
        else:
            record.listeners.append(listener)
        return Stream(listener, record.run, self._unlisten)

    def _unlisten(self, listener: Listener) -> None:
        listeners = self._record.listeners
        if listeners is not None and listener in listeners:
            listeners.remove(listener)

    @property
    def id(self) -> str:
        """The job's id; ids sort by the time of submission."""
        return self._record.job.id

    @property
    def name(self) -> str:
        """The job's name: the one given, else its key, else its id."""
        return self._record.job.name

    @property
    def key(self) -> str | None:
        """What names this job within its run, if anything does."""
        return self._record.job.key

    @property
    def status(self) -> Status:
        """Where the job is now."""
        return self._record.current_status()

    @property
    def questions(self) -> tuple[Question, ...]:
        """What a suspended job asks."""
        return self._record.questions

    @property
    def waiting(self) -> WaitReason | None:
        """Why the job is not running now; None while it runs and after its end."""
        record = self._record
        return record.run.scheduler.why(record)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and other._record is self._record

    def __hash__(self) -> int:
        return hash(self._record)

    def __repr__(self) -> str:
        return f"<Handle {self.name!r} {self.status}>"


def record_of(handle: Handle) -> Record:
    """The record behind a handle."""
    return handle._record


def _waiter(run: Run, awaited: list[Record]) -> LiveAttempt | None:
    """The job that waits, if it is one that does; it is not to wait for itself."""
    live = waiting(run)
    if live is not None and live.record in awaited:
        raise PacelineError(f"job {live.job.name!r} awaits itself, and would wait for ever")
    return live


async def rest(
    records: Iterable[Record],
    given_up: Callable[[], object] | None = None,
    group: GroupRecord | None = None,
) -> None:
    """Wait until all of these jobs have ended or are suspended; inside a job of the same run, parked.

    Or until they stand still, if they are those of a `group`: the others wait for one that is suspended.
    `given_up` is called when the wait is cancelled, before a job that waits has its slot again: the jobs may
    hold it.
    """
    records = tuple(records)
    while open_records := [record for record in records if not record.resting]:
        if group is not None and stands_still(group):
            return
        await _Rest(open_records, group).over(given_up)


async def until_end(record: Record, given_up: Callable[[], object] | None = None) -> None:
    """Wait until this job has ended, however often it rests before; `given_up` as for `rest`."""
    if record.status is not None:
        return
    run = record.run
    run.check("awaiting a job")
    live = _waiter(run, [record])
    done: asyncio.Future[None] = run.loop.create_future()

    def look() -> None:
        if record.status is None:
            # It rests, and will go on: a body that waits for it must not wake, and so seem to go on itself.
            record.on_rest = [*(record.on_rest or ()), look]
        elif not done.done():
            done.set_result(None)
            if live is not None:
                come_back(run, live)

    look()
    if given_up is not None:
        done.add_done_callback(lambda each: each.cancelled() and given_up())
    try:
        await wait(run, done)
    finally:
        if record.on_rest is not None and look in record.on_rest:
            record.on_rest.remove(look)


class _Rest:
    """One wait for jobs that are open."""

    __slots__ = ("_done", "_group", "_left", "_live", "_records", "_run")

    def __init__(self, records: list[Record], group: GroupRecord | None) -> None:
        self._run: Run = records[0].run
        self._run.check("awaiting a job")
        self._live: LiveAttempt | None = _waiter(self._run, records)
        self._records: list[Record] = records
        self._group: GroupRecord | None = group
        self._left: int = len(records)
        self._done: asyncio.Future[None] = self._run.loop.create_future()

    async def over(self, given_up: Callable[[], object] | None) -> None:
        for record in self._records:
            if record.on_rest is None:
                record.on_rest = []
            record.on_rest.append(self._one_rests)
        if self._group is not None:
            self._group.on_member.append(self._look)
        if given_up is not None:
            self._done.add_done_callback(lambda each: each.cancelled() and given_up())
        try:
            await wait(self._run, self._done)
        finally:
            self._let_go()

    def _one_rests(self) -> None:
        self._left -= 1
        if not self._left:
            self._is_over()

    def _look(self, _record: Record) -> None:
        if self._group is not None and stands_still(self._group):
            self._is_over()

    def _is_over(self) -> None:
        if not self._done.done():
            self._done.set_result(None)
            if self._live is not None:
                come_back(self._run, self._live)

    def _let_go(self) -> None:
        if self._group is not None:
            self._group.on_member.remove(self._look)
        if self._left:
            for record in self._records:
                if record.on_rest is not None and self._one_rests in record.on_rest:
                    record.on_rest.remove(self._one_rests)
