"""What became of a run, a graph, a group or any set of jobs: one report, for people and for programs."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, final

from pydantic import Field, SerializerFunctionWrapHandler, field_serializer

from ._graphs._edge import Edge
from ._job import ErrorInfo, JobResult, Status
from ._plain import plain
from ._report_parts import (
    BODIES,
    CriticalPath,
    ErrorReport,
    GroupReport,
    LaneReport,
    LongestWait,
    NodeTimes,
    Part,
    RunTotals,
    TaskReport,
)
from ._report_text import write_report
from ._snapshot import Snapshot
from ._timeline import critical_path, most_at_once
from ._usage import Usage

if TYPE_CHECKING:
    from typing import Unpack

    from ._savings import Savings, SavingsOptions

__all__ = ["RunReport", "RunTally"]

_WORST_FIRST: Final[tuple[Status, ...]] = (
    "failed",
    "cancelled",
    "skipped",
    "suspended",
    "running",
    "waiting",
)


_NO_WAIT: Final = 0.001
"""Seconds between being ready and starting that are the engine's own work."""


@final
class RunReport(Part):
    """What became of a run, a graph or a group: `print` it, ask it, or write it as JSON and read it back.

        report = RunReport.of(await group.results(), engine.snapshot())
        report.tasks["intro/follower/0"].status, report.totals.cached_tokens, report.outputs

    `name` is the graph's or flow's, and `output` what it returned (written as JSON it becomes plain data).
    `state` is the worst that befell a job, unless it was told; a job that was skipped because nobody wanted
    it (it carries no error) is no trouble. Tasks are found by their names; where a name was taken, by the
    positional key or, failing that, the id. The bodies of graphs, flows and maps are listed among them but
    counted nowhere.

    `width` is how many tasks ran at one moment at most. `critical_path` leads from the task that ended last
    back through what was waited for; it is as good as `after` of the tasks: where several tasks ran and
    nothing is known of what waited for what, it is None. `longest_wait` is None where nothing waited.
    """

    run_id: str | None = None
    name: str | None = None
    state: Status = "succeeded"
    started: float | None = None
    ended: float | None = None
    output: Any = None
    error: ErrorReport | None = None
    totals: RunTotals = Field(default_factory=RunTotals)
    width: int = 0
    critical_path: CriticalPath | None = None
    longest_wait: LongestWait | None = None
    lanes: dict[str, LaneReport] = Field(default_factory=dict[str, LaneReport])
    groups: dict[str, GroupReport] = Field(default_factory=dict[str, GroupReport])
    edges: tuple[Edge, ...] = ()
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

    @property
    def untold_error(self) -> ErrorReport | None:
        """The error of the graph or flow itself, unless it is that of a task, which tells it."""
        error = self.error
        if error is None:
            return None
        told = (task.error for task in self.tasks.values() if task.error is not None)
        same = any((each.type, each.message) == (error.type, error.message) for each in told)
        return None if same else error

    def savings(self, **options: "Unpack[SavingsOptions]") -> "Savings":
        """Work out what prefix caches saved, in all and for each group, lane and tag.

            print(report.savings(by="tenant", prices=load_prices("prices.toml")))

        Raises:
            ValueError: if the report has sums only, and no tasks (`RunTally(keep_tasks=False)`).
            ValueError, TypeError: if an option is not as `SavingsOptions` says.
        """
        from ._savings import Savings

        if self.totals.jobs and not self.tasks:
            raise ValueError(
                "this report has sums only, and no tasks: keep them (RunTally(keep_tasks=True)), or add each "
                "result to a SavingsTally as it comes"
            )
        return Savings.of(self.tasks.values(), **options)

    def to_mermaid(self) -> str:
        """Draw what ran as a Mermaid flowchart, coloured by status, edges labelled with what they carry."""
        from ._graphs._drawing import mermaid

        return mermaid(self.name, self.tasks, self._drawn(), self._bodies(), self._status())

    def to_dot(self) -> str:
        """Draw what ran as a graph for Graphviz, coloured by status, edges labelled with what they carry."""
        from ._graphs._drawing import dot

        return dot(self.name, self.tasks, self._drawn(), self._bodies(), self._status())

    def __str__(self) -> str:
        return write_report(self)

    @field_serializer("output", mode="wrap", when_used="json")
    def _as_plain(self, value: Any, handler: SerializerFunctionWrapHandler) -> Any:  # noqa: ARG002
        return plain(value)

    def _status(self) -> dict[str, Status]:
        return {name: task.status for name, task in self.tasks.items()}

    def _bodies(self) -> dict[str, str | None]:
        return {name: task.body for name, task in self.tasks.items()}

    def _drawn(self) -> list[Edge]:
        """The edges, and where there are none (among a flow's calls, in a group) what came after what."""
        known = {(edge.source, edge.target) for edge in self.edges}
        ordered = [
            Edge(source, name, data=False)
            for name, task in self.tasks.items()
            for source in task.after
            # What items of maps wait for lies elsewhere; the edges between the maps say as much.
            if (source, name) not in known and source in self.tasks and self.tasks[source].body == task.body
        ]
        return [*self.edges, *ordered]


@final
class RunTally:
    """Sums up results as they come, for a `RunReport` at any time.

    With `keep_tasks=False` it keeps sums only, so that it may take any number: no tasks, no width, no
    critical path.
    """

    __slots__ = ("_groups", "_keep", "_lane_jobs", "_primed", "_sums", "_tasks")

    def __init__(self, *, keep_tasks: bool = True) -> None:
        self._keep: bool = keep_tasks
        self._sums: _Sums = _Sums()
        self._lane_jobs: Counter[str] = Counter()
        self._groups: dict[str, tuple[str, _Sums]] = {}
        self._tasks: dict[str, TaskReport] = {}
        self._primed: dict[str, _Primed] = {}

    def add(self, result: JobResult, *, node: NodeTimes | None = None) -> None:
        """Take in a result, and what a graph run knows of it."""
        self._sums.add(result)
        if result.role not in BODIES:
            self._lane_jobs[result.lane] += 1
        if not self._keep:
            return
        names = (result.name if node is None else node.name, result.key or result.id, result.id)
        name = next((name for name in names if name not in self._tasks), result.id)
        self._tasks[name] = TaskReport.of(result, node)
        if result.group is not None:
            self._groups.setdefault(result.group, (result.lane, _Sums()))[1].add(result)
            self._note_primer(name, result, result.group)

    def _note_primer(self, name: str, result: JobResult, group: str) -> None:
        """Followers wait for the primer of their own group, whichever of them is told first."""
        if result.role not in ("primer", "follower"):
            return
        # Groups of one name may follow one another in a run; their members' keys differ.
        key = (result.key or "").rpartition(f"/{result.role}")[0]
        primed = self._primed.setdefault(key or group, _Primed())
        if result.role == "primer":
            primed.primer = name
            waiting, primed.followers = primed.followers, []
        else:
            waiting = [name]
        for follower in waiting:
            if primed.primer is None:
                primed.followers.append(follower)
            elif not self._tasks[follower].after:
                self._tasks[follower] = self._tasks[follower].model_copy(update={"after": (primed.primer,)})

    @property
    def totals(self) -> RunTotals:
        """The sums so far."""
        return self._sums.totals()

    def report(
        self,
        snapshot: Snapshot | None = None,
        *,
        name: str | None = None,
        run_id: str | None = None,
        state: Status | None = None,
        output: Any = None,
        error: BaseException | None = None,
        edges: Iterable[Edge] = (),
        ordered: bool = False,
    ) -> RunReport:
        """Report on what came so far.

        The snapshot gives the lanes' shares and the id of the run, unless `run_id` is told. `name`,
        `output`, `error` and `edges` are those of the graph or flow that ran; `state`, if told, is how it
        ended, whatever befell its tasks. `ordered`: what waited for what is known, even if nothing did.
        """
        tasks = dict(self._tasks)
        return RunReport(
            run_id=snapshot.run_id if run_id is None and snapshot is not None else run_id,
            name=name,
            state=state or self._sums.state(),
            started=self._sums.started,
            ended=self._sums.ended,
            output=output,
            error=None if error is None else ErrorReport.of(ErrorInfo.of(error)),
            totals=self._sums.totals(),
            width=_width(tasks),
            critical_path=_critical_path(tasks, ordered),
            longest_wait=_longest_wait(tasks),
            lanes={} if snapshot is None else _lanes(snapshot, self._lane_jobs),
            groups={
                name: GroupReport(status=sums.state(), lane=lane, totals=sums.totals())
                for name, (lane, sums) in self._groups.items()
            },
            edges=tuple(edges),
            tasks=tasks,
        )


class _Primed:
    """The primer of a group, and the followers that were told before it."""

    __slots__ = ("followers", "primer")

    def __init__(self) -> None:
        self.primer: str | None = None
        self.followers: list[str] = []


class _Sums:
    __slots__ = ("attempts", "counts", "ended", "started", "states", "usage")

    def __init__(self) -> None:
        self.counts: Counter[Status] = Counter()
        self.states: set[Status] = set()
        self.attempts = 0
        self.started: float | None = None
        self.ended: float | None = None
        self.usage: Usage | None = None

    def add(self, result: JobResult) -> None:
        for attempt in result.attempts:
            self.started = attempt.started if self.started is None else min(self.started, attempt.started)
            if attempt.ended is not None:
                self.ended = attempt.ended if self.ended is None else max(self.ended, attempt.ended)
        if result.status != "skipped" or result.error is not None:
            self.states.add(result.status)
        if result.role in BODIES:
            return
        self.counts[result.status] += 1
        self.attempts += len(result.attempts)
        if result.usage is not None:
            self.usage = result.usage if self.usage is None else self.usage + result.usage

    def state(self) -> Status:
        for status in _WORST_FIRST:
            if status in self.states:
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


def _width(tasks: Mapping[str, TaskReport]) -> int:
    return most_at_once(
        (attempt.started, math.inf if attempt.ended is None else attempt.ended)
        for task in tasks.values()
        if not task.is_body
        for attempt in task.attempts
    )


def _critical_path(tasks: Mapping[str, TaskReport], ordered: bool) -> CriticalPath | None:
    after = {name: task.after for name, task in tasks.items() if task.after}
    bodies = {name for name, task in tasks.items() if task.is_body}
    if not after and not ordered and len(tasks) - len(bodies) != 1:
        return None
    ended = {name: task.ended for name, task in tasks.items() if task.ended is not None}
    names = critical_path(after, ended, bodies, {name: task.body for name, task in tasks.items()})
    if not names:
        return None
    path = [tasks[name] for name in names]
    first = path[0]
    begun = next(at for at in (first.ready, first.accepted, first.started) if at is not None)
    usage: Usage | None = None
    for task in path:
        if task.usage is not None:
            usage = task.usage if usage is None else usage + task.usage
    return CriticalPath(tasks=tuple(names), seconds=ended[names[-1]] - begun, usage=usage)


def _longest_wait(tasks: Mapping[str, TaskReport]) -> LongestWait | None:
    waits = ((task.waited, name) for name, task in tasks.items() if task.waited and not task.is_body)
    seconds, name = max(waits, key=lambda wait: wait[0], default=(0.0, None))
    if seconds < _NO_WAIT:
        return None
    return None if name is None else LongestWait(task=name, seconds=seconds, why=tasks[name].waited_for)
