"""A flow at work: its function runs, and each call of a task in it becomes a job."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Generator, Iterator
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, TypeVar, cast, final

from paceline._bodies import Body, BodyKind, Child, LiveBody
from paceline._edges import as_edge
from paceline._errors import PacelineError
from paceline._handles import Handle, until_end
from paceline._job import Ended
from paceline._live import CURRENT
from paceline._room import BREATH

from ._calls import Call, refuse_calls
from ._steps import Step

if TYPE_CHECKING:
    from paceline._job import JobResult
    from paceline._live import LiveAttempt
    from paceline._record import Record
    from paceline._scheduler import Cap, Edge

    from ._flow import Flow
    from ._signature import Signature

__all__ = ["FlowBody", "FlowCall", "LiveFlow"]

R = TypeVar("R")


@final
class FlowBody(Body):
    """The executor of a flow: its payload is the arguments, by name."""

    kind: BodyKind = "flow"

    def __init__(self, flow: Flow[..., Any]) -> None:
        self.name: str = flow.name
        self.max_running: int | None = flow.options.get("max_running")
        self._flow = flow

    def open(self, live: LiveAttempt) -> LiveBody:
        return LiveFlow(live, self._flow)


class FlowCall(Call[R]):
    """A call in a flow. Its job is submitted when the flow next waits, or when the call is awaited."""

    __slots__ = (
        "_flow",
        "after",
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
        self.after: Record | None = flow.last
        """What had ended last when it was made: what it was made after, as far as can be told."""
        self.caps: tuple[Cap, ...] = ()
        """Those of the calls that it was gathered with."""
        self.context: Context | None = copy_context()
        self.record: Record | None = None
        """Its job, once it was submitted."""
        self.error: Exception | None = None
        """Why it could not be submitted."""
        self.observed: bool = False
        """Somebody waits for it: what becomes of it will be known."""

    def submitted(self) -> Record:
        """Its job, submitted now if it was not.

        Raises:
            PacelineError, UnknownName, Closed: if it cannot be; whatever else the middleware raises.
        """
        if self.record is None and self.error is None:
            self._flow.submit_pending(self)
        if self.error is not None:
            self._flow.observe(self)
            raise self.error
        if self.record is None:
            raise PacelineError(f"{self!r} was not submitted: its flow has ended or was given up")
        return self.record

    def observe(self) -> Record:
        """The same, for whoever waits for it: its failure is known, and does not fail the flow by itself."""
        record = self.submitted()
        self._flow.observe(self)
        return record

    def __await__(self) -> Generator[Any, Any, R]:
        record = self.observe()
        if record.status is None:
            yield from until_end(record).__await__()
        return cast("R", record.outcome())

    @property
    def handle(self) -> Handle:
        """The job of the call, submitted now if it was not.

        To look at it is not to wait: a failure that nobody has awaited, by the call or the handle, fails the
        flow. A call that is cancelled by its handle does not.
        """
        return _CallHandle(self.submitted(), self)

    def __repr__(self) -> str:
        return f"<Call {self.key!r} of {self.step.name!r}>"


class _CallHandle(Handle):  # type: ignore[misc]  # final for all others
    """The job of a call in a flow: what becomes of it is known to whoever waits for it, or ends it."""

    __slots__ = ("_call",)

    def __init__(self, record: Record, call: FlowCall[Any]) -> None:
        super().__init__(record)
        self._call = call

    def __await__(self) -> Generator[Any, None, Any]:
        self._call.observe()
        return super().__await__()

    async def wait(self) -> JobResult:
        self._call.observe()
        return await super().wait()

    def cancel(self, reason: str = "cancelled by its caller", *, grace: float | None = None) -> bool:
        ended = super().cancel(reason, grace=grace)
        if ended:
            self._call.observe()
        return ended


@final
class LiveFlow(LiveBody):
    """A flow at work: the place of the calls in it."""

    kind: BodyKind = "flow"

    def __init__(self, live: LiveAttempt, flow: Flow[..., Any]) -> None:
        super().__init__(live)
        self._flow = flow
        self._key = live.job.key or live.job.name
        self._number = 0
        self._pending: deque[FlowCall[Any]] = deque()
        self._started: dict[Record, FlowCall[Any]] = {}
        """Calls whose job has not ended, or has ended badly with nobody to know."""
        self._refused: dict[FlowCall[Any], Exception] = {}
        """Calls that could not be submitted, with nobody to know."""
        self._kept: dict[Record, tuple[Record, ...]] = {}
        """For a report: all calls, each with the one that had ended last when it was made."""
        self.last: Record | None = None

    async def work(self) -> Any:
        output = await cast("Signature", self._flow.signature).call(self._flow.fn, self.live.job.payload)
        while self._pending or self.record.children:  # tasks of its own may go on to make calls
            if self._pending:
                await asyncio.sleep(0)  # the loop submits them, so many at a time
            await self.all_ended()
        for error in self._refused.values():
            raise error
        for record, call in self._started.items():
            if not call.observed:
                raise record.failure() from record.error
        return output

    def call(self, step: Step[..., Any], payload: Any, mapped: tuple[str, ...] | None) -> FlowCall[Any]:
        """A call in the flow becomes a job of it."""
        live = self.live
        live.run.check(f"calling {step}")
        if not live.live or CURRENT.get() is not live:
            raise PacelineError(f"flow {self._flow.name!r} has ended or was given up; it cannot call {step}")
        refuse_calls(step, payload)
        call: FlowCall[Any] = FlowCall(self, step, payload, mapped, f"{self._key}/{self._number}")
        self._number += 1
        if not self._pending:
            live.run.loop.call_soon(self.submit_pending, context=live.run.context)
        self._pending.append(call)
        return call

    def submit_pending(self, until: FlowCall[Any] | None = None) -> None:
        """Submit the calls that were made since the last time, up to that one, or so many at a time."""
        pending, run = self._pending, self.live.run
        if not self.live.live:
            pending.clear()
        for number in range(len(pending)):
            if until is None and number == BREATH:
                run.loop.call_soon(self.submit_pending, context=run.context)
                break
            call = pending.popleft()
            try:
                self._submit(call)
            except Exception as error:  # noqa: BLE001 - raised where it is awaited, or at the flow's end
                call.error = self._refused[call] = error
            call.payload = call.context = None
            if call is until:
                break
        run.dispatch()

    def _submit(self, call: FlowCall[Any]) -> None:
        context = cast("Context", call.context)
        call.record = record = context.run(  # middleware sees the job in the context of the call
            call.step.submit, self.live.run, call.payload, call.mapped, self.live,
            key=call.key, after=self._edges(call.step), caps=call.caps, context=context,
        )  # fmt: skip
        if self.watchers is not None:
            self._kept[record] = () if call.after is None else (call.after,)
        if record.status is None:  # else what it comes after has failed, and it was skipped
            self._started[record] = call

    def observe(self, call: FlowCall[Any]) -> None:
        """Somebody waits for the call."""
        call.observed = True
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
                origin = cast("Step[..., Any]", target).origin
                same = [record for record, call in self._started.items() if call.step.origin == origin]
                edges.extend((record, needs_success) for record in same)
            else:
                edges.append(as_edge(self.live.run, each))
        return edges

    def fails(self, culprit: Record) -> None:
        """It may catch the error: nothing is known yet."""

    def child_ended(self, record: Record) -> None:
        super().child_ended(record)
        if self.watchers is not None:
            self.last = record
        call = self._started.get(record)
        if call is not None and (call.observed or record.status in {"succeeded", "skipped"}):
            del self._started[record]

    def children(self) -> Iterator[Child]:
        names: Counter[str] = Counter()
        for record, after in self._kept.items():
            name = record.job.name
            names[name] += 1
            yield name if names[name] == 1 else f"{name}#{names[name]}", record, after
