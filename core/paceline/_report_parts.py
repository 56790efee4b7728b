"""The parts of a report: errors, attempts, questions, tasks and sums, as pydantic models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self, cast

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_serializer,
)

from ._job import Attempt, ErrorInfo, JobResult, Question, Role, Status
from ._plain import plain
from ._usage import Usage

__all__ = [
    "BODIES",
    "AttemptReport",
    "CriticalPath",
    "ErrorReport",
    "GroupReport",
    "LaneReport",
    "LongestWait",
    "NodeTimes",
    "Part",
    "QuestionReport",
    "RunTotals",
    "TaskReport",
]

BODIES: Final[frozenset[Role]] = frozenset({"graph", "flow", "map"})
"""The roles of what holds other jobs, and is listed but not counted."""


# Not frozen: made for each node, and a frozen dataclass takes three times as long to make.
@dataclass(slots=True, kw_only=True)
class NodeTimes:
    """What a graph run knows of a job and its result does not.

    `name` is its name in the report, `body` that of the graph, flow or map below the run's own that it lies
    in, if any, `after` the names of what it waited for, `accepted` and `ready` the
    wall times, in epoch seconds, at which it was accepted and at which all its inputs were there, and
    `waited_for` what held it after that, in words.
    """

    name: str
    body: str | None = None
    after: tuple[str, ...] = ()
    accepted: float | None = None
    ready: float | None = None
    waited_for: str | None = None


class Part(BaseModel):
    """What all models of a report have in common."""

    # Built on first use: importing paceline stays cheap, and a run without a report never pays.
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, defer_build=True)

    @classmethod
    def _trusted(cls, values: dict[str, Any], fields: set[str]) -> Self:
        """Make one of values for all `fields` of it, checking none, as unpickling does.

        They come from the engine, which made them of these types: checked, and each with a set of its own, a
        report of 100,000 tasks takes twice the time and three times the memory.
        """
        made = cls.__new__(cls)
        made.__setstate__(
            {
                "__dict__": values,
                "__pydantic_fields_set__": fields,
                "__pydantic_extra__": None,
                "__pydantic_private__": None,
            }
        )
        return made


class ErrorReport(Part):
    """An error as text; and `exception` itself, in the process that raised it: it is not written."""

    type: str
    message: str
    traceback: str = ""
    exception: Any = Field(default=None, exclude=True, repr=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ErrorReport):
            return NotImplemented
        mine, its = (self.type, self.message, self.traceback), (other.type, other.message, other.traceback)
        return mine == its

    __hash__ = None  # type: ignore[assignment]  # as for any model that is equal by its fields

    @classmethod
    def of(cls, error: ErrorInfo | None) -> "ErrorReport | None":
        """Describe what went wrong, if anything did."""
        if error is None:
            return None
        return cls(
            type=error.type, message=error.message, traceback=error.traceback, exception=error.exception
        )


class AttemptReport(Part):
    """One attempt: its number from 1, wall times in epoch seconds, and how it ended."""

    number: int
    started: float
    ended: float | None = None
    outcome: str | None = None
    error: ErrorReport | None = None

    @classmethod
    def of(cls, attempt: Attempt) -> "AttemptReport":
        """Describe an attempt."""
        return cls._trusted(
            {
                "number": attempt.number,
                "started": attempt.started,
                "ended": attempt.ended,
                "outcome": attempt.outcome,
                "error": ErrorReport.of(attempt.error),
            },
            _ATTEMPT_FIELDS,
        )


_ATTEMPT_FIELDS: Final = set(AttemptReport.__annotations__)


class QuestionReport(Part):
    """Something that a suspended job asks; written as JSON, `value` and `schema` become plain data."""

    id: str
    value: Any = None
    # Read by either name: it is written as `schema` with `by_alias=True`, else by its own.
    answer_schema: Any = Field(
        default=None, validation_alias=AliasChoices("schema", "answer_schema"), serialization_alias="schema"
    )

    @classmethod
    def of(cls, question: Question) -> "QuestionReport":
        """Describe a question."""
        return cls(id=question.id, value=question.value, answer_schema=question.schema)

    @field_serializer("value", "answer_schema", mode="wrap", when_used="json")
    def _as_plain(self, value: Any, handler: SerializerFunctionWrapHandler) -> Any:  # noqa: ARG002
        return plain(value)


class TaskReport(Part):
    """What became of one job; `metadata` is the caller's, those of its group included.

    `index` is its place among the followers of its group, from 0. `started` is when its first attempt began
    and `ended` when its last one ended, in epoch seconds. `output` is the object itself; written as JSON it
    becomes plain data, and is that when read back.

    `body` names the task that it is a part of: the nested graph or flow, or the map of which it is an item;
    None where that is the run itself. `after` names the tasks that it waited for: a graph's edges, for a call
    in a flow the one that had ended last when it was made, and for a follower its primer. What follows is
    known of graphs and flows only: `accepted` is when it was submitted and `ready` when all its inputs were
    there, in epoch seconds; `waited` are the seconds from then until its first attempt, and `waited_for` says
    what held it.
    """

    id: str
    name: str
    key: str | None = None
    status: Status
    lane: str = "default"
    group: str | None = None
    role: Role = "job"
    index: int = 0
    body: str | None = None
    after: tuple[str, ...] = ()
    accepted: float | None = None
    ready: float | None = None
    started: float | None = None
    ended: float | None = None
    waited: float | None = None
    waited_for: str | None = None
    output: Any = None
    error: ErrorReport | None = None
    usage: Usage | None = None
    attempts: tuple[AttemptReport, ...] = ()
    questions: tuple[QuestionReport, ...] = ()
    metadata: Mapping[str, Any] = Field(default_factory=dict[str, Any])

    @classmethod
    def of(cls, result: JobResult, node: NodeTimes | None = None) -> "TaskReport":
        """Describe a result, and what a graph run knows of it."""
        attempts = tuple(map(AttemptReport.of, result.attempts))
        started = attempts[0].started if attempts else None
        ready = None if node is None else node.ready
        return cls._trusted(
            {
                "id": result.id,
                "name": result.name if node is None else node.name,
                "key": result.key,
                "status": result.status,
                "lane": result.lane,
                "group": result.group,
                "role": result.role,
                "index": _index(result),
                "body": None if node is None else node.body,
                "after": () if node is None else node.after,
                "accepted": None if node is None else node.accepted,
                "ready": ready,
                "started": started,
                "ended": attempts[-1].ended if attempts else None,
                "waited": None if started is None or ready is None else max(0.0, started - ready),
                "waited_for": None if node is None else node.waited_for,
                "output": result.output,
                "error": ErrorReport.of(result.error),
                "usage": result.usage,
                "attempts": attempts,
                "questions": tuple(map(QuestionReport.of, result.questions)),
                "metadata": result.metadata,
            },
            _TASK_FIELDS,
        )

    @property
    def is_body(self) -> bool:
        """Whether it is a graph, flow or map: listed, but not counted, as the tasks in it are."""
        return self.role in BODIES

    @field_serializer("output", mode="wrap", when_used="json")
    def _as_plain(self, value: Any, handler: SerializerFunctionWrapHandler) -> Any:  # noqa: ARG002
        return plain(value)

    @field_serializer("metadata", mode="wrap", when_used="json")
    def _as_labels(self, value: Any, handler: SerializerFunctionWrapHandler) -> Any:  # noqa: ARG002
        labels = plain(value)
        if isinstance(labels, dict):
            return cast("dict[str, Any]", labels)
        return {"…": labels}  # a note in its place: the mapping could not be read


_TASK_FIELDS: Final = set(TaskReport.__annotations__)


class CriticalPath(Part):
    """The chain of tasks that the run waited for: making one of them faster is what makes the run faster.

    `tasks` are their names, the first one first. `seconds` are from when the first was ready (or submitted,
    or started, whichever is known first) to the end of the last, waits included. `usage` is what they used
    together, or None where none of them reported any.
    """

    tasks: tuple[str, ...]
    seconds: float
    usage: Usage | None = None


class LongestWait(Part):
    """The task that was ready for the longest time before it started, in seconds, and what held it."""

    task: str
    seconds: float
    why: str | None = None


class RunTotals(Part):
    """Sums over jobs. Tokens and requests are None where no job reported any.

    `seconds` is from the first start of an attempt to the last end. `evaluated_tokens` are the input tokens
    that came from no cache. Graphs, flows and maps are not counted as jobs: the jobs in them are.
    """

    jobs: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0
    suspended: int = 0
    attempts: int = 0
    seconds: float = 0.0
    requests: int | None = None
    input_tokens: int | None = None
    cached_tokens: int | None = None
    evaluated_tokens: int | None = None
    output_tokens: int | None = None
    money: float | None = None


class GroupReport(Part):
    """What became of a group: the worst that befell a member, and sums over its members."""

    status: Status
    lane: str
    totals: RunTotals


class LaneReport(Part):
    """A lane's share of what was served, against its due.

    `due` is its weight's part of all weights of lanes that had jobs, `share` its part of all cost, in the
    engine's unit. Over a whole run the share follows what there was to do, so weights show only in
    `due_while_waiting` and `share_while_waiting`: the same, counted while this lane had jobs waiting (None
    where nobody measured).
    """

    weight: float
    jobs: int
    served: float
    share: float
    due: float
    share_while_waiting: float | None = None
    due_while_waiting: float | None = None


def _index(result: JobResult) -> int:
    """Read a follower's place from its positional key."""
    if result.role != "follower" or result.key is None:
        return 0
    place = result.key.rpartition("/")[2]
    return int(place) if place.isdecimal() else 0
