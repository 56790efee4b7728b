"""Questions of jobs where nobody sits at a terminal: written down, and answered from a file."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from .conftest import Call, Ended, Write, rows

RUN = ("run", "groups.jsonl", "--executor", "asks:work", "--out", "r.jsonl", "--overwrite")
AGAIN = (*RUN, "--answers", "q.jsonl")


@pytest.fixture(autouse=True)
def _executors(_folder: None) -> None:
    shutil.copy(Path(__file__).with_name("asks.py"), "asks.py")


def outputs() -> dict[str, Any]:
    return {row["name"]: row["output"] for row in rows("r.jsonl")}


def put_answers(*answers: Any) -> None:
    """Do what a person or a program does with the file of questions."""
    filled = [{**row, "answer": answer} for row, answer in zip(rows("q.jsonl"), answers, strict=True)]
    Path("q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in filled))


def told(ended: Ended) -> list[str]:
    return [line.removeprefix("paceline: ") for line in ended.err.splitlines()]


def test_what_nobody_answers_is_written_as_lines_that_answers_takes_back(
    paceline: Call, write: Write
) -> None:
    write(
        [
            {"group": "a", "lane": "batch", "followers": ["may", {"name": "mail", "payload": "two"}]},
            {"group": "b", "primer": "many", "followers": ["x"]},
        ]
    )
    ended = paceline(*RUN, "--questions", "q.jsonl")
    assert ended.code == 3
    assert '4 questions are open, in q.jsonl: put "answer" into each line' in " ".join(ended.out.split())
    lines = {(row["job"], row["question"]): row for row in rows("q.jsonl")}
    assert lines["a/follower/0", "1"] == {
        "job": "a/follower/0",
        "name": "a/follower/0",
        "lane": "batch",
        "group": "a",
        "question": "1",
        "value": "May I?",
        "schema": {"type": "boolean"},
    }
    assert set(lines) == {
        ("a/follower/0", "1"),
        ("a/follower/1", "a"),
        ("a/follower/1", "b"),
        ("b/primer", "1"),
    }
    assert lines["a/follower/1", "a"]["name"] == "mail"
    wanted = {("a/follower/0", "1"): True, ("a/follower/1", "a"): "me", ("a/follower/1", "b"): False}
    put_answers(*(wanted.get(place, 3) for place in lines))
    again = paceline(*AGAIN, "--questions", "q2.jsonl")
    assert (again.code, again.err) == (0, "")
    assert outputs() == {
        "a/follower/0": True,
        "mail": {"a": "me", "b": False},
        "b/primer": 3,
        "b/follower/0": "x",
    }
    assert Path("q2.jsonl").read_text() == ""


def test_an_answer_is_given_as_soon_as_it_is_asked_for(paceline: Call, write: Write) -> None:
    """Thousands that ask, twice each, in lanes of few slots: no look at the clock for each."""
    write([{"group": f"g{n}", "followers": ["twice"] * 20} for n in range(50)])
    lines = [
        {"job": f"g{n}/follower/{place}", "value": value, "answer": value}
        for n in range(50)
        for place in range(20)
        for value in ("Really?", "May I?")
    ]
    Path("q.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    ended = paceline(*AGAIN, "--slots", "2")
    assert (ended.code, ended.err) == (0, "")
    assert {row["output"] for row in rows("r.jsonl")} == {"Really?"}


def test_what_is_wrong_with_an_answer_is_one_line_and_the_question_stays_open(
    paceline: Call, write: Write
) -> None:
    write([{"group": "a", "followers": ["may", "many", "two", "x"]}])
    Path("q.jsonl").write_text(
        """{"a/follower/0": {"1": "perhaps"}, "a/follower/1": {"1": 1},
 "a/follower/2": {"a": "me", "c": 1},
 "a/follower/3": {"1": true}, "b/primer": {"1": true}}
{"job": "a/follower/0", "value": "May you?", "answer": true}
"""
    )
    ended = paceline(*AGAIN, "--questions", "q2.jsonl")
    assert ended.code == 3
    first, second, *unused = told(ended)
    misfit = "question '1': the answer does not fit"
    assert first.startswith(f"q.jsonl:1: job 'a/follower/0', {misfit}: Input should be a valid boolean")
    assert second == f"q.jsonl:1: job 'a/follower/1', {misfit}: 1 is less than the minimum of 3"
    assert [line.removesuffix("; the answer was not used") for line in unused] == [
        "q.jsonl:4: job 'a/follower/0' asked something else than this line says, or not so often",
        "q.jsonl:2: job 'a/follower/2' did not ask 'c'; it asked 'a', 'b'",
        "q.jsonl:3: job 'a/follower/3' asked nothing",
        "q.jsonl:3: no job 'b/primer' asked anything in this run",
    ]
    open_now = {(row["job"], row["question"]) for row in rows("q2.jsonl")}
    assert open_now == {("a/follower/0", "1"), ("a/follower/1", "1"), ("a/follower/2", "b")}
    assert outputs()["a/follower/3"] == "x"


@pytest.mark.parametrize(
    ("arguments", "text", "said"),
    [
        (("--answers", "q.jsonl"), "{", "q.jsonl:1: not JSON: "),
        (("--answers", "no.jsonl"), "", "--answers no.jsonl: cannot be read: "),
        (("--answers", "q.jsonl"), '{"job": "same", "answer": 1}', "q.jsonl:1: 2 jobs are named 'same': "),
        (
            ("--answers", "q.jsonl", "--questions", "./q.jsonl"),
            "",
            "--questions q.jsonl: that is the file of the answers",
        ),
        (("--questions", "groups.jsonl"), "", "--questions groups.jsonl: that is the file of the groups"),
        (("--questions", "r.jsonl"), "", "--out and --questions name the same file, r.jsonl"),
        (("--questions", "no/q.jsonl"), "", "--questions no/q.jsonl: the folder no does not exist"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_run(
    paceline: Call, write: Write, arguments: tuple[str, ...], text: str, said: str
) -> None:
    named = {"name": "same", "payload": "may"}
    write([{"group": "a", "followers": [named, named]}])
    Path("q.jsonl").write_text(text)
    ended = paceline(*RUN, *arguments)
    assert ended.code == 2
    (line,) = told(ended)
    assert line.startswith(said)
    assert not Path("r.jsonl").exists()


def test_questions_that_exist_are_not_replaced_by_accident(paceline: Call, write: Write) -> None:
    write([{"group": "a", "followers": ["may"]}])
    Path("q.jsonl").write_text("precious")
    ended = paceline(*RUN[:-1], "--questions", "q.jsonl")
    assert (ended.code, told(ended)) == (
        2,
        ["--questions q.jsonl: the file exists; give --overwrite to replace it"],
    )
    assert Path("q.jsonl").read_text() == "precious"


def test_time_answers_what_nobody_does(paceline: Call, write: Write) -> None:
    write([{"group": "a", "followers": ["soon"]}, {"group": "b", "primer": "soon", "followers": ["x"]}])
    ended = paceline(*RUN, "--release", "complete", "--questions", "q.jsonl")
    assert ended.code == 0
    assert "open" not in ended.out
    assert not rows("q.jsonl"), "nothing was left open"
    assert outputs() == {"a/follower/0": "by itself", "b/primer": "by itself", "b/follower/0": "x"}


@pytest.mark.parametrize("default", [True, False])
def test_a_flow_has_the_time_that_it_gives_for_an_answer(paceline: Call, write: Write, default: bool) -> None:
    write([{"group": "a", "followers": [{"name": "hurried", "payload": {"by_itself": default}}]}])
    ended = paceline("run", "groups.jsonl", "--executor", "asks:hurry", "--out", "r.jsonl")
    (row,) = rows("r.jsonl")
    if default:
        assert (ended.code, row["output"]) == (0, "by itself")
    else:
        assert (ended.code, row["error"]["type"]) == (1, "paceline.AnswerTimeout")


def test_a_job_fails_whose_answer_came_not_in_time(paceline: Call, write: Write) -> None:
    write([{"group": "a", "primer": "late", "followers": ["x", "may"]}])
    ended = paceline(*RUN, "--questions", "q.jsonl")
    assert ended.code == 1
    (primer, *followers) = rows("r.jsonl")
    assert primer["error"]["type"] == "paceline.AnswerTimeout"
    assert {row["status"] for row in followers} == {"skipped"}
    assert [row["job"] for row in rows("q.jsonl")] == ["a/primer"]


def test_a_primer_that_is_answered_has_its_followers_run(paceline: Call, write: Write) -> None:
    write([{"group": f"g{n}", "primer": "may", "followers": ["x", "whom"]} for n in range(30)])
    lines = {f"g{n}/primer": {"1": True} for n in range(30)} | {
        f"g{n}/follower/1": {"1": n} for n in range(30)
    }
    Path("q.jsonl").write_text(json.dumps(lines, indent=1))
    ended = paceline(*AGAIN, "--slots", "2")
    assert (ended.code, ended.err) == (0, "")
    assert [row["output"] for row in rows("r.jsonl")][:3] == [True, "x", 0]


def test_a_failure_counts_more_than_a_question(paceline: Call, write: Write) -> None:
    write([{"group": "a", "followers": ["may", "crash"]}])
    assert paceline(*RUN).code == 1


def test_jobs_in_a_flow_ask_by_their_own_keys(paceline: Call, write: Write) -> None:
    write([{"group": "a", "followers": [{"name": "planned", "payload": {"payload": "many"}}]}])
    run = ("run", "groups.jsonl", "--executor", "asks:plan", "--out", "r.jsonl", "--overwrite")
    ended = paceline(*run, "--questions", "q.jsonl")
    assert ended.code == 3
    (line,) = rows("q.jsonl")
    assert (line["job"], line["name"], line["value"]) == ("a/follower/0", "planned", "Shall we?")
    put_answers(True)
    assert paceline(*run, "--answers", "q.jsonl", "--questions", "q2.jsonl").code == 3
    (below,) = rows("q2.jsonl")
    assert below["job"].startswith("a/follower/0/")
    assert below["value"] == "How many?"
    answers = Path("q.jsonl").read_text() + json.dumps({**below, "answer": 5}) + "\n"
    Path("q.jsonl").write_text(answers)
    assert paceline(*run, "--answers", "q.jsonl").code == 0
    assert outputs() == {"planned": [True, 5]}


GRAPH = """
from typing import Any, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt


class Mail(TypedDict):
    text: str
    sent: Any


def approve(mail: Mail) -> dict[str, Any]:
    return {"sent": interrupt({"question": "Send it?", "text": mail["text"]})}


builder = StateGraph(Mail)
builder.add_node("approve", approve)
builder.add_edge(START, "approve")
builder.add_edge("approve", END)
graph = builder.compile(checkpointer=InMemorySaver())
"""


def test_a_graph_with_an_approval_is_run_and_answered(paceline: Call, write: Write) -> None:
    """Its questions have other ids in each run."""
    Path("mails.py").write_text(GRAPH)
    write([{"group": "a", "followers": [{"text": "one"}, {"text": "two"}]}])
    run = ("run", "groups.jsonl", "--executor", "mails:graph", "--out", "r.jsonl", "--overwrite")
    assert paceline(*run, "--questions", "q.jsonl").code == 3
    put_answers(*({"yes": row["value"]["text"]} for row in rows("q.jsonl")))
    ended = paceline(*run, "--answers", "q.jsonl")
    assert (ended.code, ended.err) == (0, "")
    sent = [(row["output"]["text"], row["output"]["sent"]) for row in rows("r.jsonl")]
    assert sent == [("one", {"yes": "one"}), ("two", {"yes": "two"})]


def test_jobs_that_wait_for_what_an_asking_job_holds_are_not_waited_for_for_ever(
    paceline: Call, write: Write
) -> None:
    write([{"group": "a", "followers": ["x", "may", "x", "x"]}])
    ended = paceline(*RUN[:3], "asks:one_at_a_time", *RUN[4:])
    assert ended.code == 3
    found = [(row["status"], row["error"] and row["error"]["message"]) for row in rows("r.jsonl")]
    held = ("cancelled", "waits for the lock key, and a job there for an answer")
    assert found == [("succeeded", None), ("suspended", None), held, held]


def test_the_summary_says_how_questions_are_answered(paceline: Call, write: Write) -> None:
    write([{"group": "a", "followers": ["rude"]}])
    ended = paceline(*RUN)
    said = " ".join(ended.out.split())
    assert "1 question is open: --questions FILE has them written down, to be answered by --answers" in said
    assert r"suspended a/follower/0 asks: \x1b]0;owned\x07Fine\x9b2J?\x1b[8m" in ended.out


def test_an_interrupted_run_keeps_what_was_asked(write: Write) -> None:
    write([{"group": "a", "followers": ["may", "x", "hang"]}])
    program = "from paceline_integrations.cli import main; main()"
    command: Sequence[str] = [sys.executable, "-c", program, *RUN, "--slots", "1", "--questions", "q.jsonl"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "hanging\n"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130
    assert [row["status"] for row in rows("r.jsonl")] == ["suspended", "succeeded"]
    assert [row["job"] for row in rows("q.jsonl")] == ["a/follower/0"]
