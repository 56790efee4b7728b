"""From the environment to providers, with the SDK's own parts: exporters, batches, resources."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    ConsoleMetricExporter,
    MetricReader,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter

from ._configure import ConfigureError, has_meter_provider, has_tracer_provider
from ._configure_delivery import CountingProcessor, WatchedMetrics, WatchedSpans, hush_sdk
from ._configure_telemetry import Outlet, Telemetry

__all__ = ["set_up"]

Signal = Literal["traces", "metrics"]

_QUEUE: Final = 16_384
_BASE: Final = "http://localhost:4318"
_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_CLASSES: Final[dict[Signal, tuple[str, str]]] = {
    "traces": ("trace_exporter", "OTLPSpanExporter"),
    "metrics": ("metric_exporter", "OTLPMetricExporter"),
}
_INSTALL: Final = {
    "http/protobuf": 'pip install "paceline[otel]"',
    "grpc": "pip install opentelemetry-exporter-otlp-proto-grpc",
}


class _Made:
    """What is set in this process: as OpenTelemetry keeps its providers, too."""

    telemetry: Telemetry | None = None


def set_up(service_name: str, timeout: float) -> Telemetry:
    """Make providers as the environment says and set them, once."""
    made = _Made.telemetry
    if made is None:
        made = _Made.telemetry = _make(service_name, timeout)
    elif made.closed:
        raise ConfigureError(
            "configure: OpenTelemetry was set up in this process before and shut down, and it can be set up "
            "once: call configure() where the program begins, and leave its `with` where the program ends"
        )
    return made


def _make(service_name: str, timeout: float) -> Telemetry:
    if _variable("OTEL_SDK_DISABLED").lower() == "true":
        return Telemetry(None, None, timeout=timeout)
    spans, readings = _exporter_names("traces"), _exporter_names("metrics")
    if (spans and has_tracer_provider()) or (readings and has_meter_provider()):
        raise ConfigureError(
            "configure: this process has providers of OpenTelemetry already, from the program or an "
            "auto-instrumentation: OpenTelemetryMiddleware() uses them as they are, without configure()"
        )
    resource = _resource(service_name)
    tracer_provider = meter_provider = None
    outlets: list[Outlet] = []
    if spans:
        processors = [_processor(name) for name in spans]
        tracer_provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        for processor in processors:
            tracer_provider.add_span_processor(processor)
            outlets.append(_Spans(processor))
    if readings:
        watched: list[WatchedMetrics] = []
        readers = [_reader(name, watched) for name in readings]
        meter_provider = MeterProvider(readers, resource, shutdown_on_exit=False)
        outlets.append(_Metrics(meter_provider, watched))
    hush_sdk()
    if tracer_provider is not None:
        trace.set_tracer_provider(tracer_provider)
    if meter_provider is not None:
        metrics.set_meter_provider(meter_provider)
    return Telemetry(tracer_provider, meter_provider, outlets, timeout=timeout)


class _Spans:
    """The way out of spans."""

    def __init__(self, processor: CountingProcessor) -> None:
        self._processor = processor

    def close(self) -> None:
        self._processor.exporter.watch.end()
        self._processor.shutdown()  # type: ignore[no-untyped-call]  # the SDK's

    def give_up(self) -> None:
        self._processor.exporter.watch.closed = True

    def problem(self, timeout: float | None) -> str | None:
        return self._processor.problem(timeout)


class _Metrics:
    """The way out of metrics."""

    def __init__(self, provider: MeterProvider, exporters: list[WatchedMetrics]) -> None:
        self._provider = provider
        self._exporters = exporters

    def close(self) -> None:
        for each in self._exporters:
            each.watch.end()
        self._provider.shutdown()

    def give_up(self) -> None:
        for each in self._exporters:
            each.watch.closed = True

    def problem(self, timeout: float | None) -> str | None:
        found = [each.problem(timeout) for each in self._exporters]
        return next((each for each in found if each is not None), None)


def _resource(service_name: str) -> Resource:
    resource = Resource.create()
    if str(resource.attributes.get(SERVICE_NAME, "unknown_service")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: service_name}))
    return resource


def _exporter_names(signal: Signal) -> list[str]:
    names = _variable(f"OTEL_{signal.upper()}_EXPORTER")
    if names:
        found = [each.strip() for each in names.split(",") if each.strip()]
        return [each for each in found if each.lower() != "none"]
    other = "METRICS" if signal == "traces" else "TRACES"
    elsewhere = _variable(f"OTEL_{other}_EXPORTER").lower() not in {"", "otlp", "none"}
    only_other = (elsewhere or _variable(f"OTEL_EXPORTER_OTLP_{other}_ENDPOINT")) and not (
        _variable(_ENDPOINT) or _variable(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
    )
    return [] if only_other else ["otlp"]


def _processor(name: str) -> CountingProcessor:
    exporter = ConsoleSpanExporter(out=sys.stderr) if name == "console" else _exporter("traces", name)
    queue = None if _variable("OTEL_BSP_MAX_QUEUE_SIZE") else _QUEUE
    try:
        return CountingProcessor(WatchedSpans(exporter, _target("traces", name)), queue)
    except ValueError as error:
        raise ConfigureError(f"configure: the OTEL_BSP_ variables do not fit together: {error}") from error


def _reader(name: str, watched: list[WatchedMetrics]) -> MetricReader:
    exporter = ConsoleMetricExporter(out=sys.stderr) if name == "console" else _exporter("metrics", name)
    if isinstance(exporter, MetricReader):  # one that is asked, such as Prometheus
        return exporter
    watched.append(WatchedMetrics(exporter, _target("metrics", name)))
    try:
        return PeriodicExportingMetricReader(watched[-1])
    except ValueError as error:
        raise ConfigureError(f"configure: OTEL_METRIC_EXPORT_INTERVAL: {error}") from error


def _exporter(signal: Signal, name: str) -> Any:
    kind = _otlp_class(signal) if name == "otlp" else _installed_class(signal, name)
    try:
        return kind()
    except Exception as error:
        raise ConfigureError(
            f"configure: the exporter {name!r} of {signal} cannot be made: {error}"
        ) from error


def _otlp_class(signal: Signal) -> Callable[[], Any]:
    variable = f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL"
    protocol = _variable(variable) or _variable("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"
    if protocol not in _INSTALL:
        raise ConfigureError(
            f"configure: OTEL_EXPORTER_OTLP_PROTOCOL (or {variable}) is {protocol!r}; it can be "
            "http/protobuf or grpc"
        )
    if protocol == "http/protobuf":
        _check_address(signal)
    module, name = _CLASSES[signal]
    where = protocol.partition("/")[0]
    try:
        found: Callable[[], Any] = getattr(
            import_module(f"opentelemetry.exporter.otlp.proto.{where}.{module}"), name
        )
    except ImportError as error:
        raise ImportError(
            f"configure: the OTLP exporter for {protocol} is not installed: {_INSTALL[protocol]}"
        ) from error
    return found


def _installed_class(signal: Signal, name: str) -> Callable[[], Any]:
    group = f"opentelemetry_{signal}_exporter"
    for entry in entry_points(group=group, name=name):
        found: Callable[[], Any] = entry.load()
        return found
    known = sorted({"otlp", "console", "none", *entry_points(group=group).names})
    raise ConfigureError(
        f"configure: OTEL_{signal.upper()}_EXPORTER names {name!r}, which is not installed; there is "
        f"{', '.join(known)}"
    )


def _check_address(signal: Signal) -> None:
    for variable in (f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", _ENDPOINT):
        address = _variable(variable)
        if address:
            parts = urlsplit(address)
            if parts.scheme not in {"http", "https"} or not parts.netloc:
                raise ConfigureError(
                    f"configure: {variable} is {address!r}, which is no address to send to; write "
                    f"http://HOST:PORT, as in {_BASE}"
                )
            return


def _target(signal: Signal, name: str) -> str:
    """What it is sent to, as it is told."""
    if not name.startswith("otlp"):
        return name
    own = _variable(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
    base = (_variable(_ENDPOINT) or _BASE).rstrip("/")
    parts = urlsplit(own or f"{base}/v1/{signal}")
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()  # not a password


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()
