"""What the engine keeps of a job and of a group, on top of what the scheduler keeps."""

from __future__ import annotations

import asyncio
import reprlib
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from typing import TYPE_CHECKING, Any, cast

from ._errors import JobCancelled, JobError, JobFailed, JobSkipped, JobSuspended
from ._job import Attempt, ErrorInfo, Job, JobResult, Question, Status, describe
from ._options import Options
from ._policies import GroupPolicy
from ._scheduler import (
    UNCAPPED,
    Cap,
    Edge,
    Entry,
    GroupState,
    LaneState,
    Pool,
    Sharing,
    State,
    WaitKind,
    Warmth,
)
from ._usage import Cost, Usage

if TYPE_CHECKING:
    from ._asking import Asking
    from ._bodies import LiveBody
    from ._executors import Bound
    from ._group_prefix import GroupPrefix
    from ._groups import Group
    from ._live import LiveAttempt
    from ._middleware import Scope
    from ._run import Run
    from ._streams import Listener

__all__ = ["GroupRecord", "Record"]

_NO_OPTIONS = Options({})


class Record(Entry):
    """A job from its acceptance until nobody holds a handle to it.

    One object a job serves scheduler and engine: thousands wait at a time, and each is paid for in memory.
    """

    __slots__ = (
        "__weakref__",
        "accepted",
        "asking",
        "body",
        "bound",
        "children",
        "context",
        "cost",
        "deadline",
        "earlier",
        "ended",
        "error",
        "failures",
        "group_record",
        "held",
        "job",
        "listeners",
        "live",
        "number",
        "on_rest",
        "options",
        "output",
        "parent",
        "questions",
        "run",
        "spent",
        "started",
        "tries",
        "usage",
    )

    def __init__(
        self,
        run: Run,
        job: Job,
        lane: LaneState,
        group: GroupRecord | None,
        options: Options,
        context: Context,
        accepted: float,
        stated: float | None,
        number: int,
        bound: Bound,
        caps: tuple[Cap, ...] = (),
        slotless: bool = False,
        pool: Pool | None = None,
        demand: Cost | None = None,
        rough: int = 0,
    ) -> None:
        priority = job.priority if group is None else group.priority
        super().__init__(job.id, lane, group, priority, stated, caps, slotless, pool, demand, rough)
        self.lock: str | None = options.lock
        self.run: Run = run
        self.job: Job = job
        self.group_record: GroupRecord | None = group
        self.options: Options = options
        self.context: Context | None = context
        self.accepted: float = accepted
        self.number: int = number  # in order of acceptance
        self.parent: Record | None = None
        self.bound: Bound | None = bound
        """What runs it."""
        self.body: LiveBody | None = None
        """What its children are told to, where it is a body: a graph, a flow, a map."""
        self.live: LiveAttempt | None = None
        """The attempt that runs now."""
        self.held: WaitKind | None = None
        """What was used up when its first attempt started: had it waited, then for that."""
        self.tries: int = 0
        """Attempts so far."""
        self.failures: int = 0
        self.started: float | None = None
        self.ended: float | None = None
        """Of the last attempt."""
        self.earlier: list[Attempt] | None = None
        """All attempts but the last, once there are several."""
        self.output: Any = None
        self.error: BaseException | None = None
        self.usage: Usage | None = None
        self.spent: Usage | None = None
        """By an attempt that is over, until middleware was told."""
        self.cost: float = 0.0
        """Of all attempts that are over, in the engine's unit."""
        self.questions: tuple[Question, ...] = ()
        self.asking: Asking | None = None
        """Of a suspended job: the answers so far, and the time for them."""
        self.children: dict[Record, None] | None = None
        """What it has started and what has not ended, in order."""
        self.listeners: list[Listener] | None = None
        self.on_rest: list[Callable[[], object]] | None = None
        """Called when the job ends or comes to rest."""
        self.deadline: asyncio.TimerHandle | None = None

    @property
    def resting(self) -> bool:
        """Whether it has ended or is suspended; of a body, whether all below it is.

        A body's jobs are looked at for that, from the one that could go on when they were last looked at.
        """
        if self.status is not None or self.state is State.SUSPENDED:
            return True
        return self.body is not None and self.body.rests()

    def current_status(self) -> Status:
        """Where it is, in the words of the contract."""
        if self.status is not None:
            return self.status
        if self.resting or self.state in {State.DOZING, State.RESTING}:
            return "suspended"
        return "running" if self.live is not None else "waiting"

    def drop_work(self) -> None:
        """It has ended: keep what became of it, let go of what it took."""
        self.context = None
        self.bound = None
        self.options = _NO_OPTIONS  # they hold its executor, and handles to what it came after
        self.forget_cause()
        self.parent = None
        self.children = None
        self.questions = ()
        self.live = None
        if self.deadline is not None or self.asking is not None:
            self.stop_clocks()
            self.asking = None

    def stop_clocks(self) -> None:
        """Its deadline, and the time for answers, do not count any more."""
        if self.asking is not None:
            self.asking.stop_clock()
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def attempts(self) -> tuple[Attempt, ...]:
        """All attempts, with wall times."""
        done = tuple(self.earlier or ())
        if self.started is None or len(done) >= self.tries:
            return done
        return (*done, self.last_attempt())

    def last_attempt(self) -> Attempt:
        """The last attempt, as it stands."""
        outcome = None if self.ended is None else self.current_status()
        return self._attempt(outcome, self.error if outcome == "failed" else None)

    def close_attempt(self, outcome: str, error: BaseException | None = None) -> None:
        """The last attempt is over, and another will follow."""
        if self.earlier is None:
            self.earlier = []
        self.earlier.append(self._attempt(outcome, error))

    def _attempt(self, outcome: str | None, error: BaseException | None) -> Attempt:
        wall = self.run.hooks.wall
        started = wall(self.accepted if self.started is None else self.started)
        ended = None if self.ended is None else wall(self.ended)
        return Attempt(self.tries, started, ended, outcome, None if error is None else ErrorInfo.of(error))

    def result(self) -> JobResult:
        """What became of it so far."""
        job, attempts, error = self.job, self.attempts(), None
        if self.error is not None:
            told = attempts[-1].error if attempts else None
            same = told is not None and told.exception is self.error
            error = told if same else ErrorInfo.of(self.error)
        return JobResult(
            id=job.id,
            name=job.name,
            status=self.current_status(),
            output=self.output,
            error=error,
            attempts=attempts,
            usage=self.usage,
            lane=job.lane,
            group=job.group,
            role=job.role,
            key=job.key,
            questions=self.questions,
            metadata=job.metadata,
        )

    def outcome(self) -> Any:
        """Its output, or the error that awaiting it raises."""
        if self.status == "succeeded":
            return self.output
        raise self.failure() from self.error

    def failure(self) -> JobError:
        """Why it has no output, as an error."""
        job = self.job
        what = f"job {job.name!r}" if job.name == job.id else f"job {job.name!r} ({job.id})"
        why = "" if self.error is None else f": {_said(self.error)}"
        if self.status == "failed":
            tries = "1 attempt" if self.tries == 1 else f"{self.tries} attempts"
            return JobFailed(job.id, job.name, f"{what} failed after {tries}{why}")
        if self.status == "cancelled":
            return JobCancelled(job.id, job.name, f"{what} was cancelled: {self.error}")
        if self.status == "skipped":
            group = self.group_record
            spared = group is not None and group.spared and self is group.primer
            reason = "its prefix is there already" if spared else "a condition (`when`) did not hold"
            why = why or f": {reason}"
            return JobSkipped(job.id, job.name, f"{what} was skipped{why}")
        if not self.questions and self.body is not None:
            waits = ", ".join(f"{each.job.name!r} ({each.job.id})" for each in self.body.suspended())
            return JobSuspended(job.id, job.name, f"{what} waits for jobs that ask something: {waits}")
        asked = ", ".join(reprlib.repr(question.value) for question in self.questions)
        which = "" if len(self.questions) == 1 else ", question=question.id"
        return JobSuspended(
            job.id,
            job.name,
            f"{what} waits for an answer to {asked}; give it with engine.reply({job.id!r}, answer{which})",
        )


def _said(error: BaseException) -> str:
    while isinstance(error, JobError) and isinstance(error.__cause__, JobError):
        error = error.__cause__  # passed on from job to job: only the first has more to say than "failed"
    kind, message = describe(error)
    return f"{kind}: {message}" if message else kind


def _capacity(policy: GroupPolicy) -> int | None:
    """How many of a group's jobs run at once; None where they need not be counted."""
    if policy.in_flight == "auto" or (policy.in_flight is None and policy.on_follower_suspended == "wait"):
        return UNCAPPED
    return policy.in_flight


class GroupRecord(GroupState):
    """A group until it has ended."""

    __slots__ = (
        "__weakref__",
        "after",
        "announced",
        "first_error",
        "key",
        "metadata",
        "nth",
        "on_close",
        "on_end",
        "on_member",
        "policy",
        "prefix",
        "priority",
        "public",
        "run",
        "scope",
        "shared",
        "submitted",
        "unended",
    )

    def __init__(
        self,
        run: Run,
        name: str,
        lane: LaneState,
        policy: GroupPolicy,
        priority: int,
        exempt: bool,
        caps: tuple[Cap, ...] = (),
        pool: Pool | None = None,
        sharing: Sharing | None = None,
    ) -> None:
        warmth = None
        if policy.ttl is not None or policy.miss_hold or sharing is not None:
            warmth = Warmth(ttl=policy.ttl, miss_hold=policy.miss_hold, sharing=sharing)
        super().__init__(
            name,
            lane,
            capacity=_capacity(policy),
            caps=caps,
            settle=policy.settle,
            run_on_failure=policy.on_primer_failure == "run_followers",
            exempt=exempt,
            pool=pool,
            warmth=warmth,
        )
        if self.cap is not None:
            self.cap.waits = policy.on_follower_suspended == "wait"
            if sharing is not None:
                sharing.join(self.cap)
        self.run: Run = run
        self.key: str = name
        self.nth: int = 1
        self.public: Group | None = None
        """The caller's hold on it, until it has ended."""
        self.policy: GroupPolicy = policy
        self.priority: int = priority
        self.metadata: Mapping[str, Any] = {}
        self.prefix: GroupPrefix | None = None
        """Its prefix cache, where it has one."""
        self.shared: Any = None
        self.submitted: int = 0
        """Followers so far."""
        self.unended: dict[Record, None] = {}
        """Members that have not ended, in submit order."""
        self.announced: bool = False
        """The release was recorded."""
        self.first_error: BaseException | None = None
        self.scope: Scope
        self.on_member: list[Callable[[Record], object]] = []
        """Called when a member comes to rest."""
        self.on_close: list[Callable[[], object]] = []
        self.on_end: list[Callable[[], object]] = []
        self.after: Sequence[Edge] = ()
        """What its jobs wait for, besides its release."""

    @property
    def primer_record(self) -> Record | None:
        """The primer, if there is one."""
        return cast("Record | None", self.primer)

    @property
    def expects_followers(self) -> bool:
        """Whether anybody waits for the release, or may yet."""
        return not self.closed or bool(self.held)
