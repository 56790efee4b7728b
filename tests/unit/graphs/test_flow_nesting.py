"""Flows, graphs and maps in each other: bodies hold no slot, and so every nesting works with one."""

import asyncio
from typing import Any

import pytest

from paceline import Dag, Engine, Lane, current_job, dag, flow, gather, task
from paceline.testing import VirtualClock


@task
async def wait(seconds: float, says: Any = None) -> Any:
    return await asyncio.sleep(seconds, says)


def now() -> float:
    return asyncio.get_running_loop().time()


def run(body: Any, *args: Any, slots: int = 8, **options: Any) -> Any:
    """What a flow returns on the virtual clock, and the time it takes."""

    async def main() -> Any:
        async with Engine(slots=slots, **options) as engine:
            started = await body.start(engine, inputs=dict(zip(body.signature.parameters, args, strict=True)))
            return await started, now()

    return VirtualClock().run(main)


@flow
async def countdown(number: int) -> int:
    return 0 if not number else 1 + await countdown(number - 1)


def test_a_flow_may_call_itself_two_hundred_deep_with_one_slot() -> None:
    assert run(countdown, 200, slots=1)[0] == 200


report = Dag("report")


@report.task
async def numbers(count: int) -> list[int]:
    return list(range(count))


@flow
async def squared(number: int) -> int:
    call = wait(1, number * number)
    return int(await call)


@dag
async def total(count: int) -> int:
    found = await numbers(count)
    return await add(await squared.map(found))


@task
async def add(values: list[int]) -> int:
    return sum(values)


@flow
async def all_of_it(count: int) -> tuple[int, list[int], dict[str, Any]]:
    graph, flows = total(count), squared.map(range(count))
    return await graph, await flows, await report(count=count)


@pytest.mark.parametrize("slots", [1, 2, 8])
def test_flows_graphs_and_maps_nest_in_any_order_with_any_number_of_slots(slots: int) -> None:
    output, seconds = run(all_of_it, 4, slots=slots)
    assert output == (14, [0, 1, 4, 9], {"numbers": [0, 1, 2, 3]})
    assert seconds == max(1, 8 / slots)


def test_a_body_holds_no_slot_and_a_leaf_that_runs_a_flow_gives_its_own_back() -> None:
    @task
    async def leaf(count: int) -> Any:
        ran = await all_of_it.run(count=count)
        assert ran.state == "succeeded"
        return await all_of_it(count)

    @flow
    async def outer() -> Any:
        return await gather(leaf(2), leaf(3))

    async def main() -> Any:
        async with Engine(slots=1, lanes=[Lane("narrow", max_running=1)]) as engine:
            both = await (await outer.with_options(lane="narrow").start(engine))
            assert engine.snapshot().counts["succeeded"] > 50
            return [each[0] for each in both]

    assert VirtualClock().run(main) == [1, 5]


def test_calls_inherit_the_lane_of_the_flow_unless_told_otherwise() -> None:
    @task
    async def lane() -> str:
        job = current_job()
        assert job is not None
        return job.job.lane

    @flow
    async def inner() -> Any:
        return await lane(), await lane.with_options(lane="b")()

    @task
    async def of(_: int) -> str:
        return await lane()

    @flow(lane="a")
    async def body() -> Any:
        return await inner(), await of.map([1])

    assert run(body, lanes=[Lane("a"), Lane("b")])[0] == (("a", "b"), ["a"])
