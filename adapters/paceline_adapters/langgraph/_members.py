"""The group that a node runs, over all the times that LangGraph begins the node again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from langgraph.errors import GraphInterrupt

from paceline import CannotGoOn, Engine, Group, Handle, JobResult, Question, ReplyRefused

from ._asking import ask_each, interrupts_of, name_of
from ._questions import noted

__all__ = ["Members"]


@dataclass(slots=True)
class _Asked:
    """One question of a job's, as it was put to the graph."""

    handle: Handle
    question: Question
    refused: str | None = None
    """Why the answer before this one was not taken, if it is asked again."""
    used: bool = False
    """Whether the job was given the answer: it is not given twice, however often the node begins again."""

    @property
    def open(self) -> bool:
        """Whether the job still waits for this; its time for answers may be over, or somebody has told it."""
        return not self.used and any(each is self.question for each in self.handle.questions)

    @property
    def name(self) -> str:
        """What no other question is called: an answer to another one, of a lost group say, is none here."""
        return name_of("answer", self.handle.id, self.question.id)

    @property
    def value(self) -> Any:
        """What the person sees."""
        return noted(self.question.value, self.refused)


@final
class Members:
    """The jobs of one group, and what of their questions was put to the graph."""

    def __init__(self, engine: Engine, group: Group, submitter: str | None) -> None:
        self._engine: Engine = engine
        self._group: Group = group
        self._asked: list[_Asked] = []
        """In the order in which it was first asked: by that LangGraph knows the questions of a node."""
        self.submitter: str | None = submitter
        """The id of the job that submitted them, if one did."""

    @property
    def handles(self) -> Sequence[Handle]:
        """All of them, the primer first."""
        primer = self._group.primer
        return [*(() if primer is None else (primer,)), *self._group.followers]

    @property
    def over(self) -> bool:
        """Whether all have ended."""
        return self._group.status not in {"waiting", "running", "suspended"}

    def cancel(self) -> None:
        """End what has not ended: nobody waits for it."""
        self._group.cancel("the node that waited for it was cancelled")

    async def results(self) -> list[JobResult]:
        """What became of them, the primer first."""
        return await self._group.results()

    def is_well(self, result: JobResult) -> bool:
        """Whether a job did what it was to do, or did not have to: a primer whose prefix was warm."""
        warm = result.role == "primer" and result.status == "skipped"
        return result.ok or (warm and any(each.status != "skipped" for each in self._group.followers))

    async def raise_error(self) -> None:
        """Raise the error of the first that failed, if one did; what was cancelled for it comes after it.

        Raises:
            JobFailed, JobCancelled, JobSkipped: as awaiting its handle does.
        """
        ends = zip(self.handles, await self.results(), strict=True)
        missing = [handle for handle, result in ends if not self.is_well(result)]
        for handle in sorted(missing, key=lambda each: each.status != "failed"):
            await handle

    async def end(self, *, resumable: bool) -> None:
        """Wait for the ends of all of them, and ask the graph what they ask.

        Raises:
            GraphInterrupt: when nothing can go on before a person answers.
            CannotGoOn: if they ask and the graph could not be resumed.
            ValidationError: if an answer did not fit its question's type.
        """
        outcomes: list[Any] = []
        while await self._asks():
            if not resumable:
                raise CannotGoOn(
                    f"jobs of group {self._group.name!r} ask something, and the graph that runs them has no "
                    "thread: give it a checkpointer, builder.compile(checkpointer=InMemorySaver()), and run "
                    "it with a thread_id"
                )
            await self._ask(outcomes)

    async def _asks(self) -> bool:
        """Wait until none can go on by itself; whether that is because some ask."""
        await self._group.results()
        return any(handle.questions for handle in self.handles)

    async def _ask(self, outcomes: list[Any]) -> None:
        """Put what is new to the graph, and give the jobs what was answered.

        `outcomes`: of what was put before, this time: LangGraph counts how often a node has asked.
        """
        for handle in self.handles:
            known = [each.question for each in self._asked if not each.used]
            for question in handle.questions:
                if not any(question is each for each in known):
                    self._asked.append(_Asked(handle, question))
        new = self._asked[len(outcomes) :]
        outcomes += await ask_each([(each.name, each.value, each.question.schema) for each in new])
        answered = [await self._answer(each, outcome) for each, outcome in self._open(outcomes)]
        for _, outcome in self._open(outcomes):
            if isinstance(outcome, Exception) and not isinstance(outcome, GraphInterrupt):
                raise outcome
        interrupts = [each for _, outcome in self._open(outcomes) for each in interrupts_of(outcome)]
        if interrupts and not any(answered):
            raise GraphInterrupt(tuple(interrupts))

    def _open(self, outcomes: Sequence[Any]) -> list[tuple[_Asked, Any]]:
        return [(each, outcome) for each, outcome in zip(self._asked, outcomes, strict=False) if each.open]

    async def _answer(self, asked: _Asked, outcome: Any) -> bool:
        """Hand an answer on, if it is one; whether something has changed by that."""
        if isinstance(outcome, Exception):
            return False
        asked.used = True
        try:
            await self._engine.reply(asked.handle.id, outcome, question=asked.question.id)
        except ReplyRefused as error:
            self._asked.append(_Asked(asked.handle, asked.question, refused=str(error)))
        return True
