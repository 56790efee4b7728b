"""The event loop behind `VirtualClock`: asyncio's own, without real time and the outside world."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import math
import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor as Pool, Future as PoolFuture, ThreadPoolExecutor
from contextvars import Context
from random import Random
from typing import NoReturn, TypeVar, TypeVarTuple, final

from anyio import CapacityLimiter

from ._errors import ClockRefused, ClockStalled

__all__ = ["VirtualLoop"]

R = TypeVar("R")
Args = TypeVarTuple("Args")

EPOCH = 946_684_800.0  # 2000-01-01T00:00:00Z: the wall time of virtual time 0
PATIENCE = 10.0  # real seconds of standing still after which the log says why

_logger = logging.getLogger("paceline.testing")


@final
class VirtualLoop(asyncio.BaseEventLoop):
    """An asyncio loop that jumps from timer to timer, and the `LoopHooks` that an engine finds in it.

    `ties` orders what falls on one moment: equal timers, and completions that reach the engine together.
    """

    # What asyncio's base class keeps, the same in 3.11 to 3.13; timers and waiting are replaced here.
    _ready: deque[asyncio.Handle]
    _stopping: bool
    _default_executor: Pool | None

    virtual = True

    def __init__(self, *, now: float, random: Random, ties: Random) -> None:
        super().__init__()
        self.random = random
        self.anyio_limiter: CapacityLimiter | None = None
        self._now = now
        self._ties = ties
        self._timers: list[tuple[float, float, int, asyncio.TimerHandle]] = []
        self._sweep_above = 1000
        self._count = itertools.count()
        # Holds a token when a thread may have brought something. A SimpleQueue, because a signal handler may
        # put one in while this same thread waits for it.
        self._wakeups: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # over the next two, which threads change
        self._working = 0
        self._completions: list[tuple[tuple[int, int], asyncio.Handle]] = []

    @property
    def engine_hooks(self) -> VirtualLoop:
        """The loop itself."""
        return self

    def time(self) -> float:
        """Return virtual seconds: exactly those of the timer that fired last."""
        return self._now

    def wall(self, loop_time: float) -> float:
        """Return epoch seconds, as if time 0 had been New Year 2000 (UTC)."""
        return EPOCH + loop_time

    def call_at(
        self,
        when: float,
        callback: Callable[[*Args], object],
        *args: *Args,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Set a timer; those of exactly one moment fire together, in an order of the seed's choosing."""
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        if when < math.inf:  # else it never comes, and must not be jumped to
            heapq.heappush(self._timers, (when, self._ties.random(), next(self._count), timer))
        if len(self._timers) > self._sweep_above:  # cancelled timeouts must not pile up until they are due
            self._timers = [entry for entry in self._timers if not entry[-1].cancelled()]
            heapq.heapify(self._timers)
            self._sweep_above = 1000 + 2 * len(self._timers)
        return timer

    def deliver(
        self, order: int, callback: Callable[[*Args], object], *args: *Args, thread: bool = False
    ) -> None:
        """Keep a completion until the round is over and no thread works; see `LoopHooks.deliver`."""
        self._keep((0, order), asyncio.Handle(callback, args, self, None), thread)

    def thread_started(self) -> None:
        """See `LoopHooks.thread_started`."""
        with self._lock:
            self._working += 1

    def thread_parked(self) -> None:
        """See `LoopHooks.thread_parked`."""
        with self._lock:
            self._working -= 1
        self._write_to_self()

    def thread_unparked(self) -> None:
        """See `LoopHooks.thread_unparked`."""
        self.thread_started()

    def run_in_executor(
        self, executor: Pool | None, func: Callable[[*Args], R], *args: *Args
    ) -> asyncio.Future[R]:
        """Run a function in a thread (or process) while time stands still."""
        pool = executor or self._default_executor
        if pool is None:
            pool = ThreadPoolExecutor(thread_name_prefix="virtual")
            self.set_default_executor(pool)
        result: asyncio.Future[R] = self.create_future()
        work = pool.submit(func, *args)
        self.thread_started()
        key = (1, next(self._count))
        work.add_done_callback(
            lambda done: self._keep(key, asyncio.Handle(_settle, (result, done), self, None), thread=True)
        )
        result.add_done_callback(lambda settled: settled.cancelled() and work.cancel())
        return result

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002
        """Wait, really, for the threads of the default executor; virtual time has no say in how long."""
        self.thread_started()  # asyncio lets a thread of its own do the waiting
        try:
            await super().shutdown_default_executor()
        finally:
            self.thread_parked()

    def close(self) -> None:
        """Drop whatever was still to come."""
        super().close()
        self._timers.clear()
        self._completions.clear()

    def _run_once(self) -> None:
        # One round: all that is ready now runs; what that makes ready waits for the next one.
        self._fill()
        for _ in range(len(self._ready)):
            handle = self._ready.popleft()
            if not handle.cancelled():
                handle._run()  # pyright: ignore[reportPrivateUsage] - asyncio's own loops do the same

    def _fill(self) -> None:
        while True:
            # Asked before looking: what a thread brings after this is seen in the next turn, not jumped over.
            standing = self._stands_still()
            if not standing:
                self._take_completions()
            while self._timers and self._timers[0][0] <= self._now:
                self._ready.append(heapq.heappop(self._timers)[-1])
            if self._ready or self._stopping:
                return
            if standing:
                self._wait()
            elif not self._jump():
                raise ClockStalled(self._now, asyncio.all_tasks(self))

    def _stands_still(self) -> bool:
        limiter = self.anyio_limiter
        return self._working > 0 or (limiter is not None and limiter.borrowed_tokens > 0)

    def _take_completions(self) -> None:
        with self._lock:
            batch, self._completions = self._completions, []
        if len(batch) > 1:
            batch.sort(key=lambda entry: entry[0])  # undoes the race of threads, for the seed to decide
            self._ties.shuffle(batch)
        self._ready.extend(handle for _, handle in batch)

    def _jump(self) -> bool:
        while self._timers and self._timers[0][-1].cancelled():
            heapq.heappop(self._timers)
        if self._timers:
            self._now = self._timers[0][0]
        return bool(self._timers)

    def _wait(self) -> None:
        try:
            self._wakeups.get(timeout=PATIENCE)
        except queue.Empty:
            _logger.warning(
                "virtual time has stood still at %r for %g real seconds, because a thread works; "
                "does it wait for something that needs time to pass?",
                self._now,
                PATIENCE,
            )

    def _keep(self, key: tuple[int, int], completion: asyncio.Handle, thread: bool) -> None:
        with self._lock:
            self._completions.append((key, completion))
            self._working -= thread
        self._write_to_self()

    def _write_to_self(self) -> None:
        # asyncio calls this after each call_soon_threadsafe; one token is enough, however many came.
        if self._wakeups.empty():
            self._wakeups.put(None)


def _settle(result: asyncio.Future[R], work: PoolFuture[R]) -> None:
    if result.done():
        return
    if work.cancelled():
        result.cancel()
    elif (error := work.exception()) is None:
        result.set_result(work.result())
    elif isinstance(error, StopIteration):  # no future takes it, and no coroutine could raise it
        result.set_exception(RuntimeError(f"the function raised {error!r}"))
    else:
        result.set_exception(error)


def _refusal(name: str) -> Callable[..., NoReturn]:
    def refuse(*_args: object, **_options: object) -> NoReturn:
        raise ClockRefused(
            f"loop.{name}()",
            "sockets, pipes, processes and signals come in real time, for which virtual time does not wait. "
            "Give the code a fake instead, such as an executor of paceline.testing, or use asyncio.run().",
        )

    return refuse


_REFUSED = """
    add_reader add_signal_handler add_writer connect_accepted_socket connect_read_pipe connect_write_pipe
    create_connection create_datagram_endpoint create_server create_unix_connection create_unix_server
    getaddrinfo getnameinfo remove_reader remove_signal_handler remove_writer sendfile sock_accept
    sock_connect sock_recv sock_recv_into sock_recvfrom sock_recvfrom_into sock_sendall sock_sendfile
    sock_sendto start_tls subprocess_exec subprocess_shell
"""

for _name in _REFUSED.split():
    setattr(VirtualLoop, _name, _refusal(_name))
