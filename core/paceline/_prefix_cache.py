"""Prefix caches that are made on request, and sessions: one handle for each prefix, made once, used by many.

Some providers make a prefix cache when asked and give it a name (a cached content, a session, a thread); the
others cache by themselves what they have read. A `PrefixCache` remembers which prefixes are there, by a
fingerprint that its provider computes. Each is made at most once at a time, however many groups want it, and
for as long as at least one of them waits. Nobody else waits for that: how a group's jobs do is told in
`_group_prefix.py`.

What is remembered is data, in a mapping that the caller may bring, so that it can outlive the process.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextvars import Context
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol, cast, final

from ._checks import count, number
from ._creations import Creation, Ground
from ._errors import CacheFailed, PacelineError

__all__ = ["CacheEntry", "CacheProvider", "PrefixCache"]


class CacheProvider(Protocol):
    """Names prefixes, and makes caches or sessions for them.

    It may also offer, all three async:

    - `create(payload, context) -> handle`: make the cache. Every job of the group gets the handle as
      `ctx.cache`. None says that this prefix has none (it is too short, say): the primer establishes it.
    - `wait_ready(handle)`: return once the handle can be used.
    - `invalidate(handle)`: do away with it.

    Without `create` the provider caches by itself: a prefix is there once a primer has succeeded.
    """

    def fingerprint(self, payload: Any, context: Mapping[str, Any], /) -> str:
        """Name the prefix of this primer's payload: groups with the same name share one handle.

        Called often and on the event loop: compute, do not ask anybody. What must not be shared, between two
        tenants say, has to differ in it; `context` is what the group was submitted with. It stands in events.
        """
        ...


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A prefix that is there: its handle (None where the provider caches by itself), and two epoch times."""

    fingerprint: str
    handle: Any
    created: float
    used: float
    """When a job last began that used it and succeeded; at first the time of its making."""


@final
class PrefixCache:
    """Which prefixes are cached at a provider: given to groups as `submit_group(..., cache=prefix_cache)`.

    When a group's primer is to start, its prefix is looked up. If it is there, the primer is not needed: it
    ends `skipped`, and the followers run at once. Else it is made, and the primer runs with the new handle.
    The group's jobs wait for that without a slot, and others run meanwhile. If it cannot be made, the primer
    fails by `CacheFailed`. A member that is to start when the prefix has expired waits for a new one.

    `ttl`: seconds for which a prefix lives (None: until `invalidate`); counted from its last use, or, with
    `sliding=False`, from its making. Where the provider has `create`, `GroupPolicy.ttl` is not needed
    besides; where it has none, this one says whether the next group needs its primer, and that of the policy
    when a group that was idle establishes its prefix again. `skip_primer=False`: primers run though their
    prefix is there, because they do work of their own. `timeout`: seconds that `create` and `wait_ready` may
    take together (None: any number). `max_creations`: how many are made at once. `entries`: where to keep
    what is known, a mapping from fingerprints; with one that lasts, handles must be plain data.

    One registry serves any number of groups and engines, in one event loop at a time.

    Raises:
        TypeError, ValueError: if the provider has no `fingerprint`, or a number is out of range.
    """

    def __init__(
        self,
        provider: CacheProvider,
        *,
        ttl: float | None = None,
        sliding: bool = True,
        skip_primer: bool = True,
        timeout: float | None = 60.0,
        max_creations: int = 8,
        entries: MutableMapping[str, CacheEntry] | None = None,
    ) -> None:
        given: object = provider
        if isinstance(given, type) or not callable(getattr(given, "fingerprint", None)):
            raise TypeError(
                f"PrefixCache: {given!r} is no CacheProvider: it needs a method fingerprint(payload, context)"
            )
        for name in ("create", "wait_ready", "invalidate"):
            if getattr(given, name, None) is not None and not callable(getattr(given, name)):
                raise TypeError(f"PrefixCache: {name} of {given!r} is not a method")
        if ttl is not None:
            number("PrefixCache", "ttl", ttl, above=True)
        if timeout is not None:
            number("PrefixCache", "timeout", timeout, above=True)
        count("PrefixCache", "max_creations", max_creations)
        self._provider: CacheProvider = provider
        self._ttl: float | None = ttl
        self._sliding: bool = sliding
        self._skips_primer: bool = skip_primer
        self._timeout: float | None = timeout
        self._max_creations: int = max_creations
        self._entries: MutableMapping[str, CacheEntry] = {} if entries is None else entries
        self._ground: Ground | None = None

    @property
    def entries(self) -> Mapping[str, CacheEntry]:
        """What is known now, by fingerprint; some of it may have expired."""
        return MappingProxyType(self._entries)

    async def invalidate(self, payload: Any, context: Mapping[str, Any] | None = None) -> bool:
        """Forget the prefix of this payload, and do away with it at the provider; whether it was known.

        One that is being made is not touched. What the provider raises is raised; the prefix is forgotten.
        """
        return await self._drop(self._name(payload, {} if context is None else context))

    async def clear(self) -> None:
        """Do away with all prefixes that are known, at the provider too: at the end of a program, say.

        Raises:
            ExceptionGroup: of what the provider raised; all are forgotten all the same.
        """
        errors: list[Exception] = []
        for fingerprint in tuple(self._entries):
            try:
                await self._drop(fingerprint)
            except Exception as error:  # noqa: BLE001 - raised below, after the others have had their turn
                errors.append(error)
        if errors:
            raise ExceptionGroup("prefix caches that the provider did not do away with", errors)

    def forget(self, handle: object) -> bool:
        """Forget the prefix with this handle, because the provider does not know it any more.

        For executors: after `prefix_cache.forget(ctx.cache)`, raise; the next attempt gets a new handle.
        """
        for fingerprint, entry in tuple(self._entries.items()):
            if entry.handle is handle or entry.handle == handle:
                del self._entries[fingerprint]
                return True
        return False

    def __repr__(self) -> str:
        return f"<PrefixCache of {type(self._provider).__name__}: {len(self._entries)} known>"

    # The core's own: all on the loop's thread.

    @property
    def _creates(self) -> bool:
        return getattr(self._provider, "create", None) is not None

    def _name(self, payload: object, context: Mapping[str, Any]) -> str:
        """The fingerprint of a payload."""
        kind = type(self._provider).__name__
        try:
            fingerprint = cast("object", self._provider.fingerprint(payload, context))
        except Exception as error:
            raise CacheFailed(f"{kind}.fingerprint failed: {type(error).__name__}: {error}") from error
        if not isinstance(fingerprint, str) or not fingerprint:
            raise CacheFailed(f"{kind}.fingerprint must return a text, not {fingerprint!r}")
        return fingerprint

    def _find(self, fingerprint: str) -> CacheEntry | None:
        """What is known of a prefix that has not expired."""
        entry = self._entries.get(fingerprint)
        return None if entry is None or self._expired(entry) else entry

    def _expired(self, entry: CacheEntry, times: int = 1) -> bool:
        """Whether it is as old as so many times the time to live."""
        if self._ttl is None:
            return False
        ground, most = self._here(), self._ttl * times
        age = ground.wall(ground.loop.time()) - (entry.used if self._sliding else entry.created)
        # An entry from the future was written by a clock that has been set since: its age is not known.
        return not -most < age < most

    def _keep(self, fingerprint: str, handle: object, at: float) -> None:
        """The prefix is there since then, a time of the loop's."""
        wall = self._here().wall(at)
        known = self._entries.get(fingerprint)
        if known is not None and known.handle is handle and known.used > wall:
            wall = known.used
        self._store(CacheEntry(fingerprint, handle, wall, wall))

    def _used(self, fingerprint: str, at: float) -> None:
        """A job that began then, in the loop's time, has read the prefix."""
        entry = self._entries.get(fingerprint)
        wall = self._here().wall(at)
        if entry is not None and wall > entry.used:
            self._store(replace(entry, used=wall))

    def _store(self, entry: CacheEntry) -> None:
        """The latest last; what is long out of use goes at the other end, so that memory holds no past.

        Not at once: a job that began in time may end later, and so tell that the prefix lives on.
        """
        entries = self._entries
        entries.pop(entry.fingerprint, None)
        entries[entry.fingerprint] = entry
        while self._expired(oldest := entries[next(iter(entries))], 2) and oldest is not entry:
            del entries[oldest.fingerprint]

    def _join(
        self,
        fingerprint: str,
        payload: object,
        given: Mapping[str, Any],
        waiter: Callable[[Creation], object],
        context: Context,
    ) -> tuple[Creation, bool]:
        """Wait for the making of a prefix; whether that has begun by it (in a copy of this context)."""
        ground = self._here()
        creation = ground.creations.get(fingerprint)
        begins = creation is None
        if creation is None:
            creation = ground.creations[fingerprint] = Creation(
                ground, self._provider, fingerprint, self._timeout, self._made
            )
            creation.start(payload, given, context)
        creation.waiters[waiter] = None
        return creation, begins

    def _made(self, creation: Creation) -> None:
        if creation.handle is not None:
            self._keep(creation.fingerprint, creation.handle, creation.created)

    def _here(self) -> Ground:
        """What belongs to the event loop that runs now."""
        loop = asyncio.get_running_loop()
        ground = self._ground
        if ground is None or ground.loop is not loop:
            if ground is not None and ground.creations and not ground.loop.is_closed():
                raise PacelineError(f"{self!r} is at work in another event loop; give each loop its own")
            self._ground = ground = Ground(loop, self._max_creations)
        return ground

    async def _drop(self, fingerprint: str) -> bool:
        entry = self._entries.pop(fingerprint, None)
        if entry is None:
            return False
        invalidate: Any = getattr(self._provider, "invalidate", None)
        if invalidate is not None and entry.handle is not None:
            await cast("Awaitable[object]", invalidate(entry.handle))
        return True
