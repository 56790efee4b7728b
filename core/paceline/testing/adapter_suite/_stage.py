"""One test at work: an engine with the author's executor, and what the suite asks of it again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from paceline._context import JobContext
from paceline._engine import Engine
from paceline._executor import ExecutorLike
from paceline._handles import Handle
from paceline._job import Job, JobResult, Suspend

from ._scene import AROUND, SUBMITTED, Scene

__all__ = ["PromiseBroken", "Provided", "Stage", "Surroundings", "check"]

_STEP = 0.005  # seconds between two looks at what another thread, or the author's client, does


class PromiseBroken(AssertionError):
    """Raised by a test of the suite: the adapter does not do what jobs rely on. It says what to do."""


def check(kept: bool, broken: str) -> None:
    """Raise `PromiseBroken` unless the promise is kept."""
    __tracebackhide__ = True
    if not kept:
        raise PromiseBroken(broken)


@dataclass(frozen=True, slots=True)
class Provided:
    """What the author gives for one scene.

    `executor`: an Executor, or whatever `Engine` takes, whose provider plays the scene. `payload`: one that
    leads to one request. `text`: reads what a person would read of a chunk, or of an output ("" of none).
    `objects`: a payload of the framework's own objects, such as JSON cannot hold. `reply`: an answer to the
    scene's question, and `bad_reply` one that does not fit it, if there is such a thing.
    """

    executor: ExecutorLike
    payload: Any = "to be or not to be"
    text: Callable[[Any], str] = str
    objects: Any = None
    reply: Any = "yes"
    bad_reply: Any = None


@final
class Surroundings:
    """Middleware: sets a context variable around attempts, notes their jobs and what suspended ones keep."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.states: list[object] = []

    async def around(self, job: Job, ctx: JobContext, call_next: Callable[..., Any], /) -> object:
        """Run the attempt, where `Scene.look` can see that it is surrounded."""
        self.jobs.append(job)
        token = AROUND.set(job.id)
        try:
            output: object = await call_next(job, ctx)
        finally:
            AROUND.reset(token)
        if isinstance(output, Suspend):
            self.states.append(output.state)
        return output


@final
class Stage:
    """An open engine with the author's executor, while a test of the suite lasts."""

    def __init__(
        self, engine: Engine, scene: Scene, provided: Provided, around: Surroundings, patience: float
    ) -> None:
        self.engine: Engine = engine
        self.scene: Scene = scene
        self.provided: Provided = provided
        self.around: Surroundings = around
        self.patience: float = patience

    async def submit(self, **options: Any) -> Handle:
        """Hand in a job with the author's payload."""
        SUBMITTED.set("here")
        return await self.engine.submit(self.provided.payload, **options)

    async def run(self, **options: Any) -> JobResult:
        """Run a job to its end or rest."""
        __tracebackhide__ = True
        return await self.result(await self.submit(**options))

    async def result(self, handle: Handle) -> JobResult:
        """Wait for a job's end or rest, as long as patience lasts."""
        __tracebackhide__ = True
        try:
            return await asyncio.wait_for(handle.wait(), self.patience)
        except TimeoutError:
            raise PromiseBroken(
                f"A job ends: this one is {handle.status!r} after {self.patience:g} s, with {self._asked()}. "
                "Does execute() return when the answer is whole, and raise when the connection breaks? "
                "(`patience` of the suite is how long it waits.)"
            ) from None

    async def until(self, condition: Callable[[], bool], broken: Callable[[], str]) -> None:
        """Wait until that is so, as long as patience lasts."""
        __tracebackhide__ = True
        end = time.monotonic() + self.patience
        while not condition():  # it may happen in another thread
            if time.monotonic() >= end:
                raise PromiseBroken(broken())
            await asyncio.sleep(_STEP)

    async def reached(self, requests: int = 1) -> None:
        """Wait until the provider serves so many requests."""
        __tracebackhide__ = True
        await self.until(
            lambda: self.scene.open >= requests,
            lambda: (
                f"A job asks its provider: {self._asked()} came, {requests} open ones were expected. "
                "Does what you provide play the scene, by scene.play() or scene.request()?"
            ),
        )

    async def let_go(self, after: str) -> None:
        """Wait until the provider serves no request any more."""
        __tracebackhide__ = True
        await self.until(
            lambda: not self.scene.open,
            lambda: (
                f"{after} ends the provider's request: {self.scene.open} of {len(self.scene.requests)} are "
                "still open. Close the response on every way out (`async with`, `aclosing`), and let "
                "CancelledError pass."
            ),
        )

    def answered(self, result: JobResult) -> None:
        """Check that the job succeeded, with the whole answer."""
        __tracebackhide__ = True
        told = "" if result.error is None else f"\n{result.error.traceback}"
        check(
            result.status == "succeeded",
            f"A job whose provider answers succeeds: it is {result.status!r}.{told}",
        )
        got = self.provided.text(result.output)
        check(
            got == self.scene.text,
            f"The output is the whole answer, {self.scene.text!r}: text() read {got!r} of {result.output!r}.",
        )

    def asked(self, requests: int, what: str) -> None:
        """Check how many requests the provider has seen."""
        __tracebackhide__ = True
        seen = len(self.scene.requests)
        remedy = (
            "The client repeats requests by itself: set its max_retries to 0, attempts are the engine's."
            if seen > requests
            else "Another attempt was due: does classify() call this error retryable?"
        )
        check(seen == requests, f"{what}: of {requests} requests the provider saw {seen}. {remedy}")

    def _asked(self) -> str:
        return f"{len(self.scene.requests)} requests made, {self.scene.open} of them open"
