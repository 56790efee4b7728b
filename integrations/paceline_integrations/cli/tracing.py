"""Tracing of a command's runs, where the standard OTEL_ variables or the person's own code say where to."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from .interrupts import held_by

if TYPE_CHECKING:
    from paceline_integrations.otel import Telemetry

__all__ = ["Tracing"]

_ENDPOINTS: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)
_EXPORTERS: Final = ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER")
_NO_PLACE: Final = frozenset({"", "otlp", "none"})
"""Exporters that do not say by themselves where they send to."""
_PATIENCE: Final = 5.0
_INTERRUPTED: Final = 1.0
"""Seconds to deliver what is left; an interrupted process has few."""


class Tracing:
    """What makes the runs of one command visible; it does nothing where nobody says where traces go.

    That it cannot is told in a line, and the run goes on: nobody's jobs wait for a trace. `module`: the
    person's own code, which may have set a provider of OpenTelemetry when it was loaded: that one is used.
    """

    def __init__(self, module: str | None = None) -> None:
        self.middleware: tuple[Any, ...] = ()
        """What to give to each engine."""
        self._telemetry: Telemetry | None = None
        named = _named()
        if _provider_is_set():
            self._join(named, module)
        elif named is not None:
            self._begin(named)

    def finish(self, *, interrupted: bool) -> None:
        """Deliver what is left, for a few seconds at most, and tell what did not arrive."""
        if self._telemetry is not None:
            with held_by("the delivery of traces"):
                delivery = self._telemetry.shutdown(_INTERRUPTED if interrupted else _PATIENCE)
            for problem in delivery.problems:
                _tell(problem)

    def _join(self, named: str | None, module: str | None) -> None:
        """Use the provider that is set: whoever did that delivers, too."""
        from paceline_integrations.otel import OpenTelemetryMiddleware

        self.middleware = (OpenTelemetryMiddleware(),)
        # An auto-instrumentation has read the variables itself.
        if named is not None and "opentelemetry.instrumentation.auto_instrumentation" not in sys.modules:
            by = "is set" if module is None else f"was set by {module}, or what it imports"
            _tell(f"{named} is not used: a provider of OpenTelemetry {by}, and traces go to that one")

    def _begin(self, named: str) -> None:
        try:
            from paceline_integrations.otel import ConfigureError, configure
        except ImportError as error:
            _tell(f"{named} is set, but nothing is traced: {error}")
            return
        _let_be_quiet()
        try:
            with _warnings_told():
                self._telemetry = configure(timeout=_PATIENCE)
        except (ConfigureError, ImportError) as error:
            _tell(f"nothing is traced: {error}")
            return
        self.middleware = (self._telemetry.middleware(),)


def _named() -> str | None:
    """The first variable that says where to send."""
    for name in _ENDPOINTS:
        if os.environ.get(name, "").strip():
            return name
    for name in _EXPORTERS:
        if {each.strip().lower() for each in os.environ.get(name, "").split(",")} - _NO_PLACE:
            return name
    return None


def _provider_is_set() -> bool:
    """Whether somebody has set a provider; nobody can have without loading OpenTelemetry."""
    if "opentelemetry.trace" not in sys.modules and "opentelemetry.metrics" not in sys.modules:
        return False
    try:
        from paceline_integrations.otel._configure import has_meter_provider, has_tracer_provider
    except ImportError:  # something of it is there, but not enough; told where a variable asks for it
        return False
    return has_tracer_provider() or has_meter_provider()


class _Warnings(logging.Handler):
    """Keeps what this thread logs as a warning or worse, each text once: others may be exporting by now."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: dict[str, None] = {}
        self._thread: int = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread != self._thread:
            return
        # The words about a header end with the header itself: a key, most often.
        secret = record.name == "opentelemetry.util.re"
        text = str(record.msg).partition(": %s")[0] if secret else record.getMessage()
        self.texts[text] = None


@contextmanager
def _warnings_told() -> Generator[None]:
    """Tell what the SDK finds wrong with the variables while it is set up: a line for each."""
    logger, kept = logging.getLogger("opentelemetry"), _Warnings()
    logger.addHandler(kept)
    try:
        yield
    finally:
        logger.removeHandler(kept)
        for text in kept.texts:
            _tell(f"OpenTelemetry: {text}")


def _let_be_quiet() -> None:
    """What does not arrive is told at the end: in between it is for those who read the log."""
    ours, logger = logging.getLogger("paceline"), logging.getLogger("opentelemetry")
    if ours.isEnabledFor(logging.INFO):
        logger.setLevel(ours.getEffectiveLevel())
        handlers = ours.handlers
    else:
        handlers = [logging.NullHandler()]
    for handler in handlers:
        logger.addHandler(handler)
    logger.propagate = False


def _tell(text: str) -> None:
    print(f"paceline: {' '.join(text.split())}", file=sys.stderr)
