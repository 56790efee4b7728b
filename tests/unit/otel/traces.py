"""Runs on a virtual clock whose spans are kept, and questions to ask of them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import Link, SpanContext, Tracer

from paceline import Engine
from paceline.testing import VirtualClock
from paceline_integrations.otel import OpenTelemetryMiddleware

__all__ = ["Traces", "here"]

T = TypeVar("T")


def here(span: ReadableSpan) -> SpanContext:
    """Where the span is to be found."""
    found = span.get_span_context()
    assert found is not None
    return found


class Traces:
    """A provider that keeps what it gets, and a middleware that sends there."""

    def __init__(
        self, *, sampler: Sampler | None = None, limits: SpanLimits | None = None, **options: Any
    ) -> None:
        self.exporter: InMemorySpanExporter = InMemorySpanExporter()
        self.provider: TracerProvider = TracerProvider(
            sampler=sampler, span_limits=limits, shutdown_on_exit=False
        )
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.middleware: OpenTelemetryMiddleware = OpenTelemetryMiddleware(self.provider, **options)
        self.tracer: Tracer = self.provider.get_tracer("a framework")

    def engine(self, executor: Any = None, **options: Any) -> Engine:
        """An engine that is traced."""
        return Engine(executor, middleware=[self.middleware], **options)

    def run(self, main: Callable[[], Coroutine[Any, Any, T]], *, seed: int = 0) -> T:
        """Run it in virtual time; afterwards nothing may be kept of it."""
        result = VirtualClock(seed=seed).run(main)
        assert self.kept() == 0
        assert not self.middleware._said, "tracing failed"
        return result

    def kept(self) -> int:
        """How much the middleware has open."""
        tracing = self.middleware._tracing
        return 0 if tracing is None else tracing.open

    # What has ended.

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """All, in the order of their ends."""
        return self.exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        """Those of that name, in the order in which they began."""
        found = [span for span in self.spans if span.name == name]
        return sorted(found, key=lambda span: span.start_time or 0)

    def one(self, name: str) -> ReadableSpan:
        """The only one of that name."""
        found = self.named(name)
        assert len(found) == 1, (name, [span.name for span in self.spans])
        return found[0]

    def above(self, span: ReadableSpan) -> ReadableSpan | None:
        """The span above it; an orphan has one that was never exported."""
        if span.parent is None:
            return None
        parent = span.parent
        found = [each for each in self.spans if here(each).span_id == parent.span_id]
        assert len(found) == 1, f"{span.name} has no parent here"
        assert here(found[0]).trace_id == here(span).trace_id
        return found[0]

    def path(self, span: ReadableSpan) -> list[str]:
        """The names from the top down to it."""
        above = self.above(span)
        return [*([] if above is None else self.path(above)), span.name]

    def links(self, span: ReadableSpan) -> list[tuple[object, ReadableSpan]]:
        """What it points at, and as what."""
        return [(_kind(link), self._at(link.context)) for link in span.links]

    def _at(self, context: SpanContext) -> ReadableSpan:
        found = [each for each in self.spans if here(each).span_id == context.span_id]
        assert len(found) == 1, "a link leads nowhere"
        return found[0]

    def said(self) -> str:
        """Everything that left, as text."""
        return "\n".join(span.to_json() for span in self.spans)


def _kind(link: Link) -> object:
    return (link.attributes or {})["paceline.link.type"]
