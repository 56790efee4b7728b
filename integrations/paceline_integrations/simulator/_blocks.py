"""The shared block cache of hosted providers and vLLM: whole blocks, read by any request."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence

from ._cache import Lease, PrefixCache
from ._tokens import TOKEN_WIDTH, Prompt

__all__ = ["SharedCache"]


class SharedCache(PrefixCache):
    """Whole blocks of `block` tokens, dropped when `ttl` has passed or, least recently used first, for room.

    A block's time to live begins anew at the start of each request that reads or writes it. A prefix shorter
    than `min_prefix` tokens is neither written nor read. `capacity` is in tokens; None: no bound.
    """

    def __init__(
        self, *, block: int = 16, min_prefix: int = 0, ttl: float | None = None, capacity: int | None = None
    ) -> None:
        self._block = block
        self._min_prefix = min_prefix
        self._ttl = math.inf if ttl is None else ttl
        self._room = math.inf if capacity is None else capacity // block
        self._expiry: OrderedDict[int, float] = OrderedDict()  # by chain key; least recently used first

    def __len__(self) -> int:
        return len(self._expiry)

    def open(self, prompt: Prompt, now: float) -> Lease:
        """Read the leading blocks that are there and fresh, and let their time to live begin anew."""
        keys = self._keys(prompt)
        readable = 0
        for key in keys[: (prompt.tokens - 1) // self._block]:
            if self._expiry.get(key, -math.inf) <= now:
                break
            readable += 1
        if readable * self._block < self._min_prefix:
            readable = 0
        self._touch(keys[:readable], now + self._ttl)
        return _BlockLease(self, keys, now, cached=readable * self._block)

    def write(self, keys: Sequence[int], started: float, now: float) -> None:
        """Keep a prompt's blocks, of a request that began at `started`; make room for them."""
        self._touch(keys, started + self._ttl)
        while self._expiry:
            key, expiry = next(iter(self._expiry.items()))
            if expiry > now and len(self._expiry) <= self._room:
                break
            del self._expiry[key]

    def clear(self) -> None:
        """Forget every block."""
        self._expiry.clear()

    def _keys(self, prompt: Prompt) -> list[int]:
        """Name each whole block by all that comes before it: a block is worth nothing without its prefix."""
        if prompt.tokens < self._min_prefix:
            return []
        # A 64-bit hash: that two of a million blocks share one has odds of one in forty million.
        key, width = hash(prompt.model), self._block * TOKEN_WIDTH
        keys: list[int] = []
        for start in range(0, len(prompt.text) - width + 1, width):
            key = hash((key, prompt.text[start : start + width]))
            keys.append(key)
        return keys

    def _touch(self, keys: Sequence[int], expiry: float) -> None:
        for key in reversed(keys):  # the tail becomes the least recently used: it is worth least to others
            self._expiry[key] = max(expiry, self._expiry.get(key, expiry))
            self._expiry.move_to_end(key)


class _BlockLease(Lease):
    __slots__ = ("_cache", "_keys", "_started")

    def __init__(self, cache: SharedCache, keys: Sequence[int], started: float, *, cached: int) -> None:
        super().__init__(cached)
        self._cache = cache
        self._keys = keys
        self._started = started

    def commit(self, now: float) -> None:
        self._cache.write(self._keys, self._started, now)

    def close(self, now: float) -> None:
        """Blocks stay; a request that ended before its first token has written none."""
