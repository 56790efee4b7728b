"""What a run counts and measures, made of its events on the sink's own thread: a job never waits for it.

There are no `gen_ai.client.*` metrics here. Those tell of calls to a model; an instrumentation of the client
that makes them has better ones, and a backend that adds both up would show every token twice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from opentelemetry.metrics import MeterProvider

from paceline import Usage, events as ev

from ._metrics_instruments import Instruments, Labels
from ._metrics_tally import Tally, Where, plus, tokens_of

__all__ = ["MetricsSink"]

_WAITS, _RUNS, _RESTS = 1, 0, -1
_UNKNOWN: Final = "unknown"
_GIVEN_UP_KEPT: Final = 1_000
_BODIES: Final = frozenset({"graph", "flow", "map"})


class _Job:
    """What has to be known of a job until it ends."""

    __slots__ = ("asked", "body", "counted", "replied", "rested", "seen", "started", "state", "where")

    def __init__(self, where: Where, *, seen: bool, body: bool = False) -> None:
        self.where: Where = where
        self.state: int = _RESTS
        self.seen: bool = seen
        """From its beginning: nothing of it was missed."""
        self.body: bool = body
        self.started: float = 0.0
        self.asked: int = 0
        """Questions that have no answer yet."""
        self.rested: bool = False
        """Its last attempt was suspended; `replied`: when the last of its questions was answered."""
        self.replied: float | None = None
        self.counted: list[int] | None = None
        """Tokens that are counted already, where another attempt followed."""


class MetricsSink:
    """Turns the events of runs into metrics: a sink for `Engine(sinks=[...])`.

    `OpenTelemetryMiddleware` brings one along, so nobody has to make it. What there is:

    - `paceline.queue.depth` ({job}, goes up and down): accepted jobs that wait to run: for a slot, for other
      jobs, at a limit, or between two attempts. One that waits for an answer is not counted.
    - `paceline.job.wait.duration` (s): to each attempt, from submission or the end of the attempt before (the
      delay of a retry is a wait, too); of a job that asked, from the last answer: the time that a person
      takes is no wait for the queue. Of one that rested without a question there is no such number.
    - `paceline.job.duration` (s): how long each attempt ran, by its outcome: `succeeded`, `failed` (and by
      `error.type`), `cancelled`, `skipped`, `suspended`, `again` (sent back by `RunAgain`).
    - `paceline.job.attempts` ({attempt}): how many attempts ended, by outcome; `paceline.jobs` ({job}): how
      many jobs did, those that never started included.
    - `paceline.tokens` ({token}) by `paceline.token.type`: `input` (cached ones included), `cached`,
      `cache_write`, `output`, `reasoning`. What an abandoned attempt used late counts once it is gone.
    - `paceline.cache.hit_ratio` (1): of each job, cached tokens by input tokens. For the ratio of many jobs
      together divide `paceline.tokens` of type `cached` by those of type `input`.
    - `paceline.limit.refusals` ({refusal}) by `paceline.limit.why`: `retry_after` (a provider refused),
      `circuit` (a breaker opened), `budget` (one is spent).
    - `paceline.events.dropped` ({event}): of what is missing here, because events came too fast to take.

    All but the last two are by `paceline.lane` and `paceline.executor`; never by an id or the name of a job,
    group or run. Where lanes are tenants there may be many: of more than 200 lanes (or executors) in a
    process the others are called `other`, of more than 50 types of errors `_OTHER`. Graphs, flows and maps
    are no jobs here, since they take no slot; only what a flow's own code reports of tokens counts.

    Where events were dropped the jobs that waited then are forgotten, rather than counted for ever: the depth
    is too low until they have started, and right from then on. Nothing is counted twice.
    """

    name: str = "metrics"

    def __init__(self, meter_provider: MeterProvider) -> None:
        self._instruments = Instruments(meter_provider)
        self._labels = Labels.of(meter_provider)
        self._jobs: dict[str, _Job] = {}
        self._given_up: OrderedDict[str, Where] = OrderedDict()
        self._tally: Tally = Tally()
        # One look-up by type, not a chain of questions: this goes over every event of the run.
        self._take: Mapping[type[object], Callable[[Any], None]] = {
            ev.JobSubmitted: self._submitted,
            ev.JobStarted: self._started,
            ev.JobRetried: self._retried,
            ev.JobSuspended: self._suspended,
            ev.JobReplied: self._replied,
            ev.JobEnded: self._ended,
            ev.AttemptGone: self._gone,
            ev.LimitReached: self._limit_reached,
            ev.EventsDropped: self._dropped,
            ev.RunEnded: self._forget,
        }

    @classmethod
    def of(cls, meter_provider: MeterProvider) -> MetricsSink | None:
        """Return a sink, or None where this provider measures nothing: then a run need not record events."""
        return cls(meter_provider) if Instruments.measures(meter_provider) else None

    def write(self, events: Sequence[ev.Event], /) -> None:
        """Take in some events."""
        for event in events:
            take = self._take.get(type(event))
            if take is not None:
                take(event)
        self._tally.hand_over(self._instruments, self._labels)

    def close(self) -> None:
        """Take what is left in the queue out of its depth. The meter provider stays as it is: it is yours."""
        self._forget()
        self._tally.hand_over(self._instruments, self._labels)

    # The life of a job.

    def _submitted(self, event: ev.JobSubmitted) -> None:
        job = _Job((event.lane, event.executor), seen=True, body=event.role in _BODIES)
        self._jobs[event.job] = job
        self._now(job, _WAITS)

    def _started(self, event: ev.JobStarted) -> None:
        job = self._job(event.job, event.lane)
        self._now(job, _RUNS)
        job.started = event.time
        if not job.body:
            self._waited(job, event)
        job.rested, job.replied = False, None

    def _waited(self, job: _Job, event: ev.JobStarted) -> None:
        waited = event.waited
        if job.rested:
            if job.replied is None:
                return
            waited = min(waited, max(0.0, event.time - job.replied))
        self._instruments.wait.record(waited, self._labels.attributes(job.where))

    def _retried(self, event: ev.JobRetried) -> None:
        job = self._job(event.job)
        outcome = "again" if event.error is None else "failed"
        self._attempt_over(job, event.time - job.started, outcome, event.error)
        self._now(job, _WAITS)
        if event.usage is not None:
            used = tokens_of(event.usage)
            job.counted = plus(job.counted, used)
            self._tally.use(job.where, used)

    def _suspended(self, event: ev.JobSuspended) -> None:
        job = self._job(event.job)
        self._attempt_over(job, event.time - job.started, "suspended", None)
        job.asked, job.rested = len(event.questions), True
        self._now(job, _RESTS)

    def _replied(self, event: ev.JobReplied) -> None:
        job = self._jobs.get(event.job)
        if job is not None and not job.body:
            job.asked -= 1
            if job.asked <= 0 and job.state == _RESTS:
                job.replied = event.time
                self._now(job, _WAITS)

    def _ended(self, event: ev.JobEnded) -> None:
        job = self._job(event.job, event.lane)
        del self._jobs[event.job]
        if event.attempt:
            self._attempt_over(job, event.seconds or 0.0, event.status, event.error)
        self._now(job, _RESTS)
        if event.status in {"cancelled", "failed"}:
            self._may_be_gone_later(event.job, job.where)
        if not job.body:
            self._tally.jobs[job.where, event.status] += 1
        if event.usage is not None:
            self._used_in_all(job, event.usage, alone=event.attempt == 1)

    def _used_in_all(self, job: _Job, usage: Usage, *, alone: bool) -> None:
        if job.seen or alone:  # else it is not known what of it was counted before
            counted = [-amount for amount in job.counted or ()] or None
            self._tally.use(job.where, plus(counted, tokens_of(usage)))
        if usage.input_tokens and usage.cached_tokens is not None:
            ratio = min(1.0, usage.cached_tokens / usage.input_tokens)
            self._instruments.hit_ratio.record(ratio, self._labels.attributes(job.where))

    def _gone(self, event: ev.AttemptGone) -> None:
        if event.late is not None:
            where = self._given_up.get(event.job, (_UNKNOWN, _UNKNOWN))
            self._tally.use(where, tokens_of(event.late))

    # What else there is.

    def _limit_reached(self, event: ev.LimitReached) -> None:
        self._instruments.refusals.add(1, self._labels.why(event.why))

    def _dropped(self, event: ev.EventsDropped) -> None:
        self._instruments.dropped.add(event.count)
        self._forget()

    def _forget(self, _event: object = None) -> None:
        for job in self._jobs.values():
            self._now(job, _RESTS)
        self._jobs.clear()

    # What they share.

    def _job(self, job_id: str, lane: str = _UNKNOWN) -> _Job:
        """The job, also one of which the beginning was missed."""
        job = self._jobs.get(job_id)
        if job is None:
            job = self._jobs[job_id] = _Job((lane, _UNKNOWN), seen=False)
        return job

    def _now(self, job: _Job, state: int) -> None:
        change = (state == _WAITS) - (job.state == _WAITS)
        job.state = state
        if change and not job.body:
            self._tally.depth[job.where] += change

    def _attempt_over(self, job: _Job, seconds: float, outcome: str, error: ev.ErrorText | None) -> None:
        """An attempt is over, if there was one: a job may end while it waits for the next, or rests."""
        if job.state == _RUNS and not job.body:
            kind = error.type if error is not None and outcome == "failed" else None
            attributes = self._labels.attributes(job.where, outcome=outcome, error=kind)
            self._instruments.duration.record(max(0.0, seconds), attributes)
            self._tally.attempts[job.where, outcome] += 1

    def _may_be_gone_later(self, job_id: str, where: Where) -> None:
        """Keep the last of those whose attempt may still be at work, and use tokens."""
        self._given_up[job_id] = where
        if len(self._given_up) > _GIVEN_UP_KEPT:
            self._given_up.popitem(last=False)
