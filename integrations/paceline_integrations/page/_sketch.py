"""What the page needs besides the summary, gathered while a log is read: in bounded memory, for any log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from paceline_integrations.runstate import AttemptView, JobView, RunState

from ._bars import Bars, Strip

if TYPE_CHECKING:
    from paceline.events import Event, QueueSampled
    from paceline_integrations.summary import SummaryTally

__all__ = ["Queue", "Sketch", "outcome_of"]

_MOST_SAMPLES: Final = 800
_UNUSUAL: Final = frozenset({"limit", "retry_after", "circuit", "budget", "prefix", "cache", "question"})
"""Kinds of reasons for which jobs wait although there may be a slot."""


@dataclass(slots=True)
class Queue:
    """How many jobs waited at a time (seconds from the beginning): in all, and held by something unusual."""

    time: float
    waiting: int
    held: int


def outcome_of(job: JobView, attempt: AttemptView) -> str:
    """How an attempt ended, as it is drawn: what failed and was tried again is no failure."""
    over = attempt is job.attempt and job.status != "waiting" and not job.again
    if attempt.outcome == "failed" and not over:
        return "again"
    return attempt.outcome or "running"


class Sketch:
    """Gathers what the page draws: pass `look` as `seen` to `summarise`, then the sketch to `render_page`."""

    def __init__(self) -> None:
        self.bars: Bars = Bars()
        self.queue: list[Queue] = []
        self.state: RunState = RunState()
        self.begun: float = 0.0
        """When the run began, in epoch seconds."""
        self._started: bool = False
        self._earlier: int = 0
        self._step: float = 0.0

    def look(self, tally: SummaryTally, event: Event, ended: JobView | None) -> None:
        """Take in an event, and the job that ended by it."""
        if not self._started or tally.state.earlier_runs != self._earlier:
            self._begin(tally, event)
        if ended is not None and not ended.is_body:
            self._add(ended)
        elif event.type == "queue.sampled":
            self._sample(event)

    def _begin(self, tally: SummaryTally, event: Event) -> None:
        self._started, self._earlier, self.state = True, tally.state.earlier_runs, tally.state
        self.begun, self.bars, self.queue, self._step = event.time, Bars(), [], 0.0

    def finish(self) -> None:
        """Take in what has not ended: the log is read."""
        for job in self.state.jobs.values():
            if not job.done and not job.is_body:
                self._add(job)

    def _add(self, job: JobView) -> None:
        for each in job.attempts:
            if each.row is None:
                continue
            started = max(0.0, each.started - self.begun)
            ended = (self.state.now if each.ended is None else each.ended) - self.begun
            self.bars.add(
                Strip(
                    each.row,
                    started,
                    max(started, ended),
                    outcome_of(job, each),
                    job.name,
                    job.group,
                    job.role,
                    each.number,
                    None if each.first_token is None else each.first_token - self.begun,
                )
            )

    def _sample(self, event: QueueSampled) -> None:
        time = max(0.0, event.time - self.begun)
        held = sum(each.count for each in event.waits if each.kind in _UNUSUAL)
        if self.queue and time < self.queue[-1].time + self._step:
            last = self.queue[-1]
            last.waiting, last.held = max(last.waiting, event.waiting), max(last.held, held)
            return
        self.queue.append(Queue(time, event.waiting, held))
        if len(self.queue) > _MOST_SAMPLES:
            self._thin_out()

    def _thin_out(self) -> None:
        """Keep the larger of each two: what was short is still seen."""
        pairs: Any = zip(self.queue[::2], self.queue[1::2], strict=False)
        self.queue = [
            Queue(one.time, max(one.waiting, two.waiting), max(one.held, two.held)) for one, two in pairs
        ]
        self._step = self._step * 2 or 2.0
