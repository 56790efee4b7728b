"""The simulated machine behind all the APIs: its cache, places, limits, speed and counts."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from ._blocks import SharedCache
from ._cache import Lease, NoCache, PrefixCache
from ._caching import PLAIN, Caching
from ._client import Client
from ._faults import FaultPlan
from ._limits import RateLimiter
from ._log import RequestLog
from ._places import Places
from ._reply import Usage
from ._schedule import Schedule
from ._settings import SimulatorSettings
from ._slots import SlotCache
from ._stats import Counters, SimulatorStats
from ._tokens import Prompt

__all__ = ["Backend", "Generation"]


class Backend:
    """Everything that requests share. Belongs to one event loop; `clock` gives seconds that never go back."""

    def __init__(self, settings: SimulatorSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.clock = clock
        self.cache = _make_cache(settings)
        self.places = Places(settings.places)
        self.numbers = itertools.count()
        self.log = RequestLog(settings.remember)
        self.reset()

    def reset(self) -> None:
        """Forget cached prompts, counts, requests, used-up limits and past faults. Work under way goes on."""
        settings = self.settings
        self.cache.clear()
        self.log.clear()
        self.counters = Counters()
        self.faults = FaultPlan(settings)
        self.limiter = RateLimiter(rpm=settings.rpm, tpm=settings.tpm, burst=settings.burst, now=self.clock())

    def stats(self) -> SimulatorStats:
        """Count what was done so far."""
        return self.counters.stats(
            unfinished=self.log.unfinished, running=self.places.running, waiting=self.places.waiting
        )


def _make_cache(settings: SimulatorSettings) -> PrefixCache:
    if settings.cache == "slot":
        return SlotCache(slots=settings.slots, min_prefix=settings.min_prefix)
    if settings.cache == "none":
        return NoCache()
    return SharedCache(
        block=settings.block, min_prefix=settings.min_prefix, ttl=settings.ttl, capacity=settings.capacity
    )


class Generation:
    """The work on one answer, from a place to its last token: `async with`, then `advance` to its end.

    Raises:
        ClientGone: from any wait, if the client hangs up.
    """

    def __init__(
        self, backend: Backend, client: Client, prompt: Prompt, tokens: int, caching: Caching = PLAIN
    ) -> None:
        self._backend = backend
        self._client = client
        self._prompt = prompt
        self._caching = caching
        self.tokens = tokens
        self.sent = 0

    async def __aenter__(self) -> Self:
        backend, prompt = self._backend, self._prompt
        await backend.places.take(self._client)
        now = backend.clock()
        self._lease: Lease = backend.cache.open(prompt, now, self._caching)
        cached = self._lease.cached
        self._schedule = Schedule(
            start=now,
            evaluated=prompt.tokens - cached,
            tokens=self.tokens,
            prefill_rate=backend.settings.prefill_rate,
            decode_rate=backend.settings.decode_rate,
        )
        backend.counters.prompt_tokens += prompt.tokens
        backend.counters.cached_tokens += cached
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lease.close(self._backend.clock())
        self._backend.places.give_back()

    @property
    def usage(self) -> Usage:
        """The tokens of the whole answer."""
        lease = self._lease
        return Usage(
            self._prompt.tokens, lease.cached, self.tokens, lease.written if self._caching.told else None
        )

    async def next_chunk(self, end: int) -> tuple[int, int]:
        """Wait for the next tokens of a stream that stops at `end`; from which to which there are."""
        start = self.sent
        await self._reach(min(end, self._schedule.next_chunk(start, self._backend.clock())))
        return start, self.sent

    async def advance(self, end: int) -> None:
        """Wait for the first `end` tokens."""
        if self.sent == 0 < end:
            await self._reach(1)
        await self._reach(end)

    async def finish(self) -> None:
        """Wait for the end of the answer; one without tokens has then read its prompt."""
        await self._client.sleep_until(self._schedule.due(self.tokens + 1))
        if self.tokens == 0:
            self._lease.commit(self._backend.clock())

    async def _reach(self, count: int) -> None:
        if count <= self.sent:
            return
        await self._client.sleep_until(self._schedule.due(count))
        self._client.check()
        if self.sent == 0:  # the caller sends it before anything else can run
            self._lease.commit(self._backend.clock())
        self._backend.counters.output_tokens += count - self.sent
        self.sent = count
