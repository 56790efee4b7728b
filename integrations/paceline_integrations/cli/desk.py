"""Where questions go: to the answers of a file, to a person, and else into a file of questions."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from paceline import Engine, Question, ReplyRefused, Snapshot, UnknownName
from paceline_integrations.visible import visible

from .asked import Asked, Asker, Askers
from .interrupts import undone_in_any_case

if TYPE_CHECKING:
    from .answers import Answers
    from .asking import Person
    from .questions import QuestionsFile

__all__ = ["Desk", "tell"]

_AT_ONCE: Final = 100
"""Questions that are taken in before others have their turn."""


class Desk:
    """Sees to the questions of one run; each part of it may be missing.

    `answers` are asked first, then the `person`; what neither answers is left open, and written to `file`.
    Jobs that go on by themselves leave nothing open, if the run is not over before.
    """

    def __init__(
        self,
        *,
        answers: Answers | None = None,
        person: Person | None = None,
        file: QuestionsFile | None = None,
    ) -> None:
        self.askers: Askers = Askers()
        self.person: Person | None = person
        self._answers: Answers | None = answers
        self._file: QuestionsFile | None = file
        self._open: dict[tuple[str, str], Asked] = {}
        self._undecided: dict[tuple[str, str], Asked] = {}
        """Of these, the ones that the person may answer, or time will."""

    @property
    def open(self) -> int:
        """How many questions have no answer so far."""
        return len(self._open)

    @contextmanager
    def at_work(self, heard: Callable[[], object]) -> Generator[None]:
        """See to questions until the block is left; `heard` is called when there may be a new one."""
        self.askers.heard = heard
        try:
            if self.person is None:
                yield
            else:
                with undone_in_any_case(self.person.close):
                    yield
        finally:
            self.askers.heard = None

    async def look(self, engine: Engine, snapshot: Snapshot, find: Callable[[str], Asker]) -> bool:
        """Take in what is asked now; whether an answer was given, so that the snapshot is out of date.

        `find` names a job that none of the middleware has seen.

        Raises:
            CommandError: if questions cannot be written.
        """
        self._forget_gone(snapshot)
        new, left = self._new(snapshot, find), list[Asked]()
        for number, asked in enumerate(new, start=1):
            if not await self._take(engine, asked):
                left.append(asked)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)  # the loop is there for the jobs, too
        for asked in left:
            if self.person is not None or asked.asker.dozes:
                self._undecided[asked.place] = asked
            else:
                self._write(asked)
        if self.person is not None:
            self.person.ask(*left)
        return len(left) < len(new)

    def leave(self, snapshot: Snapshot, find: Callable[[str], Asker]) -> None:
        """Write down what nobody was asked, or has answered: the run is over.

        Raises:
            CommandError: if questions cannot be written.
        """
        self._forget_gone(snapshot)
        left, self._undecided = self._undecided, {}
        for asked in (*left.values(), *self._new(snapshot, find)):
            self._write(asked)

    def _new(self, snapshot: Snapshot, find: Callable[[str], Asker]) -> list[Asked]:
        """Take in the questions that were not seen before."""
        together = {job: tuple(each.id for each in asked) for job, asked in snapshot.questions.items()}
        new = [
            Asked(self.askers.get(job) or find(job), question, together[job])
            for (job, name), question in _asked_in(snapshot).items()
            if (job, name) not in self._open
        ]
        self._open.update((asked.place, asked) for asked in new)
        return new

    @property
    def may_answer(self) -> bool:
        """Whether what is open may still be answered, by the person or by time."""
        return bool(self._undecided)

    async def serve(self, engine: Engine) -> None:
        """Pass on what the person says, until cancelled.

        Raises:
            CommandError: if questions cannot be written.
        """
        from .asking import LEFT_OPEN

        while self.person is not None:
            asked, answer = await self.person.said.get()
            if self._undecided.get(asked.place) is not asked:
                continue
            if answer is LEFT_OPEN:
                if not asked.asker.dozes:
                    del self._undecided[asked.place]
                    self._write(asked)
            elif (why := await self._reply(engine, asked, answer)) is None:
                self.person.accepted(asked, answer)
            else:
                self.person.refused(asked, why)
            if self.askers.heard is not None:
                self.askers.heard()

    async def _take(self, engine: Engine, asked: Asked) -> bool:
        """Look for an answer to a new question in the file; whether there is one."""
        for answer in () if self._answers is None else self._answers.to(asked):
            why = await self._reply(engine, asked, answer.answer)
            if why is None:
                return True
            tell(f"{answer.where}: job {asked.asker.key!r}, question {asked.question.id!r}: {why}")
        return False

    async def _reply(self, engine: Engine, asked: Asked, answer: Any) -> str | None:
        """Hand in an answer; what is wrong with it, if anything is."""
        try:
            await engine.reply(asked.asker.id, answer, question=asked.question.id)
        except ReplyRefused as error:
            return _reason(error)
        except UnknownName:
            return "the job has ended"
        self._open.pop(asked.place, None)
        self._undecided.pop(asked.place, None)
        return None

    def _forget_gone(self, snapshot: Snapshot) -> None:
        """Let go of what nobody asks any more: its time was over, or the job was ended."""
        asked_now = _asked_in(snapshot)
        for place, asked in tuple(self._open.items()):
            if asked_now.get(place) is asked.question:
                continue
            del self._open[place]
            if self._undecided.pop(place, None) is not None and self.person is not None:
                self.person.withdraw(asked)

    def _write(self, asked: Asked) -> None:
        if self._file is not None:
            self._file.add(asked)

    def tell_unused(self) -> None:
        """Say which answers of the file were given to no job, a line each."""
        for line in () if self._answers is None else self._answers.unused():
            tell(line)


def tell(line: str) -> None:
    """Say something to the person, in one line."""
    print(f"paceline: {visible(' '.join(line.split()))}", file=sys.stderr)


def _asked_in(snapshot: Snapshot) -> dict[tuple[str, str], Question]:
    """The questions that can be answered now, by job and id."""
    return {
        (job, question.id): question
        for job, questions in snapshot.questions.items()
        if (reason := snapshot.waiting.get(job)) is not None and reason.kind == "reply"
        for question in questions
    }


def _reason(error: ReplyRefused) -> str:
    """Why an answer was refused, in one line."""
    if isinstance(error.__cause__, ValidationError):
        wrong = error.__cause__.errors(include_url=False, include_context=False)
        parts = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}".removeprefix(": ") for each in wrong[:3]]
        return visible(f"the answer does not fit: {'; '.join(parts)}")
    if error.misfit is not None:  # which question it is, whoever reads this knows
        return visible(" ".join(f"the answer does not fit: {error.misfit}".split()))
    return visible(" ".join(str(error).partition(" refused: ")[2].split()))
