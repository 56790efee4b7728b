"""Attempts: one `asyncio.Task` each, ended by itself, by its clock, or by one `Task.cancel()`.

An attempt that is cancelled or out of time is *given up* at once: its slot is free and its job moves on. Its
task or thread may take a while to end, or never do so; until then it is kept in `abandoned`, and counts in
the caps it was under. So nothing here ever waits for foreign code.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ._bodies import Inputs
from ._context import JobContext
from ._errors import AttemptTimeout, IdleTimeout, TimeLimitExceeded
from ._live import CURRENT, LiveAttempt, ThreadCall
from ._parking import free_waits
from ._rate_limits import RateLimits
from ._scheduler import tightest
from ._threads import Threads
from ._usage import Usage, sound

if TYPE_CHECKING:
    from ._record import Record
    from ._run import Run

__all__ = ["Attempts"]

PROMPT = 0.1
"""Seconds in which a cancelled attempt is expected to end; one that takes longer is said to be abandoned."""


class Attempts:
    """Starts attempts, takes in what they say, and gives them up."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._loop = run.loop
        self._hooks = run.hooks
        self._threads = Threads(run.slots, f"paceline-{run.id}")
        self._lock = threading.Lock()
        self.abandoned: dict[LiveAttempt, asyncio.TimerHandle] = {}

    def start(self, record: Record) -> None:
        """Begin the next attempt of a job that has its slot."""
        now = self._loop.time()
        record.tries = number = record.tries + 1
        record.live = live = LiveAttempt(self._run, record, number, now)
        if self._run.history is not None:
            self._run.history.started(live)
        record.started = now
        record.ended = None
        if number == 1 and record.parent is not None and record.parent.body is not None:
            record.held = tightest(record, self._run.scheduler.queues)
        context = None if record.context is None else record.context.copy()
        # Not loop.create_task: under an eager task factory the job would start inside its own dispatch.
        live.task = asyncio.Task(self._attempt(live), loop=self._loop, name=record.job.id, context=context)
        options = record.options
        if options.timeout is not None or options.idle_timeout is not None:
            self._set_limits(live, options.timeout, options.idle_timeout)

    async def _attempt(self, live: LiveAttempt) -> None:
        CURRENT.set(live)
        live.entered = True
        record = live.record
        bound = record.bound
        assert bound is not None
        output: object = None
        error: BaseException | None = None
        try:
            if isinstance(live.job.payload, Inputs):
                live.job.payload = live.job.payload.resolve()
            output = await bound.execute(live.job, JobContext(live))
        except BaseException as raised:  # noqa: BLE001 - whatever it is, it is this job's own end
            error = raised.with_traceback(raised.__traceback__.tb_next if raised.__traceback__ else None)
        if self._run.closed:
            return
        if self._hooks.virtual:
            self._hooks.deliver(record.number, self._over, live, output, error)
        else:
            self._over(live, output, error)

    def _over(self, live: LiveAttempt, output: object, error: BaseException | None) -> None:
        live.finished = True
        live.task = None  # its context holds the attempt: a cycle that only the collector would find
        if live.live:
            live.live = False
            if live.timers is not None:
                self._clear_limits(live)
            self._run.attempt_over(live, output, error)
        elif not live.calls:
            self._gone(live)

    # Giving up.

    def give_up(self, live: LiveAttempt, reason: str, grace: float | None = None) -> None:
        """Take the attempt from its job; its task is cancelled now, or after `grace` seconds."""
        run, record, task = self._run, live.record, live.task
        assert task is not None
        live.live = False
        self._clear_limits(live)
        live.given_up_at = self._loop.time()
        record.live = None
        record.spent = live.usage
        free_waits(live)
        record.ended = self._loop.time()
        late = reason in ("timeout", "idle_timeout")
        live.leftover = run.scheduler.abandon(record, live.given_up_at, broken=late)
        if not live.entered:
            # Cancelled before its first step, a task never runs any of its coroutine: nobody would report.
            run.keep(task)
            task.cancel()
            live.task = None
            run.scheduler.gone(live.leftover, 0.0, self._loop.time(), begun=False)
            return
        record.cost += record.charged
        self.abandoned[live] = self._loop.call_later(
            PROMPT, self._say_abandoned, live, reason, context=run.context
        )
        if self._hooks.virtual:
            for call in live.calls or ():
                self._park_call(call)
        if grace:
            live.timers = [self._loop.call_later(grace, task.cancel, context=run.context)]
        else:
            task.cancel()

    def _say_abandoned(self, live: LiveAttempt, reason: str) -> None:
        if self._run.history is not None:
            self._run.history.abandoned(live, reason)

    def _gone(self, live: LiveAttempt) -> None:
        timer = self.abandoned.pop(live, None)
        leftover = live.leftover
        if timer is None or leftover is None:
            return
        self._clear_limits(live)
        history = self._run.history
        said = not timer.cancelled() and timer.when() <= self._loop.time()
        if history is not None and (said or live.late is not None):
            history.gone(live)
        timer.cancel()
        self._run.attempt_gone(live, leftover)

    # Time limits.

    def _set_limits(self, live: LiveAttempt, timeout: float | None, idle: float | None) -> None:
        context = self._run.context
        timers: list[asyncio.TimerHandle] = []
        if timeout is not None:
            error = AttemptTimeout(
                f"attempt {live.number} took longer than its timeout of {timeout:g} s", timeout
            )
            due = live.started + live.rested + timeout
            timers.append(self._loop.call_at(due, self._out_of_time, live, error, context=context))
        if idle is not None:
            due = live.active_at + idle
            timers.append(self._loop.call_at(due, self._check_idle, live, idle, context=context))
        live.timers = timers

    def rests(self, live: LiveAttempt, *, so: bool) -> None:
        """An attempt that asks something rests: its time limits stand still, until it goes on."""
        options, now = live.record.options, self._loop.time()
        live.rested += -now if so else now
        self._clear_limits(live)
        if not so and (options.timeout is not None or options.idle_timeout is not None):
            live.active_at = now
            self._set_limits(live, options.timeout, options.idle_timeout)

    def _check_idle(self, live: LiveAttempt, idle: float) -> None:
        if live.waits:
            live.active_at = self._loop.time()  # it waits for jobs of its own: they have clocks themselves
        due = live.active_at + idle
        if self._loop.time() < due - 1e-6:
            assert live.timers is not None
            live.timers[-1] = self._loop.call_at(due, self._check_idle, live, idle, context=self._run.context)
            return
        message = f"attempt {live.number} gave no sign of life for {idle:g} s (its idle_timeout)"
        self._out_of_time(live, IdleTimeout(message, idle))

    def _out_of_time(self, live: LiveAttempt, error: TimeLimitExceeded) -> None:
        if live.live:
            self.give_up(live, "idle_timeout" if isinstance(error, IdleTimeout) else "timeout")
            self._run.attempt_timed_out(live, error)

    def _clear_limits(self, live: LiveAttempt) -> None:
        if live.timers is not None:
            for timer in live.timers:
                timer.cancel()
            live.timers = None

    # What an attempt says.

    def emit(self, live: LiveAttempt, chunk: object) -> None:
        """A chunk of output, for whoever listens."""
        if live.first_token_at is None:
            self.first_token(live)
        self.hand_on(live, chunk)

    def hand_on(self, live: LiveAttempt, chunk: object) -> None:
        """A chunk that does not count as the first token."""
        if not live.live:
            return
        live.active_at = self._loop.time()
        for listener in live.record.listeners or ():
            listener.put(chunk)
        if self._run.history is not None:
            self._run.history.chunk(live, chunk)

    def first_token(self, live: LiveAttempt) -> None:
        """The provider has begun to answer."""
        if not live.live:
            return
        live.active_at = now = self._loop.time()
        if live.first_token_at is None:
            live.first_token_at = now
            if self._run.history is not None:
                self._run.history.first_token(live)
            self._run.primer_spoke(live.record)

    def progress(self, live: LiveAttempt, message: str, fraction: float | None) -> None:
        """Progress, for the events."""
        if live.live:
            live.active_at = self._loop.time()
            if self._run.history is not None:
                self._run.history.progress(live, message, fraction)

    def checkpoint(self, live: LiveAttempt, state: object) -> None:
        """What a later attempt is to go on from."""
        if live.live:
            live.active_at = self._loop.time()
            live.record.job = replace(live.record.job, state=state, reply=None)

    def add_usage(self, live: LiveAttempt, usage: Usage) -> None:
        """One provider call's usage; it counts even when the attempt was given up."""
        if usage.requests is None:
            usage = replace(usage, requests=1)
        usage = sound(usage, live.job)
        record = live.record
        usage = self._run.admission.priced(usage, record)
        live.active_at = self._loop.time()
        live.usage = usage if live.usage is None else live.usage + usage
        record.usage = usage if record.usage is None else record.usage + usage
        if record.status is not None:
            live.late = usage if live.late is None else live.late + usage

    def rate_limits(self, live: LiveAttempt, limits: RateLimits) -> None:
        """What a response said of its provider's limits; it is true even when the attempt was given up."""
        live.active_at = self._loop.time()
        self._run.told_limits(live, limits)

    # Threads.

    async def on_thread(self, live: LiveAttempt, call: Callable[[], object]) -> object:
        """Run a call on a thread of the engine's; the attempt has ended when this has."""
        future: asyncio.Future[object] = self._loop.create_future()
        work = ThreadCall()
        if live.calls is None:
            live.calls = set()
        live.calls.add(work)
        number = live.record.number

        def done(output: object, error: BaseException | None) -> None:
            with self._lock:
                work.over = True
                if work.parked:
                    self._hooks.thread_unparked()
            self._hooks.deliver(number, self._call_over, live, work, future, output, error, thread=True)

        self._hooks.thread_started()
        self._threads.start(call, done)
        return await future

    def _call_over(
        self,
        live: LiveAttempt,
        work: ThreadCall,
        future: asyncio.Future[object],
        output: object,
        error: BaseException | None,
    ) -> None:
        if live.calls is not None:
            live.calls.discard(work)
        if not future.done():
            if error is None:
                future.set_result(output)
            elif isinstance(error, StopIteration):  # a future cannot carry it
                future.set_exception(RuntimeError(f"the job raised {error!r}"))
            else:
                future.set_exception(error)
        elif live.finished and not live.calls and not self._run.closed:
            self._gone(live)

    def _park_call(self, call: ThreadCall) -> None:
        with self._lock:
            if not call.over and not call.parked:
                call.parked = True
                self._hooks.thread_parked()

    # The end.

    def release(self) -> None:
        """Cancel now what was given up with grace, and let the loop forget the tasks that have not ended."""
        for live in self.abandoned:
            task = live.task
            if task is None or task.done():
                continue
            if live.timers is not None:
                self._clear_limits(live)
                task.cancel()
            # asyncio.run cancels and awaits every task it knows, for ever if one swallows that: at its end,
            # and on a second Ctrl-C while the engine still waits for them.
            asyncio.tasks._unregister_task(task)
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # the engine says it

    def close(self) -> None:
        """Let go of threads, and of tasks that would not end."""
        self._threads.close()
        for timer in self.abandoned.values():
            timer.cancel()
        self.release()
