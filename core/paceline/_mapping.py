"""`engine.map`: a stream of payloads in, a stream of results out, and never more than a window of jobs."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from ._errors import EngineNotOpen
from ._job import JobResult
from ._options import Options
from ._parking import come_back, wait, waiting
from ._scheduler import Cap
from ._stopping import cancel

if TYPE_CHECKING:
    from ._live import LiveAttempt
    from ._record import Record
    from ._run import Run

__all__ = ["map_payloads"]


async def map_payloads(
    run: Run,
    payloads: Iterable[Any] | AsyncIterable[Any],
    options: Options,
    *,
    name: str,
    ordered: bool,
    window: int,
) -> AsyncGenerator[JobResult, None]:
    """Yield the results of jobs over `payloads`, which are taken only as the window allows."""
    mapping = _Mapping(run, options, name, window, run.current())
    # A task of its own: results come out while the source makes one wait. It is one task for the whole
    # source, whose code may hold scopes that must be left in the task in which they were entered.
    feeder = run.loop.create_task(mapping.feed(payloads))
    run.keep(feeder)
    try:
        while True:
            record = mapping.next(ordered=ordered)
            if record is not None:
                yield record.result()
            elif mapping.over and not mapping.open:
                break
            else:
                await wait(run, mapping.changed.wait())
        if mapping.error is not None:
            raise mapping.error
    finally:
        mapping.cancel()
        if not feeder.done():
            feeder.cancel()
            await asyncio.wait([feeder], timeout=run.settings.grace)


class _Mapping:
    """What a map has submitted and not yet yielded."""

    def __init__(
        self, run: Run, options: Options, name: str, window: int, parent: LiveAttempt | None
    ) -> None:
        self._run = run
        self._options = options
        self._name = name
        self._window = window
        self._parent = parent
        limit, options.max_running = options.max_running, None
        self._caps = () if limit is None else (Cap(name, limit),)
        """Its own, on all its jobs together."""
        self._lane = run.intake.lane(options.lane)
        self._after = run.intake.edges(options.after)
        self._submitted = 0
        self._rested: deque[Record] = deque()
        self._room = asyncio.Event()
        self.changed = asyncio.Event()
        """There may be something to yield, or the source is over."""
        self._waiter = waiting(run)
        self.open: OrderedDict[Record, None] = OrderedDict()
        """Submitted and not yet yielded, in order."""
        self.over = False
        self.error: BaseException | None = None
        """What the source raised, to be raised again once the results before it are out."""

    async def feed(self, payloads: Iterable[Any] | AsyncIterable[Any]) -> None:
        """Submit a job for each payload; the next is taken when there is room for it."""
        try:
            async with aclosing(_each(payloads)) as source:
                async for payload in source:
                    await self._submit(payload)
                    while len(self.open) >= self._window:
                        self._room.clear()
                        await self._room.wait()
        except asyncio.CancelledError as error:
            self.error = EngineNotOpen("map: the engine is closed") if self._run.closed else error
        except Exception as error:  # noqa: BLE001 - raised again by `map_payloads`
            self.error = error
        finally:
            self.over = True
            self.changed.set()

    async def _submit(self, payload: Any) -> None:
        run = self._run
        if self._parent is None:
            await run.room.enter()
        if self._lane.closed:
            self._lane = run.intake.lane(self._options.lane)
        key = f"{self._name}[{self._submitted}]"
        self._submitted += 1
        record = run.intake.add(
            payload, self._options, self._parent, self._lane, key, after=self._after, caps=self._caps
        )
        self.open[record] = None

        def rested() -> None:
            self._rested.append(record)
            self.changed.set()
            if self._waiter is not None:
                come_back(run, self._waiter)

        if record.resting:
            rested()
        else:
            record.on_rest = [*(record.on_rest or ()), rested]
        run.dispatch()

    def next(self, *, ordered: bool) -> Record | None:
        """A record whose result can be yielded now."""
        if ordered:
            first = next(iter(self.open), None)
            self._rested.clear()
            if first is not None and not first.resting:
                first = None
        else:
            first = self._rested.popleft() if self._rested else None
        if first is None:
            self.changed.clear()
        else:
            del self.open[first]
            self._room.set()
        return first

    def cancel(self) -> None:
        """The caller left the loop: what it would have yielded is not wanted."""
        for record in tuple(self.open)[::-1]:
            if record.status is None and not self._run.closed:
                cancel(self._run, record, "the loop over map was left")


async def _each(payloads: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[Any, None]:
    if isinstance(payloads, AsyncIterable):
        async for payload in payloads:
            yield payload
    else:
        for payload in payloads:
            yield payload
