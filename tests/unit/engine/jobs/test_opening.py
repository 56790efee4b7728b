"""Where an engine may be used: inside its block, in its loop, on its thread."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from paceline import Engine, EngineNotOpen, Lane, PacelineError, Scope, WrongLoop
from paceline.testing import EchoExecutor, FaultExecutor, Hang, VirtualClock


async def leave(engine: Engine) -> None:
    async with engine:
        pass


USES: list[Callable[[Engine], Any]] = [
    lambda engine: engine.submit(1),
    lambda engine: engine.submit_group("g", followers=[1]),
    lambda engine: engine.reply("id", 1),
    lambda engine: anext(engine.map([1])),
]


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("use", USES)
def test_an_engine_is_used_only_inside_its_block(use: Callable[[Engine], Any], left: bool) -> None:
    async def main() -> None:
        engine = Engine(EchoExecutor())
        if left:
            await leave(engine)
        with pytest.raises(EngineNotOpen, match="engine is closed" if left else "engine is not open"):
            await use(engine)
        with pytest.raises(EngineNotOpen):
            engine.submit_threadsafe(1)
        with pytest.raises(EngineNotOpen):
            engine.lane("default")

    VirtualClock().run(main)


def test_an_engine_is_opened_once() -> None:
    async def main() -> None:
        async with Engine(EchoExecutor()) as engine:
            with pytest.raises(PacelineError, match="an Engine is opened once"):
                await leave(engine)
            assert await (await engine.submit(1)) == 1
        with pytest.raises(PacelineError, match="an Engine is opened once"):
            await leave(engine)

    VirtualClock().run(main)


def test_outside_of_asyncio_opening_says_what_is_needed() -> None:
    opening: Coroutine[Any, Any, Engine] = Engine(EchoExecutor()).__aenter__()
    with pytest.raises(PacelineError, match=r"asyncio or uvloop; under trio .*asyncio\.run"):
        opening.send(None)  # as trio drives it: no asyncio loop runs here


def test_use_from_another_loop_names_submit_threadsafe() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            handle = await engine.submit(Hang())

            async def elsewhere() -> None:
                uses: list[Callable[[], Any]] = [
                    lambda: engine.submit(1),
                    handle.wait,
                    lambda: engine.submit_group("g", followers=[1]),
                    lambda: engine.reply(handle.id, 1),
                ]
                for use in uses:
                    with pytest.raises(WrongLoop, match="submit_threadsafe"):
                        await use()
                with pytest.raises(WrongLoop):
                    await handle
                with pytest.raises(WrongLoop):
                    handle.cancel()
                with pytest.raises(WrongLoop):
                    engine.lane("default", weight=2)

            await asyncio.to_thread(lambda: asyncio.run(elsewhere()))
            with pytest.raises(WrongLoop):
                await asyncio.to_thread(handle.cancel)
            assert handle.status == "running"
            handle.cancel()

    asyncio.run(main())


def test_uvloop_runs_an_engine() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        async with Engine(EchoExecutor(), slots=2) as engine:
            assert type(asyncio.get_running_loop()).__module__.startswith("uvloop")
            handles = [await engine.submit(i) for i in range(10)]
            thread = await engine.submit(1, executor=lambda _: threading.current_thread())
            stuck = await engine.submit(Hang(), executor=FaultExecutor(), timeout=0.01)
            assert [await handle for handle in handles] == list(range(10))
            assert await thread is not threading.main_thread()
            assert (await stuck.wait()).status == "failed"

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_middleware_that_fails_at_the_opening_leaves_the_engine_unopened() -> None:
    class Refuse:
        def on_begin(self, scope: Scope) -> None:
            raise PermissionError(scope.kind)

    async def main() -> None:
        engine = Engine(EchoExecutor(), middleware=[Refuse()])
        with pytest.raises(PermissionError, match="run"):
            await leave(engine)
        with pytest.raises(EngineNotOpen, match="not open"):
            await engine.submit(1)

    VirtualClock().run(main)


@pytest.mark.parametrize(
    "options",
    [
        {"slots": 0},
        {"slots": 1.5},
        {"max_pending": 0},
        {"max_active_groups": -1},
        {"grace": -1},
        {"grace": float("nan")},
        {"retry": 3},
        {"run_id": ""},
        {"cost": "dollars"},
        {"lanes": ["a"]},
        {"lanes": [Lane("a"), Lane("a")]},
        {"middleware": [object()]},
    ],
)
def test_arguments_that_make_no_sense_are_refused_when_the_engine_is_made(options: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError), match=r"Engine|cost must be|is no middleware"):
        Engine(EchoExecutor(), **options)


def test_the_run_id_is_the_one_given_or_one_of_its_own() -> None:
    async def main() -> None:
        async with Engine(EchoExecutor(), run_id="nightly") as engine:
            assert engine.run_id == "nightly"
            assert engine.snapshot().run_id == "nightly"
        ids = set[str]()
        for _ in range(3):
            async with Engine(EchoExecutor()) as engine:
                ids.add(engine.run_id)
        assert len(ids) == 3

    VirtualClock().run(main)
