"""Promises of ends that somebody else decides: what was begun is ended, and nothing stays behind."""

from __future__ import annotations

import asyncio
import threading
from typing import NamedTuple

from paceline._policies import RetryPolicy

from ._answering import first_heard
from ._base import Parts, promise
from ._scene import Answer, Break, Scene, Stall
from ._stage import Stage, check

__all__ = ["Cancelling"]

_IMPATIENCE = 0.2  # of patience: the timeout of an attempt whose provider stalls
_WAVE = 25


class Cancelling(Parts):
    """What becomes of a job that is cancelled or takes too long."""

    @promise(Stall(after=0))
    async def test_cancelling_ends_the_providers_request(self, stage: Stage) -> None:
        """Who cancels a job does not go on paying for it."""
        handle = await stage.submit()
        await stage.reached()
        handle.cancel("enough")
        await stage.let_go("Cancelling a job")
        check(handle.status == "cancelled", f"A cancelled job ends cancelled: it is {handle.status!r}.")

    @promise(Stall(after=2), needs=("streaming",))
    async def test_cancelling_mid_stream_ends_the_providers_request(self, stage: Stage) -> None:
        """Also between two chunks: leaving the loop over a stream does not close it by itself."""
        handle = await stage.submit(stream=True)
        await first_heard(stage, handle.stream())
        handle.cancel("enough")
        await stage.let_go("Cancelling a job in the middle of its stream")

    @promise(Answer(), Stall(after=0), Answer(), retry=RetryPolicy(2, base=0.0))
    async def test_a_timeout_ends_the_request_and_another_attempt_succeeds(self, stage: Stage) -> None:
        """What the first attempt left half done does not hinder the second."""
        stage.answered(await stage.run())  # what is done once only, imports and connections, is done here
        result = await stage.run(timeout=_IMPATIENCE * stage.patience)
        stage.answered(result)
        check(
            len(result.attempts) == 2,
            f"An attempt that takes too long is followed by another: there were {len(result.attempts)}.",
        )
        stage.asked(3, "Two jobs, of which one is tried twice, are asked for three times")
        await stage.let_go("The timeout of an attempt")

    def test_nothing_is_left_running_or_open(self) -> None:
        """After answers, failures and cancellations: no task, no thread, no request."""
        __tracebackhide__ = True
        self.play(Scene(*(Answer(), Break(after=0), Stall(after=0)) * 3), _rounds)

    def test_cancelled_streams_leave_nothing(self) -> None:
        """Many of them (`cancelled_streams`), and the client still answers as before."""
        __tracebackhide__ = True
        number = self.cancelled_streams
        waves = -(-number // _WAVE)
        after = 0 if "streaming" in self.lacks else 1

        async def scenario(stage: Stage) -> None:
            __tracebackhide__ = True
            first: _Left | None = None
            for begun in range(0, number, _WAVE):
                await _wave(stage, min(_WAVE, number - begun), stream=bool(after))
                first = first or _Left.now()
            stage.answered(await stage.run())
            await _no_more(stage, first or _Left.now())

        self.play(Scene(*[Stall(after)] * number, Answer()), scenario, slots=_WAVE, steps=2 + waves)


async def _wave(stage: Stage, size: int, *, stream: bool) -> None:
    __tracebackhide__ = True
    handles = [await stage.submit(stream=stream) for _ in range(size)]
    listened = [handle.stream() for handle in handles[::2]] if stream else []
    await stage.reached(size)
    for each in listened:
        await first_heard(stage, each)
    for handle in handles:
        handle.cancel("enough")
    await stage.let_go("Cancelling a job")


async def _rounds(stage: Stage) -> None:
    __tracebackhide__ = True
    first: _Left | None = None
    for _ in range(3):
        stage.answered(await stage.run())
        await stage.run()
        handle = await stage.submit()
        await stage.reached()
        handle.cancel("enough")
        await stage.let_go("Cancelling a job")
        first = first or _Left.now()
    await _no_more(stage, first or _Left.now())


class _Left(NamedTuple):
    """What there is of tasks and threads. What a library starts once and for all is there from the first."""

    tasks: int
    threads: int

    @classmethod
    def now(cls) -> _Left:
        threads = (each.name for each in threading.enumerate())
        # Those of the loop's own pool end with it.
        return cls(len(asyncio.all_tasks()), sum(not name.startswith("asyncio_") for name in threads))


async def _no_more(stage: Stage, first: _Left) -> None:
    __tracebackhide__ = True
    await stage.until(
        lambda: _Left.now().tasks <= first.tasks,
        lambda: (
            f"Jobs leave no tasks: there are {_Left.now().tasks}, and after the first there were "
            f"{first.tasks}. Await or cancel, before execute() ends, every task that it started."
        ),
    )
    await stage.until(
        lambda: _Left.now().threads <= first.threads,
        lambda: (
            f"Jobs leave no threads: there are {_Left.now().threads}, and after the first there were "
            f"{first.threads}. Close what starts them, or keep it for all jobs."
        ),
    )
