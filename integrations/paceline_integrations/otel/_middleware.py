"""The middleware: Paceline's hooks, each turned into spans, and none of them ever in a job's way."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, final

from opentelemetry import context as contexts, metrics, propagate, trace
from opentelemetry.trace import NoOpTracer, NoOpTracerProvider, ProxyTracerProvider

from paceline import Suspend

from . import _names as names
from ._attempts import Attempts
from ._bridge import bridge
from ._content import Content
from ._metrics import MetricsSink
from ._scopes import Scopes
from ._state import State
from ._watching import watch

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from paceline import CallNext, Job, JobContext, Scope, Settled, Sink, Span

    from ._open import Attempt

__all__ = ["OpenTelemetryMiddleware"]

_log = logging.getLogger("paceline.otel")


@final
class _Tracing:
    """What traces, once there is a provider that makes spans."""

    __slots__ = ("attempts", "scopes", "state")

    def __init__(self, state: State) -> None:
        self.state: State = state
        self.scopes: Scopes = Scopes(state)
        self.attempts: Attempts = Attempts(state)


@final
class OpenTelemetryMiddleware:
    """Makes the runs of an engine visible in any OpenTelemetry backend, as spans and metrics.

        async with Engine(chain, middleware=[OpenTelemetryMiddleware()]) as engine:
            ...

    `tracer_provider`, `meter_provider`: where spans and metrics go; without them to the global ones, as they
    are when the engine is opened (`configure()` sets them from the standard variables; this class sets and
    reads nothing). `capture_content`: whether prompts, outputs, questions and the messages of errors leave
    with the spans; without it none does: names, keys, lanes and the kinds of errors always leave. `redact`:
    called with each of these in plain JSON data, its own copy; what it returns leaves instead (None:
    nothing), and where it raises nothing leaves. `run_span`: whether a run has a span, around all others that
    have no other trace to be in. Say False for an engine that lives as long as its process: then each group,
    graph, flow or single job is a trace of its own.

    A run, group, graph and flow is a span each, and each attempt at a job is one, current while its executor
    runs: what frameworks and clients trace by their instrumentations is below it. A job belongs to its group;
    else under the span that is current where it is submitted, a request's, say, or that of the job that
    submits it; else under the run. Its headers hold that place as the global propagator writes it (W3C, with
    baggage), so that it continues the trace in another process.

    Links say what a job came after: `paceline.link.type` is `primer` (from each attempt of a follower),
    `dependency` (from a job to each that it waited for), `retry` and `resumed` (from an attempt to the one
    before it), `submitter` (from a group's member that was submitted in another trace). A job that ended
    without running has a span of no length; `paceline.attempt` is 0 there.

    What an attempt used is on its span as `gen_ai.usage.*` only if no span below it told usage, so that each
    token is told once; `paceline.usage.*` is what the engine counted, always. Agents' spans of the OpenAI
    Agents SDK become spans, unless an instrumentation of it is at work. `session_id`, `user_id` and `tags` in
    the metadata of a job, group, graph or flow become the attributes that Langfuse and Phoenix read.

    One object serves any number of engines. What a provider, an exporter or `redact` raises is logged once;
    the job goes on.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        capture_content: bool = False,
        redact: Callable[[Any], object] | None = None,
        run_span: bool = True,
    ) -> None:
        if redact is not None and not callable(redact):
            raise TypeError(
                f"OpenTelemetryMiddleware: redact must be a function of one value, not {redact!r}"
            )
        self._given: TracerProvider | None = tracer_provider
        self._meters: MeterProvider | None = meter_provider
        self._content: Content = Content(capture_content, redact)
        self._run_span: bool = run_span
        self._provider: TracerProvider | None = None
        self._tracing: _Tracing | None = None
        self._said: bool = False

    @property
    def sink(self) -> Sink | None:
        """What makes metrics of an engine's events; None where nothing measures."""
        try:
            return MetricsSink.of(self._meters or metrics.get_meter_provider())
        except Exception:  # noqa: BLE001 - logged
            self._failed()
            return None

    def on_begin(self, scope: Scope) -> None:
        """Begin the span of a run, group, graph or flow."""
        try:
            tracing = self._prepared()
            if tracing is None:
                return
            if scope.kind == "run":
                tracing.scopes.begin_run(scope)
            elif scope.kind == "group":
                tracing.scopes.begin_group(scope)
            else:
                tracing.scopes.begin_body(scope)
        except Exception:  # noqa: BLE001 - logged
            self._failed()

    def on_end(self, scope: Scope, error: BaseException | None) -> None:
        """End it."""
        if self._tracing is not None:
            try:
                self._tracing.scopes.end_scope(scope, error)
            except Exception:  # noqa: BLE001 - logged
                self._failed()

    def on_submit(self, job: Job) -> None:
        """Write the submitter's trace context into the job's headers, or that of its group."""
        try:
            if self._tracing is not None:
                self._tracing.attempts.submit(job)
            elif contexts.get_current():
                propagate.inject(job.headers)
        except Exception:  # noqa: BLE001 - logged
            self._failed()

    def around(self, job: Job, ctx: JobContext, call_next: CallNext) -> Awaitable[object]:
        """Run an attempt inside of its span."""
        if self._tracing is not None:
            return self._traced(self._tracing, job, ctx, call_next)
        if job.headers and not contexts.get_current():
            return self._continued(job, call_next)
        return call_next()

    def on_settled(self, job: Job, settled: Settled) -> None:
        """End the span of an attempt, with how that ended."""
        if self._tracing is not None:
            try:
                self._tracing.attempts.settle(job, settled)
            except Exception:  # noqa: BLE001 - logged
                self._failed()

    def on_span(self, job: Job, span: Span) -> None:  # noqa: ARG002 - found by its context
        """Hand on what a framework traces of its own."""
        if self._tracing is not None:
            try:
                bridge(self._tracing.state.tracer, self._content, span)
            except Exception:  # noqa: BLE001 - logged
                self._failed()

    def __repr__(self) -> str:
        return (
            f"<OpenTelemetryMiddleware {'tracing' if self._tracing is not None else 'passing contexts on'}>"
        )

    async def _traced(self, tracing: _Tracing, job: Job, ctx: JobContext, call_next: CallNext) -> object:
        around = contexts.get_current()
        attempt: Attempt | None = None
        inside: Context = around
        try:
            attempt, inside = tracing.attempts.start(job, ctx)
        except Exception:  # noqa: BLE001 - logged
            self._failed()
        contexts.attach(inside)
        try:
            output = await call_next()
        finally:
            _leave(inside, around)
        if isinstance(output, Suspend) and attempt is not None:
            attempt.asked = output.questions
        elif self._content.captured and attempt is not None and attempt.span.is_recording():
            try:
                attempt.span.set_attributes(self._content.made(output))
            except Exception:  # noqa: BLE001 - logged
                self._failed()
        return output

    async def _continued(self, job: Job, call_next: CallNext) -> object:
        """Nothing is traced here: what runs inside continues the trace of the job's submitter."""
        around = inside = contexts.get_current()
        try:
            inside = propagate.extract(job.headers, around)
        except Exception:  # noqa: BLE001 - logged
            self._failed()
        contexts.attach(inside)
        try:
            return await call_next()
        finally:
            _leave(inside, around)

    def _prepared(self) -> _Tracing | None:
        """The tracing to use, if there is a provider that makes spans: it may have been set by now."""
        if self._provider is None:
            provider = self._given or trace.get_tracer_provider()
            if isinstance(provider, ProxyTracerProvider | NoOpTracerProvider):
                return None
            tracer = provider.get_tracer(names.INSTRUMENTATION)
            if isinstance(tracer, NoOpTracer):  # the SDK is disabled
                return None
            self._provider = provider
            self._tracing = _Tracing(State(tracer, self._content, run_span=self._run_span))
            try:
                watch(provider)
            except Exception:  # noqa: BLE001 - logged
                self._failed()
        return self._tracing

    def _failed(self) -> None:
        if self._said:
            _log.debug("tracing failed again", exc_info=True)
            return
        self._said = True
        _log.exception("tracing failed; the jobs go on, and further failures are logged at debug level only")


def _leave(inside: Context, around: Context) -> None:
    """Make current again what was, unless that is not ours to do: in another context, or with more left open.

    There is no token to detach: a coroutine that is thrown away ends in any context, and that is logged.
    """
    if contexts.get_current() is inside:
        contexts.attach(around)
