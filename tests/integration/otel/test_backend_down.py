"""A backend that is down, slow, full or broken: no job is held up or fails, and the log stays readable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

from paceline import Engine, JobResult
from paceline.testing import VirtualClock
from paceline_integrations.otel import OpenTelemetryMiddleware, configure
from paceline_integrations.otel._configure_delivery import (
    CountingProcessor,
    LastWords,
    WatchedMetrics,
    WatchedSpans,
    hush_sdk,
)

from .receiver import Receiver

JOBS = 1_000


class Hanging(SpanExporter):
    """Takes a batch, and does not come back before it is let go."""

    def __init__(self) -> None:
        self.entered = Event()
        self.let_go = Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.entered.set()
        self.let_go.wait()
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.let_go.set()


class Raising(SpanExporter):
    """Breaks whenever it is used."""

    def __init__(self) -> None:
        self.calls = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.calls += 1
        raise RuntimeError("the exporter is broken")

    def shutdown(self) -> None: ...


@contextmanager
def sending_to(exporter: SpanExporter, **options: Any) -> Generator[OpenTelemetryMiddleware]:
    """A provider as people make it themselves, of the SDK's parts."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, **options))
    try:
        yield OpenTelemetryMiddleware(provider)
    finally:
        if isinstance(exporter, Hanging):
            exporter.let_go.set()
        provider.shutdown()


async def work(number: int) -> int:
    await asyncio.sleep(1)
    return number


def run_virtually(middleware: Sequence[object]) -> tuple[list[JobResult], float]:
    """All results, and when the run was over by a clock that knows nothing but the jobs."""

    async def main() -> tuple[list[JobResult], float]:
        async with Engine(work, slots=8, middleware=middleware) as engine:
            found = [result async for result in engine.map(range(JOBS), ordered=True)]
        return found, asyncio.get_running_loop().time()

    return VirtualClock().run(main)


def assert_untouched(middleware: Sequence[object]) -> None:
    results, ended = run_virtually(middleware)
    assert [result.output for result in results] == list(range(JOBS))
    assert ended == run_virtually(())[1]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_run_ends_while_the_exporter_still_hangs(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Hanging()
    with sending_to(exporter, max_export_batch_size=1, schedule_delay_millis=1) as middleware:
        assert_untouched([middleware])
        assert exporter.entered.is_set()
        assert not exporter.let_go.is_set()
    assert not warnings(caplog)


def test_a_queue_that_is_full_drops_spans_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Hanging()
    with sending_to(exporter, max_queue_size=16, max_export_batch_size=16) as middleware:
        assert_untouched([middleware])
        assert not exporter.let_go.is_set()
    assert len(warnings(caplog)) <= 4, "the SDK says the same once in 20 s"


def test_an_exporter_that_raises_breaks_no_job(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Raising()
    with sending_to(exporter, max_export_batch_size=16, schedule_delay_millis=1) as middleware:
        assert_untouched([middleware])
    assert exporter.calls > 1
    assert len(warnings(caplog)) <= 4, "the SDK says the same once in 20 s"


def test_a_reader_of_metrics_that_hangs_or_raises_holds_up_no_job() -> None:
    class Broken(MetricExporter):
        def __init__(self) -> None:
            super().__init__()
            self.entered = Event()
            self.let_go = Event()

        def export(self, metrics_data: Any, timeout_millis: float = 0, **kwargs: Any) -> MetricExportResult:
            self.entered.set()
            self.let_go.wait()
            raise RuntimeError("the exporter is broken")

        def force_flush(self, timeout_millis: float = 0) -> bool:
            return True

        def shutdown(self, timeout_millis: float = 0, **kwargs: Any) -> None: ...

    exporter = Broken()
    provider = MeterProvider([PeriodicExportingMetricReader(exporter, 20.0)], shutdown_on_exit=False)
    assert_untouched([OpenTelemetryMiddleware(meter_provider=provider)])
    assert exporter.entered.wait(30)
    exporter.let_go.set()
    provider.shutdown()


def test_an_instrument_that_raises_breaks_no_job_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    middleware = OpenTelemetryMiddleware(meter_provider=provider)
    sink: Any = middleware.sink

    def broken(*_: object) -> None:
        raise RuntimeError("the instrument is broken")

    sink._instruments.wait.record = broken

    async def main() -> list[Any]:
        async with Engine(work, slots=8, sinks=[sink]) as engine:
            return [result.output async for result in engine.map(range(JOBS), ordered=True)]

    assert VirtualClock().run(main) == list(range(JOBS))
    assert len(warnings(caplog)) == 1


# As `configure` sets it up, over HTTP.


Break = Callable[[Receiver, pytest.MonkeyPatch], None]


def unreachable(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")  # "discard": nobody listens


def hangs(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver.hold = Event()


def breaks(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver.status = 500


def refuses(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver.status = 403


def full(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver.hold = Event()
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "16")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16")


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("broken", [unreachable, hangs, breaks, refuses, full])
def test_a_backend_that_is_broken_costs_no_job_and_is_told_in_a_line(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: Break
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "20")
    broken(receiver, monkeypatch)
    telemetry = configure()
    assert_untouched([telemetry.middleware()])
    delivery = telemetry.shutdown(0.2)
    assert receiver.hold is None or not receiver.hold.is_set(), "it never answered"
    assert len(delivery.problems) == 2
    assert f"of {JOBS + 1:,} spans did not reach" in delivery.problems[0].replace(
        f"{JOBS + 2:,}", f"{JOBS + 1:,}"
    )
    assert "\n" not in "".join(delivery.problems)
    assert len(warnings(caplog)) <= 6, "two exporters, which try again and fail, and a queue"


@pytest.mark.usefixtures("fresh")
def test_what_was_dropped_is_told_though_the_backend_is_well(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "16")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16")
    receiver.hold = Event()
    telemetry = configure()
    assert_untouched([telemetry.middleware()])
    receiver.hold.set()
    (problem,) = telemetry.shutdown(30).problems
    assert "its queue was full (OTEL_BSP_MAX_QUEUE_SIZE" in problem


@pytest.mark.usefixtures("fresh")
def test_when_the_time_is_over_nothing_more_is_tried(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16")
    receiver.hold = Event()
    telemetry = configure()
    assert_untouched([telemetry.middleware()])
    assert not telemetry.shutdown(0.0).complete
    receiver.hold.set()
    (closer,) = telemetry._closers
    assert closer.wait(30)
    assert len(receiver.requests) <= 1, "what was on its way"


def test_spans_that_are_only_recorded_are_not_missed() -> None:
    processor = CountingProcessor(WatchedSpans(InMemorySpanExporter(), "here"), None)
    provider = TracerProvider(sampler=RecordOnly(), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    with provider.get_tracer("it").start_as_current_span("recorded") as span:
        assert span.is_recording()
    provider.shutdown()
    assert processor.given == 0
    assert processor.problem(None) is None


class RecordOnly(Sampler):
    """For processors, not for exporters."""

    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        return SamplingResult(Decision.RECORD_ONLY)

    def get_description(self) -> str:
        return "record only"


def test_loggers_of_the_sdk_are_filtered_once() -> None:
    logger = logging.getLogger("opentelemetry.sdk.trace.export")
    before = list(logger.filters)
    try:
        hush_sdk()
        hush_sdk()
        assert sum(isinstance(each, LastWords) for each in logger.filters) == 1
    finally:
        logger.filters[:] = before


def test_the_same_words_are_logged_once_in_a_minute() -> None:
    now = 0.0
    words = LastWords(lambda: now)
    seen: list[tuple[int, str]] = []
    for second in range(121):
        now = float(second)
        for text in ("Failed to send %s", "Queue full"):
            record = logging.LogRecord("x", logging.ERROR, "", 0, text, (), None)
            if words.filter(record):
                seen.append((second, text))
    assert len(seen) == 6
    assert {second for second, _ in seen} == {0, 60, 120}


def test_an_exporter_that_raises_is_said_once_by_what_configure_makes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Metrics(MetricExporter):
        def export(self, metrics_data: Any, timeout_millis: float = 0, **kwargs: Any) -> MetricExportResult:
            raise RuntimeError("broken")

        def force_flush(self, timeout_millis: float = 0) -> bool:
            return True

        def shutdown(self, timeout_millis: float = 0, **kwargs: Any) -> None: ...

    spans, metrics = WatchedSpans(Raising(), "here"), WatchedMetrics(Metrics(), "there")
    for _ in range(100):
        assert spans.export([]) is SpanExportResult.FAILURE
        assert metrics.export(None) is MetricExportResult.FAILURE  # type: ignore[arg-type]  # it looks at nothing
    assert [said.split(" raised")[0] for said in warnings(caplog)] == [
        "the exporter to here",
        "the exporter to there",
    ]
    assert spans.watch.reason == "RuntimeError: the exporter is broken"
