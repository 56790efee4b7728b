"""`configure`: from the standard variables to spans and metrics that arrive."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from paceline import Engine
from paceline_integrations.otel import ConfigureError, OpenTelemetryMiddleware, Telemetry, configure
from paceline_integrations.otel._configure_delivery import LastWords

from .receiver import Receiver

pytestmark = pytest.mark.usefixtures("fresh")


async def echo(payload: object) -> object:
    return payload


def run_jobs(telemetry: Telemetry, jobs: int = 3) -> None:
    async def main() -> None:
        async with Engine(echo, middleware=[telemetry.middleware()]) as engine:
            for number in range(jobs):
                await engine.submit(number)

    asyncio.run(main())


@pytest.fixture
def endpoint(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    return receiver


def test_spans_and_metrics_go_where_the_environment_says(
    endpoint: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-mlflow-experiment-id=7")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "openinference.project.name=mine")
    with configure() as telemetry:
        run_jobs(telemetry)
    assert len(endpoint.spans) == 1 + 3
    assert not endpoint.orphans
    assert "paceline.job.duration" in endpoint.metrics
    assert {path for path, _ in endpoint.requests} == {"/v1/traces", "/v1/metrics"}
    assert {headers["x-mlflow-experiment-id"] for _, headers in endpoint.requests} == {"7"}
    (resource,) = endpoint.resources
    assert (resource["service.name"], resource["openinference.project.name"]) == ("paceline", "mine")


def test_providers_are_set_for_the_whole_process(endpoint: Receiver) -> None:
    with configure() as telemetry:
        assert trace.get_tracer_provider() is telemetry.tracer_provider
        assert metrics.get_meter_provider() is telemetry.meter_provider
        with trace.get_tracer("a-framework").start_as_current_span("its own"):
            pass
    assert [span.name for span in endpoint.spans] == ["its own"]


@pytest.mark.usefixtures("endpoint")
def test_the_sdk_is_kept_from_saying_with_every_span_that_its_queue_is_full() -> None:
    with configure():
        filters = logging.getLogger("opentelemetry.sdk.trace.export").filters
        assert any(isinstance(each, LastWords) for each in filters)


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"OTEL_SERVICE_NAME": "mine"}, "mine"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=mine"}, "mine"),
        ({}, "given"),
    ],
)
def test_the_name_of_the_service_is_that_of_the_environment_else_the_one_given(
    endpoint: Receiver, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], name: str
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    with configure(service_name="given") as telemetry:
        run_jobs(telemetry)
    assert endpoint.resources[0]["service.name"] == name


def test_in_an_event_loop_it_is_left_without_blocking(endpoint: Receiver) -> None:
    endpoint.hold = Event()
    turns = 0

    async def main() -> None:
        nonlocal turns

        async def answer() -> None:
            nonlocal turns
            while not endpoint.arrived.is_set():
                turns += 1
                await asyncio.sleep(0.001)
            assert endpoint.hold is not None
            endpoint.hold.set()

        async with configure() as telemetry:
            async with Engine(echo, middleware=[telemetry.middleware()]) as engine:
                await engine.submit(1)
            answering = asyncio.create_task(answer())
        await answering

    asyncio.run(main())
    assert turns
    assert len(endpoint.spans) == 2


@pytest.mark.parametrize("kind", ["traces", "metrics"])
def test_where_only_one_kind_has_an_endpoint_the_other_is_not_sent(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{kind.upper()}_ENDPOINT", f"{receiver.url}/v1/{kind}")
    with configure() as telemetry:
        assert (telemetry.tracer_provider is None) == (kind == "metrics")
        assert (telemetry.meter_provider is None) == (kind == "traces")
        run_jobs(telemetry)
    assert {path for path, _ in receiver.requests} == {f"/v1/{kind}"}


def test_none_sends_nothing_and_console_writes_to_standard_error(
    endpoint: Receiver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    with configure() as telemetry:
        run_jobs(telemetry)
    said = capsys.readouterr()
    assert "paceline.attempt" in said.err
    assert not said.out
    assert not endpoint.requests


def test_several_exporters_each_get_all(
    endpoint: Receiver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp,console")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "console")
    with configure() as telemetry:
        run_jobs(telemetry)
    said = capsys.readouterr().err
    assert len(endpoint.spans) == 4
    assert said.count('"trace_id"') >= 4
    assert "paceline.job.duration" in said


def test_an_sdk_that_is_turned_off_sets_and_sends_nothing(
    endpoint: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with configure() as telemetry:
        assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
        run_jobs(telemetry)
    assert telemetry.shutdown().complete
    assert not endpoint.requests


def test_samplers_are_the_sdks_own(endpoint: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    with configure() as telemetry:
        run_jobs(telemetry)
    assert not endpoint.spans
    assert telemetry.shutdown().complete, "what is not sampled is not missing"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, r"is 'http/json'; it can be http/protobuf or grpc"),
        (
            {"OTEL_TRACES_EXPORTER": "zipkin"},
            r"OTEL_TRACES_EXPORTER names 'zipkin', .* there is .*console, none",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"}, r"is 'localhost:4318'.*write http://HOST:PORT"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://"}, r"TRACES_ENDPOINT is 'http://'"),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "5"}, r"OTEL_BSP_ variables do not fit together"),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "-1"}, r"OTEL_METRIC_EXPORT_INTERVAL"),
    ],
)
def test_what_cannot_be_is_told_with_its_variable_and_sets_nothing(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigureError, match=message):
        configure()
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def test_an_exporter_that_cannot_be_made_is_told_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object) -> None:
        raise ValueError("no certificate")

    monkeypatch.setattr(OTLPSpanExporter, "__init__", refuse)
    with pytest.raises(ConfigureError, match="exporter 'otlp' of traces cannot be made: no certificate"):
        configure()


def test_grpc_without_its_exporter_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc", None)
    with pytest.raises(ImportError, match="pip install opentelemetry-exporter-otlp-proto-grpc"):
        configure()


@pytest.mark.parametrize(
    "missing", ["opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter"]
)
def test_a_missing_extra_is_told_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delitem(sys.modules, "paceline_integrations.otel._configure_sdk")
    monkeypatch.delattr("paceline_integrations.otel._configure_sdk")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r'pip install "paceline\[otel\]"'):
        configure()


def test_calling_again_gives_the_same_and_sends_nothing_twice(endpoint: Receiver) -> None:
    with configure() as telemetry:
        assert configure(service_name="other") is telemetry
        run_jobs(telemetry)
    assert len(endpoint.spans) == 4


def test_after_it_was_shut_down_it_says_why_it_cannot_be_set_up_again(endpoint: Receiver) -> None:
    with configure():
        pass
    with pytest.raises(ConfigureError, match="call configure\\(\\) where the program begins"):
        configure()


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize("kind", ["traces", "metrics"])
def test_where_somebody_else_has_set_a_provider_it_names_the_remedy(kind: str) -> None:
    if kind == "traces":
        trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    else:
        metrics.set_meter_provider(MeterProvider(shutdown_on_exit=False))
    with pytest.raises(ConfigureError, match=r"OpenTelemetryMiddleware\(\) uses them as they are"):
        configure()


def test_a_provider_of_what_it_does_not_set_is_no_obstacle(
    endpoint: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics.set_meter_provider(MeterProvider(shutdown_on_exit=False))
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    with configure() as telemetry:
        run_jobs(telemetry)
    assert len(endpoint.spans) == 4


def test_shutting_down_again_says_the_same_and_does_nothing(endpoint: Receiver) -> None:
    telemetry = configure()
    run_jobs(telemetry)
    first = telemetry.shutdown()
    sent = len(endpoint.requests)
    assert telemetry.shutdown() is first
    assert first.complete
    assert len(endpoint.requests) == sent


PROGRAM = """
import asyncio
from paceline import Engine
from paceline_integrations.otel import configure

async def echo(payload):
    return payload

async def main():
    async with Engine(echo, middleware=[telemetry.middleware()]) as engine:
        await engine.submit(1)

telemetry = configure(timeout={timeout})
asyncio.run(main())
print("done", flush=True)
"""


def program(tmp_path: Path, url: str, timeout: float) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(timeout=timeout))
    return subprocess.run(
        [sys.executable, path],
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": url},
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )


def test_without_a_with_what_is_left_is_sent_as_the_process_ends(receiver: Receiver, tmp_path: Path) -> None:
    ended = program(tmp_path, receiver.url, 20.0)
    assert len(receiver.spans) == 2
    assert "paceline.job.attempts" in receiver.metrics
    assert not ended.stderr


def test_a_process_ends_though_the_backend_never_answers(receiver: Receiver, tmp_path: Path) -> None:
    receiver.hold = Event()
    began = time.monotonic()
    ended = program(tmp_path, receiver.url, 0.2)
    assert ended.stdout == "done\n"
    assert "2 of 2 spans did not reach" in ended.stderr
    assert "were not sent within 0.2 s" in ended.stderr
    assert time.monotonic() - began < 10, "the exporter by itself would wait for 10 s, the SDK for 30"


def test_its_own_logger_tells_what_is_missing(endpoint: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    endpoint.status = 400
    caplog.set_level(logging.WARNING, "paceline.otel")
    with configure() as telemetry:
        run_jobs(telemetry)
    said = [record.getMessage() for record in caplog.records if record.name == "paceline.otel"]
    assert len(said) == 2
    assert "4 of 4 spans did not reach" in said[0]
    assert "metrics did not reach" in said[1]
    assert all("400" in each for each in said)


def test_a_backend_that_takes_no_metrics_is_told_with_the_remedy(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{receiver.url}/v1/traces")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{receiver.url}/no/metrics/here")
    telemetry = configure()
    run_jobs(telemetry)
    (problem,) = telemetry.shutdown().problems
    assert "set OTEL_METRICS_EXPORTER=none" in problem


def test_options_of_the_middleware_are_handed_on(endpoint: Receiver) -> None:
    with configure() as telemetry:
        made: Any = telemetry.middleware(capture_content=True)
        assert isinstance(made, OpenTelemetryMiddleware)
        with pytest.raises(TypeError, match="redact"):
            telemetry.middleware(redact=3)


@pytest.mark.parametrize("status", [404, 405])
def test_a_path_at_which_no_spans_are_taken_is_told_with_the_usual_one(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    receiver.status = status
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", receiver.url)
    telemetry = configure()
    run_jobs(telemetry)
    (problem,) = telemetry.shutdown().problems
    assert f"it answered {status}" in problem
    assert problem.endswith(f"most backends take spans at {receiver.url}/v1/traces")


def test_a_program_says_once_for_each_kind_that_nobody_listens(tmp_path: Path) -> None:
    ended = program(tmp_path, "http://127.0.0.1:9", 0.5)
    lines = ended.stderr.splitlines()
    why = "nothing listens at http://127.0.0.1:9 (connection refused): is it running?"
    assert len(lines) == 2, lines
    assert all(line.endswith(why) for line in lines)


def test_what_does_not_arrive_meanwhile_is_told_in_plain_words_and_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    words, logger = LastWords(lambda: 0.0, "http://here:4318/v1/traces"), logging.getLogger("an.exporter")
    logger.addFilter(words)
    for _ in range(3):
        logger.warning(
            "Transient error %s encountered", ConnectionRefusedError("[Errno 111] Connection refused")
        )
        logger.warning("Shutdown in progress, aborting retry.")
        logger.error("Failed to export spans batch due to timeout, max retries or shutdown.")
    why = "nothing listens at http://here:4318 (connection refused): is it running?"
    assert words.reason == why
    assert caplog.messages == [f"nothing reaches http://here:4318/v1/traces for now: {why}"]
