"""`--answers FILE`: answers by job and question, each given to the question that it was written for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from ._errors import CommandError
from .asked import Asked, Asker
from .json_places import Placed, members, values

__all__ = ["Answer", "Answers"]

_MOST_TOLD: Final = 5
_KEYS: Final = ("job", "name", "lane", "group", "question", "value", "schema", "answer")
_LINE: Final = '{"job": "a/follower/0", "question": "1", "answer": ...}'
_OBJECT: Final = '{"a/follower/0": {"1": ...}}'
_ANY: Final = object()
"""Stands for what was asked, where an answer does not say what."""


class _Wrong(Exception):
    """Raised when something in the file is no answer."""


@dataclass(slots=True, eq=False)
class Answer:
    """One answer of the file. `value` is what was asked when it was written; `used`: a job has got it."""

    where: str
    job: str
    question: str | None
    answer: Any
    value: Any = _ANY
    used: bool = False

    def fits(self, asked: Asked, value: Any) -> bool:
        """Whether it was written for this question: another one of the same id gets no answer by accident.

        Some ids differ from run to run (those of LangGraph): then the same job asking the same is meant.
        """
        if self.used or (self.value is not _ANY and self.value != value):
            return False
        if self.question is None:
            return asked.alone
        if self.question == asked.question.id:
            return True
        return self.value is not _ANY and self.question not in asked.together


class Answers:
    """The answers of a file, read as a whole before anything runs.

    It holds lines as a file of questions has them, with `answer` put in, or objects
    `{job: {question: answer}}`. A job goes by its key, its name or its id. Several answers to one question
    of a job are given in their order, as it asks again.

    Raises:
        CommandError: if it cannot be read, or something in it is no answer: where, and what was expected.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._by_job: defaultdict[str, list[Answer]] = defaultdict(list)
        self._keys: dict[str, str] = {}
        """The keys of jobs that are in the file of the groups, by what they are called here."""
        self._asked: defaultdict[str, list[str]] = defaultdict(list)
        self._wrong: list[str] = []
        self._read(_text(path))
        if self._wrong:
            more = len(self._wrong) - _MOST_TOLD
            last = [f"{path}: and {more} more are wrong"] if more > 0 else []
            raise CommandError(*self._wrong[:_MOST_TOLD], *last)

    @property
    def jobs(self) -> frozenset[str]:
        """The jobs that are answered, as they are called here."""
        return frozenset(self._by_job)

    def resolve(self, found: Mapping[str, Sequence[str]]) -> None:
        """Learn which jobs of the file of the groups are meant: the keys of those of each key or name.

        Raises:
            CommandError: for each answer that may mean several jobs.
        """
        wrong: list[str] = []
        for called, keys in found.items():
            if called in keys:
                self._keys[called] = called
            elif len(keys) == 1:
                self._keys[called] = keys[0]
            else:
                meant = f"{len(keys)} jobs are named {called!r}: say which by its key, such as {keys[0]!r}"
                wrong += [f"{each.where}: {meant}" for each in self._by_job[called]]
        if wrong:
            raise CommandError(*wrong[:_MOST_TOLD])

    def to(self, asked: Asked) -> Iterator[Answer]:
        """Take the answers to a question, the first that was written first, until one is accepted."""
        asker = asked.asker
        mine = [
            called
            for called in dict.fromkeys((asker.key, asker.id, asker.name))
            if self._means(called, asker)
        ]
        if not mine:
            return
        value = asked.data()["value"]
        for called in mine:
            self._asked[called].append(asked.question.id)
            for answer in self._by_job[called]:
                if answer.fits(asked, value):
                    answer.used = True
                    yield answer

    def _means(self, called: str, asker: Asker) -> bool:
        return called in self._by_job and self._keys.get(called, asker.key) == asker.key

    def unused(self) -> Iterator[str]:
        """Say of each answer that was given to no job why not."""
        for called, answers in self._by_job.items():
            for answer in answers:
                if not answer.used:
                    yield f"{answer.where}: {self._why(called, answer)}; the answer was not used"

    def _why(self, called: str, answer: Answer) -> str:
        asked = self._asked.get(called)
        if asked is None:
            known = called in self._keys
            return (
                f"job {called!r} asked nothing" if known else f"no job {called!r} asked anything in this run"
            )
        if answer.value is _ANY and answer.question is not None and answer.question not in asked:
            ids = ", ".join(map(repr, dict.fromkeys(asked)))
            return f"job {called!r} did not ask {answer.question!r}; it asked {ids}"
        if answer.value is _ANY:
            return f"job {called!r} did not ask so often"
        return f"job {called!r} asked something else than this line says, or not so often"

    def _read(self, text: str) -> None:
        try:
            for placed in values(text):
                try:
                    self._take(text, placed)
                except _Wrong as error:
                    self._wrong.append(f"{self._path}:{placed.line}: {error}")
        except ValueError as error:
            self._wrong.append(f"{self._path}:{error}")

    def _take(self, text: str, placed: Placed) -> None:
        found: object = placed.value
        if not isinstance(found, dict):
            raise _Wrong(f"expected an object, {_LINE} or {_OBJECT}")
        line = cast("dict[str, Any]", found)
        if "job" not in line or isinstance(line["job"], dict):
            self._take_object(text, placed)
            return
        unknown = next((key for key in line if key not in _KEYS), None)
        if unknown is not None:
            raise _Wrong(f"unknown key {unknown!r}; known: {', '.join(_KEYS)}")
        job, question = line["job"], line.get("question")
        if not isinstance(job, str) or not isinstance(question, str | None):
            raise _Wrong(f"'job' and 'question' must be texts, as in {_LINE}")
        if "answer" in line:  # without one it is still a question
            self._add(placed.line, job, question, line["answer"], line.get("value", _ANY))

    def _take_object(self, text: str, placed: Placed) -> None:
        for job, answers in members(text, placed):
            if not isinstance(answers.value, dict):
                raise _Wrong(f"job {job!r}: expected its answers by question, as in {_OBJECT}")
            for question, answer in members(text, answers):
                self._add(answer.line, job, question, answer.value)

    def _add(self, line: int, job: str, question: str | None, answer: Any, value: Any = _ANY) -> None:
        self._by_job[job].append(Answer(f"{self._path}:{line}", job, question, answer, value))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise CommandError(f"--answers {path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"--answers {path}: not UTF-8 text: byte {error.start + 1} is wrong") from error
