"""What follows from the end of a job or group: records, counts, families, and whoever waits is told."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from ._errors import PacelineError
from ._record import GroupRecord, Record
from ._scheduler import State
from ._stopping import end_group, let_go

if TYPE_CHECKING:
    from ._run import Run
    from ._scheduler import LaneState, Node

__all__ = ["Settling"]

_WAITING = (State.PARKED, State.SUSPENDED)


class Settling:
    """Takes in, for one run, what the scheduler says has ended."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.later: list[Callable[[], object]] = []
        """What is to be done about an end (to cancel others, say), once all that ended with it is settled."""

    def settle(self, ended: Sequence[Node]) -> None:
        """Take in that these jobs and groups have ended, in this order."""
        for node in ended:
            if type(node) is Record:
                self._settle_job(node)
            else:
                self._settle_group(cast("GroupRecord", node))
        while self.later:
            self.later.pop()()

    def _settle_job(self, record: Record) -> None:
        status = record.status
        assert status is not None
        if status == "skipped" and record.cause is not None:
            record.error = _error_of(record.cause)
        self.show_end(record, status, record.error)
        self._run.counts[status] += 1
        del self._run.records[record.label]  # not job.id: an executor could have changed it
        parent = record.parent
        if parent is not None or record.children:
            _leave_family(record)
        if status != "succeeded":
            let_go(self._run, record)
        record.drop_work()
        if self._run.history is not None:
            self._run.history.ended(record, record.cost if record.tries else None)
        if record.lane.closed:
            self.forget_lane(record.lane)
        if record.group_record is not None:
            self._leave_group(record.group_record, record)
        if record.on_rest is not None or record.listeners is not None or record.group_record is not None:
            _tell(record)
        body = record.body
        if body is not None and body.scope is not None:
            self._run.executors.middleware.end(body.scope, record.error)
        if parent is not None:
            self._tell_parent(parent, record)

    def show_end(
        self, record: Record, outcome: str, error: BaseException | None, retry_in: float | None = None
    ) -> None:
        """Show the middleware how an attempt ended, or that a job did. Bodies are scopes, once they began."""
        if self._run.executors.sees_ends and record.body is None:
            self._run.executors.middleware.settled(record, outcome, error, retry_in)

    def _leave_group(self, group: GroupRecord, record: Record) -> None:
        group.unended.pop(record, None)
        if group.prefix is not None:
            group.prefix.ended(record)
        if record is group.primer:
            self.announce_release(group, "complete" if record.status == "succeeded" else "primer_failure")
        if record.status != "succeeded":
            group.first_error = group.first_error or record.error
        cancels = group.policy.on_follower_failure == "cancel_group"
        if cancels and record.status == "failed" and record is not group.primer:
            reason = f"follower {record.job.name!r} failed"
            self.later.append(functools.partial(end_group, self._run, group, reason))

    def _tell_parent(self, parent: Record, record: Record) -> None:
        body = parent.body
        if body is not None and body.live.live:
            body.child_ended(record)
        elif body is not None:  # it was given up: who watches the run is told still
            body.tell(record)
        self._look_at(parent)

    def rested(self, record: Record) -> None:
        """The job is suspended, or a body whose jobs are: tell whoever waits for that."""
        _tell(record)
        if record.parent is not None and record.parent.body is not None:
            record.parent.body.tell(record)
        for entry in cast("dict[Record, bool]", record.dependents or {}):
            if entry.parent is not record.parent:  # a job of another body waits for it: that may rest too
                self.look_above(entry)
        self.look_above(record)

    def held_back(self, record: Record) -> None:
        """The job does not run for now: by that, all that is left of its family may wait for an answer."""
        if not self._run.scheduler.states[State.SUSPENDED]:
            return
        if record.group_record is not None:
            for tell in tuple(record.group_record.on_member):
                tell(record)
        self.look_above(record)

    def look_above(self, record: Record) -> None:
        """A job cannot go on by itself any more: the bodies above it may rest by that."""
        if record.parent is not None:
            self._look_at(record.parent)

    def _look_at(self, record: Record | None) -> None:
        if not self._run.scheduler.states[State.SUSPENDED]:
            return
        while record is not None and record.state in _WAITING:
            if record.state is State.PARKED and record.body is not None:
                if not record.body.rests():
                    return
                _tell(record)
                if record.parent is not None and record.parent.body is not None:
                    record.parent.body.tell(record)
            record = record.parent

    def _settle_group(self, group: GroupRecord) -> None:
        del self._run.groups[group.label]
        group.public = None
        group.after = ()
        if self._run.history is not None:
            self._run.history.group_ended(group)
        self._run.executors.middleware.end(group.scope, group.first_error)
        if group.lane.closed:
            self.forget_lane(group.lane)
        on_end, group.on_end = group.on_end, []
        for callback in on_end:
            callback()

    def announce_release(self, group: GroupRecord, by: Any) -> None:
        """Record the release of a group, once."""
        if group.released and not group.announced:
            group.announced = True
            if self._run.history is not None:
                self._run.history.group_released(group, by)

    def forget_lane(self, lane: LaneState) -> None:
        """Let go of a closed lane with its last job."""
        over = lane.closed and not lane.unfinished and not lane.used
        # An open group may be between two of its members.
        over = over and not any(group.lane is lane for group in self._run.groups.values())
        if over and self._run.scheduler.lanes.get(lane.label) is lane:
            self._run.scheduler.drop_lane(lane)
            self._run.admission.forget_lane(lane.label)


def _tell(record: Record) -> None:
    """Tell whoever waits for a job to end or to rest."""
    if record.listeners is not None:
        listeners, record.listeners = record.listeners, None
        for listener in listeners:
            listener.end()
    if record.on_rest is not None:
        on_rest, record.on_rest = record.on_rest, None
        for callback in on_rest:
            callback()
    if record.group_record is not None and record.group_record.on_member:
        for tell in tuple(record.group_record.on_member):
            tell(record)


def _leave_family(record: Record) -> None:
    """Its parent lets go of it and takes its children, which are cancelled with that one from now on."""
    parent, children = record.parent, record.children or {}
    for child in children:
        child.parent = parent
    if parent is not None and parent.children is not None:
        parent.children.pop(record, None)
        if children:
            parent.children.update(children)
            if parent.body is not None:
                parent.body.watch.forget()


def _error_of(cause: Node | None) -> BaseException | None:
    """Why something was skipped: the error of what it waited for; None where a condition did not hold."""
    if isinstance(cause, Record):
        if cause.status == "skipped":
            return cause.error
        return cause.error if cause.error is not None else cause.failure()
    if isinstance(cause, GroupRecord):
        return cause.first_error or PacelineError(f"group {cause.label!r} ended {cause.status}")
    return PacelineError("what it waited for did not succeed")
