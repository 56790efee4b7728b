"""`paceline simulate`, as a process and as a command."""

from __future__ import annotations

import signal
import subprocess
import sys

import httpx
import pytest
import typer
from typer.testing import CliRunner

from paceline_integrations.cli.simulate import simulate
from paceline_integrations.simulator import Simulator

PROGRAM = (
    "import typer; from paceline_integrations.cli.simulate import simulate; app = typer.Typer(); "
    "app.command()(simulate); app()"
)


def run(*arguments: str, **environment: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(simulate)
    result = CliRunner().invoke(app, arguments, env=environment)
    return result.exit_code, " ".join(result.output.split())


def test_it_serves_until_it_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACELINE_SIMULATE_CACHE", "none")
    monkeypatch.setenv("PACELINE_SIMULATE_RPM", "7")
    command = [sys.executable, "-u", "-c", PROGRAM, "--port", "0", "--rpm", "5", "--model", "tiny"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line.startswith("simulator (none cache) at http://127.0.0.1:")
        base_url = line.split()[4].removesuffix(",")
        assert httpx.get(f"{base_url}/models").json()["data"][0]["id"] == "tiny"
        answer = httpx.post(f"{base_url}/responses", json={"model": "m", "input": "hello"})
        assert answer.headers["x-ratelimit-limit-requests"] == "5"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--slots", "0"), "--slots: Input should be greater than or equal to 1, not 0"),
        (("--fail-rate", "2"), "--fail-rate: Input should be less than or equal to 1, not 2.0"),
        (("--capacity", "3"), "holds no block"),
        (("--cache", "sharded"), "'sharded' is not one of"),
        (("--port", "99999"), "cannot listen on 127.0.0.1 port 99999"),
        (("--host", "no such host"), "cannot listen on no such host"),
    ],
)
def test_a_bad_option_is_one_clear_line(arguments: tuple[str, str], said: str) -> None:
    code, output = run(*arguments, COLUMNS="200", NO_COLOR="1")
    assert code == 2
    assert said in output


def test_a_port_in_use_is_said(server: Simulator) -> None:
    port = server.url.rsplit(":", 1)[1]
    code, output = run("--port", port, COLUMNS="200", NO_COLOR="1")
    assert code == 2
    assert f"cannot listen on 127.0.0.1 port {port}" in output


def test_a_bad_variable_is_said_by_name() -> None:
    code, output = run(PACELINE_SIMULATE_SLOTS="many", COLUMNS="200", NO_COLOR="1")
    assert code == 2
    assert "PACELINE_SIMULATE_SLOTS" in output
