"""One run of an engine: the asynchronous shell around the scheduler.

Everything happens on the thread of the event loop, in plain calls: something is submitted, ends, is
cancelled or comes due; the scheduler is told; what ended is settled; and `dispatch` starts what may start.
Nothing here waits. What is async (awaiting handles, draining) waits for callbacks that are made here.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from contextvars import Context
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakValueDictionary

from ._admission import Admission
from ._asking import suspended
from ._attempts import Attempts
from ._bodies import Inputs, SkipJob
from ._errors import EngineNotOpen, RunAgain, StreamRestarted, TimeLimitExceeded, WrongLoop
from ._group_prefix import has_prefix
from ._intake import Intake, look_at_inputs
from ._job import Suspend
from ._live import CURRENT, LiveAttempt
from ._loop import LoopHooks, hooks
from ._parking import free_waits, resume
from ._record import GroupRecord, Record
from ._refusals import look_at_gates
from ._room import Room
from ._scheduler import Leftover, Scheduler
from ._settings import Settings
from ._settling import Settling
from ._stopping import cancel_children
from ._usage import Failure

if TYPE_CHECKING:
    from random import Random

    from ._executors import Executors
    from ._history import History
    from ._rate_limits import RateLimits
    from ._scheduler import LaneState

__all__ = ["Run"]


class Run:
    """The state of an engine that is open."""

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self.settings = settings
        self.loop = loop
        self.hooks: LoopHooks = hooks(loop)
        self.context: Context = Context()
        """For timers: else each would keep what happened to be current, a job, until it is due."""
        self.thread: int = threading.get_ident()
        now = self.hooks.wall(loop.time())
        self.id: str = settings.run_id or _new_run_id(now, self.hooks.random)
        self.slots: int = settings.slots
        self.scheduler: Scheduler = Scheduler(
            slots=settings.slots,
            max_active_groups=settings.max_active_groups,
            in_tokens=settings.costs.in_tokens,
        )
        self.history: History | None = _open_history(self)
        self.executors: Executors = settings.executors
        self.attempts: Attempts = Attempts(self)
        self.discards: set[asyncio.Task[None]] = set()
        """Executors at work to let go of what jobs held that ended without success."""
        self.records: dict[str, Record] = {}
        """Jobs that have not ended, by id."""
        self.groups: dict[str, GroupRecord] = {}
        """Groups that have not ended, by name."""
        self.groups_opened = 0
        self.counts: dict[str, int] = {"succeeded": 0, "failed": 0, "cancelled": 0, "skipped": 0}
        self.tasks: set[asyncio.Task[Any]] = set()
        """The engine's own tasks."""
        self.draining: str | None = None
        """Why it takes no more jobs from outside, once it does not."""
        self.closed: bool = False
        self.on_idle: Callable[[], object] | None = None
        """Called whenever things may have come to rest; set while the run is being closed."""
        self.on_interrupt: Callable[[KeyboardInterrupt], object] | None = None
        self._named: WeakValueDictionary[str, GroupRecord] = WeakValueDictionary()
        """The last group of each name, as far as somebody holds it."""
        self._runs: Counter[str] = Counter()
        """How often each graph and flow was run by itself, by name."""
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = 0.0
        self.room: Room = Room(self, settings.max_pending)
        self.settling: Settling = Settling(self)
        self.admission: Admission = Admission(settings, self.scheduler, self.loop.time)
        self.intake: Intake = Intake(self)
        for lane in settings.lanes:
            self.scheduler.set_lane(lane.name, lane.weight, lane.max_running)

    def current(self) -> LiveAttempt | None:
        """The attempt of this run that the caller's code runs in, if any; refuses one that was given up."""
        live = CURRENT.get()
        if live is None or live.run is not self:
            return None
        if live.cancelled:
            raise EngineNotOpen(f"job {live.record.label} has been given up; it cannot submit another")
        return live if live.live else None

    # Jobs start.

    def dispatch(self) -> None:
        """Start, or let go on, whatever the scheduler lets run."""
        scheduler = self.scheduler
        now = self.loop.time()
        while True:
            while (entry := scheduler.next(now)) is not None:
                record: Record = entry  # type: ignore[assignment]  # the intake adds no other
                if record.live is not None:
                    resume(self, record.live)
                elif not has_prefix(record):
                    continue  # it waits for that, and holds nothing
                elif record.slotless:
                    self._start_slotless(record)
                else:
                    self.attempts.start(record)
            if not (scheduler.gates.refused or scheduler.gates.notes):
                break
            look_at_gates(self)
        if scheduler.timers or self._timer is not None:
            self._set_timer()
        if self.room.queued:
            self.room.make()
        if self.on_idle is not None:
            self.on_idle()

    def _start_slotless(self, record: Record) -> None:
        """Look at what a job is given, if it goes by that; a body then starts, another queues for a slot."""
        if isinstance(record.job.payload, Inputs):
            try:
                met = cast("Any", record.context).copy().run(look_at_inputs, record)
            except BaseException as error:  # noqa: BLE001 - the job fails by it
                record.error = error
                self.settling.settle(self.scheduler.end(record, "failed", self.loop.time()))
                self.note_interrupt(error)
                return
            if not met:
                self.settling.settle(self.scheduler.end(record, "skipped", self.loop.time()))
                return
        if record.bound is not None and record.bound.body is not None:
            self.attempts.start(record)
        else:
            self.scheduler.needs_slot(record)
            self.settling.held_back(record)

    def _set_timer(self) -> None:
        when = self.scheduler.wake_at()
        timer = self._timer
        if when is None:
            if timer is not None:
                timer.cancel()
                self._timer = None
        elif timer is None or self._due_at != when:  # not timer.when(): uvloop rounds it
            if timer is not None:
                timer.cancel()
            self._due_at = when
            self._timer = self.loop.call_at(when, self._due, when, context=self.context)

    def close(self) -> None:
        """Nothing more happens: what was to come for a job that stays suspended does not."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self, when: float) -> None:
        self._timer = None
        # A loop may call a little early, within its clock's resolution.
        self.scheduler.due(max(when, self.loop.time()))
        self.dispatch()

    # Attempts end.

    def attempt_over(self, live: LiveAttempt, output: object, error: BaseException | None) -> None:
        """An attempt ended by itself: say what becomes of its job."""
        record = live.record
        record.live = None
        record.spent = live.usage
        free_waits(live)
        record.ended = now = self.loop.time()
        if isinstance(error, SkipJob):
            self._skipped(record, error)
            return
        failure = None
        if error is not None and not isinstance(error, RunAgain):
            failure = cast("Any", record.bound).judge(error)
        # A body has no slot, and is charged for none.
        cost = None if record.slotless else self.settings.costs.real(live.job, live.usage, failure)
        record.cost += record.charged if cost is None else cost
        self.scheduler.finish(record, cost, now, live.usage, failure)
        if error is None:
            if isinstance(output, Suspend):
                suspended(self, record, output)
            else:
                record.output = output
                self.settling.settle(self.scheduler.end(record, "succeeded", now))
        elif failure is None:
            self._again(record, cast("RunAgain", error).payload, live)
        else:
            self.failed(record, error, failure, live)
            self.note_interrupt(error)
        self.dispatch()

    def note_interrupt(self, error: BaseException) -> None:
        """A KeyboardInterrupt in a job, or in what it needs, ends the engine."""
        if isinstance(error, KeyboardInterrupt) and self.on_interrupt is not None:
            self.on_interrupt(error)

    def _skipped(self, record: Record, skip: SkipJob) -> None:
        record.error = skip.error
        self.scheduler.finish(record, None, self.loop.time())
        self.settling.settle(self.scheduler.end(record, "skipped", self.loop.time()))
        self.dispatch()

    def attempt_timed_out(self, live: LiveAttempt, error: TimeLimitExceeded) -> None:
        """An attempt was given up because its time was over."""
        self.failed(live.record, error, Failure(True), live)
        self.dispatch()

    def attempt_gone(self, live: LiveAttempt, leftover: Leftover) -> None:
        """An attempt that was given up before has really ended."""
        record = live.record
        cost = None if record.slotless else self.settings.costs.real(live.job, live.usage, None)
        if cost is not None:
            record.cost += cost - leftover.charged
        self.scheduler.gone(leftover, cost, self.loop.time(), live.usage)
        if record.lane.closed:
            self.settling.forget_lane(record.lane)
        self.dispatch()

    def failed(
        self, record: Record, error: BaseException, failure: Failure, live: LiveAttempt | None = None
    ) -> None:
        """An attempt failed, or cannot begin: the job is tried again, or has failed."""
        record.failures += 1
        policy = record.options.retry
        # What failed below a body was tried again as often as it may be.
        if not record.options.own_retry and cast("Any", record.bound).body is None:
            policy = self.settings.retry
        now = self.loop.time()
        if policy is None or not failure.retryable or record.failures >= policy.attempts:
            record.error = error
            cancel_children(self, record, "its parent failed")
            self.settling.settle(self.scheduler.end(record, "failed", now))
            return
        delay = max(policy.delay(record.failures, self.hooks.random), failure.retry_after or 0.0)
        if live is not None:
            record.close_attempt("failed", error)
        if self.history is not None:
            self.history.retried(record, error, delay, None if live is None else live.usage)
        if live is not None:
            self.settling.show_end(record, "failed", error, delay)
        self._restart_streams(record)
        self.scheduler.retry(record, now + delay)
        cancel_children(self, record, "its parent is tried again")
        self.settling.held_back(record)

    def _again(self, record: Record, payload: object, live: LiveAttempt) -> None:
        record.close_attempt("again")
        if payload is not record.job.payload:
            # Another payload is another piece of work, unless the attempt has said what to go on from.
            state = None if record.job is live.job else record.job.state
            record.job = replace(record.job, payload=payload, state=state, reply=None)
        if self.history is not None:
            self.history.retried(record, None, 0.0, live.usage)
        self.settling.show_end(record, "again", None, 0.0)
        self._restart_streams(record)
        self.scheduler.again(record)
        cancel_children(self, record, "its parent is run again")
        self.settling.held_back(record)

    def _restart_streams(self, record: Record) -> None:
        for listener in tuple(record.listeners or ()):
            if listener.heard:
                listener.end(StreamRestarted(record.job.id, record.tries))
                record.listeners.remove(listener)  # type: ignore[union-attr]  # it is in

    # Release.

    def wants_stream(self, record: Record) -> bool:
        """Whether chunks of this job are of use to anybody."""
        if record.options.stream or record.listeners:
            return True
        group = record.group_record
        if group is None or group.policy.release != "first_token":
            return False
        if group.leads(record):
            return True
        return record is group.primer and not group.released and group.expects_followers

    def primer_spoke(self, record: Record) -> None:
        """A job gave its first token: if it is a primer, that may release its group."""
        group = record.group_record
        if group is None or group.policy.release != "first_token":
            return
        if self.scheduler.prefixes.spoke(record, self.loop.time()):
            self.dispatch()
        elif record is group.primer and not group.released:
            self.scheduler.release(group, self.loop.time())
            self.settling.announce_release(group, "first_token")
            self.dispatch()

    def told_limits(self, live: LiveAttempt, limits: RateLimits) -> None:
        """A response said what is left of its provider's limits."""
        self.scheduler.gates.told(live.record, limits, self.loop.time())

    def enter_group(self, group: GroupRecord) -> None:
        """Take in a group and give it its positional key: its name, or `name#n` for the nth of that name.

        Like the keys of jobs, names are remembered while somebody holds what they name.
        """
        name = group.label
        earlier = self._named.get(name)
        if earlier is not None:
            group.nth = earlier.nth + 1
            group.key = f"{name}#{group.nth}"
        self._named[name] = self.groups[name] = group
        self.scheduler.open_group(group, group.priority)

    def nth_name(self, name: str) -> str:
        """The positional key of a graph or flow that is run by itself: its name, or `name#n`."""
        self._runs[name] += 1
        nth = self._runs[name]
        return name if nth == 1 else f"{name}#{nth}"

    def close_lane(self, lane: LaneState) -> None:
        """The lane takes no more jobs, and is forgotten with its last one."""
        lane.closed = True
        if self.history is not None:
            self.history.lane_changed(lane)
        self.settling.forget_lane(lane)

    def close_group(self, group: GroupRecord) -> None:
        """The group takes no more members."""
        ended = self.scheduler.close_group(group, self.loop.time())
        self.settling.announce_release(group, "no_primer")
        self.settling.settle(ended)
        for tell in tuple(group.on_close):
            tell()
        self.dispatch()

    # Other threads, and other tasks.

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Own a task of the engine's."""
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def describe(self, task: asyncio.Task[Any]) -> str | None:
        """Which job a task runs, in words."""
        record = self.records.get(task.get_name())
        return None if record is None else f"job {record.job.name!r} ({record.job.id})"

    def check(self, action: str) -> None:
        """Refuse what comes from another loop or thread, or after the end."""
        if self.closed:
            raise EngineNotOpen(f"{action}: the engine is closed")
        if asyncio._get_running_loop() is not self.loop:
            raise WrongLoop(action)

    def from_thread(self, function: Callable[..., object], *args: object) -> None:
        """Call this on the loop's thread; once the loop is gone there is nobody left to tell."""
        try:
            self.loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            if not self.loop.is_closed():
                raise


def _new_run_id(wall: float, random: Random) -> str:
    """An id that sorts by time."""
    return f"{int(wall * 1000):012x}-{random.getrandbits(32):08x}"


def _open_history(run: Run) -> History | None:
    sinks = (*run.settings.sinks, *run.settings.executors.middleware.sinks)
    if not sinks:
        return None  # nobody reads it: no event is ever built, nor are their classes imported
    from ._history import History
    from ._recorder import Recorder
    from ._sampling import sample_queue

    loop = run.loop
    wall = run.hooks.wall
    recorder = Recorder(
        sinks, run=run.id, wall=lambda: wall(loop.time()), call_later=loop.call_later,
        sample=lambda: sample_queue(run),
    )  # fmt: skip
    return History(recorder)
