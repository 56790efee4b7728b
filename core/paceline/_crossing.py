"""The one door for other threads: submit there, run here, wait there."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from ._errors import EngineNotOpen, WrongLoop
from ._job import JobResult
from ._live import CURRENT
from ._options import SubmitOptions
from ._parking import wait
from ._stopping import cancel

if TYPE_CHECKING:
    from ._run import Run

__all__ = ["JobFuture", "submit_threadsafe"]


class JobFuture(concurrent.futures.Future[JobResult]):
    """The result of a job that another thread submitted; waiting for it inside a job's thread parks that job.

    Cancelling it cancels the job.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def result(self, timeout: float | None = None) -> JobResult:
        """Wait for what became of the job; TimeoutError after `timeout` seconds."""
        self._give_way(timeout)
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the error with which submitting failed, if it did."""
        self._give_way(timeout)
        return super().exception(timeout)

    def _give_way(self, timeout: float | None) -> None:
        run = self._run
        if self.done():
            return
        if threading.get_ident() == run.thread:
            error = WrongLoop("JobFuture.result()")
            error.add_note("It would block the thread that runs the job; there: `await engine.submit(...)`.")
            raise error
        live = CURRENT.get()
        if live is None or live.run is not run or not live.live:
            return
        back: concurrent.futures.Future[None] = concurrent.futures.Future()
        over: asyncio.Future[None] = run.loop.create_future()

        async def park() -> None:
            self.add_done_callback(lambda _: run.from_thread(_wake, over))
            try:
                await wait(run, over)
            finally:
                run.hooks.thread_unparked()
                back.set_result(None)

        run.hooks.thread_parked()
        run.loop.call_soon_threadsafe(_start, run, park, context=copy_context())
        try:
            back.result(timeout)
        except TimeoutError:
            run.from_thread(_wake, over)
            back.result()  # the job goes on, and so takes back first what it gave
            if not self.done():
                raise


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _start(run: Run, park: Any) -> None:
    run.keep(run.loop.create_task(park()))


def submit_threadsafe(run: Run, payload: Any, given: SubmitOptions) -> JobFuture:
    """Submit from any thread; the job runs in the engine's loop, in a copy of this thread's context."""
    future = JobFuture(run)
    try:
        run.loop.call_soon_threadsafe(_accept, run, payload, given, future, context=copy_context())
    except RuntimeError as error:
        raise EngineNotOpen("submit_threadsafe: the engine's loop is closed") from error
    return future


def _accept(run: Run, payload: Any, given: SubmitOptions, future: JobFuture) -> None:
    async def carry() -> None:
        try:
            record = await run.intake.submit(payload, given)
        except BaseException as error:  # noqa: BLE001 - carried to the thread that submitted
            if future.set_running_or_notify_cancel():
                future.set_exception(error)
            return

        def cancelled(done: concurrent.futures.Future[JobResult]) -> None:
            if done.cancelled():
                run.from_thread(cancel, run, record, "its future was cancelled")

        future.add_done_callback(cancelled)

        def rested() -> None:
            if future.set_running_or_notify_cancel():  # from here on nobody can cancel it
                future.set_result(record.result())

        if record.resting:
            rested()
        else:
            record.on_rest = [*(record.on_rest or ()), rested]

    run.keep(run.loop.create_task(carry()))
