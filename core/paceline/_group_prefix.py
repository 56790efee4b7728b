"""How a group's jobs wait for its prefix cache: sent back before they start, until the handle is there.

A member that is chosen to run and lacks its prefix gives back its slot and whatever else it was given, at no
cost, and rests as between two attempts (`State.IDLE`). When the handle is there it queues again, ahead of its
group. So nothing else ever waits for a provider, and a prefix is made when it is about to be used.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from ._errors import CacheFailed
from ._job import describe

if TYPE_CHECKING:
    from ._creations import Creation
    from ._prefix_cache import PrefixCache
    from ._record import GroupRecord, Record

__all__ = ["GroupPrefix", "has_prefix"]


def has_prefix(record: Record) -> bool:
    """Whether a job that was chosen need not wait for a prefix cache first; else it was sent back."""
    group = record.group_record
    return group is None or group.prefix is None or group.prefix.ready(record)


class GroupPrefix:
    """The prefix of one group: where it comes from, and the handle once there is one."""

    __slots__ = ("_cache", "_cleared", "_context", "_group", "_payload", "_there", "fingerprint", "handle")

    def __init__(self, group: GroupRecord, cache: PrefixCache, context: Mapping[str, Any]) -> None:
        self._group = group
        self._cache = cache
        self._context = context
        self._payload: Any = None
        """The primer's, which names the prefix."""
        self._there = False
        """The primer has got what it looked for: its followers may rely on it."""
        self._cleared: set[Record] = set()
        """Jobs that have waited, and start at their next turn: none waits twice for one attempt."""
        self.fingerprint: str = ""
        self.handle: Any = None

    def ready(self, record: Record) -> bool:
        """Whether a job that was chosen may start now; else it was sent back, and waits or has ended."""
        if record in self._cleared:
            self._cleared.discard(record)
            return True
        try:
            verdict = self._look(record)
        except BaseException as error:  # noqa: BLE001 - the job fails by it
            self._send_back(record)
            self._fail(record, error)
            return False
        if verdict == "go":
            return True
        self._send_back(record)
        if verdict == "spare":
            self._spare(record)
        return False

    def ended(self, record: Record) -> None:
        """A member has ended: if it succeeded, the prefix was there when it began."""
        started = record.started
        if not self._there or started is None or record.status != "succeeded":
            return
        if record is self._group.primer and self.handle is None:
            self._cache._keep(self.fingerprint, None, started)
        else:
            self._cache._used(self.fingerprint, started)

    def _look(self, record: Record) -> Literal["go", "wait", "spare"]:
        cache, primer = self._cache, self._group.primer
        if record is not primer and self.handle is None:
            return "go"  # there is no handle to wait for: it was not to be had, or never will be
        if record is primer and not self._there:
            self._payload = record.job.payload
            self.fingerprint = cache._name(self._payload, self._context)
        entry = cache._find(self.fingerprint)
        if entry is not None:
            return self._reuse(entry.handle)
        if cache._creates and not (self._there and self.handle is None):
            self._wait(record)
            return "wait"
        self._there = True
        return "go"

    def _reuse(self, handle: object) -> Literal["go", "spare"]:
        """The prefix is there; a primer that has not run may not be needed."""
        first, self._there, self.handle = not self._there, True, handle
        if not first:
            return "go"
        self._tell("reused")
        return "spare" if self._cache._skips_primer else "go"

    def _wait(self, record: Record) -> None:
        """The job waits until the prefix is made, for this group or for another that was first."""
        begins = False

        def over(creation: Creation) -> None:
            self._made(record, creation, begins=begins)

        context = record.context
        assert context is not None
        creation, begins = self._cache._join(self.fingerprint, self._payload, self._context, over, context)
        self._group.looking[record] = self.fingerprint
        leaves = functools.partial(self._leave, record, creation, over)
        record.on_rest = [*(record.on_rest or ()), leaves]

    def _leave(self, record: Record, creation: Creation, over: Callable[[Creation], object]) -> None:
        """The job has ended: while it waited (it was cancelled, say), or later."""
        self._group.looking.pop(record, None)
        self._cleared.discard(record)
        task = creation.leave(over)
        if task is not None:
            self._group.run.keep(task)

    def _made(self, record: Record, creation: Creation, *, begins: bool) -> None:
        """The prefix was made, or could not be."""
        run, error = self._group.run, creation.error
        del self._group.looking[record]
        if begins or record is self._group.primer:
            outcome: Literal["created", "reused"] = "created" if begins else "reused"
            self._tell("failed" if error is not None else outcome, creation)
        if error is not None:
            if creation.given_up and creation.task is not None:
                run.keep(creation.task)
            self._fail(record, error, creation.step)
        else:
            first, self._there, self.handle = not self._there, True, creation.handle
            if first and not begins and creation.handle is not None and self._cache._skips_primer:
                self._spare(record)
            else:
                self._cleared.add(record)
                run.scheduler.again(record)
        run.dispatch()

    def _send_back(self, record: Record) -> None:
        """The job gives back all that it was chosen with; nothing was done for it."""
        run = self._group.run
        run.scheduler.send_back(record, run.loop.time())

    def _spare(self, primer: Record) -> None:
        """What the primer would establish is there: it ends, and its followers run."""
        group, run = self._group, self._group.run
        now = run.loop.time()
        group.spared = 1
        group.settle = 0.0
        run.scheduler.release(group, now)
        run.settling.announce_release(group, "warm")
        run.settling.settle(run.scheduler.end(primer, "skipped", now))

    def _fail(self, record: Record, error: BaseException, step: str | None = None) -> None:
        """The job cannot have its prefix: it fails, or is tried again as its policy says."""
        run = self._group.run
        if not isinstance(error, CacheFailed):
            did = f"{step} failed for the prefix {self.fingerprint!r}" if step else "the prefix cache failed"
            failed = CacheFailed(
                f"group {self._group.label!r}: {did}: {': '.join(filter(None, describe(error)))}"
            )
            failed.__cause__ = error
        else:
            failed = error
        cause = failed.__cause__ or failed
        bound = record.bound
        assert bound is not None
        run.failed(record, failed, bound.judge(cause))
        run.note_interrupt(cause)

    def _tell(
        self, outcome: Literal["created", "reused", "failed"], creation: Creation | None = None
    ) -> None:
        history = self._group.run.history
        if history is None:
            return
        now = self._group.run.loop.time()
        history.prefix_cached(
            self._group,
            self.fingerprint,
            outcome,
            None if creation is None else now - creation.began,
            None if creation is None else creation.error,
        )
