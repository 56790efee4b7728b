"""`paceline run` and `demo` are traced where the standard variables name an endpoint, and nowhere else."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from paceline_integrations.cli import tracing
from paceline_integrations.cli._app import call

from .receiver import Receiver

Call = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("fresh")

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


class Ended:
    """How the command ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Call]:
    """`paceline run` over two groups of three jobs, in a folder of its own."""
    (tmp_path / "traced_jobs.py").write_text("async def echo(payload):\n    return payload\n")
    lines = [{"group": name, "primer": 1, "followers": [2, 3]} for name in ("a", "b")]
    (tmp_path / "groups.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])
    names = ("paceline", "opentelemetry")
    before = {name: (*_state(name),) for name in names}

    def command(*more: str) -> Ended:
        capsys.readouterr()
        code = call(["run", "groups.jsonl", "--executor", "traced_jobs:echo", *more])
        out, err = capsys.readouterr()
        return Ended(code, out, err)

    yield command
    sys.modules.pop("traced_jobs", None)
    for name, (level, propagate, handlers) in before.items():
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.propagate = propagate
        logger.handlers[:] = handlers


def _state(name: str) -> tuple[int, bool, list[logging.Handler]]:
    logger = logging.getLogger(name)
    return logger.level, logger.propagate, list(logger.handlers)


def untraced(run: Call, monkeypatch: pytest.MonkeyPatch) -> Ended:
    monkeypatch.delenv(ENDPOINT, raising=False)
    ended: Ended = run()
    return ended


def test_a_run_is_traced_and_says_nothing_of_it(
    run: Call, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = untraced(run, monkeypatch)
    assert not receiver.requests
    monkeypatch.setenv(ENDPOINT, receiver.url)
    ended = run()
    assert ended.code == 0
    assert len(receiver.spans) == 1 + 2 + 6
    assert not receiver.orphans
    assert "paceline.job.duration" in receiver.metrics
    assert len(ended.err.splitlines()) == len(plain.err.splitlines()), ended.err
    assert [json.loads(line)["status"] for line in ended.out.splitlines()] == ["succeeded"] * 6


def test_without_an_endpoint_nothing_of_opentelemetry_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text("async def echo(payload):\n    return payload\n")
    (tmp_path / "groups.jsonl").write_text('{"group": "a", "followers": [1]}\n')
    program = (
        "import sys\nfrom paceline_integrations.cli._app import call\n"
        "assert call(['run', 'groups.jsonl', '--executor', 'jobs:echo']) == 0\n"
        "sys.exit(any(name.startswith('opentelemetry.') for name in sys.modules))\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True, timeout=50)


def test_a_backend_that_is_down_is_told_in_a_line_for_each_kind_and_changes_nothing_else(
    run: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = untraced(run, monkeypatch)
    monkeypatch.setattr(tracing, "_PATIENCE", 0.5)
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")  # the port of "discard": nobody listens there
    ended = run()
    assert ended.code == 0
    told = [line for line in ended.err.splitlines() if line.startswith("paceline: ")]
    assert len(told) == 2
    why = "nothing listens at http://127.0.0.1:9 (connection refused): is it running?"
    assert told[0].endswith(f"9 of 9 spans did not reach http://127.0.0.1:9/v1/traces: {why}")
    assert "metrics did not reach" in told[1]
    assert told[1].endswith(why)
    assert len(ended.err.splitlines()) == len(plain.err.splitlines()) + 2, ended.err
    assert sorted(ended.out.splitlines()) != []


def test_a_backend_that_hangs_is_waited_for_a_bounded_time(
    run: Call, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "_PATIENCE", 0.2)
    monkeypatch.setenv(ENDPOINT, receiver.url)
    receiver.hold = Event()
    ended = run()
    assert not receiver.hold.is_set(), "it has not answered"
    assert ended.code == 0
    assert "spans did not reach" in ended.err
    assert "not sent within 0.2 s" in ended.err


def test_without_the_extra_a_line_names_it_and_the_run_goes_on(
    run: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    for name in [each for each in sys.modules if each.startswith("paceline_integrations.otel")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("paceline_integrations.otel", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    ended = run()
    assert ended.code == 0
    (told,) = [line for line in ended.err.splitlines() if line.startswith("paceline: ")]
    assert told.startswith(f"paceline: {ENDPOINT} is set, but nothing is traced")
    assert 'pip install "paceline[otel]"' in told


def test_a_variable_that_cannot_be_is_told_in_a_line_and_the_run_goes_on(
    run: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINT, "localhost:4318")
    ended = run()
    assert ended.code == 0
    assert (
        "paceline: nothing is traced: configure: OTEL_EXPORTER_OTLP_ENDPOINT is 'localhost:4318'" in ended.err
    )


def test_the_providers_of_an_auto_instrumentation_are_used_as_they_are(
    run: Call, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.auto_instrumentation", sys)
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    monkeypatch.setenv(ENDPOINT, receiver.url)
    ended = run()
    assert ended.code == 0
    assert len(exporter.get_finished_spans()) == 9
    assert not receiver.requests
    assert "paceline: " not in ended.err


MODULE = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)

async def echo(payload):
    return payload
"""


def test_a_provider_that_the_executors_module_sets_is_used(run: Call) -> None:
    Path("traced_jobs.py").write_text(MODULE)
    ended = run()
    assert ended.code == 0
    assert len(sys.modules["traced_jobs"].exporter.get_finished_spans()) == 9
    assert "paceline: " not in ended.err


def test_where_a_module_sets_a_provider_it_is_told_that_the_endpoint_is_not_used(
    run: Call, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("traced_jobs.py").write_text(MODULE)
    monkeypatch.setenv(ENDPOINT, receiver.url)
    ended = run()
    (told,) = [line for line in ended.err.splitlines() if line.startswith("paceline: ")]
    assert told.startswith(
        f"paceline: {ENDPOINT} is not used: a provider of OpenTelemetry was set by traced_jobs"
    )
    assert len(sys.modules["traced_jobs"].exporter.get_finished_spans()) == 9
    assert not receiver.requests


def test_an_exporter_that_is_named_says_where_to(run: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    ended = run()
    assert ended.code == 0
    assert ended.err.count('"trace_id"') >= 9
    assert "paceline: " not in ended.err, "nothing is sent to an endpoint that nobody has named"


@pytest.mark.parametrize("name", ["none", "otlp"])
def test_an_exporter_that_is_no_place_says_nothing(
    run: Call, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", name)
    tracing_of_it = tracing.Tracing()
    assert not tracing_of_it.middleware


def test_what_the_sdk_finds_wrong_with_the_variables_is_told_in_a_line_each(
    run: Call, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINT, receiver.url)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "foo")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "my-hidden-key")
    told = [line for line in run().err.splitlines() if line.startswith("paceline: ")]
    assert len(told) == 2, told
    assert sum("Couldn't recognize sampler foo" in line for line in told) == 1
    assert sum("Header format invalid!" in line for line in told) == 1
    assert "my-hidden-key" not in "".join(told)


def test_what_the_exporter_says_meanwhile_is_for_those_who_read_the_log(
    run: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "_PATIENCE", 0.5)
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    assert "opentelemetry.exporter" in run("--log-level", "info").err


def test_the_demo_is_traced(
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(ENDPOINT, receiver.url)
    for number in range(2):
        (tmp_path / f"{number}.md").write_text(f"# Text {number}\n" + f"word {number} " * 300)
    assert call(["demo", str(tmp_path)]) == 0, capsys.readouterr().err
    attempts = [s for s in receiver.spans if any(a.key == "paceline.attempt" for a in s.attributes)]
    assert len(attempts) == 2 * 2 * 6, "in groups, and at once; what was not measured is not traced"
    assert not receiver.orphans


def test_an_interrupted_command_waits_for_a_backend_only_briefly(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(ENDPOINT, receiver.url)
    monkeypatch.setattr(tracing, "_INTERRUPTED", 0.2)
    receiver.hold = Event()
    begun = tracing.Tracing()
    with trace.get_tracer("it").start_as_current_span("work"):
        pass
    begun.finish(interrupted=True)  # it comes back, though nobody ever answers
    told = capsys.readouterr().err
    # By the clock, or as the exporter says when it is shut down: whichever is first.
    assert "were not sent within 0.2 s" in told or "did not reach" in told


def test_a_second_interruption_says_that_it_was_the_delivery_that_held_on(
    receiver: Receiver, tmp_path: Path
) -> None:
    receiver.hold = Event()
    (tmp_path / "jobs.py").write_text(SLOW)
    (tmp_path / "groups.jsonl").write_text('{"group": "a", "followers": [1]}\n')
    program = "from paceline_integrations.cli import main; main()"
    command = [sys.executable, "-c", program, "run", "groups.jsonl", "--executor", "jobs:hang"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, ENDPOINT: receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "60000"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == "hanging\n"
            process.send_signal(signal.SIGINT)
            assert receiver.arrived.wait(20), "it delivers, for a second"
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "interrupted; the delivery of traces held on to the process" in err
    assert "a job held on" not in err


SLOW = """
import asyncio

async def hang(payload):
    print("hanging", flush=True)
    await asyncio.sleep(1000)
"""


def test_what_another_thread_logs_meanwhile_is_no_word_on_the_variables(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = logging.getLogger("opentelemetry.exporter")
    with tracing._warnings_told():
        elsewhere = threading.Thread(target=log.warning, args=("retrying",))
        elsewhere.start()
        elsewhere.join()
        log.warning("header invalid")
    assert capsys.readouterr().err == "paceline: OpenTelemetry: header invalid\n"
