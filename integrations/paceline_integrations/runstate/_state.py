"""The state of a run, made from its events one by one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from paceline.events import Event

from ._bars import Bar
from ._book import Book
from ._counts import Counts, Totals
from ._failures import FailureView
from ._job_events import JOB_EVENTS
from ._keeping import Keep
from ._reasons import Why, why
from ._run_events import RUN_EVENTS
from ._run_views import LaneView, LimitView, RunView
from ._sound import FAR
from ._stuck import Stuck, stuck
from ._views import GroupView, JobView, Node

__all__ = ["RunState"]

HANDLERS: Final = {**RUN_EVENTS, **JOB_EVENTS}
_PAST: Final = 1_000


class RunState:
    """What a run is doing, as far as its events tell: give it each event, in order, and look at any time.

        state = RunState()
        state.apply_all(read_events("events.jsonl"))
        print(state.counts, state.stuck())

    It takes any log: one that begins or ends in the middle, one with gaps, one of several runs (the last one
    counts). Counts and sums are exact for what it was given. Of jobs that have ended it keeps the details of
    the last `keep_ended`, and of the last `keep_failed` that failed; of payloads and outputs the last
    `keep_values` characters in all; of the timeline the last `keep_bars` bars; of what an attempt streams the
    last `tail` characters; of its frameworks' spans the last `spans`. Not for several threads at a time.
    """

    def __init__(
        self,
        *,
        keep_ended: int = 5_000,
        keep_failed: int = 1_000,
        keep_bars: int = 20_000,
        keep_values: int = 64_000_000,
        tail: int = 8_000,
        spans: int = 50,
    ) -> None:
        self._keep: Keep = Keep(keep_ended, keep_failed, keep_bars, tail, spans, keep_values)
        self._book: Book = Book(self._keep)
        self._begun: int = 0
        self._shares_at: int = -1
        self._stuck: tuple[int, list[Stuck]] = -1, []
        self._past: dict[str, None] = {}
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
            self._past[run.id] = None
            self._past.pop(event.run, None)
            if len(self._past) > _PAST:
                del self._past[next(iter(self._past))]
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
    def retries(self) -> int:
        """How many attempts were followed by another."""
        return self._book.retries

    @property
    def abandoned(self) -> Mapping[tuple[str, int], str]:
        """Attempts that were given up but whose code still runs: (job id, attempt) and why."""
        return self._book.abandoned

    @property
    def jobs(self) -> Mapping[str, JobView]:
        """The jobs of which details are known, by id."""
        return self._book.jobs

    @property
    def asking(self) -> Mapping[str, JobView]:
        """The jobs that are suspended, by id, in the order in which they asked."""
        return self._book.asking

    @property
    def groups(self) -> Mapping[str, GroupView]:
        """The groups that are known, by name; the latest where a name came again."""
        return self._book.groups

    @property
    def lanes(self) -> Mapping[str, LaneView]:
        """The lanes, by name; of very many, those with jobs and the latest of the others."""
        if self._shares_at != self._book.version:
            self._shares_at = self._book.version
            _share_out(self._book.lanes.values(), going_on=self.run.ended is None)
        return self._book.lanes

    @property
    def limits(self) -> Mapping[str, LimitView]:
        """The limits at which jobs wait, by name; those whose time is over are left out."""
        now = self.now
        limits = self._book.limits
        return {name: each for name, each in limits.items() if each.until is None or each.until > now}

    @property
    def failures(self) -> Sequence[FailureView]:
        """What failed jobs, the cause of most first."""
        return self._book.failures.most()

    @property
    def rate(self) -> float:
        """Jobs that ended per second, over the half minute before the last event."""
        return self.rate_at(self.now)

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
        if self._stuck[0] != self._book.version:
            self._stuck = self._book.version, stuck(self._book)
        return self._stuck[1][:most]

    @property
    def rows(self) -> int:
        """How many rows the timeline has: the most attempts that were at work at once."""
        return self._book.timeline.rows

    @property
    def bars(self) -> Sequence[Bar]:
        """The bars of the timeline that are kept."""
        return list(self._book.timeline)

    def bars_between(self, start: float, end: float) -> list[Bar]:
        """The bars that lie, with any part, between two times (epoch seconds)."""
        return self._book.timeline.between(start, end)


def _share_out(lanes: Collection[LaneView], *, going_on: bool) -> None:
    """Work out what each lane got, and what is its due now."""
    served = sum(each.served for each in lanes)
    weights = sum(each.weight for each in lanes if each.counts.unfinished)
    for each in lanes:
        each.share = each.served / served if served else 0.0
        if going_on and each.sampled is not None:
            each.share = min(1.0, each.sampled)
        each.due = each.weight / weights if weights and each.counts.unfinished else 0.0
    whole = sum(each.share for each in lanes)  # not 1 where some were sampled lately, and others a while ago
    for each in lanes:
        each.share = each.share / whole if whole else 0.0
