"""What is known of a run, its lanes, groups, jobs and their attempts: read it, change nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from paceline import Role, Status, Usage
from paceline.events import AskedQuestion

from ._branches import Branch
from ._counts import Counts

__all__ = ["AttemptView", "GroupView", "JobView", "LaneView", "Node", "RunView"]

BODIES: Final = frozenset({"graph", "flow", "map"})


@dataclass(slots=True, eq=False)
class RunView:
    """The run: times in epoch seconds, `None` where the log does not say.

    `outcome` is "completed", "cancelled" or "failed", and None while it goes on.
    """

    id: str = ""
    slots: int | None = None
    started: float | None = None
    ended: float | None = None
    outcome: str | None = None
    error: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True, eq=False)
class LaneView:
    """A lane: its weight against what it got.

    `served` is the cost charged so far, in the engine's unit; `share` its part of what all lanes were served
    (0 to 1), `due` its part by weight among the lanes that have or had jobs: both are of the whole run.
    """

    name: str
    weight: float = 1.0
    max_running: int | None = None
    closed: bool = False
    counts: Counts = field(default_factory=Counts)
    served: float = 0.0
    share: float = 0.0
    due: float = 0.0
    sampled: float | None = None
    """Its share as the engine last said it, running jobs included."""


@dataclass(slots=True, eq=False)
class AttemptView:
    """One attempt of a job; times in epoch seconds.

    `outcome` is None while it runs, then "succeeded", "failed", "cancelled", "suspended" or "again" (sent
    back without an error). `waited`: seconds before it. `row`: its row in the timeline; None for bodies.
    `abandoned`: why it was given up while its code went on ("cancelled", "timeout"); `gone`: when that code
    really ended.
    """

    number: int
    started: float
    waited: float = 0.0
    first_token: float | None = None
    ended: float | None = None
    outcome: str | None = None
    error: str = ""
    row: int | None = None
    abandoned: str = ""
    gone: float | None = None

    def lasted(self, now: float) -> float:
        """How many seconds it ran; up to `now`, where it still does."""
        return max(0.0, (now if self.ended is None else self.ended) - self.started)


@dataclass(slots=True, eq=False)
class JobView:
    """A job, as far as the events tell. Times are in epoch seconds; texts are the jobs' own: not yet plain.

    `payload` and `output` are there where the log has them, and are let go where all together became too
    large. `usage` is of all attempts so far. `error` is what ended it, or the last attempt. `backoff_until`:
    when its next attempt is due. `tail` is the end of what the newest attempt has streamed, after `tail_cut`
    characters that are gone. A graph, flow or map is suspended if it asks something, or if nothing below it
    can go on before another job is answered.
    """

    id: str
    name: str
    lane: str
    group: str | None = None
    role: Role = "job"
    executor: str = ""
    parent: str | None = None
    key: str | None = None
    priority: int = 0
    after: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    status: Status = "waiting"
    submitted: float | None = None
    ended: float | None = None
    attempts: Sequence[AttemptView] = ()
    usage: Usage | None = None
    questions: Sequence[AskedQuestion] = ()
    message: str = ""
    fraction: float | None = None
    error: str = ""
    payload: Any = None
    output: Any = None
    backoff_until: float | None = None
    answered: float | None = None
    """When the last of its questions was answered."""
    again: str = ""
    """The job by which a person has tried this one again: it counts in no sum any more, the other does."""
    tail: str = ""
    tail_cut: int = 0
    group_view: GroupView | None = field(default=None, repr=False)
    parent_view: JobView | None = field(default=None, repr=False)
    branch: Branch | None = field(default=None, repr=False)
    place: int = 0
    """In which order the nodes came."""
    rank: int = -1
    changed: int = 0
    """The state's `version` when its status last changed."""
    stale: bool = False
    """Whether its details go as soon as those below it have gone."""

    @property
    def is_body(self) -> bool:
        """Whether it is a graph, flow or map: it takes no slot, and is counted apart."""
        return self.role in BODIES

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self.ended is not None

    @property
    def children(self) -> Sequence[Node]:
        """The jobs and groups below it, those at work first where they are many."""
        return () if self.branch is None else self.branch.rows()

    @property
    def attempt(self) -> AttemptView | None:
        """The newest attempt, if there was any."""
        return self.attempts[-1] if self.attempts else None


@dataclass(slots=True, eq=False)
class GroupView:
    """A group: a primer that reads the shared prefix first, and followers that then find it cached.

    `released_by` says what let its followers start (None: they still wait), at `released`; they start
    `settle` seconds later. `outcome` is None until the group ends.
    """

    name: str
    lane: str
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    release: str = "first_token"
    settle: float = 0.0
    in_flight: int | str | None = None
    started: float | None = None
    released: float | None = None
    released_by: str | None = None
    ended: float | None = None
    outcome: str | None = None
    primer: JobView | None = field(default=None, repr=False)
    counts: Counts = field(default_factory=Counts)
    hold_until: float | None = None
    """Until when followers are held, after one of them found nothing in the cache."""
    repriming: str | None = None
    """The job that reads the prefix again, after it had expired."""
    parent_view: JobView | None = field(default=None, repr=False)
    branch: Branch = field(default_factory=Branch, repr=False)
    place: int = 0
    rank: int = -1
    stale: bool = False
    again: int = 0
    """How many of its jobs a person has tried again: they count elsewhere."""

    @property
    def status(self) -> Status:
        """The status of the whole: that of those most at work (running, suspended, waiting), then its end.

        A group whose every trouble was tried again is no trouble any more.
        """
        by = self.counts.by
        if self.again and self.outcome and not (by["failed"] or by["cancelled"] or by["skipped"]):
            return "succeeded"
        if self.outcome in {"succeeded", "failed", "cancelled", "skipped"}:
            return self.outcome  # type: ignore[return-value]  # it is one of these
        return "running" if by["running"] else "suspended" if by["suspended"] else "waiting"

    @property
    def children(self) -> Sequence[Node]:
        """The primer, then the followers."""
        return self.branch.rows()


Node: TypeAlias = JobView | GroupView
"""A row of the tree."""
