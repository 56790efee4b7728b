"""The demo's traces in a real backend: started for it, read back from it, and open until one has looked."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator
from contextlib import closing, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.text import Text

from paceline_integrations.backends import Backend, BackendError, MLflow, Phoenix

from ._errors import CommandError
from .settings import BackendName

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

__all__ = ["TracedDemo", "traced_demo"]

_BACKENDS: Final[dict[BackendName, type[Backend]]] = {"phoenix": Phoenix, "mlflow": MLflow}
_TITLES: Final[dict[BackendName, str]] = {"phoenix": "Phoenix", "mlflow": "MLflow"}
_SHOWN: Final = (3, 6)
"""Groups of a run, and jobs of a group."""
_QUEUE: Final = 16_384


class TracedDemo:
    """Sends the demo's traces to a backend, and shows what has arrived there."""

    def __init__(self, console: Console, name: BackendName, backend: Backend) -> None:
        from paceline_integrations.otel import OpenTelemetryMiddleware

        self._console = console
        self._name = _TITLES[name]
        self._backend = backend
        self._sent = Counter[str]()
        self._provider: TracerProvider = _provider(backend, self._sent)
        self.middleware: tuple[Any, ...] = (OpenTelemetryMiddleware(self._provider),)
        """What to give to each engine."""

    def finish(self, *, interrupted: bool) -> None:
        """Show the traces as the backend has them, say where its page is, and wait while one looks."""
        if interrupted:
            return
        self._provider.force_flush()
        first = self._show()
        self._console.print(Text(f"\n{self._name} shows them at {first}", style="bold"), soft_wrap=True)
        if sys.stdin.isatty():
            self._console.print("Enter ends it.", style="dim")
            try:
                input()
            except (KeyboardInterrupt, EOFError):
                self._console.print()

    def close(self) -> None:
        """Send nothing more: to be called while the backend is there."""
        self._provider.shutdown()

    def _show(self) -> str:
        """Draw them, and return the address of the first one."""
        from .trace_text import trace_trees

        spans = self._backend.spans(at_least=self._sent["spans"])
        title = f"\nThe traces, as {self._name} has them: {len(spans):,} spans (in, cached, out: tokens)"
        self._console.print(Text(title, style="bold"))
        for tree in trace_trees(spans, most=_SHOWN):
            self._console.print()
            self._console.print(tree)
        return self._backend.page_of(spans[0].trace_id)


@contextmanager
def traced_demo(console: Console, name: BackendName) -> Generator[TracedDemo]:
    """Start a backend, which is installed the first time, and stop it at the end.

    Raises:
        CommandError: if OpenTelemetry or the backend cannot be had, or the backend does not answer.
    """

    def tell(line: str) -> None:
        console.print(Text(line, style="dim"), soft_wrap=True)

    try:  # before anything large is installed
        import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ImportError as error:
        raise CommandError('--traces needs an extra: pip install "paceline[otel]"') from error
    try:
        with (
            _BACKENDS[name](tell=tell) as backend,
            closing(TracedDemo(console, name, backend)) as traced,
        ):
            yield traced
    except BackendError as error:
        raise CommandError(*str(error).splitlines(), code=1) from error


def _provider(backend: Backend, sent: Counter[str]) -> TracerProvider:
    """Of the demo alone: nothing is set for the process. It counts what it sends."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    class Counting(BatchSpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            sent["spans"] += 1
            super().on_end(span)

    resource = Resource({"service.name": "paceline", **backend.resource})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)  # the backend is gone by then
    exporter = OTLPSpanExporter(backend.endpoint, headers=backend.headers)
    provider.add_span_processor(Counting(exporter, max_queue_size=_QUEUE))
    return provider
