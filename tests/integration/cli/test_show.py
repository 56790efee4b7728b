"""`paceline show`: what became of a run, from its event log."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from paceline.events import Event, JobEnded, JobStarted, JobSubmitted, RunStarted, dump_event
from paceline_integrations.summary import RunSummary

from .conftest import Call, Write

EXAMPLE = Path(__file__).parents[3] / "examples" / "recorded_run.py"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of the example: groups, a graph, a retry, failures, a limit, questions."""
    path = tmp_path_factory.mktemp("recorded") / "run.jsonl"
    names = runpy.run_path(str(EXAMPLE))
    names["make"](path)
    return path


def shown(out: str) -> str:
    """What was printed, in one line, however wide the terminal is."""
    return " ".join(out.split())


def test_a_run_is_summed_up(paceline: Call, recorded: Path) -> None:
    ended = paceline("show", str(recorded))
    assert (ended.code, ended.err) == (0, "")
    out = shown(ended.out)
    assert "contracts-monday completed" in out
    assert "35 done, 2 failed, 3 skipped, 1 suspended, of 41 jobs" in out
    assert "cached 156,000 (75%)" in out


def test_causes_are_told_once_with_what_they_befell(paceline: Call, recorded: Path) -> None:
    out = shown(paceline("show", str(recorded)).out)
    assert out.count("fax-1998.pdf, page 18: no text was found in the scan") == 1
    assert "1 failed" in out
    assert "3 skipped" in out
    assert "fax-1998/read, fax-1998/parties, fax-1998/term and 1 more" in out
    assert "1 retried" in out


def test_what_held_jobs_is_told_and_what_is_asked(paceline: Call, recorded: Path) -> None:
    out = shown(paceline("show", str(recorded)).out)
    assert "waits at a limit (reader-large: input tokens per minute)" in out
    assert "up to 12 jobs wait because reader-large asked for a pause" in out
    assert "supply-2026/termination The supplier's notice is 11 days late. Send the reminder now?" in out
    assert "partners 3 17" in out
    assert "of a cold fan-out" in out


def test_the_summary_as_json_reads_back(paceline: Call, recorded: Path) -> None:
    ended = paceline("show", str(recorded), "--json", "--savings-by", "client")
    assert ended.code == 0
    summary = RunSummary.model_validate_json(ended.out)
    assert (summary.version, summary.state, summary.run) == (1, "completed", "contracts-monday")
    assert (summary.totals.jobs, summary.totals.failed, summary.open_questions) == (41, 2, 1)
    kinds = [error.type.rpartition(".")[2] for error in summary.errors]
    assert kinds == ["Unreadable", "Unreadable", "Busy"]
    assert summary.savings.tags["nda"].jobs == 5
    assert summary.lanes["partners"].weight == 3.0


def test_a_log_that_ends_in_the_middle_is_of_a_run_that_goes_on(
    paceline: Call, recorded: Path, tmp_path: Path
) -> None:
    lines = recorded.read_bytes().splitlines(keepends=True)
    half = tmp_path / "half.jsonl"
    half.write_bytes(b"".join(lines[:200]) + lines[200][:30])
    ended = paceline("show", str(half))
    assert ended.code == 0
    out = shown(ended.out)
    assert "contracts-monday still running, as of " in out
    assert "What waits, and why" in out
    summary = RunSummary.model_validate_json(paceline("show", str(half), "--json").out)
    assert summary.log.torn
    assert summary.running > 0
    assert summary.waiting > 0
    assert summary.stuck


def test_what_is_asked_is_told_once(paceline: Call, recorded: Path, tmp_path: Path) -> None:
    lines = recorded.read_bytes().splitlines(keepends=True)
    asking = tmp_path / "asking.jsonl"
    asking.write_bytes(b"".join(lines[:-1]))
    page = tmp_path / "page.html"
    out = shown(paceline("show", str(asking), "--html", str(page)).out)
    assert "still running" in out
    assert out.count("Send the reminder now?") == 1
    assert "What waits, and why" not in page.read_text()


def test_damaged_lines_are_passed_over_and_told(paceline: Call, recorded: Path, tmp_path: Path) -> None:
    lines = recorded.read_bytes().splitlines(keepends=True)
    lines[100:100] = [b"\x00\xff{\n", b'{"v":1,"type":"job.imagined"}\n']
    damaged = tmp_path / "damaged.jsonl"
    damaged.write_bytes(b"".join(lines))
    ended = paceline("show", str(damaged))
    assert ended.code == 0
    assert "2 lines of the log could not be read" in shown(ended.out)
    assert "line 101" in ended.out
    assert "35 done, 2 failed" in shown(ended.out)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "has no event in it yet"),
        (b"group,name\na,b\n", "is no event log"),
        (b'{"v": 2, "seq": 1, "type": "run.started"}\n', "version 2"),
        (b'{"v":1,"seq":1,"time":1,"run":"r","type":"later.thing"}\n', "a later Paceline may write"),
        (b"[1, 2]\n", "is no event log"),
    ],
)
def test_what_is_no_log_is_refused_in_one_line(
    paceline: Call, tmp_path: Path, content: bytes | None, told: str
) -> None:
    path = tmp_path / "x.jsonl"
    if content is not None:
        path.write_bytes(content)
    ended = paceline("show", str(path))
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err
    assert str(path) in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_folder_is_no_log(paceline: Call, tmp_path: Path) -> None:
    ended = paceline("show", str(tmp_path))
    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1


def test_a_pipe_is_no_log_and_is_not_waited_for(paceline: Call, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    ended = paceline("show", str(pipe))
    assert ended.code == 2
    assert "a pipe or a device, not a file" in ended.err
    assert len(ended.err.splitlines()) == 1


def test_what_the_encoding_of_the_terminal_lacks_is_escaped(recorded: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "from paceline_integrations.cli import main; main()", "show", str(recorded)],
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert rb"contracts-monday completed \xb7 45.9 s" in ended.stdout


def test_whoever_reads_only_the_first_line_is_told_nothing_else(recorded: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "from paceline_integrations.cli import main; main()", "show", str(recorded)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_the_page_does_not_replace_a_file_nor_the_log(paceline: Call, recorded: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")
    ended = paceline("show", str(recorded), "--html", str(page))
    assert ended.code == 2
    assert "--overwrite" in ended.err
    assert page.read_text() == "mine"
    assert paceline("show", str(recorded), "--html", str(page), "--overwrite").code == 0
    assert page.read_text().startswith("<!DOCTYPE html>")
    log = tmp_path / "log.jsonl"
    log.write_bytes(recorded.read_bytes())
    assert "that is the file of the log" in paceline("show", str(log), "--html", str(log)).err
    os.link(log, tmp_path / "linked.jsonl")
    linked = paceline("show", str(log), "--html", str(tmp_path / "linked.jsonl"), "--overwrite")
    assert "that is the file of the log" in linked.err
    assert paceline("show", str(log), "--html", str(tmp_path / "no" / "x.html")).code == 2


def test_no_escape_sequence_of_a_log_reaches_the_terminal(paceline: Call, tmp_path: Path) -> None:
    rude: Any = "\x1b[2Jowned\x9b8m\u202e\r\n[bold red]text[/]"
    events: list[Event] = [
        RunStarted(seq=1, time=1.0, run=rude, slots=1, lanes={rude: 1.0, "b": 1.0}),
        JobSubmitted(seq=2, time=1.0, run=rude, job=rude, name=rude, executor=rude, lane=rude, group=None),
        JobStarted(seq=3, time=2.0, run=rude, job=rude, lane=rude, attempt=1, waited=1.0),
        JobEnded(
            seq=4,
            time=3.0,
            run=rude,
            job=rude,
            lane=rude,
            status="failed",
            attempt=1,
            error=None,
            output=rude,
        ),
    ]
    path = tmp_path / "rude.jsonl"
    path.write_bytes(b"".join(dump_event(event) for event in events))
    ended = paceline("show", str(path))
    assert ended.code == 0
    assert "[bold red]text[/]" in ended.out
    assert not set(ended.out) & set("\x1b\x9b\u202e\r")
    as_json = paceline("show", str(path), "--json").out
    assert as_json.isascii()
    assert not set(as_json) & set("\x1b\r")
    assert json.loads(as_json)["run"] == rude


def test_a_log_of_paceline_run_holds_what_is_shown(paceline: Call, write: Write) -> None:
    write([{"group": "a", "primer": "x", "followers": ["y", "fail", "ask"]}])
    code = paceline(
        *("run", "groups.jsonl", "--executor", "jobs:echo", "--out", "r.jsonl"),
        *("--events", "e.jsonl", "--events-content", "full"),
    ).code
    assert code == 1
    out = shown(paceline("show", "e.jsonl").out)
    assert "2 done, 1 failed, 1 suspended, of 4 jobs" in out
    assert "ValueError: no such page" in out
    assert "May I?" in out


def test_a_log_without_content_tells_types_of_errors_only(paceline: Call, write: Write) -> None:
    write([{"group": "a", "followers": ["fail"]}])
    paceline("run", "groups.jsonl", "--executor", "jobs:echo", "--out", "r.jsonl", "--events", "e.jsonl")
    out = paceline("show", "e.jsonl").out
    assert "ValueError" in out
    assert "no such" not in out


def test_content_without_a_log_is_refused(paceline: Call, write: Write) -> None:
    write([{"group": "a", "followers": ["x"]}])
    ended = paceline(
        *("run", "groups.jsonl", "--executor", "jobs:echo", "--out", "r.jsonl", "--events-content", "full")
    )
    assert ended.code == 2
    assert "give --events FILE" in ended.err


def test_json_and_page_come_together(paceline: Call, recorded: Path, tmp_path: Path) -> None:
    page = tmp_path / "run.html"
    ended = paceline("show", str(recorded), "--json", "--html", str(page))
    assert json.loads(ended.out)["version"] == 1
    assert page.exists()
