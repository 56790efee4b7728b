"""Who runs a job: the engine's executor, one by name, or one that came with it."""

import asyncio
import functools
import importlib.metadata
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from paceline import (
    Engine,
    Executor,
    Job,
    JobContext,
    NoAdapter,
    PacelineError,
    UnknownName,
    _executor as executor_module,
    as_executor,
)
from paceline.testing import EchoExecutor, VirtualClock


async def double(payload: int) -> int:
    await asyncio.sleep(0)
    return payload * 2


def double_sync(payload: int) -> int:
    assert threading.current_thread() is not threading.main_thread()
    return payload * 2


async def times(by: int, payload: int) -> int:
    return payload * by


class AsyncCall:
    async def __call__(self, payload: int) -> int:
        return payload * 2


class SyncCall:
    def __call__(self, payload: int) -> int:
        return payload * 2


class Methods:
    async def double(self, payload: int) -> int:
        return payload * 2


class Made:
    """A class is a callable too: called with the payload, it makes an object."""

    def __init__(self, payload: int) -> None:
        self.payload = payload

    async def __call__(self, payload: int) -> int:
        return -1

    def __eq__(self, other: object) -> bool:
        return self.payload * 2 == other

    __hash__ = None  # type: ignore[assignment]


CALLABLES: list[Callable[[int], Any]] = [
    double,
    double_sync,
    AsyncCall(),
    SyncCall(),
    Methods().double,
    functools.partial(times, 2),
    functools.partial(functools.partial(AsyncCall())),
    lambda payload: double(payload),  # noqa: PLW0108 - shows by what it returns that it is async
    lambda payload: payload * 2,
    (2).__mul__,
    Made,
]


@pytest.mark.parametrize("function", CALLABLES)
def test_any_callable_of_the_payload_runs_jobs(function: Callable[[int], Any]) -> None:
    async def main() -> None:
        async with Engine(function) as engine:
            assert await (await engine.submit(21)) == 42
        async with Engine() as engine:
            assert await (await engine.submit(21, executor=function)) == 42

    VirtualClock().run(main)


def test_an_executor_is_taken_as_it_is() -> None:
    echo = EchoExecutor()
    assert as_executor(echo) is echo
    assert isinstance(as_executor(double), Executor)


def test_a_class_of_executors_is_refused_with_the_right_line() -> None:
    with pytest.raises(NoAdapter, match=r"EchoExecutor is a class .*: EchoExecutor\(\.\.\.\)"):
        Engine(EchoExecutor)


@pytest.mark.parametrize("thing", [42, "text", object(), None])
def test_what_nothing_can_run_is_refused_with_the_adapters_that_are_there(thing: object) -> None:
    with pytest.raises(NoAdapter, match=r"no adapter knows it; adapters installed: .*langchain_core"):
        as_executor(thing)


@pytest.fixture
def entry_points(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    points: dict[str, Any] = {}
    monkeypatch.setattr(executor_module, "_entry_points", lambda: points)
    return points


def test_a_frameworks_object_finds_its_adapter_by_the_modules_of_its_classes(
    entry_points: dict[str, Any],
) -> None:
    loaded: list[str] = []

    def load() -> Callable[[object], Executor]:
        loaded.append("now")
        return lambda found: EchoExecutor() if isinstance(found, Sub) else as_executor(None)

    class Sub(functools.partial[Any]):
        """Somebody's class, built on one of a framework."""

    entry_points["functools"] = SimpleNamespace(load=load)
    Engine(double)
    assert loaded == []
    assert isinstance(as_executor(Sub(double)), EchoExecutor)
    assert loaded == ["now"]


def test_what_an_adapter_declines_goes_to_the_next_or_is_taken_for_what_it_is(
    entry_points: dict[str, Any],
) -> None:
    class Sub(functools.partial[Any]):
        """Of the framework, but nothing that its adapter runs."""

    def declines(_found: object) -> None:
        return None

    def takes(_found: object) -> Executor:
        return EchoExecutor()

    entry_points["functools"] = SimpleNamespace(load=lambda: declines)
    assert not isinstance(as_executor(Sub(double)), EchoExecutor)
    entry_points["builtins"] = SimpleNamespace(load=lambda: takes)
    assert isinstance(as_executor(Sub(double)), EchoExecutor)


def test_adapters_are_found_among_the_entry_points() -> None:
    executor_module._entry_points.cache_clear()
    installed = {point.name for point in importlib.metadata.entry_points(group="paceline.adapters")}
    assert set(executor_module._entry_points()) == installed


def test_jobs_choose_among_several_executors_by_name() -> None:
    async def main() -> None:
        async with Engine({"double": double, "echo": EchoExecutor()}) as engine:
            first = await engine.submit(2, executor="double")
            second = await engine.submit(2, executor="echo")
            assert [await first, await second] == [4, 2]
            with pytest.raises(
                UnknownName, match="no executor named 'triple'; known: 'double', 'echo'"
            ) as caught:
                await engine.submit(2, executor="triple")
            assert caught.value.known == ("double", "echo")
            with pytest.raises(PacelineError, match="executor= one of 'double', 'echo'"):
                await engine.submit(2)

    VirtualClock().run(main)


@pytest.mark.parametrize("executors", [{"only": double}, {"default": double, "echo": EchoExecutor()}, double])
def test_the_only_executor_or_the_one_called_default_needs_no_name(executors: Any) -> None:
    async def main() -> None:
        async with Engine(executors) as engine:
            assert await (await engine.submit(21)) == 42

    VirtualClock().run(main)


def test_an_engine_without_an_executor_says_so_at_submit() -> None:
    async def main() -> None:
        async with Engine() as engine:
            with pytest.raises(PacelineError, match=r"Engine\(executor\)"):
                await engine.submit(1)

    VirtualClock().run(main)


def test_the_name_of_an_executor_is_the_one_it_has() -> None:
    class Named:
        name = "gpt"

        async def execute(self, job: Job, ctx: JobContext) -> str:
            return job.executor

    class Nameless:
        async def execute(self, job: Job, ctx: JobContext) -> str:
            return job.executor

    async def main() -> None:
        async with Engine(Named()) as engine:
            assert await (await engine.submit(1)) == "gpt"
            assert await (await engine.submit(1, executor="gpt")) == "gpt"
            assert await (await engine.submit(1, executor=Nameless())) == "Nameless"

    VirtualClock().run(main)


def test_options_that_are_not_there_are_refused_with_those_that_are() -> None:
    async def main() -> None:
        async with Engine(double) as engine:
            with pytest.raises(TypeError, match="unknown option prioritty; known: after, config"):
                await engine.submit(1, prioritty=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
            with pytest.raises(TypeError, match="priority must be a whole number"):
                await engine.submit(1, priority="high")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            with pytest.raises(TypeError, match="metadata must be a mapping"):
                await engine.submit(1, metadata=[1])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            with pytest.raises(TypeError, match="after= takes handles and groups"):
                await engine.submit(1, after="first")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            with pytest.raises(ValueError, match="cost must be a finite number"):
                await engine.submit(1, cost=-1)

    VirtualClock().run(main)
