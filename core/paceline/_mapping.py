"""`engine.map`: a stream of payloads in, a stream of results out, and never more than a window of jobs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

from ._job import JobResult
from ._options import Options
from ._parking import wait
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
) -> AsyncIterator[JobResult]:
    """Yield the results of jobs over `payloads`, which are taken only as the window allows."""
    source = _Source(payloads)
    mapping = _Mapping(run, options, name, run.current())
    try:
        while True:
            while len(mapping.open) < window and not source.over:
                async for payload in source.take():
                    await mapping.submit(payload)
            record = mapping.next(ordered=ordered)
            if record is not None:
                yield record.result()
            elif not mapping.open:
                break
            else:
                await wait(run, mapping.change())
        if source.error is not None:
            raise source.error
    finally:
        mapping.cancel()


class _Source:
    """Payloads one at a time, from a sync or async iterable; its error is kept until the results are out."""

    def __init__(self, payloads: Iterable[Any] | AsyncIterable[Any]) -> None:
        self.over = False
        self.error: Exception | None = None
        if isinstance(payloads, AsyncIterable):
            self._anext: Any = aiter(payloads).__anext__
            self._next: Any = None
        else:
            self._anext = None
            self._next = iter(payloads)

    async def take(self) -> AsyncIterator[Any]:
        """The next payload, or nothing at the end."""
        try:
            payload = next(self._next) if self._anext is None else await self._anext()
        except (StopIteration, StopAsyncIteration):
            self.over = True
            return
        except Exception as error:  # noqa: BLE001 - raised again once the results before it are out
            self.over = True
            self.error = error
            return
        yield payload


class _Mapping:
    def __init__(self, run: Run, options: Options, name: str, parent: LiveAttempt | None) -> None:
        self._run = run
        self._options = options
        self._name = name
        self._parent = parent
        self._lane = run.intake.lane(options.lane)
        self._submitted = 0
        self._waiter: asyncio.Future[None] | None = None
        self._rested: deque[Record] = deque()
        self.open: dict[Record, None] = {}
        """Submitted and not yet yielded, in order."""

    async def submit(self, payload: Any) -> None:
        run = self._run
        if self._parent is None:
            await run.room.enter()
        key = f"{self._name}[{self._submitted}]"
        self._submitted += 1
        record = run.intake.add(payload, self._options, self._parent, self._lane, key)
        self.open[record] = None

        def rested() -> None:
            self._rested.append(record)
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(None)

        if record.resting:
            rested()
        else:
            record.on_rest = [*(record.on_rest or ()), rested]
        run.dispatch()

    def next(self, *, ordered: bool) -> Record | None:
        """A record whose result can be yielded now."""
        if ordered:
            first = next(iter(self.open), None)
            if first is None or not first.resting:
                return None
            self._rested.clear()
        else:
            if not self._rested:
                return None
            first = self._rested.popleft()
        del self.open[first]
        return first

    async def change(self) -> None:
        """Wait until another one rests."""
        self._waiter = self._run.loop.create_future()
        await self._waiter

    def cancel(self) -> None:
        """The caller left the loop: what it would have yielded is not wanted."""
        for record in tuple(self.open)[::-1]:
            if record.status is None and not self._run.closed:
                cancel(self._run, record, "the loop over map was left")
