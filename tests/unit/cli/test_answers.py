"""Answers of a file: each for the question that it was written for, and none lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from paceline import Question
from paceline_integrations.cli._errors import CommandError
from paceline_integrations.cli.answers import Answers
from paceline_integrations.cli.asked import Asked, Asker


def asked(
    value: Any = "May I?", *, job: str = "g/follower/0", question: str = "1", besides: tuple[str, ...] = ()
) -> Asked:
    return Asked(Asker("id0", job, "named"), Question(question, value, bool), (question, *besides))


def answers(path: Path, text: str, **found: list[str]) -> Answers:
    path.write_text(text)
    read = Answers(path)
    read.resolve({name: keys for name, keys in found.items() if name in read.jobs})
    return read


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("a.jsonl")


def given(read: Answers, to: Asked) -> list[Any]:
    return [answer.answer for answer in read.to(to)]


@pytest.mark.parametrize(
    "text",
    [
        '{"job": "g/follower/0", "question": "1", "answer": true}\n',
        '{"g/follower/0": {"1": true}}',
        '{\n  "other": {},\n  "g/follower/0": {\n    "1": true\n  }\n}\n',
        '\ufeff{"job": "named", "question": "1", "answer": true}',
        '{"job": "id0", "answer": true}',
    ],
)
def test_lines_and_objects_say_the_same(path: Path, text: str) -> None:
    assert given(answers(path, text), asked()) == [True]


def test_a_question_that_was_written_takes_its_answer_back(path: Path) -> None:
    line = asked({"delete": ["a", 1.5, None]}).data()
    assert line["schema"] == {"type": "boolean"}
    read = answers(path, json.dumps({**line, "answer": False}))
    assert given(read, asked({"delete": ["a", 1.5, None]})) == [False]


def test_a_line_without_an_answer_is_still_a_question(path: Path) -> None:
    read = answers(path, json.dumps(asked().data()))
    assert given(read, asked()) == []
    assert list(read.unused()) == []


def test_null_is_an_answer(path: Path) -> None:
    assert given(answers(path, '{"job": "named", "answer": null}'), asked()) == [None]


def test_an_answer_to_something_else_is_not_given(path: Path) -> None:
    """The model may ask something else this time, under the same id: what was approved was not that."""
    read = answers(path, json.dumps({**asked("Delete one file?").data(), "answer": True}))
    assert given(read, asked("Delete all files?")) == []
    (said,) = read.unused()
    assert said == (
        "a.jsonl:1: job 'g/follower/0' asked something else than this line says, or not so often; "
        "the answer was not used"
    )


def test_the_same_question_of_the_same_job_may_have_another_id(path: Path) -> None:
    """As in LangGraph, whose ids are of one run."""
    lines = [{**asked(value, question=value).data(), "answer": value} for value in ("old", "new")]
    read = answers(path, "\n".join(map(json.dumps, lines)))
    assert given(read, asked("new", question="x", besides=("y",))) == ["new"]
    assert given(read, asked("old", question="y", besides=("x",))) == ["old"]


def test_an_answer_to_one_of_two_like_questions_is_for_that_one(path: Path) -> None:
    read = answers(path, json.dumps({**asked(question="2").data(), "answer": True}))
    assert given(read, asked(question="1", besides=("2",))) == []
    assert given(read, asked(question="2", besides=("1",))) == [True]


def test_a_job_that_asks_again_gets_the_next_answer(path: Path) -> None:
    read = answers(path, '{"g/follower/0": {"1": "a"}}\n{"g/follower/0": {"1": "b"}}')
    assert [next(read.to(asked())).answer for _ in range(2)] == ["a", "b"]
    assert given(read, asked()) == []


def test_an_answer_without_a_question_is_for_a_job_that_asks_one(path: Path) -> None:
    read = answers(path, '{"job": "named", "answer": true}')
    assert given(read, asked(besides=("2",))) == []
    assert given(read, asked()) == [True]


def test_a_name_that_several_jobs_have_is_refused(path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        answers(path, '\n{"job": "named", "answer": true}', named=["g/primer", "g/follower/0"])
    assert caught.value.lines == (
        "a.jsonl:2: 2 jobs are named 'named': say which by its key, such as 'g/primer'",
    )


def test_a_key_goes_before_a_name(path: Path) -> None:
    read = answers(path, '{"named": {"1": true}}', named=["x", "named"])
    assert given(read, asked()) == []
    assert given(read, asked(job="named")) == [True]


def test_what_was_not_used_is_told_by_line(path: Path) -> None:
    text = (
        '{"g/follower/0": {\n  "1": true,\n  "7": true,\n  "1": false},\n "quiet": {"1": 1}, "who": {"1": 1}}'
    )
    read = answers(path, text, quiet=["quiet"])
    assert next(read.to(asked())).answer is True
    assert [line.removesuffix("; the answer was not used") for line in read.unused()] == [
        "a.jsonl:3: job 'g/follower/0' did not ask '7'; it asked '1'",
        "a.jsonl:4: job 'g/follower/0' did not ask so often",
        "a.jsonl:5: job 'quiet' asked nothing",
        "a.jsonl:5: no job 'who' asked anything in this run",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"job": "a", "answer": 1}\n{"job"', "a.jsonl:2: not JSON: Expecting ':' delimiter at column 7"),
        ('\n[{"job": "a", "answer": 1}]', "a.jsonl:2: expected an object, "),
        ('{"job": "a", "anwser": 1}', "a.jsonl:1: unknown key 'anwser'; known: job, name, "),
        ('{"job": 1, "answer": 1}', "a.jsonl:1: 'job' and 'question' must be texts"),
        ('{"a": true}', "a.jsonl:1: job 'a': expected its answers by question, as in "),
        ("[" * 200_000, "a.jsonl:1: not JSON that can be read: it is nested too deeply"),
    ],
)
def test_what_is_no_answer_is_one_line(path: Path, text: str, said: str) -> None:
    path.write_text(text)
    with pytest.raises(CommandError) as caught:
        Answers(path)
    (line,) = caught.value.lines
    assert line.startswith(said)


def test_of_many_mistakes_the_first_are_told(path: Path) -> None:
    path.write_text("1\n" * 30)
    with pytest.raises(CommandError) as caught:
        Answers(path)
    assert len(caught.value.lines) == 6
    assert caught.value.lines[-1] == "a.jsonl: and 25 more are wrong"


def test_a_file_that_cannot_be_read_is_one_line(path: Path) -> None:
    with pytest.raises(CommandError, match=r"--answers a\.jsonl: cannot be read: No such file"):
        Answers(path)
    path.write_bytes(b"\xff")
    with pytest.raises(CommandError, match=r"--answers a\.jsonl: not UTF-8 text: byte 1 is wrong"):
        Answers(path)
