"""A job as data, what became of it, and what it may ask of a person."""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal, TypeAlias, cast

from ._checks import number
from ._errors import JobError
from ._usage import Usage

__all__ = [
    "NO_DEFAULT",
    "Attempt",
    "Ended",
    "ErrorInfo",
    "Job",
    "JobResult",
    "Question",
    "Role",
    "Status",
    "StreamLagged",
    "Suspend",
    "describe",
]

Status: TypeAlias = Literal["waiting", "running", "suspended", "succeeded", "failed", "cancelled", "skipped"]
"""`waiting` and `running` are on the way, `suspended` is a rest, the other four are ends."""

Role: TypeAlias = Literal["job", "primer", "follower", "graph", "flow", "map"]
"""The last three are bodies: they hold no slot, and what they do is done by the jobs that they submit."""


@dataclass(slots=True)
class Job:
    """One piece of work, as an executor sees it: data only, so that it can run in another process.

    `executor` is the registered name of what runs it. `headers` is text that middleware wrote at submit
    (a traceparent, a tenant). `after` holds the ids of the jobs, and the names of the groups, that it waits
    for, `run` the id of its run. After a suspension `reply` holds the answer (or, for several questions, a
    mapping from question id to answer) and `state` what the job left in its `Suspend`.
    """

    id: str
    name: str
    executor: str
    payload: Any
    lane: str = "default"
    group: str | None = None
    role: Role = "job"
    parent: str | None = None
    key: str | None = None
    priority: int = 0
    config: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    headers: dict[str, str] = field(default_factory=dict[str, str])
    reply: Any = None
    state: Any = None
    after: tuple[str, ...] = ()
    run: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """Something that a suspended job asks; `schema` is a type, or a JSON Schema, that the answer must fit."""

    id: str
    value: Any
    schema: Any = None


class _NoDefault(Enum):
    NO_DEFAULT = "no default"


NO_DEFAULT: Final = _NoDefault.NO_DEFAULT
"""Said of a question that has no answer by itself: without one in time the job fails."""


@dataclass(frozen=True, slots=True)
class Suspend:
    """Returned by an executor instead of an output: the job rests until its questions are answered.

    `question` is one value to show to a person, or a sequence of `Question` to ask several at once.
    `schema` is what the answer must fit (without one, anything that is not empty): a type, which pydantic
    checks, or a JSON Schema (a dict), which is checked where the package `jsonschema` is installed. `state`
    is handed back as `job.state` when the job goes on.

    `timeout`: seconds for all answers. When they are over, questions that are open are answered by
    `default`, or if there is none, the job fails with `AnswerTimeout`. With a default it goes on by itself,
    so that whoever awaits it waits through the rest. A job that polls rests like that between two looks,
    without a slot, and asks nobody: `Suspend(None, state=task_id, timeout=30.0, default=None)`. A reply wakes
    it earlier.

    Raises:
        ValueError, TypeError: if there is a default and no `timeout`, or if that is not a finite number above
            0; if two questions have the same id.
    """

    question: Any
    state: Any = None
    schema: Any = None
    timeout: float | None = None
    default: Any = NO_DEFAULT

    def __post_init__(self) -> None:
        if self.timeout is not None:
            number("Suspend", "timeout", self.timeout, above=True)
        elif self.default is not NO_DEFAULT:
            raise ValueError("Suspend: default is the answer once `timeout` seconds are over: give them too")
        ids = [each.id for each in self.questions]
        if len(set(ids)) < len(ids):
            listed = ", ".join(map(repr, ids))
            raise ValueError(f"Suspend: each question needs an id of its own, not {listed}")

    @property
    def questions(self) -> tuple[Question, ...]:
        """The questions, numbered where they came without ids; none where it only rests for a time."""
        asked: Any = self.question
        if asked is None and self.default is not NO_DEFAULT:
            return ()
        several = cast("Sequence[object]", asked if isinstance(asked, list | tuple) else (asked,))
        questions = tuple(each for each in several if isinstance(each, Question))
        whole = bool(questions) and len(questions) == len(several)
        return questions if whole else (Question("1", asked, self.schema),)


@dataclass(frozen=True, slots=True)
class Ended:
    """In `after=`: wait for the end of a job or group, however it ends, not for its success."""

    of: Any


@dataclass(frozen=True, slots=True)
class StreamLagged:
    """In a stream: `missed` chunks were dropped here because the listener was too slow."""

    missed: int


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """What went wrong, as text that survives a log, and the exception itself where it is at hand."""

    type: str
    message: str
    traceback: str
    exception: BaseException | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, error: BaseException) -> "ErrorInfo":
        """Describe an exception, traceback included."""
        return cls(*describe(error), _traceback(error), error)


def describe(error: BaseException) -> tuple[str, str]:
    """The type of an exception, as people write it, and its message."""
    kind = type(error)
    public = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return public, _text(error)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - an exception whose own __str__ fails must not take the engine with it
        return f"<no message: its __str__ raised {type(broken).__name__}>"


_PASSED_ON = "\nThe above exception was the direct cause of the following exception, through other jobs:\n\n"


def _traceback(error: BaseException) -> str:
    try:
        if not isinstance(error, JobError):
            return "".join(traceback.format_exception(error))
        # Passed on from job to job: each level would tell all below it again. The first is told, then this.
        first: BaseException = error
        while isinstance(first, JobError) and first.__cause__ is not None:
            first = first.__cause__
        told = [*traceback.format_exception(first), _PASSED_ON] if first is not error else []
        lines = ["Traceback (most recent call last):\n", *traceback.format_tb(error.__traceback__)]
        return "".join([*told, *lines, "{}: {}\n".format(*describe(error))])
    except Exception as broken:  # noqa: BLE001 - nor one whose notes or attributes fail
        return f"<no traceback: formatting it raised {type(broken).__name__}>"


# Not frozen, this and JobResult: made for each job, and a frozen dataclass takes four times as long to make.
@dataclass(slots=True)
class Attempt:
    """One try at a job: its number from 1, its wall times in epoch seconds, and how it ended.

    `outcome` is "succeeded", "failed", "cancelled", "suspended" or "again" (sent back by `RunAgain`);
    `ended` and `outcome` are None while it runs.
    """

    number: int
    started: float
    ended: float | None = None
    outcome: str | None = None
    error: ErrorInfo | None = None


@dataclass(slots=True)
class JobResult:
    """What became of a job. Asking for it (`handle.wait()`, `group.results()`) never raises.

    `status` is one of the four ends, or `suspended` with its open `questions`. `error` says why it failed,
    was cancelled or was skipped; a job that was skipped carries the error of what it waited for.
    """

    id: str
    name: str
    status: Status
    output: Any = None
    error: ErrorInfo | None = None
    attempts: tuple[Attempt, ...] = ()
    usage: Usage | None = None
    lane: str = "default"
    group: str | None = None
    role: Role = "job"
    key: str | None = None
    questions: tuple[Question, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def ok(self) -> bool:
        """Whether the job succeeded."""
        return self.status == "succeeded"
