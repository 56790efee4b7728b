"""The least adapter of all, a plain function of the payload, keeps the promises."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager

from paceline import Suspend, current_job
from paceline.testing.adapter_suite import AdapterSuite, Provided, Scene


def function_for(scene: Scene) -> Callable[[object], object]:
    async def recite(payload: object) -> object:
        job = current_job()
        assert job is not None
        if scene.question is not None and job.job.reply is None:
            return Suspend(scene.question, schema=str)
        said: list[str] = []
        async with aclosing(scene.play()) as chunks:
            async for chunk in chunks:
                job.emit(chunk)
                said.append(chunk)
        job.usage(scene.usage)
        return "".join(said)

    return recite


class TestFunction(AdapterSuite):
    lacks = {"errors": "a function classifies nothing"}  # noqa: RUF012

    @asynccontextmanager
    async def provide(self, scene: Scene) -> AsyncGenerator[Provided, None]:
        yield Provided(function_for(scene), objects=object(), bad_reply=7)
