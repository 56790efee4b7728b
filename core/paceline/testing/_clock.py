"""Time that passes only when nothing else can happen, so that a test of a day takes a millisecond."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, TypeVar, TypeVarTuple, final

import anyio.to_thread

from ._errors import ClockRefused
from ._loop import VirtualLoop

__all__ = ["VirtualClock"]

R = TypeVar("R")
Args = TypeVarTuple("Args")


@final
class VirtualClock:
    """Runs async code in virtual time: it jumps to the next timer whenever nothing else is left to do.

    The program is asyncio's own, engine and user code alike: `asyncio.sleep`, `asyncio.timeout` and anyio
    take no real time, and the same `seed` gives the same run. Another seed gives another order to what has
    none: timers of one moment, and completions that reach an engine together. `call_soon` keeps its order.

    Time stands still while threads work (an engine's, `asyncio.to_thread`, `anyio.to_thread` with its default
    limiter), and no job's end reaches an engine meanwhile: a thread that waits for a timer or another job,
    other than through the engine, waits for ever (the log `paceline.testing` says so). Sockets, processes
    and signals do not keep virtual time and are refused with `ClockRefused`.

        clock = VirtualClock(seed=7)
        assert clock.run(asyncio.sleep, 86_400, "a day later") == "a day later"
        assert clock.time() == 86_400
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = Random(seed)  # noqa: S311 - a schedule to repeat, not a secret
        self._ties = Random(f"the ties of {seed}")  # noqa: S311 - apart, so that no jitter drawn changes an order
        self._loop: VirtualLoop | None = None

    def time(self) -> float:
        """Return the virtual time in seconds, from 0.0; after a run, the time at which it ended."""
        return 0.0 if self._loop is None else self._loop.time()

    def run(self, async_fn: Callable[[*Args], Coroutine[Any, Any, R]], *args: *Args) -> R:
        """Call `async_fn(*args)` on a new virtual loop and return its result, as `asyncio.run` would.

        Tasks that are left are cancelled. A second run of the same clock goes on where the first one ended,
        in time and in randomness.

        Raises:
            ClockStalled: every task waits for another and no timer is set.
            ClockRefused: called while an event loop runs in this thread.
            TypeError: given a coroutine instead of the function that makes it.
        """
        given: object = async_fn
        if inspect.iscoroutine(given):
            given.close()
            raise TypeError("clock.run(main())  # wrong: give the function, clock.run(main)")
        if _inside_a_loop():
            raise ClockRefused("VirtualClock.run() in a running loop", "call it from a plain function.")
        loop = self._loop = VirtualLoop(now=self.time(), random=self._random, ties=self._ties)
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            loop.anyio_limiter = runner.run(_default_thread_limiter())
            return runner.run(async_fn(*args))


async def _default_thread_limiter() -> anyio.CapacityLimiter:
    return anyio.to_thread.current_default_thread_limiter()


def _inside_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
