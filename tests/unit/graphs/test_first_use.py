"""What people try first: calls as coroutines, inputs by position, errors that passed through many hands."""

import asyncio
import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import pytest

from paceline import (
    BuildError,
    Dag,
    Engine,
    From,
    Job,
    JobFailed,
    RetryPolicy,
    RunReport,
    Usage,
    current_job,
    dag,
    flow,
    task,
)
from paceline.testing import VirtualClock


@task
async def double(number: int) -> int:
    await asyncio.sleep(1)
    return 2 * number


@flow
async def sums(number: int) -> int:
    async with asyncio.TaskGroup() as group:
        first = group.create_task(double(number))
        second = asyncio.create_task(double(number + 1))
    return first.result() + await second


def test_a_call_is_a_coroutine_to_all_who_take_one() -> None:
    assert VirtualClock().run(lambda: sums(3)) == 14
    assert asyncio.run(quick("why")) == "why"


@flow
async def quick(text: str) -> str:
    return text


@pytest.mark.parametrize("graph", [quick, Dag("empty")])
def test_an_input_in_the_place_of_the_engine_is_refused_with_the_way_to_give_it(graph: object) -> None:
    async def main() -> None:
        with pytest.raises(
            TypeError, match="the engine comes first, and inputs go by name; 'why' is no Engine"
        ):
            await graph.run("why", text="because")  # type: ignore[attr-defined]

    asyncio.run(main())


def test_a_job_comes_after_a_run_as_after_any_handle() -> None:
    @dag
    async def slow() -> int:
        return await double(1)

    async def main() -> float:
        async with Engine() as engine:
            run = await slow.start(engine)
            await (await engine.submit({"text": "after"}, executor=quick, after=run.handle))
            other = await slow.start(engine)
            await (await engine.submit({"text": "after"}, executor=quick, after=other))  # type: ignore[arg-type]
            return asyncio.get_running_loop().time()

    assert VirtualClock().run(main) == 2.0


def test_a_failure_that_passed_through_many_flows_is_told_once_in_each() -> None:
    """Each level tells of the first error and of itself: a report grows with the depth, not faster."""
    raised = ValueError("no")

    @task
    async def fails() -> int:
        raise raised

    @flow
    async def deeper(depth: int) -> int:
        return await (deeper(depth - 1) if depth else fails())

    async def size(depth: int) -> int:
        report = await deeper.run(depth=depth)
        assert report.error is not None
        assert report.error.message.count("failed after") == 2
        assert report.error.message.endswith("ValueError: no")
        assert "raise raised" in report.error.traceback
        leaf = next(each for each in report.tasks.values() if each.role == "job")
        assert leaf.error is not None
        assert leaf.error.exception is raised
        assert RunReport.model_validate_json(report.model_dump_json()) == report
        return sum(len(each.error.traceback) for each in report.tasks.values() if each.error is not None)

    async def main() -> None:
        assert await size(40) < 5 * await size(10)

    VirtualClock().run(main)


def test_awaiting_raises_with_the_whole_chain_of_causes() -> None:
    @task
    async def fails() -> int:
        raise KeyError("k")

    @flow
    async def outer() -> int:
        return await fails()

    async def main() -> None:
        with pytest.raises(JobFailed) as caught:
            await outer()
        causes = [caught.value, caught.value.__cause__, getattr(caught.value.__cause__, "__cause__", None)]
        assert [type(each).__name__ for each in causes] == ["JobFailed", "JobFailed", "KeyError"]

    asyncio.run(main())


def test_threads_may_look_at_a_graph_for_the_first_time_together() -> None:
    @dag
    async def wide() -> list[int]:
        return [await double(number) for number in range(300)]

    with ThreadPoolExecutor(6) as pool:
        plans = [each.result() for each in [pool.submit(wide.plan) for _ in range(6)]]
    assert {plan.width for plan in plans} == {300}


def test_a_sync_task_that_raises_stop_iteration_in_place_fails_and_does_not_hang() -> None:
    @task
    def stops() -> int:
        raise StopIteration

    async def main() -> None:
        with pytest.raises(RuntimeError, match="the task raised StopIteration"):
            await stops()

    asyncio.run(main())


def test_a_from_that_would_be_no_edge_is_refused_with_the_way_to_write_it() -> None:
    def taken(value: Annotated[int, From("load")] | None = None) -> None: ...
    def inner(value: list[Annotated[int, From("load")]]) -> None: ...
    def twice(value: Annotated[int, From("load"), From("load", "k")]) -> None: ...
    def default(value: int = From("load")) -> None: ...  # type: ignore[assignment]  # a habit from elsewhere

    for function in (taken, inner, twice, default):
        graph = Dag("g")
        graph.task(double, name="load", bind={"number": 1})
        graph.task(function)
        expected = f"graph 'g': task '{function.__name__}', argument 'value': `From` stands once"
        with pytest.raises(BuildError, match=re.escape(expected)):
            graph.build()


def test_what_earlier_attempts_of_a_flow_have_used_is_in_its_report() -> None:
    @task
    async def costs() -> None:
        ctx = current_job()
        assert ctx is not None
        ctx.usage(Usage(input_tokens=100))

    @flow(retry=RetryPolicy(attempts=3, base=0.1))
    async def tries() -> None:
        await costs()
        raise OSError

    report = VirtualClock().run(tries.run)
    assert (report.state, report.totals.jobs, report.totals.input_tokens) == ("failed", 3, 300)
    assert all(each.name == name for name, each in report.tasks.items())


def test_a_flow_that_makes_many_calls_lets_the_loop_breathe() -> None:
    ticks: list[int] = []
    submitted = 0

    class Counts:
        def on_submit(self, job: Job) -> None:
            nonlocal submitted
            submitted += 1

    @flow
    async def many() -> None:
        for number in range(1000):
            instant(number)

    async def main() -> None:
        async with Engine(middleware=[Counts()]) as engine:
            run = await many.start(engine)
            while submitted < 1001:
                ticks.append(submitted)
                await asyncio.sleep(0)
            await run

    asyncio.run(main())
    steps = [after - before for before, after in itertools.pairwise(ticks)]
    assert max(steps) <= 100


@task
async def instant(number: int) -> int:
    return number


def test_no_two_jobs_of_a_graph_have_one_key_whatever_their_names() -> None:
    inner = Dag("inner")
    inner.task(instant, name="one", bind={"number": 1})
    graph = Dag("g")
    graph.task(inner, name="b")
    graph.task(instant, name="b/one", bind={"number": 2})
    graph.task(instant, name="one[0]", bind={"number": 3})

    report = VirtualClock().run(graph.run)
    keys = [each.key for each in report.tasks.values()]
    assert sorted(map(str, keys)) == ["g/b", "g/b%2Fone", "g/b/one", "g/one%5B0]"]
