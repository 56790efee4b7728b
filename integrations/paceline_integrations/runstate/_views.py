"""What is known of each job and group: read them, change nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast

from paceline import Role, Status, Usage
from paceline.events import AskedQuestion

from ._branches import Branch
from ._counts import Counts
from ._tails import Tail

__all__ = ["AttemptView", "GroupView", "JobView", "Node", "SpanView"]

BODIES: Final = frozenset({"graph", "flow", "map"})


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
    usage: Usage | None = None


@dataclass(slots=True, eq=False)
class SpanView:
    """What a framework did inside an attempt: a call of a model or a tool, say. Times in epoch seconds."""

    attempt: int
    span: str
    name: str
    kind: str
    parent: str | None
    started: float
    ended: float
    error: str = ""


@dataclass(slots=True, eq=False)
class JobView:
    """A job, as far as the events tell. Times are in epoch seconds; texts are the jobs' own: not yet plain.

    `payload` and `output` are there where the log has them. `usage` and `cost` are of all attempts so far.
    `error` is what ended it, or the last attempt. `backoff_until`: when its next attempt is due. `spans` are
    the last ones, after `spans_cut` others. Where `values_cut`, payload and output were let go.
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
    cost: float | None = None
    questions: Sequence[AskedQuestion] = ()
    message: str = ""
    fraction: float | None = None
    error: str = ""
    payload: Any = None
    output: Any = None
    backoff_until: float | None = None
    values_cut: bool = False
    streamed: Tail | None = field(default=None, repr=False)
    spans: Sequence[SpanView] = ()
    spans_cut: int = 0
    group_view: GroupView | None = field(default=None, repr=False)
    parent_view: JobView | None = field(default=None, repr=False)
    branch: Branch | None = field(default=None, repr=False)
    place: int = 0
    """In which order the nodes came."""
    rank: int = -1
    changed: int = 0
    """The state's `version` when its status last changed."""
    queued: int = 0
    """The state's `version` when it last began to wait."""
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

    @property
    def seconds(self) -> float | None:
        """How long its last attempt ran; None while it runs or where that is not known."""
        last = self.attempt
        return None if last is None or last.ended is None else last.ended - last.started

    @property
    def tail(self) -> str:
        """The end of what the newest attempt has streamed."""
        return "" if self.streamed is None else self.streamed.text

    @property
    def tail_cut(self) -> int:
        """How many characters of the newest attempt's stream came before its `tail`, and are gone."""
        return 0 if self.streamed is None else self.streamed.cut


@dataclass(slots=True, eq=False)
class GroupView:
    """A group: a primer that reads the shared prefix first, and followers that then find it cached.

    `released_by` says what let its followers start (None: they still wait), at `released`; they start
    `settle` seconds later. `outcome` is None until the group ends.
    """

    name: str
    lane: str
    parent: str | None = None
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
    prefix: str | None = None
    """Where a cache was made for its prefix: "created", "reused" or "failed"."""
    misses: int = 0
    """How many followers found nothing in the cache."""
    parent_view: JobView | None = field(default=None, repr=False)
    branch: Branch = field(default_factory=Branch, repr=False)
    place: int = 0
    rank: int = -1
    stale: bool = False

    @property
    def status(self) -> Status:
        """The status of the whole: that of those most at work (running, suspended, waiting), then its end."""
        if self.outcome in {"succeeded", "failed", "cancelled", "skipped"}:
            return self.outcome  # type: ignore[return-value]  # it is one of these
        by = self.counts.by
        return "running" if by["running"] else "suspended" if by["suspended"] else "waiting"

    @property
    def followers(self) -> Sequence[JobView]:
        """Its followers that are still known, those at work first where they are many."""
        rows = self.branch.rows()
        return cast("Sequence[JobView]", rows if self.branch.first is None else rows[1:])

    @property
    def children(self) -> Sequence[Node]:
        """The primer, then the followers."""
        return self.branch.rows()


Node: TypeAlias = JobView | GroupView
"""A row of the tree."""
