"""Phoenix and MLflow as they are: what is sent is read back, and nothing of them stays behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from paceline_integrations.backends import Backend
from paceline_integrations.backends._server import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(params=["phoenix", "mlflow"])
def backend(request: pytest.FixtureRequest) -> Backend:
    found: Backend = request.getfixturevalue(request.param)
    return found


def send(backend: Backend) -> str:
    """A root with two children: one with an event, the other failed and linked to it."""
    provider = TracerProvider(resource=Resource(backend.resource))
    provider.add_span_processor(
        SimpleSpanProcessor(OTLPSpanExporter(backend.endpoint, headers=backend.headers))
    )
    tracer = provider.get_tracer("by hand")
    with tracer.start_as_current_span("root") as root:
        shown: dict[str, AttributeValue] = {
            "text": "a",
            "number": 2**40,
            "share": 0.5,
            "yes": True,
            "names": ["a", "b"],
        }
        with tracer.start_as_current_span("first", attributes=shown) as first:
            first.add_event("seen", {"count": 3})
        link = Link(first.get_span_context(), {"why": "after"})
        with tracer.start_as_current_span("second", links=[link]) as second:
            second.set_status(Status(StatusCode.ERROR, "broken"))
    provider.shutdown()
    return format(root.get_span_context().trace_id, "032x")


def test_what_is_sent_is_read_back(backend: Backend) -> None:
    trace_id = send(backend)
    spans = {span.name: span for span in backend.spans(trace_id, at_least=3)}
    root, first, second = spans["root"], spans["first"], spans["second"]
    assert {span.trace_id for span in spans.values()} == {trace_id}
    assert (root.parent_id, first.parent_id, second.parent_id) == (None, root.span_id, root.span_id)
    assert root.started <= first.started <= first.ended <= second.started <= second.ended <= root.ended
    assert abs(root.ended - time.time()) < 60
    told = {"text": "a", "number": 2**40, "share": 0.5, "yes": True, "names": ["a", "b"]}
    assert told.items() <= first.attributes.items()
    assert [(event.name, event.attributes) for event in first.events] == [("seen", {"count": 3})]
    assert (first.status, second.status, second.message) == ("unset", "error", "broken")


def test_more_is_read_back_than_a_backend_gives_at_once(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("_mlflow", "_phoenix"):
        monkeypatch.setattr(f"paceline_integrations.backends.{module}._MOST", 2)
    before = len(backend.spans())
    for _ in range(5):
        send(backend)
    spans = backend.spans(at_least=before + 15)
    assert len({span.span_id for span in spans}) == len(spans) == before + 15


def test_mlflow_keeps_links_and_phoenix_does_not(phoenix: Backend, mlflow: Backend) -> None:
    def links(backend: Backend) -> list[tuple[bool, object]]:
        spans = {span.name: span for span in backend.spans(send(backend), at_least=3)}
        assert all(link.span_id == spans["first"].span_id for link in spans["second"].links)
        return [(link.trace_id == spans["first"].trace_id, link.attributes) for link in spans["second"].links]

    assert links(mlflow) == [(True, {"why": "after"})]
    assert links(phoenix) == []


def test_one_that_is_served_tells_the_variables_and_keeps_its_data(
    phoenix: Backend, environ: dict[str, str], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "paceline_integrations.backends", "serve", "phoenix"]
    command += ["--port", str(free_port()), "--folder", str(tmp_path / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as server:
        assert server.stdout is not None
        lines = [server.stdout.readline() for _ in range(5)]
        server.send_signal(signal.SIGINT)
        rest = server.stdout.read()
    assert (server.returncode, rest) == (0, "")
    assert "Ctrl-C ends it" in lines[0]
    address = lines[0].split()[4].rstrip(";")
    assert lines[1] == f"export OTEL_EXPORTER_OTLP_TRACES_ENDPOINT={address}/v1/traces\n"
    assert "export OTEL_RESOURCE_ATTRIBUTES=openinference.project.name=paceline\n" in lines
    assert (tmp_path / "data" / "phoenix.db").exists()
