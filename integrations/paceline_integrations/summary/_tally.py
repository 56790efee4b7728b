"""From events, one by one, to the summary of a run: in bounded memory, however many there are."""

from __future__ import annotations

from typing import Final

from paceline import RunTotals, Savings, SavingsTally
from paceline.events import Event, JobEnded, JobRetried, JobStarted, JobSubmitted, QueueSampled
from paceline_integrations.runstate import RETRY_OF, JobView, LaneView, RunState, Why

from ._awaited import AwaitedTally
from ._errors import ErrorTally
from ._longest import Longest
from ._model import (
    HeldSummary,
    JobPlace,
    LaneSummary,
    LogSummary,
    OpenQuestion,
    RunSummary,
    SlowJob,
    StuckSummary,
    WaitedJob,
)
from ._reasons import ReasonTally
from ._shares import ShareTally
from ._told import in_use, place, result_of, state_of
from ._waits import HeldTally

__all__ = ["SummaryTally"]

_MOST: Final = 10
"""Jobs, causes and reasons of each kind that are told."""
_MOST_QUESTIONS: Final = 100
_WORTH_TELLING: Final = 0.001
"""Seconds below which a wait is the engine's own work."""
_OPEN: Final = 1.0
"""Seconds from which on it is told that a run was not closed although no job was left."""
_WORK: Final = ("job.", "attempt.", "group.", "span.", "prefix.", "cache.")
"""How the types of events begin that tell of work."""


class SummaryTally:
    """Sums up a run: give it each event, in order, and ask for the `summary` at any time.

    Sums are exact; of jobs that have ended it keeps the few that are told. `by` is the key in the jobs'
    metadata for whose values savings are told, too. With `keep_groups=False` savings are not told of groups
    one by one, so that any number of them may come. `keep`: of how many jobs that have ended the details stay
    in `state`, and of how many that failed. Of a log of several runs the last one counts.
    """

    def __init__(self, *, by: str | None = None, keep_groups: bool = True, keep: int = 1_000) -> None:
        self.state: RunState = RunState(keep=keep)
        self.events: int = 0
        self._by: str | None = by
        self._keep_groups: bool = keep_groups
        self._begin()

    def _begin(self) -> None:
        self._attempts: int = 0
        self._groups: int = 0
        self._first: float | None = None
        self._last: float | None = None
        self._worked: float = 0.0
        self._sampled: bool = False
        self._errors: ErrorTally = ErrorTally()
        self._slowest: Longest[SlowJob] = Longest(_MOST)
        self._waited: Longest[WaitedJob] = Longest(_MOST)
        self._held: HeldTally = HeldTally()
        self._awaited: AwaitedTally = AwaitedTally()
        self._reasons: ReasonTally = ReasonTally()
        self._shares: ShareTally = ShareTally()
        self._savings: SavingsTally = SavingsTally(by=self._by, keep_groups=self._keep_groups)

    def apply(self, event: Event) -> JobView | None:
        """Take in one event; return the job that ended by it, if one did."""
        self.events += 1
        why: Why | None = None
        if event.type == "job.started":
            why = self._why(event)
        elif event.type == "job.ended" and self._has_ended(event):
            return None
        return self._take(event, why) if self._applied(event) else None

    def _why(self, event: JobStarted) -> Why | None:
        """What held a job that is about to start, if it waited so long that this is to be told."""
        job = self.state.jobs.get(event.job)
        if job is None or not self._waited.takes(event.waited):
            return None
        return self._reasons.longest(job, event, self.state)

    def _has_ended(self, event: JobEnded) -> bool:
        job = self.state.jobs.get(event.job)
        return job is not None and job.done

    def _applied(self, event: Event) -> bool:
        """Let the state take in an event; false if it is of another run, or of a time that cannot be."""
        version, earlier = self.state.version, self.state.earlier_runs
        self.state.apply(event)
        if self.state.earlier_runs != earlier:
            self._begin()
        return self.state.version != version

    def _take(self, event: Event, why: Why | None) -> JobView | None:
        self._awaited.look(event, self.state)
        if event.type.startswith(_WORK):
            self._worked = max(self._worked, event.time)
        match event.type:
            case "job.submitted":
                self._submitted(event)
            case "job.started":
                self._reasons.forget(event.job)
                self._started(event, why)
            case "job.ended":
                self._reasons.forget(event.job)
                return self._ended(event)
            case "job.retried":
                self._retried(event)
            case "group.started":
                self._groups += 1
            case "group.ended":
                self._savings.settle(event.group)
            case "queue.sampled":
                self._sample(event)
            case _:
                pass
        return None

    def _submitted(self, event: JobSubmitted) -> None:
        of = event.metadata.get(RETRY_OF)
        old = self.state.jobs.get(of) if isinstance(of, str) else None
        if old is not None and old.again == event.job:
            self._errors.tried_again(old.id)

    def _started(self, event: JobStarted, why: Why | None) -> None:
        job = self.state.jobs.get(event.job)
        if job is None or job.is_body or job.done:
            return
        self._attempts += 1
        if self._first is None:
            self._first = event.time
        seconds = job.attempts[-1].waited
        if why is not None and seconds > _WORTH_TELLING:
            waited = WaitedJob(
                **place(job), attempt=event.attempt, seconds=seconds, why=why.text, kind=why.kind
            )
            self._waited.add(seconds, waited)

    def _ended(self, event: JobEnded) -> JobView | None:
        job = self.state.jobs.get(event.job)
        if job is None or job.is_body:
            return job
        if event.error is not None and event.status != "succeeded":
            self._errors.add(event.error, event.status, JobPlace(**place(job)))
        self._savings.add(result_of(event, job))
        if event.attempt:
            self._last = event.time
        seconds = max((each.lasted(event.time) for each in job.attempts), default=event.seconds or 0.0)
        if self._slowest.takes(seconds):
            attempts = max(event.attempt, len(job.attempts))
            slow = SlowJob(**place(job), status=event.status, seconds=seconds, attempts=attempts)
            self._slowest.add(seconds, slow)
        return job

    def _retried(self, event: JobRetried) -> None:
        job = self.state.jobs.get(event.job)
        if job is None or job.is_body or job.done:
            return
        self._last = event.time
        if event.error is not None:
            self._errors.add(event.error, "retried", JobPlace(**place(job)))

    def _sample(self, event: QueueSampled) -> None:
        self._sampled = True
        self._reasons.look(event, self.state)
        self._held.look(event)
        lanes = self.state.lanes
        self._shares.look(
            {
                name: lane.weight
                for name, lane in lanes.items()
                if name in event.lanes and event.lanes[name].ready
            },
            {name: lane.served for name, lane in lanes.items()},
        )

    def savings(self) -> Savings:
        """Tell what prefix caches saved so far."""
        return self._savings.savings()

    def summary(self, log: LogSummary | None = None) -> RunSummary:
        """Sum up what came so far; `log` tells of the log that it came from."""
        state, run = self.state, self.state.run
        errors, others = self._errors.summary(_MOST)
        self._held.end(state.now)
        open_for = self._kept_open()
        known = (each for each in (run.started, self._first) if each is not None)
        asked = [(job, question) for job in state.asking.values() for question in job.questions]
        return RunSummary(
            run=run.id,
            state=state_of(run.outcome, ended=run.ended is not None),
            started=run.started,
            as_of=state.now,
            seconds=max(0.0, state.now - open_for - next(known, state.now)),
            kept_open=open_for,
            slots=run.slots,
            metadata=run.metadata,
            error=run.error,
            waiting=state.counts.waiting,
            running=state.counts.running,
            totals=self._totals(),
            cost=state.totals.cost,
            savings=self.savings(),
            groups=self._groups,
            errors=errors,
            other_errors=others,
            slowest=self._slowest.items(),
            waited=self._waited.items(),
            held=self._held_longest(),
            stuck=() if run.ended is not None else self._stuck(),
            questions=tuple(
                OpenQuestion(**place(job), question=question.id, value=question.value)
                for job, question in asked[:_MOST_QUESTIONS]
            ),
            open_questions=len(asked),
            lanes={name: self._lane(lane) for name, lane in state.lanes.items() if in_use(lane, state)},
            log=self._log(log or LogSummary()),
        )

    def _held_longest(self) -> tuple[HeldSummary, ...]:
        found = {(each.kind, each.text): each for each in self._held.summary(_MOST)}
        for each in self._awaited.summary(self.state.now):
            found.setdefault((each.kind, each.text), each)
        return tuple(sorted(found.values(), key=lambda each: each.seconds, reverse=True)[:_MOST])

    def _kept_open(self) -> float:
        """For how many seconds before its end the run had nothing left to do."""
        run = self.state.run
        if (
            run.ended is None
            or not self._worked
            or self.state.counts.unfinished
            or self.state.bodies.unfinished
        ):
            return 0.0
        idle = run.ended - self._worked
        return idle if idle > _OPEN else 0.0

    def _totals(self) -> RunTotals:
        counts, used = self.state.counts, self.state.totals
        known = used.input_tokens is not None and used.cached_tokens is not None
        last = self.state.now if counts.running else self._last
        return RunTotals(
            jobs=counts.total,
            succeeded=counts.succeeded,
            failed=counts.failed,
            cancelled=counts.cancelled,
            skipped=counts.skipped,
            suspended=counts.suspended,
            attempts=self._attempts,
            seconds=0.0 if self._first is None or last is None else max(0.0, last - self._first),
            requests=used.requests,
            input_tokens=used.input_tokens,
            cached_tokens=used.cached_tokens,
            evaluated_tokens=(used.input_tokens or 0) - (used.cached_tokens or 0) if known else None,
            output_tokens=used.output_tokens,
            money=used.money,
        )

    def _stuck(self) -> tuple[StuckSummary, ...]:
        return tuple(
            StuckSummary(
                kind=each.kind,
                text=each.text,
                jobs=each.jobs,
                at_least=each.at_least,
                until=each.until,
                example=JobPlace(**place(each.example)),
            )
            for each in self.state.stuck(_MOST)
        )

    def _lane(self, lane: LaneView) -> LaneSummary:
        share, due = self._shares.measured(lane.name)
        return LaneSummary(
            weight=lane.weight,
            jobs=lane.counts.total,
            **lane.counts.by,
            served=lane.served,
            share=lane.share,
            share_while_waiting=share,
            due_while_waiting=due,
        )

    def _log(self, log: LogSummary) -> LogSummary:
        return log.model_copy(
            update={
                "events": self.events,
                "dropped": self.state.dropped,
                "odd": self.state.odd,
                "foreign": self.state.foreign,
                "earlier_runs": self.state.earlier_runs,
                "sampled": self._sampled,
            }
        )
