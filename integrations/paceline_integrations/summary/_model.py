"""The summary of a run, as data: what `paceline show --json` prints."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from paceline import RunTotals, Savings
from paceline_integrations.figures import count
from paceline_integrations.visible import plain_text

__all__ = [
    "ErrorSummary",
    "HeldSummary",
    "JobPlace",
    "LaneSummary",
    "LogSummary",
    "OpenQuestion",
    "RunSummary",
    "SlowJob",
    "StuckSummary",
    "WaitedJob",
]


_WORTH_TELLING: Final = 0.01
"""The part of a run's time from which on it is told of what something took."""
_USUAL: Final = frozenset(
    {"slot", "lane_share", "dependency", "release", "active_groups", "children", "rest"}
)
"""Reasons to wait that are the course of things."""


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, defer_build=True)


class JobPlace(_Part):
    """A job, and where it belongs."""

    id: str
    name: str
    lane: str
    group: str | None = None

    @property
    def called(self) -> str:
        """Its name as people read it, safe to show: after that of its group, where it does not begin so."""
        name = plain_text(self.name, 80)
        if self.group is None or self.name.startswith(f"{self.group}/"):
            return name
        return f"{plain_text(self.group, 40)}/{name}"


class ErrorSummary(_Part):
    """What went wrong in the same way: type and message of the error, and how many jobs it befell.

    `failed` and `cancelled` count jobs that ended so, `skipped` those that could not run because of it, and
    `retried` attempts after which another one followed. `message` is empty where the log withholds it
    (`JsonlSink(content="none")`), and where so many different ones came that they are counted together.
    `examples` are the first jobs of them.
    """

    type: str
    message: str = ""
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0
    retried: int = 0
    examples: tuple[JobPlace, ...] = ()

    @property
    def called(self) -> str:
        """The type as people read it, safe to show."""
        return plain_text(self.type.removeprefix("__main__."), 100)

    @property
    def befell(self) -> str:
        """Whom it befell, safe to show: the first of them by name, and how many more."""
        told = ", ".join(each.called for each in self.examples)
        more = self.failed + self.skipped + self.cancelled + self.retried - len(self.examples)
        return f"{told} and {more:,} more" if more > 0 else told


class SlowJob(JobPlace):
    """A job that ran long: the seconds of its longest attempt, and how many attempts it had."""

    status: str
    seconds: float
    attempts: int


class WaitedJob(JobPlace):
    """A job that waited long before one of its attempts, and what held it the longest, as far as the log
    tells."""

    attempt: int
    seconds: float
    why: str = ""
    kind: str = ""


class HeldSummary(_Part):
    """A reason for which jobs waited: the seconds in which any did, and how many did at once at most.

    `text` goes on from their number: "9 jobs" and "wait for a free slot". It is found out from samples of
    the queue, of which there is one a second; of primers and answers, from the events of the jobs.
    """

    kind: str
    text: str
    seconds: float
    jobs: int

    @property
    def usual(self) -> bool:
        """Whether that is the course of things: jobs wait for their turn, or for one another."""
        return self.kind in _USUAL


class StuckSummary(_Part):
    """A reason for which jobs wait where the log ends: how many, until when (epoch seconds), one of them."""

    kind: str
    text: str
    jobs: int
    at_least: bool = False
    until: float | None = None
    example: JobPlace | None = None

    @property
    def many(self) -> str:
        """How many jobs, in words: "9 jobs", or "500 or more jobs" where not all were looked at."""
        return f"{self.jobs:,} or more jobs" if self.at_least else count(self.jobs, "job")


class OpenQuestion(JobPlace):
    """A question that nobody has answered. `value` is None where the log withholds it."""

    question: str
    value: Any = None


class LaneSummary(_Part):
    """A lane: how many of its jobs are where, what they were served, and its share against its due.

    `served` is cost in the engine's unit. `share` is its part of all that was served. Over a whole run that
    follows what there was to do; so weights show only in `due_while_waiting` and `share_while_waiting`, both
    counted while this lane and another one had jobs waiting (None where that never was).
    """

    weight: float
    jobs: int = 0
    waiting: int = 0
    running: int = 0
    suspended: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0
    served: float = 0.0
    share: float = 0.0
    share_while_waiting: float | None = None
    due_while_waiting: float | None = None


class LogSummary(_Part):
    """The log itself: what was read of it, and what is wrong with it.

    `damaged` counts lines that are no events, and `reasons` says of the first what is wrong with them.
    `unknown` counts events of types that a later Paceline may write. `torn`: the last line is not finished.
    `dropped` counts events that the writer was too slow for, `odd` those whose time cannot be, and `foreign`
    those of another run that went on meanwhile: neither is in the sums. `earlier_runs` lie before the run
    that is summed up, in the same file. `sampled`: it has samples of the queue.
    """

    file: str | None = None
    events: int = 0
    damaged: int = 0
    reasons: tuple[str, ...] = ()
    unknown: int = 0
    torn: bool = False
    dropped: int = 0
    odd: int = 0
    foreign: int = 0
    earlier_runs: int = 0
    sampled: bool = False


class RunSummary(_Part):
    """A run, summed up from its event log. Times are epoch seconds, durations seconds.

    `version` is that of this form: fields may be added under the same version. `state` is "running" where
    the log does not say that the run has ended; `as_of` is the time of its last event, and `seconds` are from
    the beginning of the run to that, without `kept_open`: the seconds at the end of a run in which no job was
    left, and it was only not closed yet: while somebody looked at it, say. `totals.jobs` counts all jobs,
    those that wait or run included; its `seconds` are from the first start of an attempt to the last end.
    Graphs, flows and maps are counted nowhere: the jobs in them are. A job that a person tried again is
    counted once, as what came of it last. `cost` is in the engine's unit.

    `errors`: what befell most jobs first. `other_errors` counts jobs and attempts of errors that are not
    listed. `slowest`, `waited` and `questions` are the first few of what there is; `open_questions` counts
    all.
    """

    version: Literal[1] = 1
    run: str
    state: Literal["running", "completed", "cancelled", "failed"]
    started: float | None = None
    as_of: float
    seconds: float
    kept_open: float = 0.0
    slots: int | None = None
    metadata: Mapping[str, Any] = Field(default_factory=dict[str, Any])
    error: str = ""
    waiting: int = 0
    running: int = 0
    totals: RunTotals = Field(default_factory=RunTotals)
    cost: float = 0.0
    savings: Savings = Field(default_factory=Savings)
    groups: int = 0
    errors: tuple[ErrorSummary, ...] = ()
    other_errors: int = 0
    slowest: tuple[SlowJob, ...] = ()
    waited: tuple[WaitedJob, ...] = ()
    held: tuple[HeldSummary, ...] = ()
    stuck: tuple[StuckSummary, ...] = ()
    questions: tuple[OpenQuestion, ...] = ()
    open_questions: int = 0
    lanes: dict[str, LaneSummary] = Field(default_factory=dict[str, LaneSummary])
    log: LogSummary = Field(default_factory=LogSummary)

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what is wrong with the log, and so with what is told: safe to show, a sentence each."""
        log = self.log
        reasons = "; ".join(plain_text(reason, 300) for reason in log.reasons)
        found = [
            (log.damaged, f"{count(log.damaged, 'line')} of the log could not be read: {reasons}"),
            (log.dropped, f"{count(log.dropped, 'event')} are missing: the log was written too slowly"),
            (log.odd, f"{count(log.odd, 'event')} with times that cannot be are left out"),
            (log.foreign, f"{count(log.foreign, 'event')} of another run at the same time are left out"),
            (log.torn and self.state != "running", "the last line of the log is not finished"),
            (self.started is None, "the log lacks its beginning: what is told is of the rest"),
            (log.earlier_runs, f"{count(log.earlier_runs, 'earlier run')} in the same file, not told here"),
        ]
        return tuple(text for true, text in found if true)

    @property
    def held_longest(self) -> tuple[HeldSummary, ...]:
        """What held jobs for so long that it is worth telling."""
        return tuple(each for each in self.held if self._is_long(each.seconds))

    @property
    def waited_longest(self) -> tuple[WaitedJob, ...]:
        """The jobs that waited for so long that it is worth telling."""
        return tuple(each for each in self.waited if self._is_long(each.seconds))

    def _is_long(self, seconds: float) -> bool:
        return seconds >= _WORTH_TELLING * self.seconds
