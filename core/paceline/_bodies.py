"""Jobs that hold no slot: a graph, a flow, a map. They start other jobs and join what comes of them.

A body is an Executor like any other; only the scheduler starts its jobs as soon as nothing blocks them, and
they take no slot. What it starts are its children: ordinary jobs, with edges between them. So cancelling,
deadlines, parents, events and a reply after a suspension are those of jobs, and every nesting works with one
slot.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from ._asking import called, take
from ._errors import AnswerTimeout, EngineNotOpen
from ._job import NO_DEFAULT, Question
from ._middleware import Scope
from ._parking import body_moves, come_back, wait
from ._resting import Watch, nothing_goes_on
from ._scheduler import State

if TYPE_CHECKING:
    from ._context import JobContext
    from ._job import Job
    from ._live import LiveAttempt
    from ._record import Record

__all__ = ["Body", "BodyKind", "Child", "Inputs", "LiveBody", "SkipJob"]

BodyKind: TypeAlias = Literal["graph", "flow", "map"]

Child: TypeAlias = "tuple[str, Record, tuple[Record, ...]]"
"""A job below a body: its name there, the job, and the jobs that it came after."""


class SkipJob(Exception):
    """Raised by a body that cannot run because of what it waits for, with that error."""

    def __init__(self, error: BaseException | None) -> None:
        super().__init__()
        self.error = error


# Not an ABC: each job asks isinstance of it, which is ten times as slow for one.
class Inputs:
    """A payload that is not known before its job starts, because it is made of what other jobs put out."""

    __slots__ = ()

    def conditional(self) -> bool:
        """Whether there is a condition to look at before the job takes a slot."""
        return False

    def met(self) -> bool:
        """Look at the condition; it may raise, which fails the job."""
        return True

    @abstractmethod
    def resolve(self) -> object:
        """Make the payload; it may raise, which fails the job."""


class Body(ABC):
    """An executor whose jobs hold no slot."""

    kind: BodyKind
    max_running: int | None = None
    """How many jobs below it run at once, where the job itself does not say."""
    waits_for_answers: bool = False
    """Whether nothing more of it starts while a job below it is suspended."""
    watchers: list[Callable[[Record], object]] | None = None
    """Told of each job below it that comes to rest, in the run for a report that this body was made for."""

    def execute(self, job: Job, ctx: JobContext, /) -> Awaitable[object]:  # noqa: ARG002
        """Run the body of one job."""
        return self._execute(ctx._live)

    async def _execute(self, live: LiveAttempt) -> object:
        record = live.record
        scope = None if record.body is None else record.body.scope
        record.questions = ()  # of an attempt that was given up while it asked
        earlier, body = record.body, self.open(live)
        record.body = body
        if self.watchers is not None:
            body.watchers = self.watchers
        if body.watchers is not None:
            body.earlier = earlier
        if scope is None and self.kind != "map":
            job = record.job
            scope = Scope(self.kind, job.id, job.name, live.run.id, job.parent, job.lane, job.metadata, job)
            live.run.executors.middleware.begin(scope)
        body.scope = scope
        return await body.work()

    @abstractmethod
    def open(self, live: LiveAttempt) -> LiveBody:
        """What the job is while it runs."""


class _Asked(NamedTuple):
    """An open question of a body: its answer, whether it has no other end, and when it is out of time."""

    answer: asyncio.Future[Any]
    lasting: bool
    by: float | None


class LiveBody(ABC):
    """A body at work: told of each of its children that ends."""

    kind: BodyKind

    def __init__(self, live: LiveAttempt) -> None:
        self.live: LiveAttempt = live
        self.record: Record = live.record
        self.scope: Scope | None = None
        self.earlier: LiveBody | None = None
        """The body of the attempt before this one, where a report is to tell of all."""
        parent = live.record.parent
        above = None if parent is None else parent.body
        self.watchers: list[Callable[[Record], object]] | None = None if above is None else above.watchers
        """Called when a job of it, or of a body below it, comes to rest; None where no report is wanted."""
        self.asked: dict[str, _Asked] = {}
        """The questions of the body itself that have no answer, by id."""
        self.watch: Watch = Watch()
        self._questions = 0
        self._all_ended: asyncio.Future[None] | None = None

    @abstractmethod
    async def work(self) -> object:
        """Do it: what it returns is the output of the job."""

    @abstractmethod
    def children(self) -> Iterator[Child]:
        """The jobs that it has started, for a report."""

    def child_ended(self, record: Record) -> None:
        """A job whose parent this is has ended."""
        if self.watchers:
            self.tell(record)
        if record.status in {"failed", "cancelled"} and record.job.parent == self.record.job.id:
            self.fails(record)  # not what a job of it left behind
        if self._all_ended is not None and not self.record.children and not self._all_ended.done():
            self._all_ended.set_result(None)
            come_back(self.live.run, self.live)

    def expanded(self, record: Record) -> None:  # noqa: B027 - of interest to graphs only
        """A map below it has submitted its items."""

    def fails(self, culprit: Record) -> None:
        """A job of it has failed for good, and so will this, unless it is tried again: tell those around."""
        parent = self.record.parent
        if self.record.options.retry is None and parent is not None and parent.body is not None:
            parent.body.fails(culprit)

    def tell(self, record: Record) -> None:
        """Tell those who watch the run that a job of it has come to rest."""
        for watcher in tuple(self.watchers or ()):
            watcher(record)

    async def all_ended(self) -> None:
        """Wait until all that it has started has ended."""
        if self.record.children:
            self._all_ended = self.live.run.loop.create_future()
            try:
                await wait(self.live.run, self._all_ended)
            finally:
                self._all_ended = None

    def rests(self) -> bool:
        """Look whether it waits, and nothing below it can go on without an answer."""
        if self.record.state is not State.PARKED or not self.live.run.scheduler.states[State.SUSPENDED]:
            return False
        return nothing_goes_on(self)

    def suspended(self) -> list[Record]:
        """The jobs below it that wait for an answer, in the order in which they were accepted."""
        found: list[Record] = []
        below = list(self.record.children or ())
        while below:
            record = below.pop()
            if record.questions and record.state is State.SUSPENDED:
                found.append(record)
            below.extend(record.children or ())
        return sorted(found, key=lambda record: record.number)

    async def ask(self, question: object, schema: object, timeout: float | None, default: object) -> Any:
        """Rest with a question until it is answered, or the time for that is over."""
        live, record, run = self.live, self.record, self.live.run
        run.check("ctx.ask")
        if not live.live:
            raise EngineNotOpen(f"job {record.label} has ended or was given up; it cannot ask")
        self._questions += 1
        asked = Question(str(self._questions), question, schema)
        by = None if timeout is None else run.loop.time() + timeout
        lasting = default is NO_DEFAULT
        answer: asyncio.Future[Any] = run.loop.create_future()
        self.asked[asked.id] = _Asked(answer, lasting, by)
        record.questions = (*record.questions, asked)
        clock: asyncio.TimerHandle | None = None
        if timeout is not None and by is not None:
            clock = run.loop.call_at(by, self._out_of_time, asked, timeout, default, context=run.context)
        if run.history is not None:
            run.history.suspended(record)
        body_moves(run, live)
        try:
            return await answer
        finally:
            if clock is not None:
                clock.cancel()
            given_up = self.asked.pop(asked.id, None) is not None  # a timeout around it, say
            if given_up and record.body is self and not (live.cancelled and record.asks):
                record.questions = tuple(each for each in record.questions if each.id != asked.id)
                body_moves(run, live)

    def answer(self, question: str, answer: Any) -> None:
        """A question of the body itself was answered."""
        future = self.asked.pop(question).answer
        if not future.done():
            future.set_result(answer)
        body_moves(self.live.run, self.live)

    @property
    def lasting(self) -> bool:
        """Whether it asks something that only an answer closes, or the end of the body's patience."""
        return any(asked.lasting for asked in self.asked.values())

    @property
    def answer_by(self) -> float | None:
        """When the first of its questions is out of time."""
        return min((asked.by for asked in self.asked.values() if asked.by is not None), default=None)

    def _out_of_time(self, asked: Question, seconds: float, default: object) -> None:
        if asked.id not in self.asked or not self.live.live:
            return
        record, run = self.record, self.live.run
        if default is not NO_DEFAULT:
            take(run, record, asked, default)
            return
        record.questions = tuple(each for each in record.questions if each.id != asked.id)
        future = self.asked.pop(asked.id).answer
        if not future.done():
            future.set_exception(
                AnswerTimeout(f"no answer within {seconds:g} s to question {called(asked)}", seconds)
            )
        body_moves(run, self.live)
