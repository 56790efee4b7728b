"""What happened, as data: the one record from which logs, screens and databases are made.

A job without retries writes `JobSubmitted`, `JobStarted`, `JobFirstToken` (if it streams) and `JobEnded`.
Events are ordered by `seq`. They are shared between sinks and hold the caller's own payloads and outputs:
read them, change nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ._event_parts import AskedQuestion, ErrorText, LaneLoad, Recorded, Waits
from ._job import Role
from ._usage import Usage

__all__ = [
    "AskedQuestion",
    "AttemptAbandoned",
    "AttemptGone",
    "CacheMissed",
    "ErrorText",
    "Event",
    "EventsDropped",
    "GroupEnded",
    "GroupReleased",
    "GroupReprimed",
    "GroupStarted",
    "JobChunk",
    "JobEnded",
    "JobFirstToken",
    "JobProgress",
    "JobReplied",
    "JobRetried",
    "JobStarted",
    "JobSubmitted",
    "JobSuspended",
    "LaneChanged",
    "LaneLoad",
    "LimitLifted",
    "LimitReached",
    "PrefixCached",
    "QueueSampled",
    "RunEnded",
    "RunStarted",
    "SpanEnded",
    "Waits",
]


@dataclass(slots=True, kw_only=True)
class RunStarted(Recorded):
    """First of a run: the engine was opened. `lanes` maps the names known so far to their weights."""

    type: Literal["run.started"] = "run.started"
    slots: int
    lanes: dict[str, float]
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True, kw_only=True)
class RunEnded(Recorded):
    """Last of a run: the engine has drained ("completed"), or was left by a cancellation or an error.

    `counts` says how many jobs ended in each status, and how many were left suspended.
    """

    type: Literal["run.ended"] = "run.ended"
    outcome: Literal["completed", "cancelled", "failed"]
    counts: dict[str, int]
    error: ErrorText | None = None


@dataclass(slots=True, kw_only=True)
class LaneChanged(Recorded):
    """A lane was added, re-weighted, capped or closed while the engine ran; all fields hold the new state."""

    type: Literal["lane.changed"] = "lane.changed"
    lane: str
    weight: float
    max_running: int | None = None
    closed: bool = False


@dataclass(slots=True, kw_only=True)
class GroupStarted(Recorded):
    """A group was submitted or opened; written before the `JobSubmitted` of its members."""

    type: Literal["group.started"] = "group.started"
    group: str
    lane: str
    parent: str | None = None
    release: Literal["first_token", "complete"] = "first_token"
    settle: float = 0.0
    in_flight: int | Literal["auto"] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True, kw_only=True)
class GroupReleased(Recorded):
    """A group's followers may start (after `settle` seconds), once in a group's life, and by what."""

    type: Literal["group.released"] = "group.released"
    group: str
    by: Literal["first_token", "complete", "primer_failure", "primer_suspended", "no_primer", "warm"]


@dataclass(slots=True, kw_only=True)
class GroupEnded(Recorded):
    """All members of a closed group have ended. `counts` says how many in each status."""

    type: Literal["group.ended"] = "group.ended"
    group: str
    outcome: Literal["succeeded", "failed", "cancelled", "skipped"]
    counts: dict[str, int]


@dataclass(slots=True, kw_only=True)
class PrefixCached(Recorded):
    """A group's prefix was made at its provider, was there already, or could not be made.

    `fingerprint` is what the provider calls it. `seconds`: how long it was in the making.
    """

    type: Literal["prefix.cached"] = "prefix.cached"
    group: str
    fingerprint: str
    outcome: Literal["created", "reused", "failed"]
    seconds: float | None = None
    error: ErrorText | None = None


@dataclass(slots=True, kw_only=True)
class JobSubmitted(Recorded):
    """A job was accepted. `after` holds the ids of the jobs and groups that it waits for."""

    type: Literal["job.submitted"] = "job.submitted"
    job: str
    name: str
    executor: str
    lane: str
    group: str | None = None
    role: Role = "job"
    parent: str | None = None
    key: str | None = None
    priority: int = 0
    after: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    payload: Any = None


@dataclass(slots=True, kw_only=True)
class JobStarted(Recorded):
    """An attempt begins, `waited` seconds after its job was submitted or the last attempt ended."""

    type: Literal["job.started"] = "job.started"
    job: str
    lane: str
    group: str | None = None
    attempt: int
    waited: float


@dataclass(slots=True, kw_only=True)
class JobFirstToken(Recorded):
    """The attempt's model began to answer: its first `emit()` or `first_token()`, once an attempt."""

    type: Literal["job.first_token"] = "job.first_token"
    job: str
    attempt: int


@dataclass(slots=True, kw_only=True)
class JobEnded(Recorded):
    """A job ended, once and for good. `attempt` is 0 if it never started.

    `seconds` is how long the last attempt ran; `usage` and `cost` are those of all attempts.
    """

    type: Literal["job.ended"] = "job.ended"
    job: str
    lane: str
    group: str | None = None
    status: Literal["succeeded", "failed", "cancelled", "skipped"]
    attempt: int
    seconds: float | None = None
    usage: Usage | None = None
    cost: float | None = None
    error: ErrorText | None = None
    output: Any = None


@dataclass(slots=True, kw_only=True)
class JobRetried(Recorded):
    """An attempt failed, or was sent back, and another follows after `delay` seconds of backoff."""

    type: Literal["job.retried"] = "job.retried"
    job: str
    attempt: int
    error: ErrorText | None = None
    delay: float
    usage: Usage | None = None


@dataclass(slots=True, kw_only=True)
class JobSuspended(Recorded):
    """The attempt returned `Suspend`: the job rests until its questions are answered."""

    type: Literal["job.suspended"] = "job.suspended"
    job: str
    attempt: int
    questions: tuple[AskedQuestion, ...]


@dataclass(slots=True, kw_only=True)
class JobReplied(Recorded):
    """An answer to one question of a suspended job was accepted; the answer itself is not recorded."""

    type: Literal["job.replied"] = "job.replied"
    job: str
    question: str


@dataclass(slots=True, kw_only=True)
class JobProgress(Recorded):
    """The attempt called `ctx.progress(message, fraction)`."""

    type: Literal["job.progress"] = "job.progress"
    job: str
    attempt: int
    message: str | None = None
    fraction: float | None = None


@dataclass(slots=True, kw_only=True)
class SpanEnded(Recorded):
    """A span of a framework inside the attempt has ended. Times are in epoch seconds.

    The type of its error is its kind: frameworks tell no more than a message.
    """

    type: Literal["span.ended"] = "span.ended"
    job: str
    attempt: int
    span: str
    name: str
    kind: str
    parent: str | None = None
    started: float
    ended: float
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    error: ErrorText | None = None


@dataclass(slots=True, kw_only=True)
class JobChunk(Recorded):
    """The attempt called `ctx.emit(chunk)`; written only for sinks that ask with `wants_chunks`."""

    type: Literal["job.chunk"] = "job.chunk"
    job: str
    attempt: int
    chunk: Any = None


@dataclass(slots=True, kw_only=True)
class AttemptAbandoned(Recorded):
    """An attempt lost its slot while its task or thread still runs: it was cancelled or ran out of time.

    `reason` is a word of the engine's ("cancelled", "timeout", ...), never a text of the user's.
    """

    type: Literal["attempt.abandoned"] = "attempt.abandoned"
    job: str
    attempt: int
    reason: str


@dataclass(slots=True, kw_only=True)
class AttemptGone(Recorded):
    """An abandoned attempt really ended; `usage` is what it used in all.

    `late` is what of it came after its job had ended, and is not in the usage of its `JobEnded`. An attempt
    that ended soon after it was given up is told of only if there is any.
    """

    type: Literal["attempt.gone"] = "attempt.gone"
    job: str
    attempt: int
    usage: Usage | None = None
    late: Usage | None = None


@dataclass(slots=True, kw_only=True)
class LimitReached(Recorded):
    """Jobs wait at a limit, until `until` (wall time) where that is known.

    `why`: the provider refused a job and asked to wait, its circuit breaker has opened, or too little of a
    budget is left. Limits that just have their course (so many requests per minute) are not recorded.
    """

    type: Literal["limit.reached"] = "limit.reached"
    limit: str
    why: Literal["retry_after", "circuit", "budget"]
    until: float | None = None


@dataclass(slots=True, kw_only=True)
class LimitLifted(Recorded):
    """A circuit breaker has closed: its probe succeeded."""

    type: Literal["limit.lifted"] = "limit.lifted"
    limit: str
    why: Literal["circuit"]


@dataclass(slots=True, kw_only=True)
class CacheMissed(Recorded):
    """A follower found nothing of the group's prefix in the provider's cache; others wait `hold` seconds."""

    type: Literal["cache.missed"] = "cache.missed"
    group: str
    job: str
    hold: float = 0.0


@dataclass(slots=True, kw_only=True)
class GroupReprimed(Recorded):
    """The group's prefix had expired: this job goes first and establishes it again."""

    type: Literal["group.reprimed"] = "group.reprimed"
    group: str
    job: str


@dataclass(slots=True, kw_only=True)
class QueueSampled(Recorded):
    """How busy the run is, and what holds the jobs that wait: at most once a second, while things happen.

    Written only for sinks that ask with `wants_waits`. `waits` tells what events alone do not: which limit,
    share or place jobs wait for, not what they come after. Of the jobs that wait, the first 1,000 are looked
    at; `unseen` says how many more there are. `lanes` are the 100 with the most unfinished jobs.
    """

    type: Literal["queue.sampled"] = "queue.sampled"
    slots_used: int
    waiting: int
    lanes: dict[str, LaneLoad]
    waits: tuple[Waits, ...]
    unseen: int = 0


@dataclass(slots=True, kw_only=True)
class EventsDropped(Recorded):
    """This sink was too slow: `count` events up to this `seq` were not given to it.

    Only the sink that missed them is told, as soon as it takes events again.
    """

    type: Literal["events.dropped"] = "events.dropped"
    sink: str
    count: int


Event: TypeAlias = (
    RunStarted
    | RunEnded
    | LaneChanged
    | GroupStarted
    | GroupReleased
    | GroupEnded
    | PrefixCached
    | JobSubmitted
    | JobStarted
    | JobFirstToken
    | JobEnded
    | JobRetried
    | JobSuspended
    | JobReplied
    | JobProgress
    | SpanEnded
    | JobChunk
    | AttemptAbandoned
    | AttemptGone
    | LimitReached
    | LimitLifted
    | CacheMissed
    | GroupReprimed
    | QueueSampled
    | EventsDropped
)
"""Any event; `event.type` tells which, also to a type checker."""
