"""A model provider in virtual time, with the prefix caches of the simulator: what it evaluates is counted."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal

from paceline import Job, JobContext, Usage
from paceline_integrations.simulator._blocks import SharedCache
from paceline_integrations.simulator._cache import NoCache, PrefixCache
from paceline_integrations.simulator._slots import SlotCache
from paceline_integrations.simulator._tokens import TOKEN_WIDTH, Prompt

BLOCK = 16


@dataclass(frozen=True)
class Ask:
    """A request: a prefix that others share, by its name and tokens, and as many of its own as it says."""

    prefix: str
    shared: int = 256
    own: int = 16
    name: str = ""

    @property
    def prompt(self) -> Prompt:
        return Prompt("m", _text(self.prefix, self.shared) + _text(f"{self.prefix}/{self.name}", self.own))


def _text(name: str, tokens: int) -> str:
    return (f"{name};" * (tokens * TOKEN_WIDTH))[: tokens * TOKEN_WIDTH]


@dataclass
class Provider:
    """Answers in places of its own: prefill at `speed` tokens a second, a first token, then `decode` seconds.

    `says` is what of the cached tokens it tells: all, nothing at all, or usage without the cached part.
    """

    cache: PrefixCache
    places: int = 64
    speed: float = 256.0
    decode: tuple[float, float] = (2.0, 4.0)
    says: Literal["all", "no usage", "no cached"] = "all"
    streams: bool = True
    seed: int = 1
    evaluated: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Prompt tokens that were worked on, by prefix."""
    peak: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """The most requests at once, by prefix."""
    started: list[tuple[float, str, str]] = field(default_factory=list[tuple[float, str, str]])
    resources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._free = asyncio.Semaphore(self.places)
        self._running: dict[str, int] = defaultdict(int)

    @classmethod
    def shared(cls, *, ttl: float | None = None, min_prefix: int = 0, **settings: object) -> Provider:
        cache = SharedCache(block=BLOCK, ttl=ttl, min_prefix=min_prefix)
        return cls(cache, **settings)  # type: ignore[arg-type]

    @classmethod
    def by_slot(cls, places: int, **settings: object) -> Provider:
        return cls(SlotCache(slots=places), places=places, **settings)  # type: ignore[arg-type]

    @classmethod
    def without_cache(cls, **settings: object) -> Provider:
        return cls(NoCache(), **settings)  # type: ignore[arg-type]

    @property
    def total(self) -> int:
        """All prompt tokens that were worked on."""
        return sum(self.evaluated.values())

    async def execute(self, job: Job, ctx: JobContext) -> str:
        ask: Ask = job.payload
        name = ask.prefix
        loop = asyncio.get_running_loop()
        decode = self._dice.uniform(*self.decode)
        self.started.append((loop.time(), name, ask.name))
        async with self._free:
            self._running[name] += 1
            self.peak[name] = max(self.peak[name], self._running[name])
            prompt = ask.prompt
            lease = self.cache.open(prompt, loop.time())
            try:
                self.evaluated[name] += prompt.tokens - lease.cached
                await asyncio.sleep((prompt.tokens - lease.cached) / self.speed)
                lease.commit(loop.time())
                if self.streams:
                    ctx.emit("first")
                await asyncio.sleep(decode)
            finally:
                self._running[name] -= 1
                lease.close(loop.time())
        if self.says != "no usage":
            cached = None if self.says == "no cached" else lease.cached
            ctx.usage(Usage(input_tokens=prompt.tokens, cached_tokens=cached, output_tokens=8))
        return name


def ideal(asks: list[Ask]) -> int:
    """What has to be evaluated at least: each prefix once, and each request's own."""
    prefixes = {ask.prefix: ask.shared for ask in asks}
    return sum(prefixes.values()) + sum(ask.own for ask in asks)
