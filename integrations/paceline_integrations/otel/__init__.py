"""Runs seen in any OpenTelemetry backend: spans, metrics, and a one-call set-up from the standard variables.

`OpenTelemetryMiddleware` needs no more than opentelemetry-api; `configure` makes what sends, of the SDK.
"""

try:
    import opentelemetry.trace as _opentelemetry
except ImportError as _error:
    raise ImportError('OpenTelemetry needs an extra: pip install "paceline[otel]"') from _error

from ._configure import ConfigureError as ConfigureError, configure as configure
from ._configure_telemetry import Delivery as Delivery, Telemetry as Telemetry
from ._middleware import OpenTelemetryMiddleware as OpenTelemetryMiddleware

del _opentelemetry

__all__ = ["ConfigureError", "Delivery", "OpenTelemetryMiddleware", "Telemetry", "configure"]

for _public in (ConfigureError, Delivery, OpenTelemetryMiddleware, Telemetry):
    _public.__module__ = __name__
