"""From what the engine tells to spans: what begins, what it is below and points at, and how it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from opentelemetry import context as contexts, propagate, trace
from opentelemetry.context import Context, get_value, set_value
from opentelemetry.trace import SpanKind

from . import _names as names
from ._open import Attempt, OpenScope, present, span_of
from ._telling import attempt_name, job_attributes, scope_attributes, scope_name, tell_end, tell_scope_end
from ._traced import TracedJob, link
from ._values import told_by_metadata
from ._watching import INSIDE

if TYPE_CHECKING:
    from opentelemetry.trace import Link, Tracer

    from paceline import Job, JobContext, Scope, Settled

    from ._content import Content

__all__ = ["Tracing"]

_NOWHERE = Context()
_KEPT = 100_000
"""Jobs of which more is known than their headers tell; of those beyond, only what cannot be found again."""


@final
class Tracing:
    """All that one middleware has open, of any number of runs."""

    __slots__ = ("_groups", "_jobs", "_run_span", "_runs", "_scopes", "_settled", "content", "tracer")

    def __init__(self, tracer: Tracer, content: Content, *, run_span: bool) -> None:
        self.tracer: Tracer = tracer
        self.content: Content = content
        self._run_span: bool = run_span
        self._scopes: dict[int, OpenScope] = {}
        """By the identity of the scope: two runs at once may have been given the same id."""
        self._runs: dict[str, OpenScope] = {}
        self._groups: dict[tuple[str, str], OpenScope] = {}
        """By run and name: those of unfinished groups are unique in a run."""
        self._jobs: dict[str, TracedJob] = {}
        """From submission to end, by id."""
        self._settled: tuple[str, int, bool] | None = None
        """What was told last."""

    @property
    def open(self) -> int:
        """How much is kept: nothing, once all runs are over."""
        return sum(len(each) for each in (self._scopes, self._runs, self._groups, self._jobs))

    # Runs, groups, graphs and flows.

    def begin(self, scope: Scope) -> None:
        """A scope opens, in its opener's context: a graph's or flow's own task, a run's `async with`."""
        if id(scope) in self._scopes:
            return  # an engine was given the same middleware twice
        current = present(contexts.get_current())
        if scope.kind == "run":
            self._runs[scope.id] = opened = self._open(scope, current)
            if self._run_span:
                contexts.attach(opened.inside)
        elif scope.job is not None:
            self._begin_body(scope, scope.job, current)
        else:
            home = self._home(scope.run, scope.parent, current)
            around = current if home is None else trace.set_span_in_context(home.span, current)
            self._groups[scope.run, scope.name] = self._open(scope, around)

    def _begin_body(self, scope: Scope, job: Job, current: Context) -> None:
        traced = self._jobs.get(job.id) or self.submit(job)
        around, _ = traced.place(job, current)
        traced.scope = opened = self._open(scope, around, traced.pointed(job.role))
        traced.began(opened.span, primes=job.role == "primer")
        contexts.attach(opened.inside)

    def _open(self, scope: Scope, around: Context, links: list[Link] | None = None) -> OpenScope:
        span: trace.Span = trace.INVALID_SPAN
        if scope.kind != "run" or self._run_span:
            attributes = scope_attributes(scope)
            span = self.tracer.start_span(scope_name(scope), around, SpanKind.INTERNAL, attributes, links)
        opened = self._scopes[id(scope)] = OpenScope(scope, span, around)
        return opened

    def end(self, scope: Scope, error: BaseException | None) -> None:
        """A scope is over."""
        opened = self._scopes.pop(id(scope), None)
        if opened is not None:
            opened.over = True
        if scope.kind == "run":
            # Not detach: the block may be left in another context, or with more left open inside.
            current = contexts.get_current()
            if (outside := present(current)) is not current:
                contexts.attach(outside)
            self._forget_run(scope.id)
        elif scope.job is not None:
            for job_id in (scope.id, *(() if opened is None else opened.maps)):
                self._jobs.pop(job_id, None)
        elif self._groups.get((scope.run, scope.name)) is opened:
            self._groups.pop((scope.run, scope.name), None)
        if opened is not None:
            try:
                if opened.span.is_recording():
                    tell_scope_end(opened.span, error, self.content)
            finally:
                opened.span.end()

    def _forget_run(self, run: str) -> None:
        """Let go of suspended jobs and of what waits for them, and of jobs refused after they were shown."""
        for other in self._scopes.values():
            if other.scope.kind == "run" and other.scope.id == run:
                self._runs[run] = other  # it was given the same id
                return
        self._runs.pop(run, None)
        for job_id in [job_id for job_id, traced in self._jobs.items() if traced.run == run]:
            del self._jobs[job_id]

    # Jobs.

    def submit(self, job: Job) -> TracedJob:
        """A job comes in: note what it waits for, and write into its headers where it belongs."""
        known = self._jobs.get(job.id)
        if known is not None:
            return known
        current = present(contexts.get_current())
        if len(self._jobs) >= _KEPT:
            self._forget_oldest()
        traced = self._jobs[job.id] = TracedJob(job.run)
        if job.after or job.parent is not None:
            self._relate(job, traced)
        if job.group is not None:
            traced.group = self._groups.get((job.run, job.group))
        home = traced.group or self._home(job.run, job.parent, current)
        around = trace.get_current_span(current)
        traced.above = around if home is None else home.span
        if traced.group is not None:
            submitter, own = around.get_span_context(), traced.above.get_span_context()
            if submitter.is_valid and submitter.trace_id != own.trace_id:
                traced.links = (link(submitter, "submitter"),)
        headers = job.headers
        if headers and span_of(propagate.extract(headers, _NOWHERE)) is not None:
            return traced  # somebody knows better: it comes from another process
        if home is None:
            propagate.inject(headers, current)
        else:
            home.hand_on(headers, current)
        traced.told = tuple(headers.values())
        return traced

    def _forget_oldest(self) -> None:
        """Let go of a job that waits, if it can be found again: it may have been refused by now."""
        oldest = next(iter(self._jobs))
        traced = self._jobs.pop(oldest)
        if not traced.plain:
            self._jobs[oldest] = traced

    def _relate(self, job: Job, traced: TracedJob) -> None:
        jobs, groups, run = self._jobs, self._groups, job.run
        found = (jobs.get(label) or groups.get((run, label)) for label in job.after)
        traced.after = tuple(each for each in found if each is not None)
        for each in traced.after:
            if isinstance(each, TracedJob):
                each.wanted = True
        above = None if job.parent is None else jobs.get(job.parent)
        if above is None:
            return
        if above.items is not None:
            above.add_item(traced)
        if job.role == "map" and above.scope is not None:
            traced.items, traced.scope = [], above.scope
            above.scope.maps.append(job.id)

    def _home(self, run: str, parent: str | None, current: Context) -> OpenScope | None:
        """What a job or group belongs to, submitted in this context; None: to the span that is current."""
        inside = get_value(INSIDE, current)
        above = None if parent is None else self._jobs.get(parent)
        if above is not None and above.scope is not None and inside is not above.scope:
            return above.scope  # it is tried again: its code runs in another task than before
        span = trace.get_current_span(current)
        if isinstance(inside, OpenScope) and span is inside.span:
            # Blocks of engines may be one in the other: a job belongs to its own engine's.
            other = inside.scope.kind == "run" and inside.scope.id != run
            return self._runs.get(run) if other else inside
        return None if span.get_span_context().is_valid else self._runs.get(run)

    def start(self, job: Job, ctx: JobContext) -> tuple[Attempt, Context]:
        """An attempt begins: its span, and the context for all that happens inside."""
        current = contexts.get_current()
        traced = self._jobs.get(job.id) or self.submit(job)
        attempt = traced.attempt
        if attempt is not None and attempt.number == ctx.attempt:  # middleware around this one calls it twice
            return attempt, trace.set_span_in_context(attempt.span, set_value(INSIDE, attempt, current))
        attempt, around = self._begin(job, traced, ctx.attempt, current, ctx)
        if job.metadata:
            for name, value in told_by_metadata(job.metadata).items():
                around = set_value(name, value, around)  # OpenInference puts these on all spans inside
        if self.content.captured and attempt.span.is_recording():
            attempt.span.set_attributes(self.content.given(job.payload))
        return attempt, trace.set_span_in_context(attempt.span, around)

    def _begin(
        self, job: Job, traced: TracedJob, number: int, current: Context, ctx: JobContext | None = None
    ) -> tuple[Attempt, Context]:
        around, remote = traced.place(job, current)
        attempt, before = Attempt(number), traced.attempt
        around = set_value(INSIDE, attempt, around)
        attributes = job_attributes(job)
        attributes[names.ATTEMPT] = number
        if ctx is not None and (before is None or before.outcome != "suspended"):
            # Else it would hold the time that a person took for the answer, which is no wait for the queue.
            attributes[names.WAITED] = ctx.waited
        kind = SpanKind.CONSUMER if remote else SpanKind.INTERNAL
        links = traced.pointed(job.role)
        attempt.span = self.tracer.start_span(attempt_name(job), around, kind, attributes, links)
        traced.attempt = attempt
        traced.began(attempt.span, primes=job.role == "primer" if ctx is None else ctx.primes)
        if not traced.above.get_span_context().is_valid:
            traced.above = attempt.span  # all attempts are in one trace, also where nothing is around them
        return attempt, around

    def settle(self, job: Job, settled: Settled) -> None:
        """An attempt is over for the engine, or a job that does not run: here alone its span ends."""
        told = job.id, settled.attempt, settled.last
        if told == self._settled:
            return  # an engine was given the same middleware twice
        self._settled = told
        traced = self._jobs.get(job.id) or self.submit(job)
        if settled.last:
            del self._jobs[job.id]
        attempt = traced.attempt
        if attempt is None or attempt.number != settled.attempt:
            # It never ran, or was given up before its first step: nothing else would say so.
            attempt, _ = self._begin(job, traced, settled.attempt, _NOWHERE)
        elif attempt.over:
            attempt, _ = self._begin(job, traced, 0, _NOWHERE)  # it ended between two attempts
        attempt.outcome = settled.outcome
        try:
            if attempt.span.is_recording():
                tell_end(attempt, settled, self.content)
        finally:
            if settled.last:
                traced.attempt, traced.after = None, ()
            attempt.end()
