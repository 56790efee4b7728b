"""Tracing of a command's runs, where the standard OTEL_ variables name an endpoint."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from paceline_integrations.otel import Telemetry

__all__ = ["Tracing"]

_ENDPOINTS: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)
_PATIENCE: Final = 5.0
_INTERRUPTED: Final = 1.0
"""Seconds to deliver what is left; an interrupted process has few."""


class Tracing:
    """What makes the runs of one command visible; it does nothing where no variable names an endpoint.

    That it cannot is told in a line, and the run goes on: nobody's jobs wait for a trace.
    """

    def __init__(self) -> None:
        self.middleware: tuple[Any, ...] = ()
        """What to give to each engine."""
        self._telemetry: Telemetry | None = None
        named = next((each for each in _ENDPOINTS if os.environ.get(each, "").strip()), None)
        if named is not None:
            self._begin(named)

    def finish(self, *, interrupted: bool) -> None:
        """Deliver what is left, for a few seconds at most, and tell what did not arrive."""
        if self._telemetry is not None:
            delivery = self._telemetry.shutdown(_INTERRUPTED if interrupted else _PATIENCE)
            for problem in delivery.problems:
                _tell(problem)

    def _begin(self, named: str) -> None:
        try:
            from paceline_integrations.otel import ConfigureError, OpenTelemetryMiddleware, configure
        except ImportError as error:
            _tell(f"{named} is set, but nothing is traced: {error}")
            return
        from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider

        _let_be_quiet()
        if not isinstance(
            get_tracer_provider(), ProxyTracerProvider
        ):  # by an auto-instrumentation, which will deliver, too
            self.middleware = (OpenTelemetryMiddleware(),)
            return
        try:
            self._telemetry = configure(timeout=_PATIENCE)
        except (ConfigureError, ImportError) as error:
            _tell(f"nothing is traced: {error}")
            return
        self.middleware = (self._telemetry.middleware(),)


def _let_be_quiet() -> None:
    """What does not arrive is told at the end: in between it is for those who read the log."""
    ours, logger = logging.getLogger("paceline"), logging.getLogger("opentelemetry")
    for handler in ours.handlers if ours.isEnabledFor(logging.INFO) else [logging.NullHandler()]:
        logger.addHandler(handler)
    logger.propagate = False


def _tell(text: str) -> None:
    print(f"paceline: {' '.join(text.split())}", file=sys.stderr)
