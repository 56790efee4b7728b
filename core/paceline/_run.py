"""One run of an engine: the asynchronous shell around the scheduler.

Everything happens on the thread of the event loop, in plain calls: something is submitted, ends, is
cancelled or comes due; the scheduler is told; what ended is settled; and `dispatch` starts what may start.
Nothing here waits. What is async (awaiting handles, draining) waits for callbacks that are made here.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakValueDictionary

from ._attempts import Attempts
from ._edges import as_edge
from ._errors import (
    Closed,
    DeadlineExceeded,
    EngineNotOpen,
    JobCancelled,
    KeyConflict,
    PacelineError,
    RunAgain,
    StreamRestarted,
    TimeLimitExceeded,
    UnknownName,
    WrongLoop,
)
from ._executors import Executors
from ._history import History
from ._job import Job, Role, Suspend
from ._live import CURRENT, LiveAttempt
from ._loop import hooks
from ._options import Options, SubmitOptions
from ._parking import resume
from ._record import GroupRecord, Record
from ._recorder import Recorder
from ._scheduler import Edge, Leftover, Node, Scheduler, State
from ._settings import Settings
from ._usage import Failure

if TYPE_CHECKING:
    from ._scheduler import LaneState

__all__ = ["Run"]

_log = logging.getLogger("paceline")


class Run:
    """The state of an engine that is open."""

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self.settings = settings
        self.loop = loop
        self.hooks = hooks(loop)
        self.thread = threading.get_ident()
        self.opened = self.hooks.wall(loop.time())
        self.id = settings.run_id or f"{int(self.opened * 1000):012x}-{self.hooks.random.getrandbits(32):08x}"
        self.slots = settings.slots
        self.scheduler = Scheduler(slots=settings.slots, max_active_groups=settings.max_active_groups)
        self.history = History(
            Recorder(
                settings.sinks,
                run=self.id,
                wall=lambda: self.hooks.wall(loop.time()),
                call_later=loop.call_later,
            )
        )
        self.executors = Executors(settings.executor, settings.middleware)
        self.attempts = Attempts(self)
        self.records: dict[str, Record] = {}
        """Jobs that have not ended, by id."""
        self.groups: dict[str, GroupRecord] = {}
        """Groups that have not ended, by name."""
        self.keys: WeakValueDictionary[str, Record] = WeakValueDictionary()
        self.counts = {"succeeded": 0, "failed": 0, "cancelled": 0, "skipped": 0}
        self.tasks: set[asyncio.Task[Any]] = set()
        """The engine's own tasks."""
        self.draining = False
        self.closed = False
        self.on_idle: Callable[[], object] | None = None
        """Called whenever things may have come to rest; set while the run is being closed."""
        self.on_interrupt: Callable[[KeyboardInterrupt], object] | None = None
        self._doomed: list[tuple[GroupRecord, str]] = []
        """Groups to cancel because of a follower that failed, once what ended with it is settled."""
        self._named: WeakValueDictionary[str, GroupRecord] = WeakValueDictionary()
        """The last group of each name, as far as somebody holds it."""
        self._number = 0
        self._tag = f"{self.hooks.random.getrandbits(32):08x}"
        self._plain = Options({}, settings.retry)
        self._timer: asyncio.TimerHandle | None = None
        self._room: deque[asyncio.Future[None]] = deque()
        self._promised = 0
        for lane in settings.lanes:
            self.scheduler.set_lane(lane.name, lane.weight, lane.max_running)

    # Jobs come in.

    async def submit(self, payload: Any, given: SubmitOptions, parent: LiveAttempt | None = None) -> Record:
        """Accept a job, once there is room for it."""
        options = Options(given, self.settings.retry) if given else self._plain
        self.check("submit")
        parent = parent or self.current()
        if self.settings.max_pending is not None and parent is None:
            await self.room(self.settings.max_pending)
        return self.accept(payload, options, parent)

    def accept(self, payload: Any, options: Options, parent: LiveAttempt | None) -> Record:
        """Accept a job that belongs to no group, or find the one that its key names already."""
        if options.key is not None:
            known = self.keys.get(options.key)
            if known is not None:
                if not _same(known.job.payload, payload):
                    raise KeyConflict(options.key, known.job.id)
                return known
        record = self.add(payload, options, parent, lane=self.lane(options.lane), key=options.key)
        if options.key is not None:
            self.keys[options.key] = record
        self.dispatch()
        return record

    def add(
        self,
        payload: Any,
        options: Options,
        parent: LiveAttempt | None,
        *,
        lane: LaneState,
        key: str | None,
        group: GroupRecord | None = None,
        role: Role = "job",
        after: Sequence[Edge] | None = None,
    ) -> Record:
        """Hand a job to the scheduler."""
        if self.draining and parent is None:
            raise EngineNotOpen("the engine is closing and takes no more jobs")
        bound = self.executors.bind(options.executor)
        now = self.loop.time()
        self._number = number = self._number + 1
        job_id = f"{int(self.hooks.wall(now) * 1000):012x}{number:08x}{self._tag}"
        job = Job(
            job_id,
            options.name or key or job_id,
            bound.name,
            payload,
            lane.label,
            None if group is None else group.label,
            role,
            None if parent is None else parent.job.id,
            key,
            options.priority,
            options.config,
            options.metadata,
            {},
        )
        self.executors.middleware.submit(job)
        stated = self.settings.costs.reservation(job, options.cost)
        record = Record(self, job, lane, group, options, copy_context(), now, stated, number)
        record.bound = bound
        edges = self.edges(options.after) if after is None else after
        if group is not None:
            group.unended[record] = None
            if role == "primer":
                group.primer = record
        if parent is not None:
            _adopt(parent.record, record)
        self.records[job_id] = record
        if options.deadline is not None:
            record.deadline = self.loop.call_at(
                now + options.deadline, self._deadline, record, options.deadline
            )
        self.history.submitted(record, [node.label for node, _ in edges])
        ended = self.scheduler.add(record, now, edges)
        if ended:
            self.settle(ended)
        return record

    def edges(self, after: Iterable[object]) -> list[Edge]:
        """What `after=` says, as edges."""
        return [as_edge(self, each) for each in after]

    def lane(self, name: str) -> LaneState:
        """The lane of that name, if it takes jobs."""
        lane = self.scheduler.lanes.get(name)
        if lane is None:
            raise UnknownName(
                "lane", name, self.scheduler.lanes, f"create it with engine.lane({name!r}, weight=1.0)"
            )
        if lane.closed:
            raise Closed("lane", name, f"open it again with engine.lane({name!r}, weight=...)")
        return lane

    def current(self) -> LiveAttempt | None:
        """The attempt of this run that the caller's code runs in, if it is still alive."""
        live = CURRENT.get()
        return live if live is not None and live.run is self and live.live else None

    async def room(self, limit: int) -> None:
        """Wait until fewer than `limit` jobs wait to run; first come, first served."""
        if not self._room and self.pending + self._promised < limit:
            return
        place: asyncio.Future[None] = self.loop.create_future()
        self._room.append(place)
        try:
            await place
        finally:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._promised -= 1
                # The caller accepts its job in this step, or was cancelled and leaves its place to the next.
                self.loop.call_soon(self.make_room)
            elif place in self._room:
                self._room.remove(place)

    @property
    def pending(self) -> int:
        """Jobs that wait to run, for whatever reason but an answer."""
        states = self.scheduler.states
        return states[State.BLOCKED] + states[State.READY] + states[State.BACKOFF]

    def make_room(self) -> None:
        """Let in as many of those that wait for room as there is room for."""
        limit = self.settings.max_pending
        while self._room and limit is not None and self.pending + self._promised < limit:
            place = self._room.popleft()
            if not place.done():
                self._promised += 1
                place.set_result(None)

    def refuse_waiters(self) -> None:
        """Nobody who waits for room will get any."""
        while self._room:
            place = self._room.popleft()
            if not place.done():
                place.set_exception(EngineNotOpen("the engine is closing and takes no more jobs"))

    # Jobs start.

    def dispatch(self) -> None:
        """Start, or let go on, whatever the scheduler lets run."""
        scheduler = self.scheduler
        while (entry := scheduler.next()) is not None:
            record = cast("Record", entry)
            if record.live is not None:
                resume(self, record.live)
            else:
                self.attempts.start(record, self.loop.time())
        self._set_timer()
        if self._room:
            self.make_room()
        if self.on_idle is not None:
            self.on_idle()

    def _set_timer(self) -> None:
        when = self.scheduler.wake_at()
        timer = self._timer
        if when is None:
            if timer is not None:
                timer.cancel()
                self._timer = None
        elif timer is None or timer.when() != when:
            if timer is not None:
                timer.cancel()
            self._timer = self.loop.call_at(when, self._due, when)

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
        record.ended = self.loop.time()
        failure = None
        if error is not None and not isinstance(error, RunAgain):
            failure = cast("Any", record.bound).judge(error)
        self.scheduler.finish(record, self.settings.costs.real(live.job, live.usage, failure))
        if failure is not None and error is not None:
            self._failed(record, error, failure, live)
            if isinstance(error, KeyboardInterrupt) and self.on_interrupt is not None:
                self.on_interrupt(error)
        elif isinstance(error, RunAgain):
            self._again(record, error.payload)
        elif isinstance(output, Suspend):
            self._suspended(record, output)
        else:
            record.output = output
            self.settle(self.scheduler.end(record, "succeeded", record.ended))
        self.dispatch()

    def attempt_timed_out(self, live: LiveAttempt, error: TimeLimitExceeded) -> None:
        """An attempt was given up because its time was over."""
        self._failed(live.record, error, Failure(True), live)
        self.dispatch()

    def attempt_gone(self, live: LiveAttempt, leftover: Leftover) -> None:
        """An attempt that was given up before has really ended."""
        self.scheduler.gone(leftover, self.settings.costs.real(live.job, live.usage, None))
        self.dispatch()

    def _failed(self, record: Record, error: BaseException, failure: Failure, live: LiveAttempt) -> None:
        record.failures += 1
        policy = record.options.retry
        now = self.loop.time()
        if policy is None or not failure.retryable or record.failures >= policy.attempts:
            record.error = error
            self.settle(self.scheduler.end(record, "failed", now))
            return
        delay = max(policy.delay(record.failures, self.hooks.random), failure.retry_after or 0.0)
        record.close_attempt("failed", error)
        self.history.retried(record, error, delay, live.usage)
        self._restart_streams(record)
        self.scheduler.retry(record, now + delay)
        self.cancel_children(record, "its parent is tried again")

    def _again(self, record: Record, payload: object) -> None:
        record.close_attempt("again")
        record.job = replace(record.job, payload=payload)
        self.history.retried(record, None, 0.0, None)
        self._restart_streams(record)
        self.scheduler.again(record)
        self.cancel_children(record, "its parent is run again")

    def _suspended(self, record: Record, suspend: Suspend) -> None:
        record.close_attempt("suspended")
        record.questions = suspend.questions
        record.answers = {}
        record.job = replace(record.job, state=suspend.state, reply=None)
        self.scheduler.suspend(record)
        self.history.suspended(record)
        self._rested(record)

    def _restart_streams(self, record: Record) -> None:
        for listener in tuple(record.listeners or ()):
            if listener.heard:
                listener.end(StreamRestarted(record.job.id, record.tries))
                record.listeners.remove(listener)  # type: ignore[union-attr]  # it is in

    # Jobs and groups end.

    def settle(self, ended: Sequence[Node]) -> None:
        """Take in that these jobs and groups have ended, in this order."""
        for node in ended:
            if isinstance(node, Record):
                self._settle_job(node)
            elif isinstance(node, GroupRecord):
                self._settle_group(node)
        while self._doomed:
            group, reason = self._doomed.pop()
            self._end_group(group, reason)

    def _settle_job(self, record: Record) -> None:
        status = cast("Any", record.status)
        if status == "skipped":
            record.error = _error_of(record.cause)
        self.counts[status] += 1
        del self.records[record.job.id]
        if record.parent is not None and record.parent.children is not None:
            record.parent.children.discard(record)
        charged = record.charged if record.tries else None
        record.drop_work()
        self.history.ended(record, charged)
        if record.lane.closed:
            self._forget_lane(record.lane)
        group = record.group_record
        if group is not None:
            group.unended.pop(record, None)
            if record is group.primer:
                self._announce_release(group, "complete" if status == "succeeded" else "primer_failure")
            if status == "failed":
                group.first_error = group.first_error or record.error
                if record is not group.primer and group.policy.on_follower_failure == "cancel_group":
                    self._doomed.append((group, f"follower {record.job.name!r} failed"))
        self._rested(record)

    def _rested(self, record: Record) -> None:
        """The job has ended or is suspended: tell whoever waits for that."""
        listeners, record.listeners = record.listeners, None
        for listener in listeners or ():
            listener.end()
        on_rest, record.on_rest = record.on_rest, None
        for callback in on_rest or ():
            callback()
        if record.group_record is not None:
            for tell in tuple(record.group_record.on_member):
                tell(record)

    def _settle_group(self, group: GroupRecord) -> None:
        del self.groups[group.label]
        group.public = None
        self.history.group_ended(group)
        self.executors.middleware.end(group.scope, group.first_error)
        on_end, group.on_end = group.on_end, []
        for callback in on_end:
            callback()

    # Release.

    def wants_stream(self, record: Record) -> bool:
        """Whether chunks of this job are of use to anybody."""
        if record.options.stream or record.listeners:
            return True
        group = record.group_record
        return (
            group is not None
            and record is group.primer
            and group.policy.release == "first_token"
            and not group.released
            and group.expects_followers
        )

    def primer_spoke(self, record: Record) -> None:
        """A job gave its first token: if it is a primer, that may release its group."""
        group = record.group_record
        if group is None or record is not group.primer or group.released:
            return
        if group.policy.release == "first_token":
            self.scheduler.release(group, self.loop.time())
            self._announce_release(group, "first_token")
            self.dispatch()

    def _announce_release(self, group: GroupRecord, by: Any) -> None:
        if group.released and not group.announced:
            group.announced = True
            self.history.group_released(group, by)

    # Cancelling.

    def cancel(self, record: Record, reason: str, grace: float | None = None) -> bool:
        """Cancel a job and its children; whether it had not ended yet."""
        if record.status is not None:
            return False
        self._stop(
            record, "cancelled", lambda each: JobCancelled(each.job.id, each.job.name, reason), reason, grace
        )
        self.dispatch()
        return True

    def _stop(
        self,
        record: Record,
        status: Any,
        error: Callable[[Record], BaseException],
        reason: str,
        grace: float | None = None,
    ) -> None:
        now = self.loop.time()
        if record.live is not None:
            self.attempts.give_up(record.live, reason, grace)
        children = tuple(record.children or ())
        record.error = error(record)
        self.settle(self.scheduler.end(record, status, now))
        self._cancel_all(children, f"its parent {record.job.name!r} ended: {reason}", grace)

    def _cancel_all(self, records: Iterable[Record], reason: str, grace: float | None = None) -> None:
        # The latest first: what waits for another job of these is cancelled too, not skipped because of it.
        stack = list(records)
        while stack:
            each = stack.pop()
            if each.status is not None:
                continue
            stack.extend(each.children or ())
            if each.live is not None:
                self.attempts.give_up(each.live, reason, grace)
            each.error = JobCancelled(each.job.id, each.job.name, reason)
            self.settle(self.scheduler.end(each, "cancelled", self.loop.time()))

    def cancel_children(self, record: Record, reason: str) -> None:
        """Cancel what a job had started and what has not ended."""
        if record.children:
            self._cancel_all(tuple(record.children), reason)

    def cancel_group(self, group: GroupRecord, reason: str) -> None:
        """Cancel all members that have not ended; an open group takes no more."""
        self._end_group(group, reason)
        self.dispatch()

    def _end_group(self, group: GroupRecord, reason: str) -> None:
        if group.status is None:
            group.closed = True
            self._cancel_all(tuple(group.unended), reason)
            self.settle(self.scheduler.close_group(group, self.loop.time()))

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

    def close_lane(self, lane: LaneState) -> None:
        """The lane takes no more jobs, and is forgotten with its last one."""
        lane.closed = True
        self.history.lane_changed(lane)
        self._forget_lane(lane)

    def _forget_lane(self, lane: LaneState) -> None:
        over = lane.closed and not lane.unfinished and not lane.used
        if over and self.scheduler.lanes.get(lane.label) is lane:
            self.scheduler.drop_lane(lane)

    def close_group(self, group: GroupRecord) -> None:
        """The group takes no more members."""
        ended = self.scheduler.close_group(group, self.loop.time())
        self._announce_release(group, "no_primer")
        self.settle(ended)
        for tell in tuple(group.on_close):
            tell()
        self.dispatch()

    def cancel_everything(self, reason: str) -> None:
        """Cancel all that has not ended."""
        self._cancel_all(tuple(self.records.values()), reason)
        for group in tuple(self.groups.values()):
            self._end_group(group, reason)
        self.dispatch()

    def cancel_blocked(self, reason: str) -> None:
        """Cancel what waits for jobs that rest; the resting ones stay as they are."""
        blocked = [record for record in self.records.values() if not record.resting]
        self._cancel_all(blocked, reason)
        self.dispatch()

    def _deadline(self, record: Record, seconds: float) -> None:
        if record.status is None:
            error = DeadlineExceeded(f"not ended {seconds:g} s after it was accepted (its deadline)", seconds)
            self._stop(record, "failed", lambda _: error, str(error))
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


def _adopt(parent: Record, child: Record) -> None:
    child.parent = parent
    if parent.children is None:
        parent.children = set()
    parent.children.add(child)


def _same(left: object, right: object) -> bool:
    try:
        return left is right or bool(left == right)
    except Exception:  # noqa: BLE001 - arrays and the like, whose == is not a yes or no: two objects, two payloads
        return False


def _error_of(cause: Node | None) -> BaseException:
    """Why something was skipped: the error of what it waited for."""
    if isinstance(cause, Record):
        return cause.error if cause.error is not None else cause.failure()
    if isinstance(cause, GroupRecord):
        return cause.first_error or PacelineError(f"group {cause.label!r} ended {cause.status}")
    return PacelineError("what it waited for did not succeed")
