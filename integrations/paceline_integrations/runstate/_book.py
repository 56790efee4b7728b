"""What a `RunState` knows, and the few changes of which all its events are made."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from ._bars import Timeline
from ._branches import Branch
from ._counts import Counts, Totals
from ._keeping import Keeping
from ._pace import Pace
from ._resting import rests
from ._views import BODIES, AttemptView, GroupView, JobView, LaneView, Node, RunView

if TYPE_CHECKING:
    from paceline import Status, Usage
    from paceline.events import LimitReached, QueueSampled, Waits

__all__ = ["Book"]

_LANES: Final = 2_000
_BARS: Final = 4
"""So many bars are kept for each job that is."""


class Book:
    """All that is known of one run."""

    def __init__(self, keep: int, version: int = 0) -> None:
        self.version: int = version
        self.now: float = 0.0
        self.run: RunView = RunView()
        self.whole: bool = False
        """Whether the log told of the beginning of the run."""
        self.dropped: int = 0
        self.counts: Counts = Counts()
        self.bodies: Counts = Counts()
        self.totals: Totals = Totals()
        self.jobs: dict[str, JobView] = {}
        self.groups: dict[str, GroupView] = {}
        self.lanes: dict[str, LaneView] = {}
        self.waiting: dict[str, dict[str, JobView]] = {}
        """Of each lane the jobs that wait, in the order in which they began to."""
        self.asking: dict[str, JobView] = {}
        self.limits: dict[str, LimitReached] = {}
        """The limits at which jobs wait, by name."""
        self.roots: Branch = Branch()
        self.timeline: Timeline = Timeline(_BARS * keep)
        self.pace: Pace = Pace()
        self.keeping: Keeping = Keeping(self, keep)
        self.sample: QueueSampled | None = None
        """The last `QueueSampled`, and in `sampled_at` the version then."""
        self.sampled_at: int = 0
        self._sampled: dict[str, Waits] | None = None
        self._places: int = 0
        self._lanes_at_most: int = 2 * _LANES

    def lane(self, name: str) -> LaneView:
        """The lane of that name; a new one if it was not heard of."""
        found = self.lanes.get(name)
        if found is None:
            if len(self.lanes) >= self._lanes_at_most:
                self._forget_lanes()
            found = self.lanes[name] = LaneView(name)
            self.waiting[name] = {}
        return found

    def _forget_lanes(self) -> None:
        """Of lanes that have nothing to do the latest are kept."""
        idle = [each.name for each in self.lanes.values() if not each.counts.unfinished]
        for name in idle[: len(self.lanes) - _LANES]:
            del self.lanes[name], self.waiting[name]
        self._lanes_at_most = 2 * max(_LANES, len(self.lanes))

    def new_group(self, name: str, lane: str) -> GroupView:
        """A group of that name begins; an earlier one is over, even if nobody has said so."""
        old = self.groups.get(name)
        if old is not None and old.ended is None:
            old.ended = self.now
            self.keeping.group_ended(old)
        self._places += 1
        found = self.groups[name] = GroupView(name, lane, place=self._places)
        return found

    def group(self, name: str, lane: str) -> GroupView:
        """The latest group of that name; a new one if there is none, where the log began too late."""
        found = self.groups.get(name)
        if found is None:
            found = self.new_group(name, lane)
            self.show(found)
        return found

    def add_job(self, job: JobView) -> None:
        """A job was not known: it counts from now on, and gets its place in the tree."""
        self._places += 1
        job.place = self._places
        job.changed = self.version
        if job.parent is not None:  # looked for before the job itself is known: none is its own parent
            job.parent_view = self.jobs.get(job.parent)
        self.jobs[job.id] = job
        lane = self.lane(job.lane)
        job.lane = lane.name  # one text for all jobs of the lane, where each was read from a line of its own
        if job.group is not None:
            job.group_view = group = self.group(job.group, job.lane)
            job.group = group.name
            group.counts.by["waiting"] += 1
            if job.role == "primer":
                group.primer = group.branch.first = job
        if job.role in BODIES:
            self.bodies.by["waiting"] += 1
        else:
            self.counts.by["waiting"] += 1
            lane.counts.by["waiting"] += 1
            self.waiting[job.lane][job.id] = job
        self._show_job(job)
        self._look_above(job)

    def find(self, event: Any) -> JobView:
        """The job of an event; of one that was submitted before the log began it is what the event tells."""
        job = self.jobs.get(event.job)
        if job is None:
            lane: str = getattr(event, "lane", "default")
            job = JobView(event.job, event.job, lane, getattr(event, "group", None))
            self.add_job(job)
        return job

    def move(self, job: JobView, status: Status) -> None:
        """A job has another status now."""
        self._move(job, status)
        self._look_above(job)

    def _look_above(self, job: JobView) -> None:
        """Those above a job may rest now, or go on."""
        above = job.parent_view
        while above is not None and above.status in {"running", "suspended"} and not above.questions:
            status: Status = "suspended" if rests(self, above) else "running"
            if status == above.status:
                return
            self._move(above, status)
            above = above.parent_view

    def _move(self, job: JobView, status: Status) -> None:
        old = job.status
        job.changed = self.version
        if old == status:
            return
        job.status = status
        if job.group_view is not None:
            _count(job.group_view.counts, old, status)
        if job.role in BODIES:
            _count(self.bodies, old, status)
        else:
            _count(self.counts, old, status)
            _count(self.lanes[job.lane].counts, old, status)
            if old == "waiting":
                del self.waiting[job.lane][job.id]
            elif status == "waiting":
                self.waiting[job.lane][job.id] = job
        if old == "suspended":
            self.asking.pop(job.id, None)
        elif status == "suspended" and (job.questions or job.role not in BODIES):
            self.asking[job.id] = job
        self._show_job(job)

    def _show_job(self, job: JobView) -> None:
        group = job.group_view
        if group is None:
            self.branch_of(job).put(job)
        else:
            group.branch.put(job)
            # One of those at work, it stays where it is among them.
            if group.rank or not group.counts.by["running"]:
                self.show(group)

    def show(self, node: Node) -> None:
        """Put a node where its status belongs in the tree."""
        self.branch_of(node).put(node)

    def branch_of(self, node: Node) -> Branch:
        """The rows among which a node is one."""
        group = node.group_view if isinstance(node, JobView) else None
        above = node.parent_view if group is None else group
        if above is None:
            return self.roots
        if above.branch is None:
            above.branch = Branch()
        return above.branch

    def begin(self, job: JobView, attempt: AttemptView) -> None:
        """An attempt of a job begins."""
        attempts = job.attempts
        if isinstance(attempts, list):
            attempts.append(attempt)
        else:
            job.attempts = [attempt]
        if job.role not in BODIES:
            self.timeline.start(job.name, attempt)

    def close_attempt(self, job: JobView, outcome: str, time: float, error: str = "") -> None:
        """The newest attempt of a job is over, if it was not before."""
        last = job.attempts[-1] if job.attempts else None
        if last is not None and last.outcome is None:
            last.outcome, last.error = outcome, error
            self.stop(last, time)

    def stop(self, attempt: AttemptView, time: float) -> None:
        """An attempt has given back its slot, if it had not before."""
        if attempt.ended is None:
            attempt.ended = max(time, attempt.started)
            if attempt.row is not None:
                self.timeline.end(attempt.row)

    def use(self, job: JobView, usage: Usage) -> None:
        """A job has used that, in all its attempts so far."""
        self.totals.add(usage, less=job.usage)
        job.usage = usage

    def end(self, job: JobView, status: Status, time: float) -> None:
        """A job has ended for good."""
        job.ended = time
        job.backoff_until = None
        job.questions = ()
        self.move(job, status)
        if job.role not in BODIES:
            self.pace.count(time)
        self.keeping.ended(job)

    def sampled(self) -> dict[str, Waits]:
        """Of each job that the last sample names, what it says holds it."""
        if self._sampled is None:
            waits = () if self.sample is None else self.sample.waits
            self._sampled = {job: each for each in waits for job in each.jobs}
        return self._sampled

    def take_sample(self, sample: QueueSampled | None) -> None:
        """The engine has looked at what waits."""
        self.sample, self.sampled_at, self._sampled = sample, self.version, None

    def ahead_of(self, job: JobView, most: int) -> int:
        """How many jobs of its lane wait for longer than this one; no more than so many are counted."""
        queue = self.waiting.get(job.lane, {})
        if job.id not in queue:  # a graph, flow or map: it takes no slot
            return 0
        return next((ahead for ahead, each in enumerate(islice(queue, most)) if each == job.id), most)


def _count(counts: Counts, old: Status, new: Status) -> None:
    counts.by[old] -= 1
    counts.by[new] += 1
