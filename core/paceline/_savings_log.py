"""The jobs of a log, as far as their usage tells what was saved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ._events import Event, JobEnded, JobSubmitted
from ._job import Attempt, ErrorInfo, JobResult

__all__ = ["ended_jobs"]


def ended_jobs(events: Iterable[Event]) -> Iterator[JobResult]:
    """The jobs that ended, in the order of their ends, without payloads, outputs and times."""
    submitted: dict[tuple[str, str], JobSubmitted] = {}
    for event in events:
        if isinstance(event, JobSubmitted):
            submitted[event.run, event.job] = event
        elif isinstance(event, JobEnded):
            yield _result(event, submitted.pop((event.run, event.job), None))


def _result(ended: JobEnded, job: JobSubmitted | None) -> JobResult:
    """What is known of a job at its end; the log may have lost its beginning."""
    error = ended.error
    result = JobResult(
        id=ended.job,
        name=ended.job,
        status=ended.status,
        error=None if error is None else ErrorInfo(error.type, error.message, ""),
        attempts=(Attempt(ended.attempt, ended.time),) if ended.attempt else (),
        usage=ended.usage,
        lane=ended.lane,
        group=ended.group,
    )
    if job is not None:
        result.name, result.role, result.key, result.metadata = job.name, job.role, job.key, job.metadata
    return result
