"""Executors for tests: one that repeats, one that takes its time, and one that does whatever can go wrong."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, NoReturn, TypeAlias, final

if TYPE_CHECKING:
    from paceline._context import JobContext
    from paceline._job import Job

__all__ = ["Block", "DelayExecutor", "EchoExecutor", "Fault", "FaultExecutor", "Hang", "Nonsense", "Raise"]


@final
class EchoExecutor:
    """Returns each payload as it came, and streams it word by word to whoever listens.

    async with Engine(EchoExecutor()) as engine:
        handle = await engine.submit("to be or not", stream=True)
        assert [chunk async for chunk in handle.stream()] == ["to ", "be ", "or ", "not"]
        assert await handle == "to be or not"
    """

    async def execute(self, job: Job, ctx: JobContext, /) -> object:
        """Return the payload; when streamed, its words joined give its text again."""
        if ctx.streaming:
            for word in re.split(r"(?<=\s)(?=\S)", str(job.payload)):
                ctx.emit(word)
        return job.payload


@final
class DelayExecutor:
    """Returns each payload after `low` to `high` seconds, drawn evenly.

    What is drawn depends on the seed and the job's group, name and attempt, so that one load can be run by
    different schedules: a job takes the same time wherever its turn comes. Jobs that have no name but their
    id draw in the order in which they are called.

        async with Engine(DelayExecutor(0.5, 20.0, seed=3), slots=4) as engine:
            ...
    """

    def __init__(self, low: float, high: float, *, seed: int = 0) -> None:
        if not 0 <= low <= high:
            raise ValueError(f"DelayExecutor({low!r}, {high!r}): give seconds with 0 <= low <= high")
        self._low = low
        self._high = high
        self._seed = seed
        self._nameless = itertools.count()

    async def execute(self, job: Job, ctx: JobContext, /) -> object:
        """Sleep, then return the payload."""
        # An id differs from run to run, and so must not be what a repeatable load is made from.
        name = next(self._nameless) if job.name == job.id else f"{job.name}/{ctx.attempt}"
        draw = Random(f"{self._seed}/{job.group}/{name}")  # noqa: S311 - a load to repeat
        await asyncio.sleep(draw.uniform(self._low, self._high))
        return job.payload


@dataclass(frozen=True, slots=True)
class Raise:
    """Raise an exception of any kind: always, or on the first `times` attempts of a job, then return `then`.

    Raise(ValueError("no"), times=2, then="yes")    # fails twice, then succeeds
    Raise(asyncio.CancelledError)                   # a cancellation that nobody asked for
    Raise(SystemExit(3))
    """

    error: BaseException | type[BaseException]
    times: int | None = None
    then: object = None


@dataclass(frozen=True, slots=True)
class Hang:
    """Never end unless cancelled, and not even then for the first `swallow` times (`math.inf`: never).

    What swallows every cancellation ends by `FaultExecutor.release()` alone.
    """

    swallow: float = 0


@dataclass(frozen=True, slots=True)
class Block:
    """Block the whole event loop for so many real seconds, then return None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Nonsense:
    """Return an object that cannot be pickled, written as JSON, nor even printed: its repr raises."""


Fault: TypeAlias = Raise | Hang | Block | Nonsense
"""What a `FaultExecutor` can be told to do."""


@final
class FaultExecutor:
    """Misbehaves as told: by its script, one entry for each call, and then by the payload of each job.

    A `Raise`, `Hang`, `Block` or `Nonsense` is done; anything else is returned.

        faults = FaultExecutor()
        async with Engine(faults) as engine:
            handle = await engine.submit(Raise(OSError, times=1, then="fine"), retry=RetryPolicy(attempts=2))
            assert await handle == "fine"

        FaultExecutor([Hang(), Block(0.5)])     # the first call hangs, the second blocks, the others behave
    """

    def __init__(self, script: Iterable[object] = ()) -> None:
        self._script = iter(script)
        self._hanging: set[asyncio.Event] = set()

    @property
    def hanging(self) -> int:
        """How many calls hang now, those that swallowed a cancellation included."""
        return len(self._hanging)

    def release(self) -> None:
        """End all calls that hang now; they return None. To be called on their loop's thread."""
        for released in self._hanging:
            released.set()

    async def execute(self, job: Job, ctx: JobContext, /) -> object:
        """Do what the script says or, when it is used up, the payload."""
        match next(self._script, job.payload):
            case Raise(error, times, then):
                if times is None or ctx.attempt <= times:
                    raise error
                return then
            case Hang(swallow):
                await self._hang(swallow)
                return None
            case Block(seconds):
                time.sleep(seconds)  # noqa: ASYNC251 - to block the loop is what was asked for
                return None
            case Nonsense():
                return _Nonsense()
            case output:
                return output

    async def _hang(self, swallow: float) -> None:
        released = asyncio.Event()
        self._hanging.add(released)
        try:
            while not released.is_set():
                try:
                    await released.wait()
                except asyncio.CancelledError:
                    if swallow <= 0:
                        raise
                    swallow -= 1
        finally:
            self._hanging.discard(released)


class _Nonsense:
    def __repr__(self) -> NoReturn:
        raise RuntimeError("this object cannot be printed")

    def __reduce__(self) -> NoReturn:
        raise TypeError("this object cannot be pickled")
