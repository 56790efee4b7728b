"""`paceline demo`, against the simulator that it starts."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from paceline_integrations.simulator import Simulator, SimulatorSettings

from .conftest import Call


@pytest.fixture
def texts() -> Path:
    folder = Path("texts")
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.md").write_text(f"# Text {number}\n" + f"word {number} " * 800)
    return folder


def numbers(out: str, row: str) -> list[int]:
    (line,) = [line for line in out.splitlines() if row in line]
    return [int(text.replace(",", "")) for text in re.findall(r"\d[\d,]*(?= |%|$)", line.replace(row, ""))]


def test_it_shows_what_groups_save_as_measured_twice(paceline: Call, texts: Path) -> None:
    ended = paceline("demo", str(texts))
    assert ended.code == 0, ended.err
    assert "texts: 3 text files" in ended.out
    in_groups, at_once, saved = numbers(ended.out, "evaluated, to be paid in full")
    assert numbers(ended.out, "by the server's own count") == [in_groups, at_once, saved]
    assert 50 < saved < 100
    same, as_many = numbers(ended.out, "prompt tokens")
    assert same == as_many
    assert "Only the answers are made up." in ended.out
    said = " ".join(ended.out.split())
    found = re.search(
        r"prompt ([\d,]+) tokens: .* best possible (\d+)%\), cost (0\.\d+) of a cold fan-out", said
    )
    assert found is not None
    assert int(found[1].replace(",", "")) == same
    assert float(found[3]) < 0.5
    rows = sorted(line.split() for line in ended.out.splitlines() if re.match(r"  \d\.md ", line))
    assert [row[:2] for row in rows] == [["0.md", "6"], ["1.md", "6"], ["2.md", "6"]]


def test_a_folder_without_text_is_one_clear_line(paceline: Call, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ended = paceline("demo", "empty")
    assert (ended.code, ended.err) == (2, "paceline: empty: there is no file of readable text in it\n")


def test_savings_are_told_at_the_simulators_price(paceline: Call, texts: Path) -> None:
    ended = paceline("demo", str(texts))
    assert "a token read from the cache counts 0, written 1" in ended.out


def test_a_provider_is_for_a_real_one(paceline: Call, texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = paceline("demo", str(texts), "--provider", "vllm")
    assert (ended.code, ended.err) == (
        2,
        "paceline: --provider goes with --real: of the simulator it is known\n",
    )
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    ended = paceline("demo", str(texts), "--real", "--yes", "--provider", "vlm")
    assert ended.code == 2
    assert ended.err.startswith("paceline: --provider: there is no provider named 'vlm'; known: ")


def test_a_server_with_a_cache_per_slot_is_asked_by_one_job_of_a_group_at_a_time(
    paceline: Call, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Simulator(SimulatorSettings(cache="slot", slots=8, decode_rate=400)) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "secret")
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        ended = paceline("demo", str(texts), "--real", "--yes", "--provider", "llama.cpp")
        assert ended.code == 0
        stats = server.stats()
    assert stats.cached_tokens > 0.8 * stats.prompt_tokens
    assert "a token read from the cache counts 0, written 1" in ended.out


def test_a_real_provider_needs_a_key(paceline: Call) -> None:
    ended = paceline("demo", "--real")
    assert ended.code == 2
    assert ended.err.startswith("paceline: --real needs OPENAI_API_KEY")


def test_a_real_provider_is_asked_only_after_the_person_was(
    paceline: Call, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Simulator() as server:
        monkeypatch.setenv("OPENAI_API_KEY", "secret")
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
        declined = paceline("demo", str(texts), "--real")
        assert (declined.code, server.stats().requests) == (1, 0)
        said = " ".join(declined.out.split())
        assert f"This sends 3 text files to {server.base_url}: 18 requests, about " in said
        assert "Nothing was sent." in said
        agreed = paceline("demo", str(texts), "--real", "--yes", "--model", "mine")
        assert (agreed.code, server.stats().requests) == (0, 18)
    assert "in groups" in agreed.out
    assert "all at once" not in agreed.out
    assert "summary" in agreed.out
    assert "secret" not in agreed.out


def test_a_comparison_with_a_real_provider_starts_cold(
    paceline: Call, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Simulator(SimulatorSettings(prefill_rate=10_000)) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "secret")
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        ended = paceline("demo", str(texts), "--real", "--yes", "--compare")
        stats = server.stats()
    assert stats.requests == 36
    in_groups, at_once, _ = numbers(ended.out, "evaluated, to be paid in full")
    assert in_groups < at_once
    assert in_groups + at_once == stats.evaluated_tokens


def test_nobody_to_ask_is_a_clear_line(paceline: Call, texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    ended = paceline("demo", str(texts), "--real")
    assert ended.code == 2
    assert "give --yes" in ended.err


def test_a_backend_that_is_not_known_is_a_clear_line(paceline: Call, texts: Path) -> None:
    ended = paceline("demo", str(texts), "--traces", "jaeger")
    assert ended.code == 2
    assert ended.err.startswith("paceline: --traces: ")
    assert "'phoenix' or 'mlflow'" in ended.err


def test_traces_without_their_extra_are_told_before_anything_is_installed(
    paceline: Call, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    ended = paceline("demo", str(texts), "--traces", "phoenix")
    assert (ended.code, ended.err) == (
        2,
        'paceline: --traces needs an extra: pip install "paceline[otel]"\n',
    )
    assert ended.out == ""


def test_a_backend_that_cannot_be_installed_is_told(
    paceline: Call, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("file").touch()
    monkeypatch.setenv("PACELINE_BACKENDS", str(Path("file").absolute()))
    ended = paceline("demo", str(texts), "--traces", "mlflow")
    assert ended.code == 1
    assert ended.err.startswith("paceline: mlflow-3.17.2 cannot be installed below ")
    assert "PACELINE_BACKENDS names another folder" in ended.err


@pytest.mark.slow
def test_it_runs_with_nothing_given_and_nobody_there() -> None:
    command = [sys.executable, "-c", "from paceline_integrations.cli import main; main()", "demo"]
    ended = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=55, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "fewer tokens were evaluated" in ended.stdout
    assert ended.stderr == ""
