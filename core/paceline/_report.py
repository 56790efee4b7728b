"""What became of a run, a group or any other set of jobs: one report, for people and for programs."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, final

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, field_serializer

from ._job import Attempt, ErrorInfo, JobResult, Question, Role, Status
from ._plain import plain
from ._report_text import write_report
from ._snapshot import Snapshot
from ._usage import Usage

__all__ = [
    "AttemptReport",
    "ErrorReport",
    "GroupReport",
    "LaneReport",
    "QuestionReport",
    "RunReport",
    "RunTally",
    "RunTotals",
    "TaskReport",
]

_WORST_FIRST: Final[tuple[Status, ...]] = (
    "failed",
    "cancelled",
    "skipped",
    "suspended",
    "running",
    "waiting",
)


class _Part(BaseModel):
    # Built on first use: importing paceline stays cheap, and a run without a report never pays.
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, defer_build=True)


class ErrorReport(_Part):
    """An error as text."""

    type: str
    message: str
    traceback: str = ""

    @classmethod
    def of(cls, error: ErrorInfo | None) -> "ErrorReport | None":
        """Describe what went wrong, if anything did."""
        if error is None:
            return None
        return cls(type=error.type, message=error.message, traceback=error.traceback)


class AttemptReport(_Part):
    """One attempt: its number from 1, wall times in epoch seconds, and how it ended."""

    number: int
    started: float
    ended: float | None = None
    outcome: str | None = None
    error: ErrorReport | None = None

    @classmethod
    def of(cls, attempt: Attempt) -> "AttemptReport":
        """Describe an attempt."""
        return cls(
            number=attempt.number,
            started=attempt.started,
            ended=attempt.ended,
            outcome=attempt.outcome,
            error=ErrorReport.of(attempt.error),
        )


class QuestionReport(_Part):
    """Something that a suspended job asks; written as JSON, `value` and `schema` become plain data."""

    id: str
    value: Any = None
    answer_schema: Any = Field(default=None, alias="schema")

    @classmethod
    def of(cls, question: Question) -> "QuestionReport":
        """Describe a question."""
        return cls(id=question.id, value=question.value, schema=question.schema)

    @field_serializer("value", "answer_schema", mode="wrap", when_used="json")
    def _as_plain(self, value: Any, handler: SerializerFunctionWrapHandler) -> Any:  # noqa: ARG002
        return plain(value)


class TaskReport(_Part):
    """What became of one job.

    `index` is its place among the followers of its group, from 0. `started` is when its first attempt began
    and `ended` when its last one ended, in epoch seconds. `output` is the object itself; written as JSON it
    becomes plain data, and is that when read back.
    """

    id: str
    name: str
    key: str | None = None
    status: Status
    lane: str = "default"
    group: str | None = None
    role: Role = "job"
    index: int = 0
    started: float | None = None
    ended: float | None = None
    output: Any = None
    error: ErrorReport | None = None
    usage: Usage | None = None
    attempts: tuple[AttemptReport, ...] = ()
    questions: tuple[QuestionReport, ...] = ()

    @classmethod
    def of(cls, result: JobResult) -> "TaskReport":
        """Describe a result."""
        return cls(
            id=result.id,
            name=result.name,
            key=result.key,
            status=result.status,
            lane=result.lane,
            group=result.group,
            role=result.role,
            index=_index(result),
            started=result.attempts[0].started if result.attempts else None,
            ended=result.attempts[-1].ended if result.attempts else None,
            output=result.output,
            error=ErrorReport.of(result.error),
            usage=result.usage,
            attempts=tuple(map(AttemptReport.of, result.attempts)),
            questions=tuple(map(QuestionReport.of, result.questions)),
        )

    @field_serializer("output", mode="wrap", when_used="json")
    def _as_plain(self, value: Any, handler: SerializerFunctionWrapHandler) -> Any:  # noqa: ARG002
        return plain(value)


class RunTotals(_Part):
    """Sums over jobs. Tokens and requests are None where no job reported any.

    `seconds` is from the first start of an attempt to the last end. `evaluated_tokens` are the input tokens
    that came from no cache.
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


class GroupReport(_Part):
    """What became of a group: the worst that befell a member, and sums over its members."""

    status: Status
    lane: str
    totals: RunTotals


class LaneReport(_Part):
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


@final
class RunReport(_Part):
    """What became of a run or of a group: `print` it, ask it, or write it as JSON and read it back.

        report = RunReport.of(await group.results(), engine.snapshot())
        report.tasks["intro/follower/0"].status, report.totals.cached_tokens, report.outputs

    `state` is the worst that befell a job. Tasks are found by their names; where a name was taken, by the
    positional key or, failing that, the id.
    """

    run_id: str | None = None
    state: Status = "succeeded"
    started: float | None = None
    ended: float | None = None
    totals: RunTotals = Field(default_factory=RunTotals)
    lanes: dict[str, LaneReport] = Field(default_factory=dict[str, LaneReport])
    groups: dict[str, GroupReport] = Field(default_factory=dict[str, GroupReport])
    tasks: dict[str, TaskReport] = Field(default_factory=dict[str, TaskReport])

    @classmethod
    def of(cls, results: Iterable[JobResult], snapshot: Snapshot | None = None) -> "RunReport":
        """Sum up results; the snapshot of their engine adds the lanes' shares and the id of the run."""
        tally = RunTally()
        for result in results:
            tally.add(result)
        return tally.report(snapshot)

    @property
    def outputs(self) -> dict[str, Any]:
        """The outputs of the tasks that succeeded, by name."""
        return {name: task.output for name, task in self.tasks.items() if task.status == "succeeded"}

    @property
    def ok(self) -> bool:
        """Whether every job succeeded."""
        return self.state == "succeeded"

    def __str__(self) -> str:
        return write_report(self)


@final
class RunTally:
    """Sums up results as they come, for a `RunReport` at any time.

    With `keep_tasks=False` it keeps sums only, so that it may take any number.
    """

    __slots__ = ("_groups", "_keep", "_lane_jobs", "_sums", "_tasks")

    def __init__(self, *, keep_tasks: bool = True) -> None:
        self._keep = keep_tasks
        self._sums = _Sums()
        self._lane_jobs: Counter[str] = Counter()
        self._groups: dict[str, tuple[str, _Sums]] = {}
        self._tasks: dict[str, TaskReport] = {}

    def add(self, result: JobResult) -> None:
        """Take in a result."""
        self._sums.add(result)
        self._lane_jobs[result.lane] += 1
        if not self._keep:
            return
        names = (result.name, result.key or result.id, result.id)
        name = next((name for name in names if name not in self._tasks), result.id)
        self._tasks[name] = TaskReport.of(result)
        if result.group is not None:
            self._groups.setdefault(result.group, (result.lane, _Sums()))[1].add(result)

    @property
    def totals(self) -> RunTotals:
        """The sums so far."""
        return self._sums.totals()

    def report(self, snapshot: Snapshot | None = None) -> RunReport:
        """Report on what came so far."""
        return RunReport(
            run_id=None if snapshot is None else snapshot.run_id,
            state=self._sums.state(),
            started=self._sums.started,
            ended=self._sums.ended,
            totals=self._sums.totals(),
            lanes={} if snapshot is None else _lanes(snapshot, self._lane_jobs),
            groups={
                name: GroupReport(status=sums.state(), lane=lane, totals=sums.totals())
                for name, (lane, sums) in self._groups.items()
            },
            tasks=dict(self._tasks),
        )


class _Sums:
    __slots__ = ("attempts", "counts", "ended", "started", "usage")

    def __init__(self) -> None:
        self.counts: Counter[Status] = Counter()
        self.attempts = 0
        self.started: float | None = None
        self.ended: float | None = None
        self.usage: Usage | None = None

    def add(self, result: JobResult) -> None:
        self.counts[result.status] += 1
        self.attempts += len(result.attempts)
        for attempt in result.attempts:
            self.started = attempt.started if self.started is None else min(self.started, attempt.started)
            if attempt.ended is not None:
                self.ended = attempt.ended if self.ended is None else max(self.ended, attempt.ended)
        if result.usage is not None:
            self.usage = result.usage if self.usage is None else self.usage + result.usage

    def state(self) -> Status:
        for status in _WORST_FIRST:
            if self.counts[status]:
                return status
        return "succeeded"

    def totals(self) -> RunTotals:
        usage = self.usage or Usage()
        known = usage.input_tokens is not None and usage.cached_tokens is not None
        return RunTotals(
            jobs=self.counts.total(),
            succeeded=self.counts["succeeded"],
            failed=self.counts["failed"],
            cancelled=self.counts["cancelled"],
            skipped=self.counts["skipped"],
            suspended=self.counts["suspended"],
            attempts=self.attempts,
            seconds=0.0 if self.started is None or self.ended is None else self.ended - self.started,
            requests=usage.requests,
            input_tokens=usage.input_tokens,
            cached_tokens=usage.cached_tokens,
            evaluated_tokens=(usage.input_tokens or 0) - (usage.cached_tokens or 0) if known else None,
            output_tokens=usage.output_tokens,
            money=usage.money,
        )


def _lanes(snapshot: Snapshot, jobs: Mapping[str, int]) -> dict[str, LaneReport]:
    used = {name: lane for name, lane in snapshot.lanes.items() if lane.served or jobs.get(name)}
    weights = sum(lane.weight for lane in used.values())
    return {
        name: LaneReport(
            weight=lane.weight,
            jobs=jobs.get(name, 0),
            served=lane.served,
            share=lane.share,
            due=lane.weight / weights,
        )
        for name, lane in used.items()
    }


def _index(result: JobResult) -> int:
    """Read a follower's place from its positional key."""
    if result.role != "follower" or result.key is None:
        return 0
    place = result.key.rpartition("/")[2]
    return int(place) if place.isdecimal() else 0
