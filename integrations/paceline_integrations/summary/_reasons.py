"""What held a job before an attempt: of several reasons, one after the other, the one that did so longest."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from paceline_integrations.runstate import RunState, Why, phrase

if TYPE_CHECKING:
    from paceline.events import JobStarted, QueueSampled
    from paceline_integrations.runstate import GroupView, JobView

__all__ = ["ReasonTally"]

_CHANGES: Final = 200
"""So many changes of what held a job are remembered, the last ones."""
_COMMON: Final = frozenset({"slot", "lane_share"})
"""What holds any job, also one that a sample does not name."""


class _Note(NamedTuple):
    since: float
    kind: str
    text: str


class ReasonTally:
    """Remembers what samples of the queue say of the jobs that wait, until they start."""

    def __init__(self) -> None:
        self._notes: dict[str, deque[_Note]] = {}
        self._common: deque[_Note] = deque(maxlen=_CHANGES)

    def look(self, sample: QueueSampled, state: RunState) -> None:
        """Take in a sample."""
        nothing = _Note(sample.time, "", "")
        cut: set[str] = set()
        named: set[str] = set()
        for waits in sample.waits:
            on = state.jobs.get(waits.on or "")
            text = phrase(waits.kind, waits.on if on is None else on.name)
            note = _Note(sample.time, waits.kind, text)
            if waits.count > len(waits.jobs):
                cut.add(waits.kind)
                if waits.kind in _COMMON:
                    _add(self._common, note)
            for job in waits.jobs:
                named.add(job)
                if job in state.jobs:
                    _add(self._notes.setdefault(job, deque(maxlen=_CHANGES)), note)
        if not cut & _COMMON:
            _add(self._common, nothing)
        for job, notes in self._notes.items():
            if job not in named and notes[-1].kind not in cut:  # else it may be one of those without a name
                _add(notes, nothing)

    def forget(self, job_id: str) -> None:
        """The job has started or ended."""
        self._notes.pop(job_id, None)

    def longest(self, job: JobView, event: JobStarted, state: RunState) -> Why:
        """Say what held a job the longest before it starts, by an event that `state` has not yet taken in."""
        end = event.time
        at = end - event.waited
        spans: list[tuple[float, Why]] = []
        for until, why in _told(job, state):
            if until > at:
                spans.append((min(until, end) - at, why))
                at = min(until, end)
        notes = self._notes.get(job.id, ())
        sampled = [*_overlaps(self._common, at, notes[0].since if notes else end), *_overlaps(notes, at, end)]
        left = end - at - sum(seconds for seconds, _ in sampled)
        spans += sampled
        if left > 0 or not spans:  # what nobody has said is guessed from how things stand
            spans.append((left, state.why(job)))
        sums: defaultdict[str, float] = defaultdict(float)
        for seconds, why in spans:
            sums[why.kind] += seconds
        kind = max(sums, key=sums.__getitem__)
        return max((each for each in spans if each[1].kind == kind), key=lambda each: each[0])[1]


def _add(notes: deque[_Note], note: _Note) -> None:
    if not notes or notes[-1][1:] != note[1:]:
        notes.append(note)


def _overlaps(notes: Sequence[_Note], start: float, end: float) -> Iterator[tuple[float, Why]]:
    """For how long each reason held between two times: each does so until the next one."""
    for place, note in enumerate(notes):
        until = notes[place + 1].since if place + 1 < len(notes) else end
        seconds = min(until, end) - max(note.since, start)
        if note.kind and seconds > 0:
            yield seconds, Why(note.text, note.kind)


def _told(job: JobView, state: RunState) -> Iterator[tuple[float, Why]]:
    """What events say that holds a job before it may have its turn, in order, and until when."""
    last = job.attempt
    if last is not None:
        if last.outcome == "suspended":
            answered = job.answered is not None and last.ended is not None and job.answered >= last.ended
            words = "reply" if answered else "rest"
            yield (job.answered or inf) if answered else inf, Why(phrase(words), words)
        elif job.backoff_until is not None:
            error = job.error.partition(":")[0].rpartition(".")[2]
            yield job.backoff_until, Why(phrase("backoff", error), "backoff")
        return
    before = [
        (found.ended, found.name)
        for each in job.after
        if (found := state.jobs.get(each) or state.groups.get(each)) is not None and found.ended is not None
    ]
    if before:
        ended, name = max(before)
        yield ended, Why(phrase("dependency", name), "dependency")
    if job.role == "follower" and job.group_view is not None:
        yield from _released(job.group_view)


def _released(group: GroupView) -> Iterator[tuple[float, Why]]:
    if group.released is None:
        return
    primer = group.primer
    words = "release" if group.release == "first_token" else "release_complete"
    name = group.name if primer is None else primer.name
    yield group.released, Why(phrase("no_primer" if primer is None else words, name), "release")
    if group.released_by != "no_primer":
        yield group.released + group.settle, Why(phrase("settle", group.name), "settle")
