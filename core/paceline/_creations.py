"""The making of one prefix cache: it goes on as long as anybody waits for it, and tells all who do.

Its task belongs to those who wait. One who leaves does not end it; the last one does, gets the task back, and
sees to its end. So it does when it takes too long: those who wait are told at once, and the task, which may
take a while to end, is theirs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import TYPE_CHECKING, Any

from ._live import CURRENT
from ._loop import hooks

if TYPE_CHECKING:
    from ._prefix_cache import CacheProvider

__all__ = ["Creation", "Ground"]

_log = logging.getLogger("paceline")


class Ground:
    """What one registry keeps for one event loop."""

    __slots__ = ("creations", "gate", "loop", "wall")

    def __init__(self, loop: asyncio.AbstractEventLoop, at_once: int) -> None:
        self.loop: asyncio.AbstractEventLoop = loop
        self.wall: Callable[[float], float] = hooks(loop).wall
        self.gate: asyncio.Semaphore = asyncio.Semaphore(at_once)
        self.creations: dict[str, Creation] = {}
        """Those under way, by fingerprint."""


class Creation:
    """One `create`, with its `wait_ready`."""

    __slots__ = (
        "_ground",
        "_on_made",
        "_provider",
        "_timeout",
        "_timer",
        "began",
        "created",
        "error",
        "fingerprint",
        "given_up",
        "handle",
        "step",
        "task",
        "waiters",
    )

    def __init__(
        self,
        ground: Ground,
        provider: CacheProvider,
        fingerprint: str,
        timeout: float | None,
        on_made: Callable[[Creation], object],
    ) -> None:
        self._ground = ground
        self._provider: Any = provider
        self._timeout = timeout
        self._timer: asyncio.TimerHandle | None = None
        self._on_made = on_made
        self.given_up: bool = False
        """It took too long, or nobody waits any more: its task was cancelled."""
        self.fingerprint: str = fingerprint
        self.waiters: dict[Callable[[Creation], object], None] = {}
        """Called when it is over."""
        self.task: asyncio.Task[None] | None = None
        self.step: str = "create"
        self.began: float = ground.loop.time()
        self.created: float = self.began
        """When `create` returned."""
        self.handle: object = None
        self.error: BaseException | None = None

    def start(self, payload: object, given: Mapping[str, Any], context: Context) -> None:
        """Begin, in a copy of this context."""
        self.task = asyncio.Task(
            self._work(payload, given),
            loop=self._ground.loop,
            name=f"prefix cache {self.fingerprint!r}",
            context=context.copy(),
        )

    def leave(self, waiter: Callable[[Creation], object]) -> asyncio.Task[None] | None:
        """Wait no more; the task, cancelled, if nobody else does either: the caller sees to its end."""
        if self.waiters.pop(waiter, self) is self or self.waiters:
            return None
        self._give_up()
        return self.task

    async def _work(self, payload: object, given: Mapping[str, Any]) -> None:
        CURRENT.set(None)  # it is no job's own: others may wait for it when that one has ended
        loop, handle, error = self._ground.loop, None, None
        try:
            async with self._ground.gate:
                if self._timeout is not None:
                    self._timer = loop.call_later(self._timeout, self._out_of_time, context=Context())
                handle = await self._make(payload, given)
        except BaseException as raised:  # noqa: BLE001 - whatever it is, those who wait fail by it
            error = raised
        if not self.given_up:
            self.handle, self.error = handle, error
            self._over()
        elif handle is not None:
            await self._discard(handle)

    async def _make(self, payload: object, given: Mapping[str, Any]) -> object:
        provider = self._provider
        handle: object = await provider.create(payload, given)
        self.created = self._ground.loop.time()
        if handle is not None and getattr(provider, "wait_ready", None) is not None:
            self.step = "wait_ready"
            try:
                await provider.wait_ready(handle)
            except BaseException:
                await self._discard(handle)
                raise
        return handle

    async def _discard(self, handle: object) -> None:
        """Nobody will use what was made: do away with it, as it may cost money."""
        if getattr(self._provider, "invalidate", None) is None:
            return
        try:
            await self._provider.invalidate(handle)
        except Exception:  # noqa: BLE001 - logged; whoever wanted it has its own error, or is gone
            _log.exception("prefix cache %r was made in vain and could not be undone", self.fingerprint)

    def _out_of_time(self) -> None:
        self.error = TimeoutError(f"it took longer than the {self._timeout:g} s that it may")
        self._give_up()
        self._over()

    def _give_up(self) -> None:
        assert self.task is not None
        self.given_up = True
        self._forget()
        self.task.cancel()

    def _forget(self) -> None:
        self._ground.creations.pop(self.fingerprint, None)
        if self._timer is not None:
            self._timer.cancel()

    def _over(self) -> None:
        self._forget()
        self._on_made(self)
        waiters, self.waiters = self.waiters, {}
        for waiter in waiters:
            waiter(self)
