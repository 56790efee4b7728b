"""A backend in a process of its own, for `tracing.py`: it takes what comes, and counts when it is asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from subprocess import PIPE, Popen
from typing import Any
from urllib.request import urlopen

__all__ = ["receiver", "seen"]


class Handler(BaseHTTPRequestHandler):
    """Keeps requests as they are: to decode them takes time, which belongs to nobody's jobs."""

    protocol_version = "HTTP/1.1"
    bodies: list[bytes] = []  # noqa: RUF012 - of the one server of this process

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/traces":
            self.bodies.append(body)
        self._answer(b"")

    def do_GET(self) -> None:
        found = count(self.bodies)
        self.bodies.clear()
        self._answer(json.dumps(found).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that it has
        pass


def count(bodies: list[bytes]) -> dict[str, int]:
    """How many spans and traces came, and how many spans have a parent that did not."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    spans = [
        span
        for body in bodies
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    known = {span.span_id for span in spans}
    orphans = sum(bool(span.parent_span_id) and span.parent_span_id not in known for span in spans)
    return {"spans": len(spans), "traces": len({span.trace_id for span in spans}), "orphans": orphans}


@contextmanager
def receiver() -> Generator[str]:
    """Start it, and give its address."""
    with Popen([sys.executable, __file__], stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def seen(address: str) -> dict[str, int]:
    """What has come in since it was asked the last time."""
    with urlopen(f"{address}/seen") as answer:  # noqa: S310 - on loopback
        found: dict[str, int] = json.load(answer)
        return found


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
