"""What the engine asks of its event loop, beyond asyncio: so that time itself can be played."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVarTuple, final, runtime_checkable

if TYPE_CHECKING:
    import random

__all__ = ["EngineLoop", "LoopHooks", "hooks"]

Args = TypeVarTuple("Args")


class LoopHooks(Protocol):
    """The places at which a loop may take part in what the engine does.

    In an ordinary loop they come to nothing (`hooks` gives such a set); `paceline.testing` brings a loop that
    counts threads, holds time still and deals out completions in an order of its own.
    """

    @property
    def random(self) -> random.Random:
        """Where jitter and ids come from."""
        ...

    @property
    def virtual(self) -> bool:
        """Whether time is played: then a loop that stands still may wait for a thread, and is not blocked."""
        ...

    def wall(self, loop_time: float) -> float:
        """The wall time, in epoch seconds, of a moment given in the loop's own time."""
        ...

    def deliver(
        self, order: int, callback: Callable[[*Args], object], *args: *Args, thread: bool = False
    ) -> None:
        """Let the completion of an attempt reach the engine, on the loop's thread: now, or later.

        `order` is a number that depends on the schedule alone (the attempt's), never on which thread was
        faster: completions that arrive together are sorted by it first. `thread=True` is said in the worker
        thread; it ends the work that `thread_started` began, and is safe when the loop is closed already.
        Called at once or with a copy of the caller's context; an error in `callback` is the engine's own.
        """
        ...

    def thread_started(self) -> None:
        """Say on the loop's thread, before handing a call over: one more thread works, time stands still.

        Each is ended by exactly one `deliver(..., thread=True)`; a thread that is parked unparks before it.
        """
        ...

    def thread_parked(self) -> None:
        """Say, from any thread, that a thread which works has begun to wait for the engine: time may move on.

        The same holds for one that nobody waits for any more, as that of an abandoned attempt.
        """
        ...

    def thread_unparked(self) -> None:
        """Say, from any thread, that a parked thread works again.

        Whoever ends its wait says so, before waking it: said by the thread itself, time may have moved first.
        """
        ...


@runtime_checkable
class EngineLoop(Protocol):
    """An event loop that brings hooks of its own."""

    @property
    def engine_hooks(self) -> LoopHooks:
        """The hooks of this loop, the same object each time."""
        ...


def hooks(loop: asyncio.AbstractEventLoop) -> LoopHooks:
    """Return the loop's own hooks where it has them, else new ones that only pass calls on."""
    return loop.engine_hooks if isinstance(loop, EngineLoop) else _PlainHooks(loop)


@final
class _PlainHooks:
    """The hooks of asyncio's own loops and of uvloop: real time, and completions as they come."""

    __slots__ = ("_epoch", "_loop", "random")

    virtual = False

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # One anchor for the whole run: a wall clock that is set meanwhile must not reorder recorded times.
        self._epoch = time.time() - loop.time()
        import random  # loads hashing, which only an open engine needs

        self.random = random.Random()  # noqa: S311 - spreads retries; keeps no secret

    def wall(self, loop_time: float) -> float:
        return self._epoch + loop_time

    def deliver(
        self,
        order: int,  # noqa: ARG002 - real time has an order of its own
        callback: Callable[[*Args], object],
        *args: *Args,
        thread: bool = False,
    ) -> None:
        if not thread:
            callback(*args)
            return
        # Only a closed loop raises: the thread of an abandoned attempt may outlive it, with nobody to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *args)

    def thread_started(self) -> None:
        """Real time does not wait."""

    def thread_parked(self) -> None:
        """Real time does not wait."""

    def thread_unparked(self) -> None:
        """Real time does not wait."""
