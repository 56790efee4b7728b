"""Fan-out over a list that is known only at run time: one job an item, and a list of what they give."""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from paceline import BuildError, Dag, Engine, Lane, RunReport, dag, task
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


@task
async def join(left: str, right: str, mark: str = "-", end: str = "") -> str:
    return f"{left}{mark}{right}{end}"


@dag
async def doubled(value: Any) -> list[int]:
    return await double.map(await give(value))


def ran(graph: Dag[..., Any], **inputs: Any) -> RunReport:
    return VirtualClock().run(lambda: graph.run(inputs=inputs))


def test_each_item_is_a_job_and_the_results_are_in_order() -> None:
    @task
    async def later(item: int) -> int:
        await asyncio.sleep(10 - item)
        return item

    @dag
    async def pipeline(numbers: list[int]) -> object:
        return await total(await later.map(numbers)), await later.map(await give(numbers))

    report = ran(pipeline, numbers=[3, 1, 2])
    assert report.output == (6, [3, 1, 2])
    assert [name for name in report.tasks if name.startswith("later#2")] == [
        "later#2",
        "later#2[0]",
        "later#2[1]",
        "later#2[2]",
    ]
    assert report.tasks["later"].role == "map"
    assert (report.totals.jobs, report.totals.succeeded) == (8, 8)  # the maps themselves do not count


def test_several_lists_are_taken_side_by_side_and_names_are_constants() -> None:
    @dag
    async def pipeline(left: list[str], right: list[str], end: str) -> list[str]:
        return await join.map(left, await give(right), end=end)

    assert ran(pipeline, left=["a", "b"], right=["x", "y"], end=".").output == ["a-x.", "b-y."]
    assert [edge.parameter for edge in pipeline.edges] == ["right"]


def test_lists_of_different_length_are_refused_with_their_lengths() -> None:
    @dag
    async def pipeline(left: list[str], right: list[str]) -> list[str]:
        return await join.map(left, right)

    report = ran(pipeline, left=["a", "b"], right=["x"])
    assert report.tasks["join"].status == "failed"
    assert "'left' has 2, 'right' has 1" in str(report.tasks["join"].error)


def test_over_no_items_the_fan_in_gets_an_empty_list() -> None:
    @dag
    async def pipeline(numbers: list[int]) -> int:
        return await total(await double.map(await double.map(numbers)))

    report = ran(pipeline, numbers=[])
    assert (report.output, report.state, report.totals.jobs) == (0, "succeeded", 1)


class Numbers(BaseModel):
    first: int = 1
    second: int = 2


def counted(stop: int) -> Iterator[int]:
    yield from range(stop)


@pytest.mark.parametrize(
    "value",
    [(1, 2), deque([1, 2]), range(1, 3), {1: "a", 2: "b"}.keys()],
    ids=lambda value: type(value).__name__,
)
def test_it_goes_over_all_that_has_an_order(value: Iterable[int]) -> None:
    assert ran(doubled, value=value).output == [2, 4]


def test_it_goes_over_what_a_generator_gives() -> None:
    assert ran(doubled, value=counted(3)).output == [0, 2, 4]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("text", "'item' is a str: 'text'"),
        ({"a": 1}, "'item' is a dict"),
        (7, "'item' is a int: 7"),
        (None, "'item' is a NoneType: None"),
        ({1, 2}, "'item' is a set.*sort it first"),
        (b"ab", "'item' is a bytes"),
        (Numbers(), "'item' is a Numbers"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_it_refuses_what_is_no_list(value: object, said: str) -> None:
    report = ran(doubled, value=value)
    assert report.tasks["double"].status == "failed"
    error = report.tasks["double"].error
    assert error is not None
    assert error.type == "paceline.InputError"
    assert re.search(rf"map of task 'double' goes over a list, but argument {said}", error.message)


def test_what_certainly_is_no_list_is_refused_before_it_runs() -> None:
    @task
    async def words() -> str:
        return "a"

    @task
    async def table() -> dict[str, int]:
        return {}

    def over(source: Any, *path: str) -> Dag[[], Any]:
        @dag
        async def pipeline() -> object:
            value = await source()
            for key in path:
                value = value[key]
            return await give.map(value)

        return pipeline

    for graph, kind in ((over(words), "str"), (over(table), r"dict\[str, int\]")):
        with pytest.raises(
            BuildError, match=rf"'pipeline': task .* task 'give': a map goes over a list, .* {kind}"
        ):
            graph.build()
    with pytest.raises(BuildError, match=r"'count'.*int cannot be .*Iterable"):
        over(task(name="count")(_count)).build()


async def _count() -> int:
    return 1


def test_types_of_items_are_compared() -> None:
    @task
    async def words() -> tuple[str, ...]:
        return ("a",)

    @dag
    async def right() -> list[str]:
        return await join.map(await words(), await words())

    @dag
    async def wrong() -> list[int]:
        return await double.map(await words())  # type: ignore[arg-type, unused-ignore]

    right.build()
    with pytest.raises(
        BuildError, match=r"task 'words' -> argument 'item' of task 'double': tuple\[str, ...\]"
    ):
        wrong.build()


def test_its_cap_and_the_options_of_its_task_hold_for_its_items() -> None:
    most = running = 0

    @task(max_running=2, lane="narrow", metadata={"k": 1})
    async def work(item: int) -> int:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1
        return item

    @dag
    async def pipeline(numbers: list[int]) -> object:
        return await work.map(numbers)

    async def main() -> RunReport:
        async with Engine(slots=10, lanes=[Lane("narrow")]) as engine:
            return await pipeline.run(engine, numbers=[*range(6)])

    report = VirtualClock().run(main)
    assert (most, report.totals.seconds) == (2, 3.0)
    assert {each.lane for each in report.tasks.values()} == {"narrow"}
    assert report.tasks["work[5]"].waited_for == "as many jobs of work run as may"


def test_a_graph_a_flow_and_an_executor_are_mapped() -> None:
    @dag
    async def inner(value: int) -> int:
        return await double(await double(value))

    chain = task(_Chain(), name="chain")

    @dag
    async def pipeline(numbers: list[int]) -> object:
        return await chain.map(await inner.map(numbers))

    report = ran(pipeline, numbers=[1, 2])
    assert report.output == ["<4>", "<8>"]
    assert "inner[1]/double#2" in report.tasks


class _Chain:
    async def execute(self, job: Any, ctx: Any) -> object:
        return f"<{job.payload}>"


def test_a_map_needs_a_list() -> None:
    call: Callable[[], object] = double.map
    with pytest.raises(TypeError, match="map needs a list to go over"):
        call()


def test_over_100_000_items_it_costs_as_much_an_item_as_over_1_000() -> None:
    """Counted in steps of the loop and jobs, not in seconds; and in bounded time, by the test's own limit."""

    @dag
    async def pipeline(numbers: list[int]) -> int:
        return await total(await double.map(numbers))

    async def main(count: int) -> tuple[int, int]:
        async with Engine(slots=64) as engine:
            run = await pipeline.start(engine, numbers=[*range(count)])
            output = await run
            return output, len(run.tasks)

    for count in (1_000, 100_000):
        output, tasks = asyncio.run(main(count))
        assert output == count * (count - 1)
        assert tasks == count + 2
