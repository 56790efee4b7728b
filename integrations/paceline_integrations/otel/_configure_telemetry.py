"""What `configure` has set up: to be used, and to be left within a bounded time."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event, Lock, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from ._middleware import OpenTelemetryMiddleware

__all__ = ["Delivery", "Outlet", "Telemetry"]

_log = logging.getLogger("paceline.otel")


@dataclass(frozen=True, slots=True)
class Delivery:
    """Whether all that was to be sent has arrived; `problems` tell in a line each what has not, and why."""

    problems: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing is missing, as far as the exporters know."""
        return not self.problems


class Outlet(Protocol):
    """A way out for spans or metrics."""

    def close(self) -> None:
        """Send what is left, and end. It may take long."""
        ...

    def give_up(self) -> None:
        """Try nothing more."""
        ...

    def problem(self, timeout: float | None) -> str | None:
        """What did not arrive; `timeout`: the seconds that it was given, where they were not enough."""
        ...


class Telemetry:
    """OpenTelemetry in this process, as `configure` has set it up.

    Use it as a context manager, with or without `async`: at its end what is left is sent, within the seconds
    given to `configure`. Where some of it did not arrive, that is logged in a line. Without a `with` the same
    is done when the process ends.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        outlets: Sequence[Outlet] = (),
        *,
        timeout: float,
    ) -> None:
        self.tracer_provider: TracerProvider | None = tracer_provider
        self.meter_provider: MeterProvider | None = meter_provider
        self._timeout = timeout
        self._closers = [_Closer(outlet) for outlet in outlets]
        self._lock = Lock()
        self._delivery: Delivery | None = None
        self._process = os.getpid()
        atexit.register(self._exit)

    @property
    def closed(self) -> bool:
        """Whether it was shut down."""
        return self._delivery is not None

    def middleware(self, **options: Any) -> OpenTelemetryMiddleware:
        """Make the middleware of an engine, with these options of `OpenTelemetryMiddleware`."""
        from ._middleware import OpenTelemetryMiddleware

        return OpenTelemetryMiddleware(self.tracer_provider, self.meter_provider, **options)

    def shutdown(self, timeout: float | None = None) -> Delivery:
        """Send what is left, for at most `timeout` seconds, and say whether all has arrived.

        Only the first call does it; others return what that found. It blocks: in an event loop leave the
        `async with` instead.
        """
        with self._lock:
            if self._delivery is None:
                self._delivery = self._shut_down(self._timeout if timeout is None else timeout)
        return self._delivery

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._exit)

    def _exit(self) -> None:
        if (
            self.closed or os.getpid() != self._process
        ):  # a forked child has neither the threads nor the spans
            return
        for problem in self.shutdown().problems:
            _log.warning("%s", problem)

    def _shut_down(self, timeout: float) -> Delivery:
        atexit.unregister(self._exit)
        due = time.monotonic() + timeout
        for closer in self._closers:
            closer.start()
        problems: list[str] = []
        for closer in self._closers:
            finished = closer.wait(max(0.0, due - time.monotonic()))
            if not finished:
                closer.outlet.give_up()
            problem = closer.outlet.problem(None if finished else timeout)
            problems += [] if problem is None else [problem]
        return Delivery(tuple(problems))


class _Closer:
    """Closes an outlet on a thread, so that nobody has to wait longer than he wants to.

    The thread is there from the beginning: at the end of a process Python starts no new ones.
    """

    def __init__(self, outlet: Outlet) -> None:
        self.outlet: Outlet = outlet
        self._asked = Event()
        self._done = Event()
        Thread(target=self._work, name="paceline-telemetry", daemon=True).start()

    def start(self) -> None:
        """Begin."""
        self._asked.set()

    def wait(self, seconds: float) -> bool:
        """Wait until it is done; false if the time is over."""
        return self._done.wait(seconds)

    def _work(self) -> None:
        self._asked.wait()
        try:
            self.outlet.close()
        except Exception:  # noqa: BLE001 - logged: what did not arrive is told by the outlet
            _log.warning("closing an exporter failed", exc_info=True)
        finally:
            self._done.set()
