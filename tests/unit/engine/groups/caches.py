"""Providers that make prefix caches in virtual time, and jobs that say which handle they saw."""

import asyncio
from collections.abc import Mapping
from typing import Any

from paceline import Engine, Group, Job, JobContext, JobResult, PrefixCache

__all__ = ["Failing", "Implicit", "Provider", "Seen", "ends", "error_of", "now", "submit", "told"]


def now() -> float:
    return asyncio.get_running_loop().time()


class Provider:
    """Takes `seconds` to make a handle for the prefix that the payload names."""

    def __init__(self, seconds: float = 3.0) -> None:
        self.seconds = seconds
        self.began: list[tuple[float, str]] = []
        self.undone: list[object] = []
        self.stopped = 0

    def fingerprint(self, payload: Any, context: Mapping[str, Any]) -> str:
        return str(payload)

    async def create(self, payload: Any, context: Mapping[str, Any]) -> Any:
        self.began.append((now(), self.fingerprint(payload, context)))
        number = len(self.began)
        try:
            return await self.made(number)
        except asyncio.CancelledError:
            self.stopped += 1
            raise

    async def made(self, number: int) -> Any:
        return await asyncio.sleep(self.seconds, f"handle {number}")

    async def invalidate(self, handle: object) -> None:
        self.undone.append(handle)


class Failing(Provider):
    """Fails the first `times` times."""

    def __init__(self, times: int, error: BaseException) -> None:
        super().__init__()
        self.times = times
        self.error = error

    async def made(self, number: int) -> Any:
        await asyncio.sleep(1)
        if number <= self.times:
            raise self.error
        return f"handle {number}"


class Implicit:
    """A provider that caches by itself what it has read."""

    def fingerprint(self, payload: Any, context: Mapping[str, Any]) -> str:
        return str(payload)


class Seen:
    """Takes a second for each job, and gives back the handle that it saw."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self.started: list[tuple[float, str]] = []

    async def execute(self, job: Job, ctx: JobContext) -> object:
        self.started.append((now(), job.name))
        await asyncio.sleep(self.seconds)
        return ctx.cache


def told(results: list[JobResult]) -> list[Any]:
    return [result.output if result.ok else result.status for result in results]


async def submit(engine: Engine, name: str, cache: PrefixCache, prefix: str = "p", **options: Any) -> Group:
    return await engine.submit_group(name, primer=prefix, followers=[1, 2], cache=cache, **options)


async def ends(engine: Engine, name: str, cache: PrefixCache, prefix: str = "p", **options: Any) -> list[Any]:
    return told(await (await submit(engine, name, cache, prefix, **options)).results())


def error_of(result: JobResult) -> BaseException:
    assert result.error is not None
    assert result.error.exception is not None
    return result.error.exception
