"""The shared block cache of hosted providers and vLLM: whole blocks, read by any request."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from ._cache import Lease, PrefixCache
from ._caching import PLAIN, Caching
from ._tokens import TOKEN_WIDTH, Prompt

__all__ = ["SharedCache"]


class SharedCache(PrefixCache):
    """Whole blocks of `block` tokens, dropped when `ttl` has passed or, least recently used first, for room.

    A block's time to live begins anew at the start of each request that reads or writes it. A prefix shorter
    than `min_prefix` tokens is neither written nor read. `capacity` is in tokens; None: no bound. A prefix up
    to an explicit breakpoint is kept to the token, as an entry besides the blocks; it is read by requests
    that have a breakpoint there too.
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

    def open(self, prompt: Prompt, now: float, caching: Caching = PLAIN) -> Lease:
        """Read the longest prefix that is there and fresh, and let its time to live begin anew."""
        prefixes = self._prefixes(prompt, caching)
        read, cached = self._readable(prefixes, prompt, now)
        keys = [key for _, key in prefixes]
        self._touch(keys[:read], now + self._ttl)
        written = prefixes[-1][0] - cached if prefixes else 0
        return _BlockLease(self, keys, now + max(self._ttl, caching.lifetime), cached, written)

    def write(self, keys: Sequence[int], expiry: float, now: float) -> None:
        """Keep a prompt's prefixes until then; make room for them."""
        self._touch(keys, expiry)
        while self._expiry:
            key, until = next(iter(self._expiry.items()))
            if until > now and len(self._expiry) <= self._room:
                break
            del self._expiry[key]

    def clear(self) -> None:
        """Forget every block."""
        self._expiry.clear()

    def _prefixes(self, prompt: Prompt, caching: Caching) -> list[tuple[int, int]]:
        """Each prefix that may be kept, shortest first: its tokens, and the name of it.

        A block is named by all that comes before it too: it is worth nothing without its prefix.
        """
        end = min(prompt.tokens, caching.kept(prompt.tokens))
        if end == 0 or end < self._min_prefix:
            return []
        ends: Iterable[int] = range(self._block, end + 1, self._block)
        if caching.marks:
            ends = sorted({*ends, *(mark for mark in caching.marks if self._min_prefix <= mark <= end)})
        # A 64-bit hash: that two of a million blocks share one has odds of one in forty million.
        start, before = 0, hash((prompt.model, caching.scope))
        prefixes: list[tuple[int, int]] = []
        for stop in ends:
            key = hash((before, prompt.text[start * TOKEN_WIDTH : stop * TOKEN_WIDTH]))
            prefixes.append((stop, key))
            if stop % self._block == 0:
                start, before = stop, key
        return prefixes

    def _readable(self, prefixes: Sequence[tuple[int, int]], prompt: Prompt, now: float) -> tuple[int, int]:
        """How many of the prefixes are there, and the tokens of the longest."""
        read = cached = 0
        for place, (end, key) in enumerate(prefixes, 1):
            if end >= prompt.tokens:
                break
            if self._expiry.get(key, -math.inf) > now:
                read, cached = place, end
            elif end % self._block == 0:  # without a block there are no later ones
                break
        return (read, cached) if cached >= self._min_prefix else (0, 0)

    def _touch(self, keys: Sequence[int], expiry: float) -> None:
        for key in reversed(keys):  # the tail becomes the least recently used: it is worth least to others
            self._expiry[key] = max(expiry, self._expiry.get(key, expiry))
            self._expiry.move_to_end(key)


class _BlockLease(Lease):
    __slots__ = ("_cache", "_expiry", "_keys")

    def __init__(
        self, cache: SharedCache, keys: Sequence[int], expiry: float, cached: int, written: int
    ) -> None:
        super().__init__(cached, written)
        self._cache = cache
        self._keys = keys
        self._expiry = expiry

    def commit(self, now: float) -> None:
        self._cache.write(self._keys, self._expiry, now)

    def close(self, now: float) -> None:
        """Blocks stay; a request that ended before its first token has written none."""
