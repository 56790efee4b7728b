"""What each event of a job changes in the book."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from paceline_integrations.visible import plain_text

from ._again import take_place
from ._sound import amount, said, short
from ._views import AttemptView, JobView

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._book import Book

__all__ = ["JOB_EVENTS"]

_NAME: Final = 500
_CHUNK: Final = 4_000
_TAIL: Final = 8_000


def _submitted(book: Book, event: Any) -> None:
    known = book.jobs.get(event.job)
    if known is not None:
        _submitted_late(known, event)
        return
    job = JobView(
        event.job,
        short(event.name, _NAME),
        event.lane,
        event.group,
        event.role,
        event.executor,
        event.parent,
        event.key,
        event.priority,
        event.after,
        event.metadata,
        "waiting",
        event.time,
    )
    book.add_job(job)
    take_place(book, job)
    if event.payload is not None:
        job.payload = event.payload
        book.keeping.value(job, event.payload)


def _submitted_late(job: JobView, event: Any) -> None:
    """It was heard of before it was submitted: now its name is known. Its place stays as it is."""
    if job.submitted is None:
        job.submitted = event.time
        job.name, job.executor, job.key = short(event.name, _NAME), event.executor, event.key
        job.after, job.metadata = event.after, event.metadata


def _started(book: Book, event: Any) -> None:
    job = book.find(event)
    if job.ended is not None:
        return
    if job.attempts:
        book.close_attempt(job, "again", event.time)
        job.tail, job.tail_cut = "", 0
        job.message, job.fraction = "", None
    book.begin(job, AttemptView(event.attempt, event.time, amount(event.waited) or 0.0))
    job.backoff_until = None
    job.questions = ()
    book.move(job, "running")


def _first_token(book: Book, event: Any) -> None:
    attempt = _attempt(book, event)
    if attempt is not None and attempt.first_token is None:
        attempt.first_token = max(event.time, attempt.started)
        _primed_again(book.jobs[event.job])


def _ended(book: Book, event: Any) -> None:
    job = book.find(event)
    if job.ended is not None:
        return
    job.error = said(event.error)
    book.close_attempt(job, event.status, event.time, job.error)
    if event.usage is not None:
        book.use(job, event.usage)
    cost = amount(event.cost)
    if cost is not None:
        book.lane(job.lane).served += cost
        book.totals.cost += cost
    if event.output is not None:
        job.output = event.output
        book.keeping.value(job, event.output)
    _primed_again(job)
    book.end(job, event.status, event.time)


def _primed_again(job: JobView) -> None:
    """Its group's prefix is there again, if this was the job that had to read it."""
    group = job.group_view
    if group is not None and group.repriming == job.id:
        group.repriming = None


def _retried(book: Book, event: Any) -> None:
    job = book.find(event)
    if job.ended is not None:
        return
    error = said(event.error)
    book.close_attempt(job, "again" if event.error is None else "failed", event.time, error)
    if event.usage is not None:
        book.use(job, event.usage if job.usage is None else job.usage + event.usage)
    job.error = error
    delay = amount(event.delay)
    job.backoff_until = event.time + delay if delay else None
    job.questions = ()
    book.move(job, "waiting")


def _suspended(book: Book, event: Any) -> None:
    job = book.find(event)
    if job.ended is not None:
        return
    if not job.is_body:
        book.close_attempt(job, "suspended", event.time)
    job.questions = tuple(event.questions)
    book.move(job, "suspended")


def _replied(book: Book, event: Any) -> None:
    job = book.jobs.get(event.job)
    if job is None or job.status != "suspended":
        return
    left = tuple([each for each in job.questions if each.id != event.question])
    if job.questions and not left:
        # A flow that asked goes on in its attempt, without another start.
        job.answered = event.time
        book.move(job, "running" if job.is_body else "waiting")
    job.questions = left


def _progress(book: Book, event: Any) -> None:
    job = book.jobs.get(event.job)
    if job is not None and job.ended is None:
        if event.message is not None:
            job.message = short(event.message)
        job.fraction = amount(event.fraction)


def _chunk(book: Book, event: Any) -> None:
    job = book.jobs.get(event.job)
    if job is None or job.ended is not None or event.chunk is None:
        return
    chunk = event.chunk if isinstance(event.chunk, str) else f"{plain_text(event.chunk, _CHUNK)}\n"
    text = job.tail + chunk
    job.tail_cut += max(0, len(text) - _TAIL)
    job.tail = text[-_TAIL:]


def _abandoned(book: Book, event: Any) -> None:
    attempt = _attempt(book, event)
    if attempt is not None and not attempt.abandoned:
        attempt.abandoned = event.reason
        book.stop(attempt, event.time)


def _gone(book: Book, event: Any) -> None:
    attempt = _attempt(book, event)
    if attempt is not None:
        if attempt.gone is not None:
            return
        attempt.gone = event.time
    job = book.jobs.get(event.job)
    if event.late is not None and job is not None:
        book.use(job, event.late if job.usage is None else job.usage + event.late)
    elif event.late is not None:
        book.totals.add(event.late)


def _attempt(book: Book, event: Any) -> AttemptView | None:
    job = book.jobs.get(event.job)
    if job is not None:
        for attempt in reversed(job.attempts):
            if attempt.number == event.attempt:
                return attempt
    return None


JOB_EVENTS: Final[Mapping[str, Callable[[Book, Any], None]]] = {
    "job.submitted": _submitted,
    "job.started": _started,
    "job.first_token": _first_token,
    "job.ended": _ended,
    "job.retried": _retried,
    "job.suspended": _suspended,
    "job.replied": _replied,
    "job.progress": _progress,
    "job.chunk": _chunk,
    "attempt.abandoned": _abandoned,
    "attempt.gone": _gone,
}
