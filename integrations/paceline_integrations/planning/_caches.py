"""Prefix caches as a plan sees them: which groups' prefixes can be read, by a request that starts now.

Pure: time is an argument, in seconds. A group is known by its number; its prefix is read whole or not at all.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from paceline import Provider

__all__ = ["Cache", "cache_of"]


class Cache(ABC):
    """What requests have left behind."""

    @abstractmethod
    def readable(self, group: int, now: float) -> bool:
        """Whether a request of the group that starts now finds the prefix."""

    @abstractmethod
    def begin(self, group: int, now: float, first_token: float, *, stores: bool) -> int:
        """A request starts, and will send its first token then; return the place that it takes.

        `stores`: its prefix is one that the provider caches.
        """

    def end(self, place: int) -> None:  # noqa: B027 - most caches have no places to free
        """The request in that place has ended."""

    @property
    def expired(self) -> int:
        """How often a prefix had expired when it was wanted."""
        return 0


@dataclass(slots=True)
class _Entry:
    readable: float
    expires: float


class _Shared(Cache):
    """Any request can read what another wrote, from a while after its first token until it expires."""

    def __init__(self, settle: float, ttl: float | None) -> None:
        self._settle = settle
        self._ttl = math.inf if ttl is None else ttl
        self._entries: dict[int, _Entry] = {}
        self._expired = 0

    def readable(self, group: int, now: float) -> bool:
        entry = self._entries.get(group)
        return entry is not None and entry.readable <= now < entry.expires

    def begin(self, group: int, now: float, first_token: float, *, stores: bool) -> int:
        if not stores:
            return 0
        entry = self._entries.get(group)
        readable, expires = first_token + self._settle, now + self._ttl
        if entry is None:
            self._entries[group] = _Entry(readable, expires)
        elif now >= entry.expires:
            self._expired += 1
            self._entries[group] = _Entry(readable, expires)
        else:
            entry.readable = min(entry.readable, readable)
            entry.expires = max(entry.expires, expires)  # reading renews the time to live too
        return 0

    @property
    def expired(self) -> int:
        return self._expired


class _PerSlot(Cache):
    """Each of the server's slots keeps the prompt that it worked on last."""

    def __init__(self, slots: int) -> None:
        self._held: list[int | None] = [None] * slots
        self._free = dict.fromkeys(range(slots))  # the least recently used first

    def readable(self, group: int, now: float) -> bool:  # noqa: ARG002 - the contract's argument
        return self._warm(group) is not None

    def begin(self, group: int, now: float, first_token: float, *, stores: bool) -> int:  # noqa: ARG002
        warm = self._warm(group)
        place = next(iter(self._free)) if warm is None else warm
        del self._free[place]
        self._held[place] = group
        return place

    def end(self, place: int) -> None:
        self._free[place] = None

    def _warm(self, group: int) -> int | None:
        return next((place for place in self._free if self._held[place] == group), None)


class _Nothing(Cache):
    def readable(self, group: int, now: float) -> bool:  # noqa: ARG002 - the contract's arguments
        return False

    def begin(self, group: int, now: float, first_token: float, *, stores: bool) -> int:  # noqa: ARG002
        return 0


def cache_of(provider: Provider, slots: int) -> Cache:
    """An empty cache of the provider's kind; one per slot is on a server with as many slots as the engine."""
    if provider.cache == "slot":
        return _PerSlot(slots)
    return _Nothing() if provider.cache == "none" else _Shared(provider.settle, provider.ttl)
