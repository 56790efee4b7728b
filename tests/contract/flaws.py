"""An adapter that keeps every promise, and many that are the same but for one flaw."""

import asyncio
import contextvars
import threading
from contextlib import aclosing
from dataclasses import replace
from typing import Any, cast

from paceline import Cost, Failure, Job, JobContext, Suspend, Usage, classify_error
from paceline.testing.adapter_suite import ProviderBroke, ProviderRefused, Scene


class Sound:
    """Streams what its provider says, and asks first where there is a question."""

    resources: object = ("poet-1",)

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    async def execute(self, job: Job, ctx: JobContext) -> object:
        if not isinstance(job.payload, str | dict | frozenset):
            raise TypeError(f"a payload is text, not {type(job.payload).__name__}")
        if self.scene.question is not None and job.reply is None and job.state != "answered":
            return await self.ask(job, ctx)
        if job.reply is not None:
            ctx.checkpoint("answered")
        return await self.answer(job, ctx)

    async def ask(self, job: Job, ctx: JobContext) -> object:
        return Suspend(self.scene.question, schema=str, state={"asked": True})

    async def answer(self, job: Job, ctx: JobContext) -> object:
        said: list[str] = []
        async with aclosing(self.scene.play()) as chunks:
            async for chunk in chunks:
                self.hear(ctx, chunk)
                said.append(chunk)
        ctx.usage(self.counted(ctx))
        return "".join(said)

    def hear(self, ctx: JobContext, chunk: str) -> None:
        ctx.emit(chunk)

    def counted(self, ctx: JobContext) -> Usage:
        return self.scene.usage

    def classify(self, error: Exception) -> Failure:
        return Failure(True) if isinstance(error, ProviderBroke) else classify_error(error) or Failure(False)

    def estimate(self, job: Job) -> Cost | None:
        return Cost(40, 6)


class AnswersShort(Sound):
    async def answer(self, job: Job, ctx: JobContext) -> object:
        return str(await super().answer(job, ctx))[:-1]


class NeverEnds(Sound):
    async def answer(self, job: Job, ctx: JobContext) -> object:
        await super().answer(job, ctx)
        return await asyncio.Event().wait()


class StreamsOtherOutput(Sound):
    async def answer(self, job: Job, ctx: JobContext) -> object:
        whole = await super().answer(job, ctx)
        return "streamed" if ctx.streaming else whole


class StreamsTwice(Sound):
    def hear(self, ctx: JobContext, chunk: str) -> None:
        ctx.emit(chunk)
        ctx.emit(chunk)


class StreamsAtTheEnd(Sound):
    def hear(self, ctx: JobContext, chunk: str) -> None:
        pass

    async def answer(self, job: Job, ctx: JobContext) -> object:
        whole = await super().answer(job, ctx)
        for chunk in self.scene.chunks:
            ctx.emit(chunk)
        return whole


class SpeaksTooSoon(Sound):
    async def answer(self, job: Job, ctx: JobContext) -> object:
        ctx.first_token()
        return await super().answer(job, ctx)


class CountsNothing(Sound):
    def counted(self, ctx: JobContext) -> Usage:
        return Usage()


class CountsEachChunk(Sound):
    def hear(self, ctx: JobContext, chunk: str) -> None:
        ctx.emit(chunk)
        if ctx.streaming:
            ctx.usage(self.scene.usage)


class OverlooksTheCache(Sound):
    def counted(self, ctx: JobContext) -> Usage:
        return replace(self.scene.usage, cached_tokens=None)


class KeepsWhatWasSaid(Sound):
    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.said: list[str] = []

    async def answer(self, job: Job, ctx: JobContext) -> object:
        self.said.clear()
        async with aclosing(self.scene.play()) as chunks:
            async for chunk in chunks:
                self.said.append(chunk)
                ctx.emit(chunk)
        ctx.usage(self.scene.usage)
        return "".join(self.said)


class LosesTheContext(Sound):
    async def answer(self, job: Job, ctx: JobContext) -> object:
        return await asyncio.create_task(super().answer(job, ctx), context=contextvars.Context())


class TakesTextOnly(Sound):
    async def answer(self, job: Job, ctx: JobContext) -> object:
        if not isinstance(job.payload, str | dict):
            raise TypeError("text only")
        return await super().answer(job, ctx)


class MarksPayloads(Sound):
    async def answer(self, job: Job, ctx: JobContext) -> object:
        cast("dict[str, str]", job.payload)["seen"] = "yes"
        return await super().answer(job, ctx)


class NamesResourcesLoosely(Sound):
    resources = "poet-1"


class GuessesInWords(Sound):
    def estimate(self, job: Job) -> Any:
        return "a lot"


class RunsOn(Sound):
    """Cancelled, it lets go of a task that goes on."""

    async def answer(self, job: Job, ctx: JobContext) -> object:
        task = asyncio.create_task(super().answer(job, ctx))
        return await asyncio.shield(task)


class LeavesStreamsOpen(Sound):
    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.streams: list[object] = []

    async def answer(self, job: Job, ctx: JobContext) -> object:
        said: list[str] = []
        chunks: asyncio.Queue[str] = asyncio.Queue()
        if not ctx.streaming:
            return await super().answer(job, ctx)
        pump = asyncio.create_task(self._pump(chunks))
        self.streams.append(pump)
        while len(said) < len(self.scene.chunks):
            said.append(await chunks.get())
            ctx.emit(said[-1])
        await pump
        ctx.usage(self.counted(ctx))
        return "".join(said)

    async def _pump(self, chunks: asyncio.Queue[str]) -> None:
        async with aclosing(self.scene.play()) as played:
            async for chunk in played:
                await chunks.put(chunk)


class NeverUnlocks(Sound):
    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.turn = asyncio.Lock()

    async def answer(self, job: Job, ctx: JobContext) -> object:
        await self.turn.acquire()
        whole = await super().answer(job, ctx)
        self.turn.release()
        return whole


class ClingsToItsSlot(Sound):
    async def answer(self, job: Job, ctx: JobContext) -> object:
        try:
            return await super().answer(job, ctx)
        except asyncio.CancelledError:
            await asyncio.sleep(3600)
            raise


class StartsThreads(Sound):
    async def answer(self, job: Job, ctx: JobContext) -> object:
        threading.Thread(target=threading.Event().wait, args=(10,), daemon=True).start()
        return await super().answer(job, ctx)


class StartsTasks(Sound):
    tasks: set[object]

    async def answer(self, job: Job, ctx: JobContext) -> object:
        self.tasks = {asyncio.create_task(asyncio.sleep(3600))}
        return await super().answer(job, ctx)


class LeaksWhenCancelled(Sound):
    async def answer(self, job: Job, ctx: JobContext) -> object:
        try:
            return await super().answer(job, ctx)
        except asyncio.CancelledError:
            self.scene.request().__enter__()
            raise


class GivesUp(Sound):
    def classify(self, error: Exception) -> Failure:
        return Failure(False)


class GivesUpConnections(Sound):
    def classify(self, error: Exception) -> Failure:
        return Failure(False) if isinstance(error, ConnectionError) else super().classify(error)


class NeverGivesUp(Sound):
    def classify(self, error: Exception) -> Failure:
        return Failure(True)


class IsInAHurry(Sound):
    def classify(self, error: Exception) -> Failure:
        return Failure(super().classify(error).retryable)


class KeepsHalfAnswers(Sound):
    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.said: list[str] = []

    async def answer(self, job: Job, ctx: JobContext) -> object:
        async with aclosing(self.scene.play()) as chunks:
            async for chunk in chunks:
                self.said.append(chunk)
                ctx.emit(chunk)
        ctx.usage(self.scene.usage)
        return "".join(self.said)


class SpeaksForItself(Sound):
    async def answer(self, job: Job, ctx: JobContext) -> object:
        try:
            return await super().answer(job, ctx)
        except Exception as error:
            error.args = ("something went wrong",)
            raise


class TriesItself(Sound):
    async def answer(self, job: Job, ctx: JobContext) -> object:
        try:
            return await super().answer(job, ctx)
        except ProviderRefused:
            return await super().answer(job, ctx)


class AsksInPrivate(Sound):
    async def ask(self, job: Job, ctx: JobContext) -> object:
        return Suspend("?", schema=str, state="asked")


class AsksForEver(Sound):
    async def execute(self, job: Job, ctx: JobContext) -> object:
        return await self.ask(job, ctx) if self.scene.question else await self.answer(job, ctx)


class AsksNobody(Sound):
    async def ask(self, job: Job, ctx: JobContext) -> object:
        return await self.answer(job, ctx)


class AsksOnce(Sound):
    """It takes any answer, and fails on one that does not fit."""

    async def ask(self, job: Job, ctx: JobContext) -> object:
        return Suspend(self.scene.question, state="asked")

    async def answer(self, job: Job, ctx: JobContext) -> object:
        if job.reply is not None and not isinstance(job.reply, str):
            raise TypeError("an answer is text")
        return await super().answer(job, ctx)


class ForgetsTheAnswer(Sound):
    async def execute(self, job: Job, ctx: JobContext) -> object:
        if self.scene.question is not None and (job.reply is None or ctx.attempt > 2):
            return await self.ask(job, ctx)
        return await self.answer(job, ctx)


class KeepsObjects(Sound):
    async def ask(self, job: Job, ctx: JobContext) -> object:
        return Suspend(self.scene.question, schema=str, state=object())


class WaitsForTheAnswer(Sound):
    """It keeps a request open while it asks, and closes it when it goes on."""

    async def ask(self, job: Job, ctx: JobContext) -> object:
        self.scene.request().__enter__()
        return await super().ask(job, ctx)
