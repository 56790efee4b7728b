"""Fan-out over what another fan-out gives: each item goes its own way."""

import asyncio
from typing import Any

from paceline import Dag, RunReport, current_job, dag, task
from paceline.testing import VirtualClock


def now() -> float:
    return asyncio.get_running_loop().time()


@task
async def give(value: Any) -> Any:
    return value


@task
async def double(item: int) -> int:
    return 2 * item


@task
async def total(items: list[int]) -> int:
    return sum(items)


def ran(graph: Dag[..., Any], **inputs: Any) -> RunReport:
    return VirtualClock().run(lambda: graph.run(inputs=inputs))


def test_an_item_goes_on_as_soon_as_its_own_source_item_is_done() -> None:
    started: dict[int, float] = {}

    @task
    async def slow(seconds: int) -> int:
        await asyncio.sleep(seconds)
        return seconds

    @task
    async def follow(seconds: int) -> int:
        started[seconds] = now()
        await asyncio.sleep(1)
        return seconds

    @dag
    async def pipeline(seconds: list[int]) -> list[int]:
        return await follow.map(await follow.map(await slow.map(seconds)))

    report = ran(pipeline, seconds=[5, 1, 3])
    assert report.output == [5, 1, 3]
    assert started == {5: 6.0, 1: 2.0, 3: 4.0}  # of the second `follow`: no barrier in front of either
    assert report.tasks["follow[1]"].after == ("slow[1]",)
    assert report.critical_path is not None
    assert report.critical_path.tasks == ("slow[0]", "follow[0]", "follow#2[0]")
    assert report.critical_path.seconds == 7.0


def test_items_of_two_maps_meet_one_by_one() -> None:
    @task
    async def after(seconds: int) -> tuple[int, float]:
        await asyncio.sleep(seconds)
        return seconds, now()

    @task
    async def both(left: Any, right: Any, plus: int) -> object:
        return left[0], right[0], now() - plus

    @dag
    async def pipeline(left: list[int], right: list[int]) -> object:
        return await both.map(await after.map(left), await after.map(right), plus=0)

    assert ran(pipeline, left=[1, 5], right=[2, 3]).output == [(1, 2, 2.0), (5, 3, 5.0)]


def test_a_map_that_takes_more_than_items_waits_for_all_of_them() -> None:
    @task
    async def with_all(item: int, everything: list[int]) -> tuple[int, int]:
        return item, len(everything)

    @dag
    async def pipeline(numbers: list[int]) -> object:
        twice = await double.map(numbers)
        return await with_all.map(twice, everything=twice)

    assert ran(pipeline, numbers=[1, 2]).output == [(2, 2), (4, 2)]


def test_a_failed_item_fails_the_map_and_skips_what_was_to_go_on_with_it() -> None:
    @task
    async def odd(number: int) -> int:
        if number % 2 == 0:
            raise ValueError(number)
        return number

    @dag
    async def pipeline(numbers: list[int]) -> object:
        return await total(await double.map(await odd.map(numbers)))

    report = ran(pipeline, numbers=[1, 2, 3])
    statuses = {name: each.status for name, each in report.tasks.items()}
    assert statuses == {
        "odd": "failed",
        "odd[0]": "succeeded",
        "odd[1]": "failed",
        "odd[2]": "succeeded",
        "double": "skipped",
        "double[0]": "succeeded",
        "double[1]": "skipped",
        "double[2]": "succeeded",
        "total": "skipped",
    }
    for name in ("double[1]", "double", "total"):
        error = report.tasks[name].error
        assert error is not None
        assert error.type == "ValueError"


def test_a_map_of_a_map_that_never_came_to_its_items_is_skipped() -> None:
    report_of: dict[str, RunReport] = {}

    @dag
    async def pipeline(value: Any) -> object:
        return await double.map(await double.map(await give(value)))

    report_of["failed"] = ran(pipeline, value=5)
    assert [report_of["failed"].tasks[name].status for name in ("double", "double#2")] == [
        "failed",
        "skipped",
    ]

    @dag
    async def unwanted(value: Any) -> object:
        return await double.map(await double.with_options(when=False).map(value))

    report = ran(unwanted, value=[1])
    assert [task.status for task in report.tasks.values()] == ["skipped", "skipped"]
    assert (report.state, report.output) == ("succeeded", None)


def test_two_maps_over_one_take_its_items_both() -> None:
    @dag
    async def pipeline(numbers: list[int]) -> object:
        first = await double.map(numbers)
        return await double.map(first), await total(await double.map(first))

    assert ran(pipeline, numbers=[1, 2]).output == ([4, 8], 12)


def test_items_of_executors_are_handed_on_whole() -> None:
    class Chain:
        async def execute(self, job: Any, ctx: Any) -> object:
            return f"<{job.payload}>"

    chain = task(Chain(), name="chain")

    @dag
    async def pipeline(numbers: list[int]) -> object:
        return await chain.map(await chain.map(numbers))

    assert ran(pipeline, numbers=[1, 2]).output == ["<<1>>", "<<2>>"]


def test_a_map_whose_parent_was_an_item_that_has_ended_belongs_to_the_map_of_that_item() -> None:
    left: list[asyncio.Task[Any]] = []

    async def slow(payload: Any) -> None:
        await asyncio.sleep(5)

    @task
    async def leaves(item: int) -> int:
        ctx = current_job()
        assert ctx is not None
        before = await ctx.spawn(None, executor=slow)

        async def maps() -> Any:
            return await double.after(before).map([item, item + 1])

        left.append(asyncio.create_task(maps()))
        await asyncio.sleep(1)
        return item

    @dag
    async def pipeline(items: list[int]) -> int:
        return await total(await leaves.map(items))

    async def main() -> None:
        report = await pipeline.run(items=[1, 10])
        assert (report.state, report.output, now()) == ("succeeded", 11, 5)
        assert await asyncio.gather(*left) == [[2, 4], [20, 22]]

    VirtualClock().run(main)
