"""Flows: plain async functions in which calling a task submits a job. What comes next is decided as they run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, cast, final, overload

from paceline._bodies import Body, BodyKind, Child, Inputs, LiveBody
from paceline._edges import as_edge
from paceline._errors import PacelineError
from paceline._handles import Handle, until_end
from paceline._job import Ended
from paceline._options import Options
from paceline._scheduler import Cap

from ._maps import MapBody
from ._runs import Composite, GraphRun
from ._signature import Signature
from ._steps import Call, GraphOptions, Step

if TYPE_CHECKING:
    from typing import Unpack

    from paceline._engine import Engine
    from paceline._live import LiveAttempt
    from paceline._record import Record
    from paceline._report import RunReport
    from paceline._scheduler import Edge

__all__ = ["Flow", "FlowCall", "FlowDecorator", "LiveFlow", "flow"]

P = ParamSpec("P")
R = TypeVar("R")


@final
class Flow(Composite[P, R]):
    """A reactive graph, made by `flow`: call it, or run it for a report.

    `fn` is the function itself.
    """

    def __init__(self, fn: Callable[P, Awaitable[R]], options: GraphOptions) -> None:
        if not inspect.iscoroutinefunction(fn):
            raise TypeError(f"a flow is an async function: write `async def`, or make {fn!r} a task")
        given: dict[str, Any] = {**options}
        name = given.pop("name", None) or getattr(fn, "__name__", "flow")
        functools.update_wrapper(self, fn)
        super().__init__(name, Signature(fn), given)
        self.fn: Callable[P, Awaitable[R]] = fn

    def body(self, **how: Any) -> Body:
        return FlowBody(self, **how)

    async def start(
        self,
        engine: Engine,
        *,
        inputs: Mapping[str, Any] | None = None,
        max_running: int | None = None,
        **named: Any,
    ) -> GraphRun[R]:
        """Start it in an engine, and come back at once: watch it, await what it returns, or cancel it.

        `inputs`, or the same as arguments by name. `max_running`: how many of its jobs run at once.

        Raises:
            TypeError: if the arguments do not fit.
            EngineNotOpen, WrongLoop: as for `engine.submit`.
        """
        run = engine._open(f"starting {self}")
        return await self._start(
            run, self.body(keep=True), self.bind((), self._merged(inputs, named)), max_running
        )

    async def run(
        self,
        engine: Engine | None = None,
        *,
        inputs: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        max_running: int | None = None,
        **named: Any,
    ) -> RunReport:
        """Run it, and tell what became of it and of each call in it: it does not raise for what these do.

        Without an engine: in that of the job which asks or, outside of any, in one of its own, whose run `run_id`
        names. Comes back when it has ended, or rests for an answer. The rest is as for `start`.
        """
        given = self.bind((), self._merged(inputs, named))
        return await self._report(
            engine,
            lambda run: self._start(run, self.body(keep=True), given, max_running),
            max_running,
            run_id,
        )


@final
class FlowBody(Body):
    """The executor of a flow: its payload is the arguments, by name."""

    kind: BodyKind = "flow"

    def __init__(self, flow: Flow[..., Any], *, keep: bool = False) -> None:
        self.name: str = flow.name
        self._flow = flow
        self._keep = keep

    def open(self, live: LiveAttempt) -> LiveBody:
        return LiveFlow(live, self._flow, keep=self._keep)


class _Conditional(Inputs):
    """The arguments of a call that has a condition."""

    __slots__ = ("_payload", "_when")

    def __init__(self, payload: Any, when: Any) -> None:
        self._payload = payload
        self._when = when

    def conditional(self) -> bool:
        return True

    def met(self) -> bool:
        if not callable(self._when):
            return bool(self._when)
        names = inspect.signature(self._when).parameters
        return bool(self._when(**{name: self._payload[name] for name in names if name in self._payload}))

    def resolve(self) -> object:
        return self._payload


class FlowCall(Call[R]):
    """A call in a flow. Its job is submitted when the flow next waits, or when the call is awaited."""

    __slots__ = (
        "_flow",
        "caps",
        "context",
        "error",
        "key",
        "mapped",
        "observed",
        "payload",
        "record",
        "step",
    )

    def __init__(
        self, flow: LiveFlow, step: Step[..., R], payload: Any, mapped: tuple[str, ...] | None, key: str
    ) -> None:
        self._flow = flow
        self.step: Step[..., R] = step
        self.payload: Any = payload
        self.mapped: tuple[str, ...] | None = mapped
        self.key: str = key
        self.caps: tuple[Cap, ...] = ()
        self.context: Context = copy_context()
        self.record: Record | None = None
        self.error: Exception | None = None
        """Why it could not be submitted."""
        self.observed: bool = False
        """Somebody awaits it: what becomes of it will be known."""

    def submitted(self) -> Record:
        """Its job, submitted now if it was not; somebody will know what becomes of it."""
        if self.record is None and self.error is None:
            self._flow.submit_pending()
        self.observed = True
        self._flow.observe(self)
        if self.error is not None:
            raise self.error
        if self.record is None:
            raise PacelineError(f"{self!r} was not submitted: its flow has ended or was given up")
        return self.record

    def __await__(self) -> Generator[Any, Any, R]:
        record = self.submitted()
        if record.status is None:
            yield from until_end((record,)).__await__()
        return cast("R", record.outcome())

    @property
    def handle(self) -> Handle:
        """The job of the call."""
        return Handle(self.submitted())

    def __repr__(self) -> str:
        return f"<Call {self.key!r} of {self.step.name!r}>"


@final
class LiveFlow(LiveBody):
    """A flow at work: the place of the calls in it."""

    kind: BodyKind = "flow"

    def __init__(self, live: LiveAttempt, flow: Flow[..., Any], *, keep: bool) -> None:
        super().__init__(live)
        self._flow = flow
        parent = live.record.parent
        self.keep: bool = keep or bool(parent is not None and getattr(parent.body, "keep", False))
        """Whether all calls are kept for a report."""
        self._number = 0
        self._pending: list[FlowCall[Any]] = []
        self._started: dict[Record, FlowCall[Any]] = {}
        """Calls whose job has not ended, or has ended badly with nobody to know."""
        self._refused: dict[FlowCall[Any], Exception] = {}
        """Calls that could not be submitted, with nobody to know."""
        self._kept: list[Record] = []

    async def work(self) -> Any:
        flow = self._flow
        output = await cast("Signature", flow.signature).call(flow.fn, self.live.job.payload or {})
        self.submit_pending()
        await self.all_ended()
        for error in self._refused.values():
            raise error
        for record, call in self._started.items():
            if not call.observed and record.status in {"failed", "cancelled"}:
                raise record.failure() from record.error
        return output

    def call(self, step: Step[..., Any], payload: Any, mapped: tuple[str, ...] | None) -> FlowCall[Any]:
        """A call in the flow becomes a job of it."""
        self.live.run.check(f"calling {step}")
        if not self.live.live:
            raise PacelineError(f"flow {self._flow.name!r} has ended or was given up; it cannot call {step}")
        key = f"{self.live.job.key or self.live.job.name}/{self._number}"
        self._number += 1
        call: FlowCall[Any] = FlowCall(self, step, payload, mapped, key)
        if not self._pending:
            self.live.run.loop.call_soon(self.submit_pending)
        self._pending.append(call)
        return call

    def dangling(self, old: Step[..., Any], new: Step[..., Any]) -> None:
        """Of no interest here."""

    def submit_pending(self) -> None:
        """Submit the calls that were made since the last time."""
        pending, self._pending = self._pending, []
        if not self.live.live:
            return
        for call in pending:
            try:
                self._submit(call)
            except Exception as error:  # noqa: BLE001 - raised where the call is awaited, or else at the flow's end
                call.error = self._refused[call] = error
        if pending:
            self.live.run.dispatch()

    def _submit(self, call: FlowCall[Any]) -> None:
        run, live, step = self.live.run, self.live, call.step
        given: Any = step.options
        executor: Any = step.executor
        if call.mapped is not None:
            given = {name: each for name, each in given.items() if name in {"lane", "max_running"}}
            executor = MapBody(step, call.mapped)
        options = Options(given, run.settings.retry)
        lane = run.intake.lane(given.get("lane", live.job.lane))
        payload = call.payload if step.when is None else _Conditional(call.payload, step.when)
        call.record = record = run.intake.add(
            payload, options, live, lane, call.key,
            bound=run.executors.bind(executor), name=step.name, after=self._edges(step), caps=call.caps,
            context=call.context,
        )  # fmt: skip
        if self.keep:
            self._kept.append(record)
        if record.status is None or record.status != "succeeded":
            self._started[record] = call

    def observe(self, call: FlowCall[Any]) -> None:
        """Somebody awaits the call."""
        self._refused.pop(call, None)
        if call.record is not None and call.record.status is not None:
            self._started.pop(call.record, None)

    def _edges(self, step: Step[..., Any]) -> list[Edge]:
        edges: list[Edge] = []
        for each in step.afters:
            needs_success = not isinstance(each, Ended)
            target = each.of if isinstance(each, Ended) else each
            if isinstance(target, FlowCall):
                edges.append((target.submitted(), needs_success))
            elif isinstance(target, Step):
                same = [record for record, call in self._started.items() if call.step.origin is target.origin]
                edges.extend((record, needs_success) for record in same)
            else:
                edges.append(as_edge(self.live.run, each))
        return edges

    def child_ended(self, record: Record) -> None:
        super().child_ended(record)
        call = self._started.get(record)
        if call is not None and (call.observed or record.status in {"succeeded", "skipped"}):
            del self._started[record]

    def children(self) -> Iterator[Child]:
        for record in self._kept:
            yield record.job.name, record, ()


class FlowDecorator(Protocol):
    """What `flow(...)` with options gives."""

    def __call__(self, fn: Callable[P, Awaitable[R]], /) -> Flow[P, R]:
        """Make a flow of an async function."""
        ...


@overload
def flow(fn: Callable[P, Awaitable[R]], /, **options: Unpack[GraphOptions]) -> Flow[P, R]: ...
@overload
def flow(**options: Unpack[GraphOptions]) -> FlowDecorator: ...
def flow(fn: Any = None, /, **options: Unpack[GraphOptions]) -> Any:
    """Make a flow of an async function; also a decorator.

        @flow(max_running=4)
        async def research(topic: str) -> str:
            pages = await search(topic)                 # a job; what fails is caught here, as JobFailed
            notes = await gather(*(read(page) for page in pages))
            return await write(notes)

        print(await research("tea"))                    # in an engine of its own
        report = await research.run(engine, topic="tea")

    In its body each call of a task submits a job, at once or together with others that are awaited later; all
    else is plain Python. The flow itself holds no slot. It ends when all that it has started has ended; cancelling
    it cancels that too. A call that fails and that nobody has awaited fails the flow. `max_running`: how many of
    its jobs run at once, those of flows and graphs in it included.

    Raises:
        TypeError: if it is no async function.
    """
    if fn is None:
        return functools.partial(_make, options)
    return _make(options, fn)


def _make(options: GraphOptions, fn: Callable[..., Any]) -> Flow[..., Any]:
    return Flow(fn, options)
