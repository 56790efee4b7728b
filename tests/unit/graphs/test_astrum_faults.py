"""What goes wrong in astrum 0.1.2, one test a fault, named by it: it goes right here."""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

import pytest

from paceline import Dag, Engine, From, RunReport, dag, task
from paceline.testing import VirtualClock


def now() -> float:
    return asyncio.get_running_loop().time()


def quick_start() -> Dag[..., Any]:
    report = Dag("report")

    @report.task
    async def load_users() -> dict[str, list[str]]:
        return {"users": ["ann", "bob"]}

    @report.task
    async def load_orders() -> dict[str, list[str]]:
        return {"orders": ["1", "2", "3"]}

    @report.task
    async def build_report(
        users: Annotated[list[str], From(load_users, "users")],
        orders: Annotated[list[str], From(load_orders, "orders")],
    ) -> dict[str, str]:
        return {"summary": f"{len(users)} users, {len(orders)} orders"}

    return report


def test_a_graph_runs_twice_and_more_in_a_process() -> None:
    graph = quick_start()
    for _ in range(3):
        report = VirtualClock().run(graph.run)
        assert report.outputs["build_report"] == {"summary": "2 users, 3 orders"}


def test_runs_at_the_same_time_keep_their_data_apart() -> None:
    graph = Dag("apart")

    @graph.task
    async def first(value: int) -> dict[str, int]:
        await asyncio.sleep(4 - value)
        return {"value": value}

    @graph.task
    async def second(value: Annotated[int, From(first, "value")]) -> int:
        await asyncio.sleep(1)
        return value

    async def main() -> list[int]:
        async with Engine(slots=16) as engine:
            reports = await asyncio.gather(*(graph.run(engine, value=number) for number in (1, 2, 3)))
            return [report.outputs["second"] for report in reports]

    # `value` of the second comes from the first, of the first from the run
    assert VirtualClock().run(main) == [1, 2, 3]


def test_a_task_starts_the_moment_its_own_inputs_are_ready() -> None:
    starts: dict[str, float] = {}
    graph = Dag("levels")

    async def step(name: str, seconds: float) -> None:
        starts[name] = now()
        await asyncio.sleep(seconds)

    graph.task(step, name="a", bind={"name": "a", "seconds": 0.01})
    graph.task(step, name="c", bind={"name": "c", "seconds": 0.3})
    graph.task(step, name="b", after=["a"], bind={"name": "b", "seconds": 0.3})
    report = VirtualClock().run(graph.run)
    assert starts == {"a": 0.0, "c": 0.0, "b": 0.01}
    assert report.totals.seconds == pytest.approx(0.31)


async def hold(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


async def fail(seconds: float) -> float:
    await asyncio.sleep(seconds)
    raise LookupError("no luck")


def test_a_failure_is_noticed_at_once_whatever_was_declared_before_it() -> None:
    graph = Dag("late")
    graph.task(hold, name="long", bind={"seconds": 1.0})
    graph.task(fail, name="instant", bind={"seconds": 0.0})

    async def main() -> tuple[str, str, float]:
        async with Engine() as engine:
            run = await graph.start(engine)
            async for result in run.as_completed():
                return result.name, result.status, now()
            raise AssertionError

    assert VirtualClock().run(main) == ("instant", "failed", 0.0)


@pytest.mark.parametrize("own", [True, False], ids=["own engine", "given engine"])
def test_cancelling_run_leaves_nothing_running(own: bool) -> None:
    ended: list[str] = []

    async def step(name: str) -> None:
        try:
            await asyncio.sleep(10)
            ended.append(f"{name} ran to its end")
        except asyncio.CancelledError:
            ended.append(f"{name} cancelled")
            raise

    graph = Dag("given up")
    for name in ("p1", "p2"):
        graph.task(step, name=name, bind={"name": name})
    graph.task(step, name="p3", after=["p1"], bind={"name": "p3"})

    async def main() -> None:
        async with Engine() as engine:
            running = asyncio.create_task(graph.run(None if own else engine))
            await asyncio.sleep(1)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            await asyncio.sleep(0.1)
            assert sorted(ended) == ["p1 cancelled", "p2 cancelled"]
            assert engine.snapshot().counts["running"] == 0
            await asyncio.sleep(20)
        assert len(ended) == 2

    VirtualClock().run(main)


@pytest.mark.blocks_loop
def test_sync_tasks_run_on_threads_and_side_by_side() -> None:
    """They meet at a barrier, which they can only if all are running; and the loop goes on meanwhile."""
    import threading

    meeting = threading.Barrier(3)

    @task
    def block(number: int) -> int:
        meeting.wait(20)
        return number

    @dag
    async def pipeline() -> list[int]:
        return await block.map([1, 2, 3])

    report = asyncio.run(pipeline.run())
    assert report.output == [1, 2, 3]


def test_what_never_ran_is_in_the_report_with_the_exception_that_caused_it() -> None:
    graph = Dag("told")
    graph.task(fail, name="first", bind={"seconds": 0.0})
    graph.task(hold, name="second", bind={"seconds": From("first")})
    graph.task(hold, name="third", bind={"seconds": From("second")})

    async def main() -> tuple[RunReport, list[Any]]:
        async with Engine() as engine:
            run = await graph.start(engine)
            report = await run.report()
            return report, [(await each.wait()).error for each in run.tasks.values()]

    report, errors = VirtualClock().run(main)
    assert [each.status for each in report.tasks.values()] == ["failed", "skipped", "skipped"]
    first = errors[0].exception
    assert type(first) is LookupError
    assert errors[1].exception is errors[2].exception is first
    assert errors[0].traceback


def test_an_independent_branch_goes_on() -> None:
    graph = Dag("branches")
    graph.task(fail, name="fails", bind={"seconds": 0.0})
    graph.task(hold, name="long", bind={"seconds": 5.0})
    graph.task(hold, name="on", bind={"seconds": From("long")})
    report = VirtualClock().run(graph.run)
    assert report.outputs == {"long": 5.0, "on": 5.0}


@pytest.mark.slow
def test_a_chain_of_100_000_declared_last_first_builds_and_runs() -> None:
    async def step(value: int) -> int:
        return value + 1

    graph = Dag("chain")
    length = 100_000
    for number in reversed(range(length)):
        graph.task(step, name=f"n{number}", bind={"value": From(f"n{number - 1}") if number else 0})
    assert length > sys.getrecursionlimit()
    assert graph.plan().width == 1

    async def main() -> object:
        async with Engine() as engine:
            return (await (await graph.start(engine)))[f"n{length - 1}"]

    assert asyncio.run(main()) == length


def test_a_chain_longer_than_the_recursion_limit_runs_and_fails_without_recursion() -> None:
    async def step(value: int) -> int:
        if value < 0:
            raise ValueError(value)
        return value + 1

    graph = Dag("chain")
    length = 3 * sys.getrecursionlimit()
    for number in reversed(range(length)):
        graph.task(step, name=f"n{number}", bind={"value": From(f"n{number - 1}")} if number else None)
    report = asyncio.run(graph.run(value=0))
    assert report.outputs[f"n{length - 1}"] == length
    report = asyncio.run(graph.run(value=-1))
    assert (report.totals.failed, report.totals.skipped) == (1, length - 1)


def test_a_task_that_raises_cancelled_error_is_a_failure_that_is_reported() -> None:
    async def odd() -> None:
        raise asyncio.CancelledError

    graph = Dag("odd")
    graph.task(odd)
    graph.task(hold, after=[odd], bind={"seconds": 1.0})
    report = VirtualClock().run(graph.run)
    assert {name: each.status for name, each in report.tasks.items()} == {"odd": "failed", "hold": "skipped"}
    error = report.tasks["odd"].error
    assert error is not None
    assert error.type.endswith("CancelledError")


def test_one_function_and_closures_of_one_factory_are_as_many_tasks() -> None:
    def make(number: int) -> Callable[[], Any]:
        async def step() -> int:
            return number

        return step

    graph = Dag("factory")
    for number in range(3):
        graph.task(make(number), name=f"made{number}")
        graph.task(hold, name=f"same{number}", bind={"seconds": float(number)})
    assert VirtualClock().run(graph.run).outputs == {
        **{f"made{number}": number for number in range(3)},
        **{f"same{number}": float(number) for number in range(3)},
    }


def operations(work: Callable[[], object]) -> int:
    """Calls of Python and of C functions while something is done: a cost that no clock is needed for."""
    count = 0

    def seen(frame: object, event: str, arg: object) -> None:
        nonlocal count
        if event in {"call", "c_call"}:
            count += 1

    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def wide(size: int) -> Dag[..., Any]:
    graph = Dag("wide")

    async def step(value: float) -> float:
        return value

    for number in range(size):
        graph.task(step, name=f"n{number}", bind={"value": From(f"n{number // 2}") if number else 1.0})
    return graph


def test_building_costs_as_much_a_task_in_a_large_graph_as_in_a_small_one() -> None:
    """And the cost does not depend on what else is alive in the process."""
    small = operations(lambda: wide(200).build()) / 200
    ballast = [[number] for number in range(50_000)]
    large = operations(lambda: wide(4_000).build()) / 4_000
    assert large < 1.2 * small
    assert len(ballast) == 50_000


def test_running_costs_as_much_a_task_in_a_large_graph_as_in_a_small_one() -> None:
    def cost(size: int) -> float:
        graph = wide(size)
        graph.build()
        return operations(lambda: asyncio.run(graph.run())) / size

    assert cost(4_000) < 1.3 * cost(500)


def test_times_in_a_report_are_wall_times() -> None:
    before = time.time()
    report = asyncio.run(quick_start().run())
    assert report.started is not None
    assert report.ended is not None
    assert before - 1 <= report.started <= report.ended <= time.time() + 1
