"""For how long jobs waited for primers and for answers: events tell that, samples of the queue do not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from paceline.events import GroupEnded, GroupReleased

from ._model import HeldSummary

if TYPE_CHECKING:
    from paceline.events import Event
    from paceline_integrations.runstate import JobView, RunState

__all__ = ["AwaitedTally"]

_TEXTS: Final = {
    "release": "wait for the primers of their groups to answer",
    "reply": "wait for the answers to their questions",
}
_CHANGES: Final = frozenset({"job.submitted", "job.started", "job.suspended", "job.replied", "job.ended"})


@dataclass(slots=True)
class _Sum:
    """How many jobs are held now, since when any is, how many were at most, and for how long before."""

    now: int = 0
    since: float = 0.0
    most: int = 0
    seconds: float = 0.0

    def lasted(self, time: float) -> float:
        return self.seconds + (max(0.0, time - self.since) if self.now else 0.0)


class AwaitedTally:
    """Sums up the time in which any job waited for its primer, or for an answer."""

    def __init__(self) -> None:
        self._sums: defaultdict[str, _Sum] = defaultdict(_Sum)
        self._held: dict[str, str] = {}
        """For what each job waits that is held so."""
        self._followers: defaultdict[str, set[str]] = defaultdict(set)
        """Of each group the jobs that wait for its primer."""

    def look(self, event: Event, state: RunState) -> None:
        """Take in an event which `state` has taken in before."""
        if event.type == "run.ended":
            for held in list(self._held):
                self._let_go(held, event.time)
        elif isinstance(event, GroupReleased | GroupEnded):
            for held in self._followers.pop(event.group, ()):
                self._let_go(held, event.time)
        elif event.type in _CHANGES:
            self._look_at(getattr(event, "job", ""), event.time, state)

    def _look_at(self, job_id: str, time: float, state: RunState) -> None:
        job = state.jobs.get(job_id)
        kind = "" if job is None else _held_by(job)
        if kind != self._held.get(job_id, ""):
            self._let_go(job_id, time, job)
            if kind and job is not None:
                self._hold(job, kind, time)

    def _hold(self, job: JobView, kind: str, time: float) -> None:
        self._held[job.id] = kind
        if kind == "release" and job.group is not None:
            self._followers[job.group].add(job.id)
        tally = self._sums[kind]
        if not tally.now:
            tally.since = time
        tally.now += 1
        tally.most = max(tally.most, tally.now)

    def _let_go(self, job_id: str, time: float, job: JobView | None = None) -> None:
        kind = self._held.pop(job_id, None)
        if kind is None:
            return
        if job is not None and job.group is not None and job.group in self._followers:
            self._followers[job.group].discard(job_id)
        tally = self._sums[kind]
        if tally.now == 1:
            tally.seconds = tally.lasted(time)
        tally.now -= 1

    def summary(self, now: float) -> Iterator[HeldSummary]:
        """What held jobs so far, for any time."""
        for kind, tally in self._sums.items():
            seconds = tally.lasted(now)
            if seconds > 0:
                yield HeldSummary(kind=kind, text=_TEXTS[kind], seconds=seconds, jobs=tally.most)


def _held_by(job: JobView) -> str:
    """Whether a job waits for an answer or for its primer; empty if for neither."""
    if job.status == "suspended":
        return "reply" if job.questions else ""
    group = job.group_view
    if job.status != "waiting" or group is None or group.released is not None or group.ended is not None:
        return ""
    return "release" if job.role == "follower" and not job.attempts else ""
