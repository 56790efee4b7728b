"""`paceline run --tui`: a person at a real terminal watches a run, and does something about it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from .conftest import Call, Write, rows

pytest.importorskip("pty", reason="there are no terminals of this kind on this system")
pytest.importorskip("textual", reason="the screen needs the extra tui")

from .pictures import watching
from .terminals import at_terminal

RUN = ("run", "groups.jsonl", "--executor", "watched:work", "--tui")
OUT = ("--out", "r.jsonl")


@pytest.fixture(autouse=True)
def _executors(_folder: None) -> None:
    shutil.copy(Path(__file__).with_name("watched.py"), "watched.py")


def test_a_question_is_answered_on_the_screen(write: Write) -> None:
    write([{"group": "a", "followers": ["x", "ask"]}])
    with watching(*RUN, *OUT, "--questions", "q.jsonl") as person:
        person.sees("asks: May I?")
        person.types("a")
        person.sees("enter answers")
        person.tells("\x15perhaps\r", "expected y or n, not 'perhaps'")
        person.types("\x15")
        person.sees("y/n")
        person.types("y\r")
        person.sees("ALL DONE", "2 done")
        person.types("q")
        assert person.screen.end() == 0
        assert "2 done, 0 failed" in person.told()
        assert "printed by ask" in person.told()
        assert person.is_clean()
    assert [row["output"] for row in rows("r.jsonl")] == ["x", "yes"]
    assert rows("q.jsonl") == []


def test_what_comes_of_another_try_takes_the_place_of_the_result(write: Write) -> None:
    write([{"group": "a", "followers": ["bad", "x"]}, {"group": "b", "followers": ["y", "bad"]}])
    with watching(*RUN, *OUT, "--events", "e.jsonl") as person:
        person.sees("ALL DONE", "2 failed")
        assert [row["status"] for row in rows("r.jsonl")].count("failed") == 2
        Path("mended").touch()
        person.types("f")
        person.sees("Jobs: failed")
        person.types("\x1b[B")
        person.sees("Job a/follower/0")
        person.types("r")
        person.sees("3 done", "ALL DONE")
        person.types("q")
        assert person.screen.end() == 1
        told = person.told()
        assert "3 done, 1 failed" in told
        assert "5 attempts" in told
        assert told.count("ValueError: not mended") == 1
    found = rows("r.jsonl")
    assert [(row["group"], row["index"], row["status"]) for row in found] == [
        ("a", 0, "succeeded"),
        ("a", 1, "succeeded"),
        ("b", 0, "succeeded"),
        ("b", 1, "failed"),
    ]
    assert [each["outcome"] for each in found[0]["attempts"]] == ["failed", "succeeded"]
    assert [each["number"] for each in found[0]["attempts"]] == [1, 2]


def test_a_job_is_cancelled_after_a_question(write: Write) -> None:
    write([{"group": "a", "followers": ["for ever", "x"]}])
    with watching(*RUN, *OUT) as person:
        person.sees("1 done", "1 running")
        person.types("\x1b[B")
        person.sees("Job a/follower/0")
        person.types("c")
        person.sees("Cancel the follower a/follower/0?")
        person.tells("y", "ALL DONE", "1 cancelled")
        person.types("q")
        assert person.screen.end() == 1
    assert [row["status"] for row in rows("r.jsonl")] == ["cancelled", "succeeded"]


def test_who_leaves_early_sees_the_progress_and_is_asked_there(write: Write) -> None:
    write([{"group": "a", "followers": ["ask", "slow"]}])
    with watching(*RUN, *OUT) as person:
        person.sees("asks: May I?", "1 running")
        person.types("q")
        person.screen.until("[y/n] > ")
        person.screen.type("y\r")
        person.screen.until("→ true")
        Path("go").touch()
        assert person.screen.end() == 0
    assert [row["output"] for row in rows("r.jsonl")] == ["yes", "slow"]


def test_questions_that_nobody_answers_are_written_down(write: Write) -> None:
    write([{"group": "a", "followers": ["ask", "x"]}])
    with watching(*RUN, *OUT, "--questions", "q.jsonl") as person:
        person.sees("asks: May I?", "1 done")
        person.types("q")
        person.screen.until("[y/n] > ")
        person.screen.type("\r")
        assert person.screen.end() == 3
    assert [row["status"] for row in rows("r.jsonl")] == ["suspended", "succeeded"]
    assert [row["job"] for row in rows("q.jsonl")] == ["a/follower/0"]


@pytest.mark.parametrize("how", ["key", "signal"])
def test_an_interruption_keeps_what_is_done(write: Write, how: str) -> None:
    write([{"group": "a", "followers": ["x", "for ever"]}])
    with watching(*RUN, *OUT) as person:
        person.sees("1 done", "1 running")
        if how == "key":
            person.types("\x03")
        else:
            os.kill(person.screen.process.pid, signal.SIGTERM)
        assert person.screen.end() == 130
        assert "interrupted" in person.told()
        assert "1 done" in person.told()
        assert person.is_clean()
    assert [row["output"] for row in rows("r.jsonl") if row["status"] == "succeeded"] == ["x"]


@pytest.mark.parametrize(("payload", "keys", "code"), [("exit", "q", 1), ("interrupt", "", 130)])
def test_a_job_that_would_end_the_process_leaves_the_terminal_clean(
    write: Write, payload: str, keys: str, code: int
) -> None:
    write([{"group": "a", "followers": ["slow"]}, {"group": "b", "primer": "slow", "followers": [payload]}])
    with watching(*RUN, *OUT, "--release", "complete") as person:
        person.sees("2 running")
        Path("go").touch()
        if keys:
            person.sees("ALL DONE", "1 failed")
            person.types(keys)
        assert person.screen.end() == code
        assert person.is_clean()
        assert "2 done, 1 failed" in person.told()
        assert "Traceback" not in person.told()


def test_ctrl_c_ends_a_run_whose_job_holds_the_loop(write: Write) -> None:
    write(
        [{"group": "a", "followers": ["slow", "x"]}, {"group": "b", "primer": "slow", "followers": ["hold"]}]
    )
    with watching(*RUN, *OUT, "--release", "complete") as person:
        person.sees("1 done", "2 running")
        Path("go").touch()
        while not Path("holds").exists():
            person.screen.read_on(0.05)
        person.types("\x03")
        assert person.screen.end() == 130
        assert person.is_clean()
        assert "a job held on to the process" in person.told()


def test_a_screen_needs_a_terminal(paceline: Call, write: Write) -> None:
    write([{"group": "a", "followers": ["x"]}])
    ended = paceline(*RUN, *OUT)
    assert (ended.code, ended.out) == (2, "")
    assert "--tui needs a terminal" in ended.err
    assert "paceline show" in ended.err
    assert not Path("r.jsonl").exists()


def test_results_do_not_go_to_the_terminal_of_the_screen(write: Write) -> None:
    write([{"group": "a", "followers": ["x"]}])
    with at_terminal(*RUN) as screen:
        assert screen.end() == 2
        assert "give --out FILE" in screen.text
    with at_terminal(*RUN, stdout=Path("out.jsonl")) as screen:
        screen.until("ALL DONE")
        screen.type("q")
        assert screen.end() == 0
    assert [row["output"] for row in rows("out.jsonl")] == ["x"]


def test_the_extra_that_is_missing_is_named(
    paceline: Call, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write([{"group": "a", "followers": ["x"]}])
    for name in [each for each in sys.modules if each.startswith("paceline_integrations.screen")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "paceline_integrations.cli.at_screen", raising=False)
    monkeypatch.setitem(sys.modules, "textual", None)
    monkeypatch.setattr("paceline_integrations.cli.running.terminal", object)
    ended = paceline(*RUN, *OUT)
    assert ended.code == 2
    assert 'pip install "paceline[tui]"' in ended.err
    assert len(ended.err.splitlines()) == 1
