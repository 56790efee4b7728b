"""What people try first: calls as coroutines, inputs by position, errors that passed through many hands."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from paceline import Dag, Engine, JobFailed, RunReport, dag, flow, task
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
        plans = list(pool.map(lambda _: wide.plan(), range(6)))
    assert {plan.width for plan in plans} == {300}


def test_a_sync_task_that_raises_stop_iteration_in_place_fails_and_does_not_hang() -> None:
    @task
    def stops() -> int:
        raise StopIteration

    async def main() -> None:
        with pytest.raises(RuntimeError, match="the task raised StopIteration"):
            await stops()

    asyncio.run(main())
