"""The middleware: Paceline's hooks, each turned into spans, and none of them ever in a job's way."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, final

from opentelemetry import context as contexts, metrics, propagate, trace
from opentelemetry.trace import NoOpTracer, NoOpTracerProvider, ProxyTracerProvider

from paceline import Suspend

from . import _names as names
from ._bridge import bridge
from ._content import Content
from ._metrics import MetricsSink
from ._tracing import Tracing
from ._watching import watch

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from paceline import CallNext, Job, JobContext, Scope, Settled, Sink, Span

    from ._open import Attempt

__all__ = ["OpenTelemetryMiddleware"]

_log = logging.getLogger("paceline.otel")


P = ParamSpec("P")
R = TypeVar("R")


def _harmless(
    hook: Callable[Concatenate[Any, P], R],
) -> Callable[Concatenate[Any, P], R | None]:
    """The hook, whose failures stop no job: they are logged, and None is returned."""

    @functools.wraps(hook)
    def harmless(self: Any, /, *arguments: P.args, **options: P.kwargs) -> R | None:
        try:
            return hook(self, *arguments, **options)
        except Exception:  # noqa: BLE001 - logged; providers, samplers, propagators and redact are foreign code
            self._failed()
            return None

    return harmless


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

    Links say what a job came after: `paceline.link.type` is `primer` (from each attempt of a follower to the
    one that established its prefix: the primer's, or that of a follower once it had expired), `dependency`
    (from a job to each that it waited for), `retry` and `resumed` (from an attempt to the one before it),
    `submitter` (from a group's member that was submitted in another trace). A job that ended without running
    has a span of no length; `paceline.attempt` is 0 there.

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
        self._tracing: Tracing | None = None
        self._said: bool = False

    @property
    @_harmless
    def sink(self) -> Sink | None:
        """What makes metrics of an engine's events; None where nothing measures."""
        return MetricsSink.of(self._meters or metrics.get_meter_provider())

    @_harmless
    def on_begin(self, scope: Scope) -> None:
        """Begin the span of a run, group, graph or flow."""
        tracing = self._prepared()
        if tracing is not None:
            tracing.begin(scope)

    @_harmless
    def on_end(self, scope: Scope, error: BaseException | None) -> None:
        """End it."""
        if self._tracing is not None:
            self._tracing.end(scope, error)

    @_harmless
    def on_submit(self, job: Job) -> None:
        """Write the submitter's trace context into the job's headers, or that of its group."""
        if self._tracing is not None:
            self._tracing.submit(job)
        elif contexts.get_current():
            propagate.inject(job.headers)

    def around(self, job: Job, ctx: JobContext, call_next: CallNext) -> Awaitable[object]:
        """Run an attempt inside of its span."""
        if self._tracing is not None:
            return self._traced(self._tracing, job, ctx, call_next)
        if job.headers and not contexts.get_current():
            return self._continued(job, call_next)
        return call_next()

    @_harmless
    def on_settled(self, job: Job, settled: Settled) -> None:
        """End the span of an attempt, with how that ended."""
        if self._tracing is not None:
            self._tracing.settle(job, settled)

    @_harmless
    def on_span(self, job: Job, span: Span) -> None:  # noqa: ARG002 - found by its context
        """Hand on what a framework traces of its own."""
        if self._tracing is not None:
            bridge(self._tracing.tracer, self._content, span)

    def __repr__(self) -> str:
        return (
            f"<OpenTelemetryMiddleware {'tracing' if self._tracing is not None else 'passing contexts on'}>"
        )

    async def _traced(self, tracing: Tracing, job: Job, ctx: JobContext, call_next: CallNext) -> object:
        started = self._start(tracing, job, ctx)
        if started is None:
            return await call_next()
        attempt, inside = started
        output = await _inside(inside, call_next)
        self._returned(attempt, output)
        return output

    async def _continued(self, job: Job, call_next: CallNext) -> object:
        """Nothing is traced here: what runs inside continues the trace of the job's submitter."""
        inside = self._told(job)
        return await (call_next() if inside is None else _inside(inside, call_next))

    @_harmless
    def _start(self, tracing: Tracing, job: Job, ctx: JobContext) -> tuple[Attempt, Context]:
        return tracing.start(job, ctx)

    @_harmless
    def _returned(self, attempt: Attempt, output: object) -> None:
        if isinstance(output, Suspend):
            attempt.asked = output.questions
        elif self._content.captured and attempt.span.is_recording():
            attempt.span.set_attributes(self._content.made(output))

    @_harmless
    def _told(self, job: Job) -> Context:
        return propagate.extract(job.headers)

    def _prepared(self) -> Tracing | None:
        """The tracing to use, if there is a provider that makes spans: it may have been set by now."""
        if self._tracing is None:
            provider = self._given or trace.get_tracer_provider()
            if isinstance(provider, ProxyTracerProvider | NoOpTracerProvider):
                return None
            tracer = provider.get_tracer(names.INSTRUMENTATION)
            if isinstance(tracer, NoOpTracer):  # the SDK is disabled
                return None
            self._tracing = Tracing(tracer, self._content, run_span=self._run_span)
            self._watch(provider)
        return self._tracing

    @_harmless
    def _watch(self, provider: TracerProvider) -> None:
        watch(provider)

    def _failed(self) -> None:
        if self._said:
            _log.debug("tracing failed again", exc_info=True)
            return
        self._said = True
        _log.exception("tracing failed; the jobs go on, and further failures are logged at debug level only")


async def _inside(inside: Context, call_next: CallNext) -> object:
    """Run the rest of an attempt with this context current, and then make current again what was.

    Unless that is not ours to do: in another context, or with more left open. There is no token to detach:
    a coroutine that is thrown away ends in any context, and that is logged.
    """
    around = contexts.get_current()
    contexts.attach(inside)
    try:
        return await call_next()
    finally:
        if contexts.get_current() is inside:
            contexts.attach(around)
