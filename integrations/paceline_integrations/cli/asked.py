"""Who asks what: the questions of a run's jobs, each with the names by which an answer finds its job."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paceline import NO_DEFAULT, CallNext, Job, JobContext, Question, QuestionReport, Suspend
from paceline_integrations.forms import json_schema

__all__ = ["Asked", "Asker", "Askers"]


@dataclass(frozen=True, slots=True)
class Asker:
    """A job that asks. `key` is its place in the run, the same in each run of the same file.

    `dozes`: it goes on by itself some time later, for its question has a default.
    """

    id: str
    key: str
    name: str
    lane: str | None = None
    group: str | None = None
    dozes: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """One open question of a job."""

    asker: Asker
    question: Question
    together: tuple[str, ...] = ()
    """The ids of all that the job asks at the same time."""

    @property
    def alone(self) -> bool:
        """Whether the job asks nothing else at the same time."""
        return len(self.together) <= 1

    @property
    def place(self) -> tuple[str, str]:
        """What names it while it is open."""
        return self.asker.id, self.question.id

    def data(self) -> dict[str, Any]:
        """The question as plain data: what a file of questions holds, and one of answers takes back."""
        asker, question = self.asker, self.question
        report = QuestionReport(
            id=question.id, value=question.value, answer_schema=json_schema(question.schema)
        )
        plain = json.loads(report.model_dump_json(by_alias=True))
        found = {"job": asker.key, "name": asker.name, "lane": asker.lane, "group": asker.group}
        found |= {"question": question.id, "value": plain["value"], "schema": plain["schema"]}
        return {name: value for name, value in found.items() if value is not None or name == "value"}


class Askers:
    """Middleware that remembers who suspended itself, and calls `heard`, if there is somebody to hear.

    A job that asks may lie deep in a flow or graph, where nobody here holds a handle to it.
    """

    def __init__(self) -> None:
        self.heard: Callable[[], object] | None = None
        self._jobs: dict[str, Asker] = {}

    async def around(self, job: Job, ctx: JobContext, call_next: CallNext) -> object:  # noqa: ARG002
        """See what comes of an attempt."""
        self._jobs.pop(job.id, None)
        output = await call_next()
        if isinstance(output, Suspend):
            dozes = output.timeout is not None and output.default is not NO_DEFAULT
            self._jobs[job.id] = Asker(job.id, job.key or job.id, job.name, job.lane, job.group, dozes)
            if self.heard is not None:
                asyncio.get_running_loop().call_soon(self.heard)
        return output

    def get(self, job_id: str) -> Asker | None:
        """Who it is, if it was seen."""
        return self._jobs.get(job_id)
