"""What surrounds an attempt: the one place that sees it from inside."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from ._context import JobContext
    from ._job import Job
    from ._record import Record
    from ._sinks import Sink
    from ._span import Span
    from ._usage import Usage

__all__ = ["CallNext", "Execute", "Middleware", "MiddlewareStack", "Scope", "Settled"]

_log = logging.getLogger("paceline")

_OFFERS = ("around", "on_submit", "on_begin", "on_end", "on_settled", "on_span")

CallNext: TypeAlias = Callable[..., Awaitable[object]]
"""`await call_next()`; or, to hand on another job or context, `await call_next(job, ctx)`."""

Execute: TypeAlias = Callable[["Job", "JobContext"], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Scope:
    """Something that holds attempts: a run, a group, a graph or a flow.

    `id` is unique in the run (of a graph or flow it is that of its `job`); `parent` is the id of the job in
    which it was opened, if any.
    """

    kind: Literal["run", "group", "graph", "flow"]
    id: str
    name: str
    run: str
    parent: str | None = None
    lane: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    job: Job | None = None


# Not frozen: made for each attempt, and a frozen dataclass takes four times as long to make.
@dataclass(slots=True)
class Settled:
    """How an attempt ended for the engine; or a job that never started, with `attempt` 0.

    "again": middleware or executor sent it back (`RunAgain`). "failed" with `retry_in`: another attempt
    follows in that many seconds. `usage` is what the attempt had used by then. `last`: its job has ended.
    """

    attempt: int
    outcome: Literal["succeeded", "failed", "cancelled", "skipped", "suspended", "again"]
    error: BaseException | None = None
    usage: Usage | None = None
    retry_in: float | None = None
    last: bool = False


class Middleware(Protocol):
    """Surrounds every attempt of an engine's jobs. Each method may be left out.

    `around` may change what comes back, raise, or raise `RunAgain`. `on_submit` may write text into
    `job.headers`; what it raises is raised by submit, and the job is not accepted. `on_begin` runs in the
    opener's context, `on_end` when the scope is over, `on_settled` when an attempt is, `on_span` where a
    framework tells of a span of its own (errors of the last three are logged). If it has a `sink`, events go
    there as to those in `sinks=`.
    """

    async def around(self, job: Job, ctx: JobContext, call_next: CallNext) -> object:
        """Run the attempt: by default `return await call_next()`, in the attempt's own task."""
        ...

    def on_submit(self, job: Job) -> None:
        """See a job in its submitter's context, before it is accepted."""
        ...

    def on_begin(self, scope: Scope) -> None:
        """See a scope open."""
        ...

    def on_end(self, scope: Scope, error: BaseException | None) -> None:
        """See a scope end."""
        ...

    def on_settled(self, job: Job, settled: Settled) -> None:
        """See how an attempt ended for the engine, or that a job ended; on the thread of the event loop.

        Once for each attempt: when `around` has returned, or when the attempt was given up (cancelled, out
        of time), though its code may still run. Once more for a job that ended while it did not run: before
        its first attempt, between two, or at rest. Graphs and flows that have begun are scopes instead.
        """
        ...

    def on_span(self, job: Job, span: Span) -> None:
        """See a framework's own span, as it starts and once it has ended, where the framework runs."""
        ...


class MiddlewareStack:
    """The middleware of one engine, the first outermost, sorted by what each offers."""

    __slots__ = ("_around", "_begin", "_end", "_items", "_settled", "_span", "_submit")

    def __init__(self, middleware: Sequence[object]) -> None:
        def offered(name: str, each: Sequence[object]) -> list[Callable[..., Any]]:
            return [method for item in each if (method := getattr(item, name, None)) is not None]

        self._items = middleware
        self._around = offered("around", middleware)
        self._submit = offered("on_submit", middleware)
        self._begin = offered("on_begin", middleware)
        self._end = offered("on_end", middleware[::-1])
        self._settled = offered("on_settled", middleware[::-1])
        self._span = offered("on_span", middleware)
        for item in middleware:
            if not any(hasattr(item, name) for name in _OFFERS):
                raise TypeError(f"{item!r} is no middleware: it offers none of {', '.join(_OFFERS)}")

    @property
    def sees_spans(self) -> bool:
        """Whether any wants to see what frameworks trace."""
        return bool(self._span)

    @property
    def sees_ends(self) -> bool:
        """Whether any wants to see how attempts ended."""
        return bool(self._settled)

    @property
    def sinks(self) -> list[Sink]:
        """The sinks that middleware brings."""
        return [sink for item in self._items if (sink := getattr(item, "sink", None)) is not None]

    @property
    def sees_submits(self) -> bool:
        """Whether any wants to see jobs before they are accepted."""
        return bool(self._submit)

    def wrap(self, execute: Execute) -> Execute:
        """The executor's method, surrounded."""
        for around in reversed(self._around):
            execute = _surround(around, execute)
        return execute

    def submit(self, job: Job) -> None:
        """Show a job to all, before it is accepted."""
        for on_submit in self._submit:
            on_submit(job)

    def begin(self, scope: Scope) -> None:
        """Show that a scope opens."""
        for on_begin in self._begin:
            on_begin(scope)

    def span(self, job: Job, span: Span) -> None:
        """Show a framework's span; what goes wrong there is logged: it is not the framework's business."""
        for on_span in self._span:
            try:
                on_span(job, span)
            except Exception:  # noqa: BLE001 - logged
                _log.exception("%r failed at span %r of job %r", on_span, span.name, job.name)

    def settled(
        self, record: Record, outcome: Any, error: BaseException | None, retry_in: float | None = None
    ) -> None:
        """Show how the last attempt of a job ended, or that the job did."""
        usage, record.spent = record.spent, None
        settled = Settled(record.tries, outcome, error, usage, retry_in, record.status is not None)
        for on_settled in self._settled:
            try:
                on_settled(record.job, settled)
            except Exception:  # noqa: BLE001 - logged
                _log.exception("%r failed at the end of job %r", on_settled, record.job.name)

    def end(self, scope: Scope, error: BaseException | None) -> None:
        """Show that a scope is over; what goes wrong there is logged, for nobody is left to be told."""
        for on_end in self._end:
            try:
                on_end(scope, error)
            except Exception:  # noqa: BLE001 - logged
                _log.exception("%r failed at the end of %s %r", on_end, scope.kind, scope.name)


def _surround(around: Callable[..., Awaitable[object]], inner: Execute) -> Execute:
    def execute(job: Job, ctx: JobContext) -> Awaitable[object]:
        def call_next(next_job: Job | None = None, next_ctx: JobContext | None = None) -> Awaitable[object]:
            return inner(job if next_job is None else next_job, ctx if next_ctx is None else next_ctx)

        return around(job, ctx, call_next)

    return execute
