"""Events of a run that is made up, told to a state one after the other."""

from __future__ import annotations

from typing import Any

from paceline.events import (
    AskedQuestion,
    ErrorText,
    Event,
    GroupEnded,
    GroupReleased,
    GroupStarted,
    JobEnded,
    JobFirstToken,
    JobRetried,
    JobStarted,
    JobSubmitted,
    JobSuspended,
    QueueSampled,
    RunStarted,
    Waits,
)
from paceline_integrations.runstate import Bar, JobView, RunState

__all__ = ["Story"]


class Story:
    """Tells a state what happens, at `time`; each method is one event."""

    def __init__(self, run: str = "run-1", *, slots: int = 2, begins: bool = True, **keep: int) -> None:
        self.state: RunState = RunState(**keep)
        self.run: str = run
        self.time: float = 1_000.0
        self.seq: int = 0
        self.told: list[Event] = []
        if begins:
            self.tell(RunStarted(slots=slots, lanes={"default": 1.0}))

    def tell(self, *events: Event) -> None:
        """Stamp these events and give them to the state."""
        for event in events:
            self.seq += 1
            event.seq, event.time, event.run = self.seq, self.time, self.run
            self.told.append(event)
            self.state.apply(event)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds

    def job(self, name: str) -> JobView:
        """What the state knows of a job."""
        return self.state.jobs[name]

    @property
    def bars(self) -> list[Bar]:
        """The whole timeline."""
        return self.state.bars_between(0.0, 1e9)

    def submit(self, *names: str, lane: str = "default", **fields: Any) -> None:
        """These jobs are submitted: their names are their ids."""
        for name in names:
            self.tell(JobSubmitted(job=name, name=name, executor="model", lane=lane, **fields))

    def start(self, name: str, attempt: int = 1, *, lane: str = "default", group: str | None = None) -> None:
        """An attempt begins."""
        self.tell(JobStarted(job=name, lane=lane, group=group, attempt=attempt, waited=0.5))

    def answer(self, name: str, attempt: int = 1) -> None:
        """The model begins to answer."""
        self.tell(JobFirstToken(job=name, attempt=attempt))

    def end(self, name: str, status: Any = "succeeded", **fields: Any) -> None:
        """A job ends; `error` is a type and a message."""
        given: dict[str, Any] = {"attempt": 1, "lane": "default", **fields}
        if isinstance(given.get("error"), str):
            kind, _, message = given["error"].partition(": ")
            given["error"] = ErrorText(kind, message)
        self.tell(JobEnded(job=name, status=status, **given))

    def ran(self, *names: str, **fields: Any) -> None:
        """These jobs are submitted, start and succeed."""
        for name in names:
            self.submit(name)
            self.start(name)
            self.end(name, **fields)

    def retry(self, name: str, delay: float = 4.0, error: str = "Busy", **fields: Any) -> None:
        """An attempt failed, and another will follow."""
        attempt = fields.pop("attempt", 1)
        self.tell(JobRetried(job=name, attempt=attempt, delay=delay, error=ErrorText(error), **fields))

    def suspend(self, name: str, *questions: str) -> None:
        """The job asks something: each question is its own id."""
        asked = tuple(AskedQuestion(each, f"{each}?") for each in questions)
        self.tell(JobSuspended(job=name, attempt=1, questions=asked))

    def group(self, name: str, *followers: str, primer: str | None = "intro", **fields: Any) -> None:
        """A group with its primer and followers is submitted."""
        self.tell(GroupStarted(group=name, lane="default", **fields))
        if primer is not None:
            self.submit(primer, group=name, role="primer")
        self.submit(*followers, group=name, role="follower")

    def release(self, name: str, by: Any = "first_token") -> None:
        """The followers may start."""
        self.tell(GroupReleased(group=name, by=by))

    def end_group(self, name: str, outcome: Any = "succeeded") -> None:
        """All of a group's jobs have ended."""
        self.tell(GroupEnded(group=name, outcome=outcome, counts={}))

    def sample(self, *waits: Waits, slots_used: int = 2, **fields: Any) -> None:
        """The engine has looked at what holds the jobs that wait."""
        given: dict[str, Any] = {"lanes": {}, "waiting": 0, **fields}
        self.tell(QueueSampled(slots_used=slots_used, waits=waits, **given))
