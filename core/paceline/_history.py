"""What happened, told to the recorder: the one place where events are built, if anybody reads them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, cast

from . import _events as events
from ._bodies import Inputs
from ._job import Question, describe
from ._recorder import Recorder
from ._usage import Usage

if TYPE_CHECKING:
    from ._live import LiveAttempt
    from ._record import GroupRecord, Record
    from ._scheduler import LaneState, Note
    from ._span import Span

__all__ = ["History"]


_WHY: Mapping[str, Literal["retry_after", "circuit", "budget"]] = {
    "rate_limited": "retry_after",
    "circuit_opened": "circuit",
    "budget_exhausted": "budget",
}


class History:
    """Builds the events of a run that has sinks."""

    __slots__ = ("recorder",)

    def __init__(self, recorder: Recorder) -> None:
        self.recorder: Recorder = recorder

    def run_started(self, slots: int, lanes: Mapping[str, LaneState]) -> None:
        weights = {name: lane.weight for name, lane in lanes.items()}
        self.recorder.record(events.RunStarted(slots=slots, lanes=weights))

    def run_ended(self, error: BaseException | None, counts: Mapping[str, int]) -> None:
        outcome: Literal["completed", "cancelled", "failed"] = "completed"
        if error is not None:
            outcome = "failed" if isinstance(error, Exception) else "cancelled"
        self.recorder.record(events.RunEnded(outcome=outcome, counts=dict(counts), error=_text(error)))

    def lane_changed(self, lane: LaneState) -> None:
        self.recorder.record(
            events.LaneChanged(
                lane=lane.label, weight=lane.weight, max_running=lane.capacity, closed=lane.closed
            )
        )

    def submitted(self, record: Record) -> None:
        job = record.job
        self.recorder.record(
            events.JobSubmitted(
                job=job.id,
                name=job.name,
                executor=job.executor,
                lane=job.lane,
                group=job.group,
                role=job.role,
                parent=job.parent,
                key=job.key,
                priority=job.priority,
                after=job.after,
                metadata=job.metadata,
                payload=None if isinstance(job.payload, Inputs) else job.payload,
            )
        )

    def started(self, live: LiveAttempt) -> None:
        job = live.job
        self.recorder.record(
            events.JobStarted(
                job=job.id, lane=job.lane, group=job.group, attempt=live.number, waited=live.waited
            )
        )

    def first_token(self, live: LiveAttempt) -> None:
        self.recorder.record(events.JobFirstToken(job=live.job.id, attempt=live.number))

    def chunk(self, live: LiveAttempt, chunk: object) -> None:
        if self.recorder.wants_chunks:
            self.recorder.record(events.JobChunk(job=live.job.id, attempt=live.number, chunk=chunk))

    def progress(self, live: LiveAttempt, message: str, fraction: float | None) -> None:
        self.recorder.record(
            events.JobProgress(job=live.job.id, attempt=live.number, message=message, fraction=fraction)
        )

    def ended(self, record: Record, cost: float | None) -> None:
        job = record.job
        seconds = None
        if record.started is not None and record.ended is not None:
            seconds = record.ended - record.started
        self.recorder.record(
            events.JobEnded(
                job=job.id,
                lane=job.lane,
                group=job.group,
                status=cast("Literal['succeeded', 'failed', 'cancelled', 'skipped']", record.status),
                attempt=record.tries,
                seconds=seconds,
                usage=record.usage,
                cost=cost,
                error=_text(record.error),
                output=record.output,
            )
        )

    def retried(self, record: Record, error: BaseException | None, delay: float, usage: Usage | None) -> None:
        self.recorder.record(
            events.JobRetried(
                job=record.job.id, attempt=record.tries, error=_text(error), delay=delay, usage=usage
            )
        )

    def suspended(self, record: Record) -> None:
        asked = tuple(events.AskedQuestion(id=each.id, value=each.value) for each in record.questions)
        self.recorder.record(events.JobSuspended(job=record.job.id, attempt=record.tries, questions=asked))

    def replied(self, record: Record, question: Question) -> None:
        self.recorder.record(events.JobReplied(job=record.job.id, question=question.id))

    def abandoned(self, live: LiveAttempt, reason: str) -> None:
        self.recorder.record(events.AttemptAbandoned(job=live.job.id, attempt=live.number, reason=reason))

    def gone(self, live: LiveAttempt) -> None:
        self.recorder.record(
            events.AttemptGone(job=live.job.id, attempt=live.number, usage=live.usage, late=live.late)
        )

    def noted(self, note: Note, wall: Callable[[float], float]) -> None:
        """Something happened at a gate, or to the prefix of a group."""
        limit, until = note.at.label, None
        if note.until is not None and note.until < math.inf:
            until = wall(note.until)
        if note.entry is not None and note.kind == "cache_missed":
            group = cast("GroupRecord", note.at)
            self.recorder.record(
                events.CacheMissed(group=limit, job=note.entry.label, hold=group.policy.miss_hold)
            )
        elif note.entry is not None:
            self.recorder.record(events.GroupReprimed(group=limit, job=note.entry.label))
        elif note.kind == "circuit_closed":
            self.recorder.record(events.LimitLifted(limit=limit, why="circuit"))
        else:
            self.recorder.record(events.LimitReached(limit=limit, why=_WHY[note.kind], until=until))

    def traced(self, live: LiveAttempt, span: Span) -> None:
        """A framework's own span has ended."""
        assert span.ended is not None
        self.recorder.record(
            events.SpanEnded(
                job=live.job.id,
                attempt=live.number,
                span=span.id,
                name=span.name,
                kind=span.kind,
                parent=span.parent,
                started=span.started,
                ended=span.ended,
                attributes=span.attributes,
                error=None if span.error is None else events.ErrorText(type=span.kind, message=span.error),
            )
        )

    def group_started(self, group: GroupRecord, parent: str | None) -> None:
        policy = group.policy
        self.recorder.record(
            events.GroupStarted(
                group=group.label,
                lane=group.lane.label,
                parent=parent,
                release=policy.release,
                settle=policy.settle,
                in_flight=policy.in_flight,
                metadata=group.metadata,
            )
        )

    def group_released(
        self,
        group: GroupRecord,
        by: Literal["first_token", "complete", "primer_failure", "primer_suspended", "no_primer", "warm"],
    ) -> None:
        self.recorder.record(events.GroupReleased(group=group.label, by=by))

    def prefix_cached(
        self,
        group: GroupRecord,
        fingerprint: str,
        outcome: Literal["created", "reused", "failed"],
        seconds: float | None,
        error: BaseException | None,
    ) -> None:
        self.recorder.record(
            events.PrefixCached(
                group=group.label,
                fingerprint=fingerprint,
                outcome=outcome,
                seconds=seconds,
                error=_text(error),
            )
        )

    def group_ended(self, group: GroupRecord) -> None:
        outcome = cast("Literal['succeeded', 'failed', 'cancelled', 'skipped']", group.status)
        self.recorder.record(
            events.GroupEnded(group=group.label, outcome=outcome, counts=dict(group.outcomes))
        )


def _text(error: BaseException | None) -> events.ErrorText | None:
    if error is None:
        return None
    kind, message = describe(error)
    return events.ErrorText(type=kind, message=message)
