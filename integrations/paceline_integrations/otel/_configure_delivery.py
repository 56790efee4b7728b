"""Whether what is sent arrives: the SDK's processor and exporters, watched, and kept from a flood of logs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from ._configure_reasons import in_plain_words

__all__ = ["CountingProcessor", "LastWords", "WatchedMetrics", "WatchedSpans", "hush_sdk"]

_log = logging.getLogger("paceline.otel")

_QUIET: Final = 60.0
_SDK: Final = (
    "opentelemetry.sdk._shared_internal",
    "opentelemetry.sdk.trace.export",
    "opentelemetry.sdk.metrics._internal.export",
)


class LastWords(logging.Filter):
    """Lets a logger say the same thing once in a minute, and remembers why things do not arrive.

    While a backend is down each batch fails, in the same words, several times a second. Those of an exporter
    (to `target`) become plain ones where their meaning is known.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, target: str | None = None) -> None:
        super().__init__()
        self.closing: bool = False
        """It is the end, at which all that did not arrive is told together."""
        self._clock = clock
        self._target = target
        self._said: dict[str, float] = {}
        self._cause: str | None = None
        self._error: str | None = None

    @property
    def reason(self) -> str | None:
        """Why something failed, as the exporter told it: what it tried again after says more than its end."""
        return self._cause or self._error

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether this is to be logged."""
        if self._target is not None and not self._heard(record, self._target):
            return False
        now, said = self._clock(), self._said.get(str(record.msg))
        if said is not None and now - said < _QUIET:
            return False
        self._said[str(record.msg)] = now
        return True

    def _heard(self, record: logging.LogRecord, target: str) -> bool:
        """Keep what an exporter says, in plain words; false if it adds nothing to what is told anyway."""
        text = record.getMessage()
        if record.levelno < logging.WARNING:
            return True
        if "shutdown" in text.lower() and "batch code" not in text:
            self._error = text  # it stopped trying, of which it has told the cause
            news = self._cause is None
        else:
            news = True
            plain = in_plain_words(text, target)
            self._cause = plain or text
            if plain is not None:
                record.msg, record.args = f"nothing reaches {target} for now: {plain}", ()
        if self.closing:
            record.levelno, record.levelname = logging.INFO, "INFO"
            return logging.getLogger(record.name).isEnabledFor(logging.INFO)
        return news

    def listen_to(self, exporter: object) -> LastWords:
        """Stand at the loggers of the modules in which this exporter is written."""
        for kind in type(exporter).__mro__:
            if kind.__module__.startswith("opentelemetry.exporter"):
                logging.getLogger(kind.__module__).addFilter(self)
        return self


def hush_sdk() -> None:
    """Keep the SDK from saying with every span that its queue is full."""
    for name in _SDK:
        logger = logging.getLogger(name)
        if not any(isinstance(each, LastWords) for each in logger.filters):
            logger.addFilter(LastWords())


class _Watched:
    """What an exporter does: how much of it failed, and why."""

    def __init__(self, exporter: object, target: str) -> None:
        self.target: str = target
        self.closed: bool = False
        """Nothing more is tried: the time for it is over."""
        self._words = LastWords(target=target).listen_to(exporter)
        self._raised: str | None = None

    def end(self) -> None:
        """What does not arrive from now on is told at the end."""
        self._words.closing = True

    @property
    def reason(self) -> str | None:
        """Why something did not arrive, if that was said."""
        return self._raised or self._words.reason

    def raised(self, error: Exception) -> None:
        """An exporter broke: that is said once."""
        if self._raised is None:
            _log.warning("the exporter to %s raised; that is not said again", self.target, exc_info=error)
        self._raised = f"{type(error).__name__}: {error}"


class WatchedSpans(SpanExporter):
    """An exporter of spans that counts what arrived, and never raises."""

    def __init__(self, exporter: SpanExporter, target: str) -> None:
        self.watch: _Watched = _Watched(exporter, target)
        self.delivered: int = 0
        self.failed: int = 0
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send some spans."""
        result = SpanExportResult.FAILURE
        if not self.watch.closed:
            try:
                result = self._exporter.export(spans)
            except Exception as error:  # noqa: BLE001 - said once, and counted
                self.watch.raised(error)
        if result is SpanExportResult.SUCCESS:
            self.delivered += len(spans)
        else:
            self.failed += len(spans)
        return result

    def shutdown(self) -> None:
        """Close the exporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what the exporter keeps back."""
        return self._exporter.force_flush(timeout_millis)


class CountingProcessor(BatchSpanProcessor):
    """The SDK's batches, which know how many spans they were given: it does not tell what it drops."""

    def __init__(self, exporter: WatchedSpans, queue: int | None) -> None:
        super().__init__(exporter, max_queue_size=queue)
        self.exporter: WatchedSpans = exporter
        self.given: int = 0

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span that has ended."""
        if span.context is not None and span.context.trace_flags.sampled:
            self.given += 1
            super().on_end(span)

    def problem(self, timeout: float | None) -> str | None:
        """What did not arrive, in a line; `timeout`: seconds within which it was not all sent."""
        exporter = self.exporter
        lost = self.given - exporter.delivered
        if lost <= 0:
            return None
        why = exporter.watch.reason
        if timeout is not None:
            why = why or f"they were not sent within {timeout:g} s"
        elif not exporter.failed or why is None:
            why = "its queue was full (OTEL_BSP_MAX_QUEUE_SIZE is how much it holds)"
        return f"{lost:,} of {self.given:,} spans did not reach {exporter.watch.target}: {why}"


class WatchedMetrics(MetricExporter):
    """An exporter of metrics that knows whether the last ones arrived, and never raises."""

    def __init__(self, exporter: MetricExporter, target: str) -> None:
        super().__init__(exporter._preferred_temporality, exporter._preferred_aggregation)
        self.watch: _Watched = _Watched(exporter, target)
        self.arrived: bool = True
        self._exporter = exporter

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Send metrics."""
        result = MetricExportResult.FAILURE
        if not self.watch.closed:
            try:
                result = self._exporter.export(metrics_data, timeout_millis, **kwargs)  # pyright: ignore[reportUnknownMemberType]
            except Exception as error:  # noqa: BLE001 - said once, and remembered
                self.watch.raised(error)
        self.arrived = result is MetricExportResult.SUCCESS
        return result

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Send what the exporter keeps back."""
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Close the exporter."""
        self._exporter.shutdown(timeout_millis, **kwargs)  # pyright: ignore[reportUnknownMemberType]

    def problem(self, timeout: float | None) -> str | None:
        """What did not arrive, in a line; `timeout`: seconds within which it was not all sent."""
        if self.arrived and timeout is None:
            return None
        why = self.watch.reason or f"they were not sent within {timeout or 0:g} s"
        if not self.arrived and ("404" in why or "405" in why):
            why += " (where it takes only traces, set OTEL_METRICS_EXPORTER=none)"
        return f"metrics did not reach {self.watch.target}: {why}"
