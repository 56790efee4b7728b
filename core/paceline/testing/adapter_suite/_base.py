"""What every part of the suite is made of: a test is a script for the provider, and a scenario on a stage."""

from __future__ import annotations

import asyncio
import unittest
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar, cast, get_args

from paceline._engine import Engine
from paceline._policies import RetryPolicy

from ._scene import Act, Scene
from ._stage import PromiseBroken, Provided, Stage, Surroundings, check

__all__ = ["Capability", "Parts", "promise"]

Capability: TypeAlias = Literal["streaming", "usage", "cached", "errors", "context", "objects", "suspend"]
"""What an adapter may lack; everything else is promised by all."""

_KNOWN: tuple[str, ...] = get_args(Capability)
_STEPS = 4  # of a test, each of which waits as long as patience lasts, at most


class Parts(ABC):
    """What an author says of the adapter, and how one test is played."""

    lacks: ClassVar[Mapping[Capability, str]] = {}
    patience: ClassVar[float] = 5.0
    cancelled_streams: ClassVar[int] = 50

    @abstractmethod
    def provide(self, scene: Scene, /) -> AbstractAsyncContextManager[Provided]:
        """Make the executor for one scene; leaving closes what was opened for it."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        unknown = ", ".join(sorted(set(cls.lacks) - set(_KNOWN)))
        if unknown:
            raise ValueError(
                f"{cls.__qualname__}.lacks names {unknown}; what can be lacking: {', '.join(_KNOWN)}"
            )
        for capability, reason in cls.lacks.items():
            if not isinstance(cast("object", reason), str) or not reason.strip():
                raise ValueError(f"{cls.__qualname__}.lacks[{capability!r}] must say why, in a few words")

    def play(
        self,
        scene: Scene,
        scenario: Callable[[Stage], Coroutine[Any, Any, None]],
        *,
        slots: int = 8,
        retry: RetryPolicy | None = None,
        steps: int = _STEPS,
    ) -> None:
        """Play a scenario, in an event loop of its own, and see to it that nothing is left afterwards."""
        __tracebackhide__ = True
        try:
            with asyncio.Runner() as runner:
                runner.run(self._play(scene, scenario, slots, retry, steps * self.patience))
        except PromiseBroken as broken:  # it says all; the frames of the event loop would bury that
            raise broken.with_traceback(None) from broken.__cause__

    async def _play(
        self,
        scene: Scene,
        scenario: Callable[[Stage], Coroutine[Any, Any, None]],
        slots: int,
        retry: RetryPolicy | None,
        limit: float,
    ) -> None:
        __tracebackhide__ = True
        around = Surroundings()
        before = asyncio.all_tasks()
        async with self.provide(scene) as provided:
            engine = Engine(
                provided.executor, slots=slots, retry=retry, middleware=[around], grace=self.patience
            )
            stage = Stage(engine, scene, provided, around, self.patience)
            try:
                async with asyncio.timeout(limit), engine:
                    await scenario(stage)
            except TimeoutError as error:
                raise PromiseBroken(
                    f"A job ends: after {limit:g} s some have not. Their attempts must end "
                    "when the provider's answer does, and by CancelledError when they are cancelled."
                ) from error
            await _nothing_open(stage)
        # Only now: what runs as long as a client does was ended by leaving.
        await stage.until(
            lambda: asyncio.all_tasks() <= before,
            lambda: (
                f"Nothing is left running: {_named(asyncio.all_tasks() - before)}. Await or cancel, before "
                "execute() ends, every task that it started."
            ),
        )


async def _nothing_open(stage: Stage) -> None:
    __tracebackhide__ = True
    abandoned = stage.engine.snapshot().abandoned
    check(
        not abandoned,
        f"A cancelled attempt ends: {len(abandoned)} still run. Let CancelledError pass; what must be done "
        "first belongs into `finally`, and may not wait for the provider.",
    )
    await stage.let_go("The end of its jobs")


def _named(tasks: set[asyncio.Task[Any]]) -> str:
    return ", ".join(sorted(f"task {task.get_name()} ({task.get_coro()!r})" for task in tasks))


S = TypeVar("S", bound=Parts)


def promise(
    *acts: Act,
    needs: tuple[Capability, ...] = (),
    question: str | None = None,
    slots: int = 8,
    retry: RetryPolicy | None = None,
) -> Callable[[Callable[[S, Stage], Coroutine[Any, Any, None]]], Callable[[S], None]]:
    """Make a test of a scenario: the provider acts so, and the test is skipped where a need is lacking."""

    def make(scenario: Callable[[S, Stage], Coroutine[Any, Any, None]]) -> Callable[[S], None]:
        def test(self: S) -> None:
            __tracebackhide__ = True
            for need in needs:
                if need in self.lacks:
                    raise unittest.SkipTest(f"lacks {need}: {self.lacks[need]}")
            scene = Scene(*acts, question=question)
            self.play(scene, lambda stage: scenario(self, stage), slots=slots, retry=retry)

        # Not by functools.wraps: pytest would look through it, and take `stage` for a fixture.
        test.__name__ = scenario.__name__
        test.__qualname__ = scenario.__qualname__
        test.__module__ = scenario.__module__
        test.__doc__ = scenario.__doc__
        return test

    return make
