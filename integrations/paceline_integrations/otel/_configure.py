"""Tracing set up by one call, as the standard OTEL_ environment variables say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import metrics, trace

from paceline import PacelineError

if TYPE_CHECKING:
    from ._configure_telemetry import Telemetry

__all__ = ["ConfigureError", "configure", "has_meter_provider", "has_tracer_provider"]


class ConfigureError(PacelineError):
    """Raised by `configure` where it cannot do what the environment says, or somebody has done it before."""


def configure(*, service_name: str = "paceline", timeout: float = 5.0) -> Telemetry:
    """Set up OpenTelemetry for this process: spans and metrics are sent from now on, in batches.

        with configure() as telemetry:
            async with Engine(chain, middleware=[telemetry.middleware()]) as engine:
                ...

    Where to is said by the standard variables, so that the same program runs anywhere:

    - `OTEL_EXPORTER_OTLP_ENDPOINT`: the address of a collector or backend (`http://localhost:4318` if
      nothing is said). `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` and `..._METRICS_ENDPOINT`: the whole path for
      one of the two; where there is only one of these, the other kind is not sent.
    - `OTEL_EXPORTER_OTLP_HEADERS`: `name=value`, separated by commas; a backend's key goes here.
    - `OTEL_EXPORTER_OTLP_PROTOCOL`: `http/protobuf` (if unset), or `grpc` where its exporter is installed.
    - `OTEL_TRACES_EXPORTER`, `OTEL_METRICS_EXPORTER`: `otlp` (if unset), `console` (on standard error),
      `none`, or another that is installed; several with commas. Where one of the two is sent elsewhere than
      by `otlp`, and no endpoint is named, the other kind is not sent.
    - `OTEL_SERVICE_NAME` (`service_name` if unset), `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SDK_DISABLED=true`.
    - What the SDK reads by itself: samplers (`OTEL_TRACES_SAMPLER`), span limits, timeouts, intervals. Only
      `OTEL_BSP_MAX_QUEUE_SIZE` has a larger default, 16,384 spans: jobs may be short and many.

    Phoenix: `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://localhost:6006/v1/traces`, and for a project of its
    own `OTEL_RESOURCE_ATTRIBUTES=openinference.project.name=NAME`. MLflow: its address with `/v1/traces` in
    the same variable, and `OTEL_EXPORTER_OTLP_HEADERS=x-mlflow-experiment-id=ID`. Both take traces only.

    A backend that is down, slow or full holds up no job: spans wait in a queue, and what is too much for it
    is dropped. What is left is sent at the end of the `with` (or of the process), within `timeout` seconds.

    The providers are set for the whole process, as instrumentations of frameworks expect it, and that can be
    done once. Calling again gives the same object.

    Raises:
        ConfigureError: if somebody else has set a provider before, an earlier `configure` was shut down, or a
            variable says what cannot be.
        ImportError: if the SDK or an exporter is not installed, with the line that installs it.
    """
    try:
        from . import _configure_sdk as sdk
    except ImportError as error:
        raise ImportError('configure() needs the OpenTelemetry SDK: pip install "paceline[otel]"') from error
    return sdk.set_up(service_name, timeout)


def has_tracer_provider() -> bool:
    """Whether somebody has set a provider of spans."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def has_meter_provider() -> bool:
    """Whether somebody has set a provider of metrics."""
    return not type(metrics.get_meter_provider()).__module__.startswith("opentelemetry.metrics")
