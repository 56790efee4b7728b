"""What can be a task, and what is refused while the line that makes it is on the stack."""

import asyncio
import functools
import inspect
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from paceline import (
    Engine,
    Executor,
    Job,
    JobContext,
    Lane,
    NoAdapter,
    Task,
    current_job,
    dag,
    flow,
    task,
)
from paceline.testing import VirtualClock


async def double(number: int) -> int:
    return 2 * number


def triple(number: int) -> int:
    return 3 * number


async def scale(factor: int, number: int) -> int:
    return factor * number


by_five: Callable[[int], int] = lambda number: 5 * number  # noqa: E731 - that it is one is the point
doubled: Callable[[int], Any] = lambda number: double(number)  # noqa: E731, PLW0108


@dataclass(eq=False)
class Scaling:
    """Calls it: with arguments, as any function."""

    factor: int

    async def __call__(self, number: int, plus: int = 0) -> int:
        return self.factor * number + plus

    def method(self, number: int) -> int:
        return self.factor * number


class Shouting:
    """Runs jobs: with a payload."""

    async def execute(self, job: Job, ctx: JobContext) -> object:
        return f"{job.payload}!"


class Chain:
    """As a framework's own object, which knows what runs it."""

    def as_executor(self) -> Executor:
        return Shouting()


def outcome(one: Task[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a call gives in a flow."""

    @flow
    async def main() -> Any:
        return await one(*args, **kwargs)

    async def run() -> Any:
        return await main()

    return VirtualClock().run(run)


KINDS: list[tuple[Any, tuple[Any, ...], Any]] = [
    (double, (2,), 4),
    (triple, (2,), 6),
    (by_five, (2,), 10),
    (doubled, (2,), 4),
    (functools.partial(scale, 7), (2,), 14),
    (functools.partial(scale, number=2), (7,), 14),
    (functools.partial(triple), (2,), 6),
    (Scaling(4).method, (2,), 8),
    (Scaling(4), (2, 1), 9),
    (int, ("12",), 12),
    (len, ("four",), 4),
    (max, ([3, 9],), 9),
    (Shouting(), ("hey",), "hey!"),
    (Chain(), ("hey",), "hey!"),
]


@pytest.mark.parametrize(("made_of", "args", "output"), KINDS)
def test_a_task_is_a_function_of_any_kind_or_anything_that_runs(
    made_of: Callable[..., Any], args: tuple[Any, ...], output: Any
) -> None:
    assert outcome(task(made_of), *args) == output


def test_fn_is_the_function_itself_and_the_task_looks_like_it() -> None:
    @task
    async def load(query: str, limit: int = 3) -> list[str]:
        """Load something."""
        return [query] * limit

    assert load.fn.__name__ == load.name == "load"
    assert (load.__doc__, load.__module__) == ("Load something.", __name__)
    assert list(inspect.signature(load).parameters) == ["query", "limit"]
    assert repr(load) == "task 'load'"

    async def main() -> list[str]:
        fn: Any = load.fn
        return list(await fn("tea", 1))

    assert VirtualClock().run(main) == ["tea"]


def test_a_task_is_named_after_what_it_is_made_of_unless_told_otherwise() -> None:
    assert task(double).name == "double"
    assert task(functools.partial(functools.partial(scale, 2))).name == "scale"
    assert task(Scaling(2).method).name == "method"
    assert task(Scaling(2)).name == "Scaling"
    assert task(Shouting(), name="shout").name == "shout"
    assert task(name="twice")(double).name == "twice"


def test_a_sync_task_works_on_a_thread_and_never_blocks_the_loop() -> None:
    """S6, G5: sync functions stalled the loop of both."""
    threads: set[int] = set()

    @task
    def slow(number: int) -> int:
        threads.add(threading.get_ident())
        time.sleep(0.05)  # really
        return number

    @flow
    async def main() -> tuple[int, int]:
        calls = [slow(number) for number in range(3)]
        beats = 0
        while not all(call.handle.status == "succeeded" for call in calls):
            await asyncio.sleep(0.005)
            beats += 1
        return beats, threading.get_ident()

    async def run() -> tuple[int, int]:
        return await main()

    beats, loop_thread = asyncio.run(run())
    assert beats >= 3
    assert len(threads) == 3
    assert loop_thread not in threads


class Store:
    """A class with tasks as methods."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    @task
    async def load(self, key: str) -> str:
        return self.prefix + key

    @task(lane="disk", name="size-of")
    def size(self, key: str) -> int:
        return len(self.prefix + key)

    @staticmethod
    @task
    async def plain(key: str) -> str:
        return key

    @classmethod
    @task
    async def made(cls, key: str) -> str:
        return cls.__name__ + key

    @flow
    async def both(self, key: str) -> tuple[str, int]:
        return await self.load(key), await self.size(key)


def test_methods_declared_as_tasks_and_flows_belong_to_the_object_that_they_are_called_on() -> None:
    one, other = Store("a/"), Store("bb/")
    made: Any = Store.made  # no type checker follows a classmethod of something other than a function

    @flow
    async def main() -> list[Any]:
        found: list[Any] = [
            await one.load("x"), await other.size("x"), await Store.plain("x"), await made("x"),
            await other.both("y"),
        ]  # fmt: skip
        return found

    async def run() -> Any:
        async with Engine(lanes=[Lane("disk")]) as engine:
            run = await main.start(engine)
            assert await run == ["a/x", 4, "x", "Storex", ("bb/y", 4)]
            return {handle.name: (await handle.wait()).lane for handle in run.tasks.values()}

    lanes = VirtualClock().run(run)
    assert lanes["size-of"] == "disk"
    assert list(inspect.signature(one.load).parameters) == ["key"]


def test_two_looks_at_a_method_give_equal_tasks_as_with_any_method() -> None:
    one, other = Store("a/"), Store("a/")
    assert one.load == one.load
    assert hash(one.load) == hash(one.load)
    assert one.load != other.load
    assert one.load != one.size
    assert one.load != Store.load
    assert one.load != one.load.with_options(priority=1)


def a_generator(number: int) -> Iterator[int]:
    yield number


async def an_async_generator(number: int) -> AsyncIterator[int]:
    yield number


@pytest.mark.parametrize(
    "generator",
    [a_generator, an_async_generator, functools.partial(a_generator, 1)],
    ids=["sync", "async", "partial"],
)
def test_generators_are_refused_with_what_to_write_instead(generator: Any) -> None:
    with pytest.raises(NoAdapter, match=r"is a generator.*emit\(chunk\)"):
        task(generator)


@pytest.mark.parametrize("nothing", [3, object(), "a text", [double]])
def test_what_nothing_can_run_is_no_task(nothing: Any) -> None:
    with pytest.raises(NoAdapter, match="neither an Executor nor a callable"):
        task(nothing)


def test_a_task_of_a_task_is_refused() -> None:
    with pytest.raises(TypeError, match=r"task 'double' is a task already.*with_options"):
        task(task(double))
    with pytest.raises(TypeError, match="flow 'scale' is a flow already"):
        task(flow(scale))
    with pytest.raises(TypeError, match="@task goes below @staticmethod"):
        task(staticmethod(double))


def test_a_flow_is_an_async_function() -> None:
    wrong: Any
    for wrong in (triple, Scaling(1), task(double), an_async_generator):
        with pytest.raises(TypeError, match="a flow is an async function"):
            flow(wrong)
    assert flow(functools.partial(scale, 2)).name == "scale"


def test_context_variables_and_the_current_job_are_seen_in_sync_tasks_too() -> None:
    @task
    def who() -> str | None:
        job = current_job()
        return None if job is None else job.job.name

    assert outcome(who) == "who"


def test_after_a_task_means_that_one_and_no_other_of_the_same_method() -> None:
    class Desk:
        async def work(self, seconds: float) -> float:
            await asyncio.sleep(seconds)
            return asyncio.get_running_loop().time()

    desk = Desk()
    first, second, third = (task(desk.work, name=name) for name in ("first", "second", "third"))

    @dag
    async def drawn() -> float:
        await first(1)
        await second(5)
        return await third.after(first)(1)

    @flow
    async def flowing() -> float:
        first(1)
        second(5)
        return await third.after(first)(1)

    assert [(edge.source, edge.target) for edge in drawn.edges] == [("first", "third")]
    assert VirtualClock().run(drawn) == VirtualClock().run(flowing) == 2
