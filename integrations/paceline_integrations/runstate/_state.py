"""The state of a run, made from its events one by one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from paceline.events import Event

from ._bars import Bar
from ._book import Book
from ._counts import Counts, Totals
from ._job_events import JOB_EVENTS
from ._reasons import Why, why
from ._run_events import RUN_EVENTS
from ._sound import FAR
from ._stuck import Stuck, stuck
from ._views import GroupView, JobView, LaneView, Node, RunView

__all__ = ["RunState"]

HANDLERS: Final = {**RUN_EVENTS, **JOB_EVENTS}


class RunState:
    """What a run is doing, as far as its events tell: give it each event, in order, and look at any time.

        state = RunState()
        state.apply_all(read_events("events.jsonl"))
        print(state.counts, state.stuck())

    It takes any log: one that begins or ends in the middle, one with gaps, one of several runs (the last one
    counts). Counts and sums are exact for what it was given. Of jobs that have ended it keeps the details of
    the last `keep` that failed, and of as many others; of the timeline four times as many bars; of payloads
    and outputs the last 64 million characters in all; of what an attempt streams the last 8,000. Not for
    several threads at a time.
    """

    def __init__(self, *, keep: int = 5_000) -> None:
        self._keep: int = keep
        self._book: Book = Book(keep)
        self._begun: int = 0
        self._past: set[str] = set()
        self.earlier_runs: int = 0
        """How many runs of the same log came before this one."""
        self.foreign: int = 0
        """How many events were passed over because they are of another run that goes on in the same log."""
        self.odd: int = 0
        """How many events were passed over because their time cannot be."""

    def apply(self, event: Event) -> None:
        """Take in one event. One of a type that is not known changes nothing."""
        book = self._book
        if not 0 <= event.time < FAR:
            self.odd += 1
            return
        kind = event.type
        if (kind == "run.started" and book.version > self._begun) or event.run != book.run.id:
            if not self._belongs(event):
                self.foreign += 1
                return
            book = self._book
        book.version += 1
        if event.time > book.now:
            book.now = event.time
        handler = HANDLERS.get(kind)
        if handler is not None:
            handler(book, event)

    def _belongs(self, event: Event) -> bool:
        """Whether an event is of the run that is shown, or begins another, which is shown from now on."""
        run = self._book.run
        begun = self._book.version > self._begun
        going_on = run.ended is None or event.run in self._past
        if begun and going_on and event.type != "run.started":
            return False
        if begun:
            self.earlier_runs += 1
            self._past.add(run.id)
            self._begun = self._book.version
            self._book = Book(self._keep, self._begun)
        self._book.run.id = event.run
        return True

    def apply_all(self, events: Iterable[Event]) -> None:
        """Take in many events."""
        for event in events:
            self.apply(event)

    @property
    def version(self) -> int:
        """A number that grows with every event: what was drawn at the same one is still true."""
        return self._book.version

    @property
    def now(self) -> float:
        """The time of the last event, in epoch seconds; 0 before there was one."""
        return self._book.now

    @property
    def run(self) -> RunView:
        """The run itself."""
        return self._book.run

    @property
    def whole(self) -> bool:
        """Whether the log has the run from its beginning, with no gap that it tells of."""
        return self._book.whole and not self._book.dropped

    @property
    def dropped(self) -> int:
        """How many events the log says that it lacks."""
        return self._book.dropped

    @property
    def counts(self) -> Counts:
        """How many jobs there are in each status, without graphs, flows and maps."""
        return self._book.counts

    @property
    def bodies(self) -> Counts:
        """How many graphs, flows and maps there are in each status."""
        return self._book.bodies

    @property
    def totals(self) -> Totals:
        """What all jobs used so far."""
        return self._book.totals

    @property
    def jobs(self) -> Mapping[str, JobView]:
        """The jobs of which details are known, by id."""
        return self._book.jobs

    @property
    def asking(self) -> Mapping[str, JobView]:
        """The jobs that ask something or look again later, by id, in the order in which they came to that."""
        return self._book.asking

    @property
    def groups(self) -> Mapping[str, GroupView]:
        """The groups that are known, by name; the latest where a name came again."""
        return self._book.groups

    @property
    def lanes(self) -> Mapping[str, LaneView]:
        """The lanes, by name; of very many, those with jobs and the latest of the others."""
        _share_out(self._book.lanes.values(), going_on=self.run.ended is None)
        return self._book.lanes

    def rate_at(self, moment: float) -> float:
        """Jobs that ended per second, over the half minute before a moment (epoch seconds)."""
        return self._book.pace.of_late(moment, self.run.started)

    def seconds_left(self, now: float | None = None) -> float | None:
        """Estimate how long the jobs known so far will take yet; None where that cannot be said.

        `now` is in epoch seconds: the time of the last event if it is not said. Jobs that are suspended are
        left out: nobody knows when they are answered.
        """
        if self.run.ended is not None:
            return 0.0
        left = self.counts.waiting + self.counts.running
        rate = self._book.pace.usual(self.now if now is None else now, self.run.started)
        return left / rate if rate and left else None

    def roots(self) -> Sequence[Node]:
        """List the top rows of the tree: those at work first, where they are many."""
        return self._book.roots.rows()

    def why(self, job: JobView) -> Why:
        """Say in a sentence what holds a job now; `kind` is "running" or "ended" where nothing does."""
        return why(self._book, job)

    def stuck(self, most: int = 3) -> list[Stuck]:
        """Name the reasons for which jobs wait now, the most telling first."""
        return stuck(self._book)[:most]

    @property
    def rows(self) -> int:
        """How many rows the timeline has: the most attempts that were at work at once."""
        return self._book.timeline.rows

    def bars_between(self, start: float, end: float) -> list[Bar]:
        """The bars that lie, with any part, between two times (epoch seconds)."""
        return self._book.timeline.between(start, end)


def _share_out(lanes: Collection[LaneView], *, going_on: bool) -> None:
    """Work out what each lane got, and what is its due."""
    served = sum(each.served for each in lanes)
    weights = sum(each.weight for each in lanes if each.counts.total)
    for each in lanes:
        each.share = each.served / served if served else 0.0
        if going_on and each.sampled is not None:
            each.share = min(1.0, each.sampled)
        each.due = each.weight / weights if weights and each.counts.total else 0.0
    whole = sum(each.share for each in lanes)  # not 1 where some were sampled lately, and others a while ago
    for each in lanes:
        each.share = each.share / whole if whole else 0.0
