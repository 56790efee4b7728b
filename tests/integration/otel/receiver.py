"""A backend for traces and metrics on loopback, OTLP over HTTP; or one that is broken in some way."""

from __future__ import annotations

import gzip
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["Receiver", "receiving"]


class Receiver:
    """What has come in. `status` is what it answers; `hold` is what it waits for first."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 200
        self.hold: Event | None = None
        self.arrived = Event()
        """Something has come in, answered or not."""
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.metrics: dict[str, Any] = {}
        self._lock = Lock()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        with self._lock:
            self.requests.append((path, headers))
        self.arrived.set()
        if self.hold is not None:
            self.hold.wait()
        if self.status != 200:
            return self.status
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        with self._lock:
            if path == "/v1/traces":
                self._traces(ExportTraceServiceRequest.FromString(body))
            elif path == "/v1/metrics":
                self._metrics(ExportMetricsServiceRequest.FromString(body))
            else:
                return 404
        return 200

    def _traces(self, message: Any) -> None:
        for resource in message.resource_spans:
            self.resources.append(
                {each.key: each.value.string_value for each in resource.resource.attributes}
            )
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def _metrics(self, message: Any) -> None:
        for resource in message.resource_metrics:
            for scope in resource.scope_metrics:
                self.metrics |= {metric.name: metric for metric in scope.metrics}

    @property
    def orphans(self) -> list[Any]:
        """The spans of which the parent did not come in."""
        known = {span.span_id for span in self.spans}
        return [span for span in self.spans if span.parent_span_id and span.parent_span_id not in known]


@contextmanager
def receiving() -> Generator[Receiver]:
    """Serve on a free port; at the end let go of whoever still waits for an answer."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.take(self.path, headers, body)
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that it has
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that has gone is no news."""

    server = Server(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        if receiver.hold is not None:
            receiver.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
