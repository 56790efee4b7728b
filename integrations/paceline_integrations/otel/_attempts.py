"""Spans of jobs: one for each attempt, begun where it runs, and ended where the engine is done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from opentelemetry import context as contexts, propagate, trace
from opentelemetry.context import Context, set_value
from opentelemetry.trace import SpanKind

from . import _names as names
from ._bridge import end_bridged
from ._links import link
from ._open import BODY_KEY, Attempt, OpenRun
from ._parents import Place, place, span_of
from ._telling import attempt_name, job_attributes, tell_end
from ._values import told_by_metadata
from ._watching import ATTEMPT_KEY

if TYPE_CHECKING:
    from opentelemetry.trace import Link, Span, SpanContext

    from paceline import Job, JobContext, Settled

    from ._state import State
    from ._values import Attributes

__all__ = ["Attempts", "links_of", "note_begin"]

_NOWHERE = Context()
_BODIES = frozenset({"graph", "flow", "primer", "follower"})
"""The roles of jobs that may be a graph or flow: members of groups do not tell."""


@final
class Attempts:
    """Sees jobs come in, begins their attempts and ends them."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state: State = state

    def submit(self, job: Job) -> None:
        """A job comes in: write into its headers where it belongs, and note what it waits for."""
        current = contexts.get_current()
        run = self._state.run_of_submitter(current)
        if job.after or job.parent is not None:
            self._want(job, run)
        if job.role in _BODIES:
            self._state.bodies[job.id] = job, run
        headers = job.headers
        if headers and span_of(propagate.extract(headers, _NOWHERE)) is not None:
            return  # somebody knows better: it comes from another process
        group, body, top = (None, None, None) if run is None else run.around_job(job.group, job.parent)
        if group is not None:
            group.hand_on(headers, current)
        elif body is not None and contexts.get_value(BODY_KEY, current) is not body:
            body.hand_on(headers, current)  # it is tried again: its code runs in another task than before
        elif top is not None and (current is top.inside or span_of(current) is None):
            top.hand_on(headers, current)
        else:
            propagate.inject(headers, current)

    def _want(self, job: Job, run: OpenRun | None) -> None:
        # Items of a map came after what the map came after: that has no span, to point at or from.
        after = job.after + self._state.upstreams.wanted_by(job.parent)
        if not after:
            return
        if job.role == "map":
            body = None if run is None or job.parent is None else run.bodies.get(job.parent)
            if body is None:
                return
            body.maps.append(job.id)
        for label in self._state.upstreams.want(job.id, after, None if run is None else run.scope.id):
            attempt = self._state.jobs.get(label)
            scope = None if run is None else run.groups.get(label) or run.bodies.get(label)
            if attempt is not None:
                self._state.upstreams.began(label, attempt.context)
            elif scope is not None:
                self._state.upstreams.began(label, scope.context)

    def start(self, job: Job, ctx: JobContext) -> tuple[Attempt, Context]:
        """An attempt begins: its span, and the context for all that happens inside."""
        state, current = self._state, contexts.get_current()
        before = state.jobs.get(job.id)
        if before is not None and before.number == ctx.attempt:  # middleware around this one calls it twice
            return before, trace.set_span_in_context(before.span, set_value(ATTEMPT_KEY, before, current))
        found = place(job.headers, state.runs.get(ctx.run_id), current, (job.group, job.parent))
        attempt = Attempt(ctx.run_id, ctx.attempt)
        attributes = job_attributes(job)
        attributes[names.ATTEMPT] = attempt.number
        attributes[names.RUN_ID] = ctx.run_id
        attributes[names.WAITED] = ctx.waited
        inside = self._begin(attempt, before, job, found, attributes, current)
        if job.metadata:
            for name, value in told_by_metadata(job.metadata).items():
                inside = set_value(name, value, inside)  # OpenInference puts these on all spans inside
        if state.content.captured and attempt.span.is_recording():
            attempt.span.set_attributes(state.content.given(job.payload))
        return attempt, inside

    def _begin(
        self,
        attempt: Attempt,
        before: Attempt | None,
        job: Job,
        found: Place,
        attributes: Attributes,
        current: Context,
    ) -> Context:
        if before is None:
            attempt.after = self._state.upstreams.take(job.id)
        else:
            attempt.after = before.after
            found = _in_one_trace(found, before)
        around = set_value(ATTEMPT_KEY, attempt, found.context)
        kind = SpanKind.CONSUMER if found.remote else SpanKind.INTERNAL
        links = links_of(job, found, attempt.after, before, current)
        attempt.span = span = self._state.tracer.start_span(
            attempt_name(job), around, kind, attributes, links
        )
        attempt.first = attempt.context if before is None else before.first
        self._state.jobs[job.id] = attempt
        note_begin(self._state, job, span, found)
        return trace.set_span_in_context(span, around)

    def settle(self, job: Job, settled: Settled) -> None:
        """An attempt is over for the engine, or a job that does not run: here alone its span ends."""
        attempt = self._state.jobs.get(job.id)
        if settled.last:
            self._state.jobs.pop(job.id, None)
            self._state.bodies.pop(job.id, None)
        if attempt is not None and attempt.number == settled.attempt and not attempt.over:
            self._end(attempt, settled)
        else:
            self._end_without(job, settled, attempt)

    def _end(self, attempt: Attempt, settled: Settled) -> None:
        attempt.close()
        attempt.outcome = settled.outcome
        span = attempt.span
        try:
            if span.is_recording():
                tell_end(span, settled, attempt, self._state.content)
            end_bridged(attempt)
        finally:
            attempt.asked = None
            span.end()

    def _end_without(self, job: Job, settled: Settled, before: Attempt | None) -> None:
        """A job ended that did not run, or an attempt before its first step: nothing else would say so."""
        run = self._state.run_of(job)
        found = place(job.headers, run, _NOWHERE, (job.group, job.parent))
        attempt = Attempt("" if run is None else run.scope.id, settled.attempt)
        attributes = job_attributes(job)
        between = before is not None and before.number == settled.attempt
        attributes[names.ATTEMPT] = 0 if between else settled.attempt
        self._begin(attempt, before, job, found, attributes, _NOWHERE)
        if settled.last:
            del self._state.jobs[job.id]
        self._end(attempt, settled)


def _in_one_trace(found: Place, before: Attempt) -> Place:
    """Where an attempt after the first belongs: in that one's trace, also where nothing is around both."""
    if span_of(found.context) is not None or not before.first.is_valid:
        return found
    first = trace.NonRecordingSpan(before.first)
    return found._replace(context=trace.set_span_in_context(first, found.context))


def note_begin(state: State, job: Job, span: Span, found: Place) -> None:
    """What others will point at: the span of a job, or of the graph or flow that it is."""
    context = span.get_span_context()
    state.upstreams.began(job.id, context, job.parent)
    if job.role == "primer" and found.group is not None:
        found.group.primer = context


def links_of(
    job: Job, found: Place, after: tuple[SpanContext, ...], before: Attempt | None, current: Context
) -> list[Link]:
    """What the span of a job points at; what says most comes last, for SDKs drop the first of too many."""
    if job.role == "job" and before is None and not after:
        return []
    links = [link(each, "dependency") for each in after]
    group = found.group
    if group is not None:
        submitter = span_of(current)
        if submitter is not None and submitter.trace_id != group.context.trace_id:
            links.append(link(submitter, "submitter"))
        if job.role == "follower" and group.primer is not None:
            links.append(link(group.primer, "primer"))
    if before is not None:
        links.append(link(before.context, "resumed" if before.outcome == "suspended" else "retry"))
    return [each for each in links if each.context.trace_flags.sampled]  # the others lead nowhere
