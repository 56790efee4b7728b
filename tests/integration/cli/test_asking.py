"""Questions of jobs, asked at a real terminal while the other jobs go on."""

from __future__ import annotations

import json
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from .conftest import Write, rows

pytest.importorskip("pty", reason="there are no terminals of this kind on this system")

from .terminals import at_terminal

RUN = ("run", "groups.jsonl", "--executor", "asks:work")
OUT = ("--out", "r.jsonl")


@pytest.fixture(autouse=True)
def _executors(_folder: None) -> None:
    shutil.copy(Path(__file__).with_name("asks.py"), "asks.py")


def outputs() -> dict[str, Any]:
    return {row["name"]: row["output"] for row in rows("r.jsonl")}


def test_each_question_is_asked_in_the_form_of_its_schema(write: Write) -> None:
    write([{"group": "a", "lane": "batch", "followers": ["may", "which", "many", "two", "whom"]}])
    with at_terminal(*RUN, *OUT) as screen:
        shown = screen.until("[y/n] > ")
        assert "a/follower/0 · lane batch · group a" in shown
        screen.type("y\r")
        shown = screen.until("[1-3] > ")
        assert '"tool": "send"' in shown
        assert "2  edit" in shown
        screen.type("reject\r")
        screen.until("[a whole number] > ")
        screen.type("12\r")
        screen.until("First?")
        screen.until("[text] > ")
        screen.type("thé\x7fe\r")
        screen.until("question b")
        screen.type("n\r")
        screen.until("[text or JSON] > ")
        screen.type('\x1b[200~{"to":\r\n "me"}\x1b[201~\r')
        assert screen.end() == 0
        assert '? a/follower/1: {"tool": "send", "to": "a@b.c"} → reject' in screen.text
        assert screen.echoes()
    assert list(outputs().values()) == [True, "reject", 12, {"a": "the", "b": False}, {"to": "me"}]


def test_a_bad_answer_is_refused_and_asked_again(write: Write) -> None:
    write([{"group": "a", "followers": ["may", "many"]}])
    with at_terminal(*RUN, *OUT) as screen:
        screen.until("[y/n] > ")
        screen.type("perhaps\r")
        screen.until("expected y or n, not 'perhaps'")
        screen.type("n\r")
        screen.until("[a whole number] > ")
        screen.type("1\r")
        screen.until("the answer does not fit: 1 is less than the minimum of 3")
        screen.type("3\r")
        assert screen.end() == 0
    assert list(outputs().values()) == [False, 3]


@pytest.mark.parametrize("keys", ["\r", "  \r", "\x04"])
def test_a_question_may_be_left_open(write: Write, keys: str) -> None:
    write([{"group": "a", "primer": "may", "followers": ["x"]}, {"group": "b", "followers": ["whom"]}])
    with at_terminal(*RUN, *OUT, "--questions", "q.jsonl", "--release", "complete") as screen:
        screen.until("[y/n] > ")
        screen.type(keys)
        screen.until("May I? left open")
        screen.until("[text or JSON] > ")
        screen.type("me\r")
        assert screen.end() == 3
    assert [row["status"] for row in rows("r.jsonl")] == ["suspended", "cancelled", "succeeded"]
    assert [row["job"] for row in rows("q.jsonl")] == ["a/primer"]


def test_the_others_go_on_while_a_person_thinks(write: Write) -> None:
    write([{"group": "a", "followers": ["may", *range(50), "slow"]}])
    with at_terminal(*RUN, *OUT, "--slots", "2") as screen:
        screen.until("[y/n] > ")
        screen.until("51/52 jobs")
        screen.type("y\r")
        assert screen.end() == 0
    assert len(rows("r.jsonl")) == 52


def test_no_escape_sequence_of_a_job_reaches_the_terminal(write: Write) -> None:
    name = "over\x1b[2Jwritten"
    write([{"group": "a", "followers": [{"name": name, "payload": "rude"}]}])
    with at_terminal(*RUN, *OUT) as screen:
        shown = screen.until("[text or JSON] > ")
        assert r"over\x1b[2Jwritten" in shown
        assert r"\x1b]0;owned\x07Fine\x9b2J?\x1b[8m" in shown
        screen.type("\x1b[200~\x1b[2Jyes\x1b[201~\r")
        assert screen.end() == 0
    assert not re.search(r"\x1b\]|\x07|\x9b|\x1b\[8m|\x1b\[2J", screen.raw)


def test_what_was_typed_before_a_question_is_no_answer_to_it(write: Write) -> None:
    write([{"group": "a", "followers": ["may", "may", "may"]}])
    with at_terminal(*RUN, *OUT) as screen:
        screen.until("[y/n] > ")
        screen.type("y\ry\ry\r")
        screen.until("→ true")
        screen.until("1 more")
        screen.until("[y/n] > ")
        screen.type("n\rn\r")
        screen.until("→ false")
        screen.until("[y/n] > ")
        screen.type("y\r")
        assert screen.end() == 0
    assert list(outputs().values()) == [True, False, True]


def test_a_question_that_time_has_answered_is_not_asked_any_more(write: Write) -> None:
    write([{"group": "a", "followers": ["may", "soon"]}])
    with at_terminal(*RUN, *OUT) as screen:
        screen.until("1 more")
        screen.until("In time? no longer asked")
        screen.until("[y/n] > ")
        screen.type("y\r")
        assert screen.end() == 0
    assert list(outputs().values()) == [True, "by itself"]


def test_of_a_thousand_it_is_said_how_many_are_left_and_all_may_be_left(write: Write) -> None:
    write([{"group": f"g{n}", "followers": ["may"] * 10} for n in range(100)])
    with at_terminal(*RUN, *OUT, "--questions", "q.jsonl", "--slots", "16") as screen:
        screen.until("999 more")
        for left in range(998, 989, -1):
            screen.type("y\r")
            screen.until(f"{left} more")
        screen.type("\x18")
        assert screen.end() == 3
        assert "? 991 questions left open" in screen.text
    assert [row["status"] for row in rows("r.jsonl")].count("succeeded") == 9
    assert len(rows("q.jsonl")) == 991


def test_answers_of_a_file_go_first_and_the_person_is_asked_for_the_rest(write: Write) -> None:
    write([{"group": "a", "followers": ["may", "whom"]}])
    Path("q.jsonl").write_text(json.dumps({"a/follower/0": {"1": "nonsense"}, "a/follower/1": {"1": "them"}}))
    with at_terminal(*RUN, *OUT, "--answers", "q.jsonl") as screen:
        screen.until("[y/n] > ")
        screen.type("y\r")
        assert screen.end() == 0
        assert "q.jsonl:1: job 'a/follower/0', question '1': the answer does not fit: " in screen.text
    assert list(outputs().values()) == [True, "them"]


def test_without_a_screen_of_progress_only_the_question_is_shown(write: Write) -> None:
    """A report goes elsewhere: standard output stays clean, and the person is asked all the same."""
    write([{"group": "a", "followers": ["may", "slow"]}])
    with at_terminal(*RUN, "--json", stdout=Path("report.json")) as screen:
        screen.until("[y/n] > ")
        assert "running" not in screen.text
        screen.type("y\r")
        assert screen.end() == 0
        assert screen.echoes()
    assert json.loads(Path("report.json").read_text())["tasks"]["a/follower/0"]["output"] is True


def test_a_small_terminal_shows_where_to_type(write: Write) -> None:
    write([{"group": "a", "followers": [{"name": "n" * 90, "payload": "which"}]}])
    with at_terminal(*RUN, *OUT, columns=40, lines=12) as screen:
        screen.until("[1-3] > ")
        screen.type("1\r")
        assert screen.end() == 0
    assert list(outputs().values()) == ["approve"]


@pytest.mark.parametrize("payload", ["slow", "hang"])
def test_ctrl_c_leaves_the_terminal_as_it_was(write: Write, payload: str) -> None:
    write([{"group": "a", "followers": ["may", payload]}])
    with at_terminal(*RUN, *OUT, "--questions", "q.jsonl") as screen:
        screen.until("[y/n] > ")
        assert not screen.echoes()
        screen.type("y\x03")
        assert screen.end() == 130
        assert screen.echoes()
        assert screen.raw.count("\x1b[?2004h") == screen.raw.count("\x1b[?2004l") == 1
    assert [row["status"] for row in rows("r.jsonl")] == ["suspended"]
    assert [row["job"] for row in rows("q.jsonl")] == ["a/follower/0"]


def test_a_job_that_holds_the_process_at_ctrl_c_does_not_hold_the_terminal(write: Write) -> None:
    Path("stuck.py").write_text(
        "import time\nfrom paceline import Suspend\n"
        "async def work(payload):\n"
        "    if payload == 'may':\n        return Suspend('May I?', schema=bool)\n"
        "    import asyncio\n    await asyncio.sleep(0.5)\n    print('blocking')\n    time.sleep(1000)\n"
    )
    write([{"group": "a", "followers": ["may", "block"]}])
    with at_terminal("run", "groups.jsonl", "--executor", "stuck:work", *OUT) as screen:
        screen.until("[y/n] > ")
        screen.until("blocking")
        screen.type("\x03\x03")
        assert screen.end() == 130
        assert screen.echoes()


def test_a_run_that_is_terminated_writes_down_its_questions(write: Write) -> None:
    write([{"group": "a", "followers": ["may", "slow"]}])
    with at_terminal(*RUN, *OUT, "--questions", "q.jsonl") as screen:
        screen.until("[y/n] > ")
        screen.process.send_signal(signal.SIGTERM)
        assert screen.end() == 130
    assert [row["job"] for row in rows("q.jsonl")] == ["a/follower/0"]
