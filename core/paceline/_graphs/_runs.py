"""Runs of graphs and flows: started in an engine, watched as their tasks come in, and told of in a report."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeAlias, TypeVar, cast, final

from paceline._checks import count
from paceline._handles import Handle, rest
from paceline._job import JobResult, Question, Status
from paceline._parking import come_back, wait, waiting

from ._conditions import Conditional
from ._in_place import engine_here, in_engine
from ._steps import Step

if TYPE_CHECKING:
    from paceline._bodies import Body, LiveBody
    from paceline._engine import Engine
    from paceline._executor import ExecutorLike
    from paceline._record import Record
    from paceline._report import RunReport
    from paceline._run import Run

__all__ = ["Composite", "GraphRun", "walk"]

P = ParamSpec("P")
R = TypeVar("R")

Below: TypeAlias = "tuple[str, Record, tuple[Record, ...], Record]"
"""A job below a body: its name from there, the job, the jobs that it came after, the body that it lies in."""


class Composite(Step[P, R]):
    """A step that is made of others: a graph or a flow. It can be run by itself, and tells how that went."""

    @property
    def executor(self) -> ExecutorLike:
        return self.body()

    @abstractmethod
    def body(self) -> Body:
        """The executor of one run."""

    def in_place(self, payload: Any, mapped: tuple[str, ...] | None) -> Awaitable[Any]:
        return in_engine(self, payload, mapped)

    async def _start(
        self, run: Run, body: Body, inputs: Mapping[str, Any], max_running: int | None
    ) -> GraphRun[R]:
        options: Any = {**self.options, "executor": body, "name": self.name, "after": self.jobs_before()}
        live = run.current()
        if live is not None:
            options.setdefault("lane", live.job.lane)
        if max_running is not None:
            count(str(self), "max_running", max_running)
            options["max_running"] = max_running
        listeners: list[Callable[[Record], object]] = []
        body.watchers = listeners
        payload = inputs if self.when is None else Conditional(self, inputs)
        record = await run.intake.submit(payload, options, key=run.nth_name(self.name))
        return GraphRun(record, listeners)

    async def _report(
        self,
        engine: Engine | None,
        start: Callable[[Run], Awaitable[GraphRun[R]]],
        max_running: int | None,
        run_id: str | None,
    ) -> RunReport:
        """Start it in the engine that is given, that of the job which asks, or one of its own; and report."""
        given = None if engine is None else self._run_of(engine)
        async with engine_here(self, given, max_running=max_running, run_id=run_id) as run:
            return await _to_report(await start(run))

    def _run_of(self, engine: Engine) -> Run:
        """What is open of an engine; refuses an input that is given in its place."""
        opened = getattr(engine, "_open", None)
        if opened is None:
            raise TypeError(f"{self}: the engine comes first, and inputs go by name; {engine!r} is no Engine")
        return cast("Run", opened(f"running {self}"))

    def _merged(self, inputs: Mapping[str, Any] | None, named: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs of a run, by name.

        Raises:
            TypeError: if one is given twice.
        """
        both = [name for name in named if inputs is not None and name in inputs]
        if both:
            raise TypeError(f"{self}: the input {both[0]!r} is given twice, in inputs= and by name")
        return {**(inputs or {}), **named}


async def _to_report(run: GraphRun[Any]) -> RunReport:
    await rest((run._record,), lambda: run.cancel("whoever ran it was cancelled"))
    return await run.report()


@final
class GraphRun(Generic[R]):
    """A graph or flow that was started: await it for what it returns, ask for its report, or watch it.

    Awaiting it raises `JobFailed` and its like, as awaiting a handle does; `report` never raises for what its
    tasks do. Giving up the await leaves it running; `cancel` ends it.
    """

    __slots__ = ("_listeners", "_record")

    def __init__(self, record: Record, listeners: list[Callable[[Record], object]]) -> None:
        self._record = record
        self._listeners = listeners

    @property
    def id(self) -> str:
        """The id of the job that the run is."""
        return self._record.job.id

    @property
    def name(self) -> str:
        """The name of the graph or flow."""
        return self._record.job.name

    @property
    def key(self) -> str | None:
        """Its name, or `name#n` for the nth of that name in the engine."""
        return self._record.job.key

    @property
    def status(self) -> Status:
        """Where it is now; "suspended" when nothing of it can go on without an answer."""
        return self._record.current_status()

    @property
    def handle(self) -> Handle:
        """The run as a job, for `after=`, its questions and its result."""
        return Handle(self._record)

    @property
    def tasks(self) -> dict[str, Handle]:
        """The jobs that it has started so far, by name; those of nested ones as `outer/inner`."""
        return {name: Handle(record) for name, record, _, _ in walk(self._record)}

    @property
    def questions(self) -> dict[str, tuple[Question, ...]]:
        """What it waits to be told, by the id of the job that asks: `engine.reply(job_id, answer)`."""
        asking = [self._record, *(record for _, record, _, _ in walk(self._record))]
        return {record.job.id: record.questions for record in asking if record.questions}

    def cancel(self, reason: str = "cancelled by its caller") -> bool:
        """End it and all that it has started; whether there was anything to end."""
        return self.handle.cancel(reason)

    def __await__(self) -> Generator[Any, Any, R]:
        return self.handle.__await__()

    async def report(self) -> RunReport:
        """Wait until it has ended or rests for an answer, and tell what became of it."""
        from ._reporting import report_of

        await self.handle.wait()
        return await report_of(self._record)

    async def as_completed(self) -> AsyncGenerator[JobResult, None]:
        """Yield the result of each of its jobs, nested ones included, as it ends or is suspended."""
        record, run = self._record, self._record.run
        ready: deque[Record] = deque(each for _, each, _, _ in walk(record) if each.resting)
        wake = asyncio.Event()
        wake.set()
        live = waiting(run)

        def tell(each: Record | None = None) -> None:
            if each is not None:
                ready.append(each)
            if not wake.is_set():  # it waits
                wake.set()
                if live is not None:
                    come_back(run, live)

        self._listeners.append(tell)
        try:
            while True:
                while ready:
                    yield ready.popleft().result()
                if record.resting:
                    return
                wake.clear()
                _stop_telling(record, tell)
                record.on_rest = [*(record.on_rest or ()), tell]
                await wait(run, wake.wait())
        finally:
            self._listeners.remove(tell)
            _stop_telling(record, tell)

    def __repr__(self) -> str:
        return f"<GraphRun {self.name!r} {self.status}>"


def _stop_telling(record: Record, tell: Callable[[], object]) -> None:
    if record.on_rest is not None and tell in record.on_rest:
        record.on_rest.remove(tell)


def walk(root: Record) -> Iterator[Below]:
    """All jobs below a body, each with its name from there and the body that it lies in, which comes first.

    Names are `name`, `name[0]`, `outer/inner`; where one is taken, because somebody chose such a name for
    another, the key or else the id stands for it.
    """
    taken: set[str] = set()
    stack: list[Iterator[Below]] = [_below(root, "")]
    while stack:
        for name, record, after, body in stack[-1]:
            if name in taken:
                key = record.job.key
                name = record.job.id if key is None or key in taken else key  # noqa: PLW2901 - its other name
            taken.add(name)
            yield name, record, after, body
            if record.body is not None:
                stack.append(_below(record, name))
                break
        else:
            stack.pop()


def _below(body: Record, prefix: str) -> Iterator[Below]:
    attempts: list[LiveBody] = []
    live = body.body
    while live is not None:
        attempts.append(live)
        live = live.earlier
    for each in reversed(attempts):
        between = "/" if prefix and each.kind != "map" else ""
        for name, child, after in each.children():
            yield prefix + between + name, child, after, body
