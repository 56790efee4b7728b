"""Promises of ends that somebody else decides: what was begun is ended, and nothing stays behind."""

from __future__ import annotations

import asyncio
import threading

from paceline._policies import RetryPolicy

from ._answering import first_heard
from ._base import Parts, promise
from ._scene import Answer, Break, Scene, Stall
from ._stage import Stage, check

__all__ = ["Cancelling"]

_LIMIT = 0.5  # seconds, as the timeout of an attempt whose provider stalls
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
        result = await stage.run(timeout=_LIMIT)
        stage.answered(result)
        check(
            len(result.attempts) == 2,
            f"An attempt that takes too long is followed by another: there were {len(result.attempts)}.",
        )
        stage.asked(3, "Two jobs, one of which needed a second attempt")
        await stage.let_go("The timeout of an attempt")

    def test_nothing_is_left_running_or_open(self) -> None:
        """After answers, failures and cancellations: no task, no thread, no request."""
        __tracebackhide__ = True
        self.play(Scene(*(Answer(), Break(after=0), Stall(after=0)) * 3), _rounds)

    def test_cancelled_streams_leave_nothing(self) -> None:
        """Many of them (`cancelled_streams`), and the client still answers as before."""
        __tracebackhide__ = True
        number = self.cancelled_streams
        after = 0 if "streaming" in self.lacks else 1

        async def scenario(stage: Stage) -> None:
            __tracebackhide__ = True
            threads = 0
            for begun in range(0, number, _WAVE):
                await _wave(stage, min(_WAVE, number - begun), stream=bool(after))
                threads = threads or _threads()
            stage.answered(await stage.run())
            await _no_more_threads(stage, threads)

        self.play(Scene(*[Stall(after)] * number, Answer()), scenario, slots=_WAVE)


async def _wave(stage: Stage, size: int, *, stream: bool) -> None:
    __tracebackhide__ = True
    tasks = asyncio.all_tasks()
    handles = [await stage.submit(stream=stream) for _ in range(size)]
    listened = [handle.stream() for handle in handles[::2]] if stream else []
    await stage.reached(size)
    for each in listened:
        await first_heard(stage, each)
    for handle in handles:
        handle.cancel("enough")
    await stage.let_go("Cancelling a job")
    await stage.until(
        lambda: not (asyncio.all_tasks() - tasks),
        f"A cancelled stream leaves no task: {len(asyncio.all_tasks() - tasks)} are left of {size}.",
    )


async def _rounds(stage: Stage) -> None:
    __tracebackhide__ = True
    threads = 0
    for number in range(3):
        stage.answered(await stage.run())
        await stage.run()
        handle = await stage.submit()
        await stage.reached()
        handle.cancel("enough")
        await stage.let_go("Cancelling a job")
        if number == 0:  # what a library starts once and for all is not a leak
            threads = _threads()
    await _no_more_threads(stage, threads)


async def _no_more_threads(stage: Stage, most: int) -> None:
    __tracebackhide__ = True
    await stage.until(
        lambda: _threads() <= most,
        f"Jobs leave no threads: there are {_threads()}, after the first round there were {most}. Close what "
        "starts them, or keep it for all jobs.",
    )


def _threads() -> int:
    """How many there are, but for those of the loop's own pool: they end with it."""
    return sum(not each.name.startswith("asyncio_") for each in threading.enumerate())
