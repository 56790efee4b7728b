"""What goes from task to task: taken out of values, never mixed between runs."""

import asyncio
import functools
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from paceline import Dag, Engine, From, RetryPolicy, RunReport, dag, task
from paceline.testing import VirtualClock


@dataclass
class Page:
    title: str
    words: int


class Slotted:
    __slots__ = ("left", "right")

    def __init__(self) -> None:
        self.left = 1


def taking(value: object, *path: Any) -> RunReport:
    @task
    async def load() -> Any:
        return value

    @task(retry=RetryPolicy(attempts=3))
    async def use(part: Any) -> Any:
        return part

    @dag
    async def pipeline() -> Any:
        part = await load()
        for key in path:
            part = part[key]
        return await use(part)

    return VirtualClock().run(pipeline.run)


MISSING: list[tuple[object, tuple[Any, ...], str]] = [
    ({"hits": 1, "total": 2}, ("found",), r"gave no 'found': it gave a dict with the keys 'hits', 'total'"),
    ({}, ("found",), "gave no 'found': it gave a dict with no keys"),
    ({n: n for n in range(12)}, ("found",), "keys 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"),
    ([1, 2], (5,), r"gave no '\[5\]': it gave a list of 2"),
    (None, ("found",), "it gave None"),
    ("a text", ("found",), "it gave a str, 'a text'"),
    ({"a": {"b": 1}}, ("a", "c"), "gave no 'a.c': it gave a dict with the keys 'b', at 'a'"),
    (Page("t", 1), ("found",), "it gave a Page with the fields title, words"),
    (object(), ("found",), "it gave a object"),
]


@pytest.mark.parametrize(
    ("value", "path", "said"), MISSING, ids=[str(each[1]) + str(n) for n, each in enumerate(MISSING)]
)
def test_a_value_without_the_part_fails_the_task_that_takes_it(value: object, path: Any, said: str) -> None:
    report = taking(value, *path)
    assert {name: each.status for name, each in report.tasks.items()} == {
        "load": "succeeded",
        "use": "failed",
    }
    failed = report.tasks["use"]
    assert failed.error is not None
    assert failed.error.type == "paceline.InputError"
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(failed.error.message)
    assert failed.error.message.startswith("task 'load' ")
    assert len(failed.attempts) == 1  # trying it again would give the same


def test_by_hand_a_key_is_an_item_of_a_mapping_and_else_an_attribute() -> None:
    graph = Dag("parts")

    @graph.task
    async def load(value: Any) -> Any:
        return value

    @graph.task
    async def use(part: Annotated[Any, From(load, "left")]) -> Any:
        return part

    def ran(value: object) -> RunReport:
        return VirtualClock().run(lambda: graph.run(value=value))

    assert ran({"left": 2}).outputs["use"] == 2
    assert ran(Slotted()).outputs["use"] == 1
    report = ran({"lift": 2})
    assert report.tasks["use"].error is not None
    assert (
        "task 'load' gave no 'left': it gave a dict with the keys 'lift'" in report.tasks["use"].error.message
    )
    report = ran(Page("t", 1))
    assert report.tasks["use"].error is not None
    assert "a Page with the fields title, words" in report.tasks["use"].error.message


def test_a_part_of_an_input_is_taken_and_missed_alike() -> None:
    @task
    async def use(part: Any) -> Any:
        return part

    @dag
    async def pipeline(options: Any) -> Any:
        return await use(options["deep"][0])

    def ran(value: object) -> RunReport:
        return VirtualClock().run(lambda: pipeline.run(options=value))

    assert ran({"deep": [3]}).output == 3
    error = ran({"deep": []}).tasks["use"].error
    assert error is not None
    assert error.message == "the input 'options' gave no 'deep[0]': it gave a list of 0, at 'deep'"


def test_what_the_graph_returns_may_be_missing_too() -> None:
    @task
    async def load() -> Any:
        return {"a": 1}

    @dag
    async def pipeline() -> Any:
        return (await load())["b"]

    report = VirtualClock().run(pipeline.run)
    assert report.tasks["load"].status == "succeeded"
    assert (report.state, report.output) == ("failed", None)
    assert report.error is not None
    assert report.error.message == "task 'load' gave no 'b': it gave a dict with the keys 'a'"


def test_runs_of_one_graph_at_the_same_time_do_not_mix_their_values() -> None:
    @task
    async def start(value: int) -> dict[str, int]:
        await asyncio.sleep(10 - value)
        return {"value": value}

    @task
    async def double(value: int) -> int:
        await asyncio.sleep(value % 3)
        return 2 * value

    @task
    async def total(values: list[int], extra: list[int]) -> int:
        return sum(values) + sum(extra)

    @dag
    async def pipeline(value: int) -> int:
        first = await start(value)
        return await total([await double(first["value"])], await double.map([value, value]))

    async def main() -> list[int]:
        async with Engine(slots=4) as engine:
            reports = await asyncio.gather(*(pipeline.run(engine, value=number) for number in range(10)))
            return [report.output for report in reports]

    assert VirtualClock(seed=3).run(main) == [6 * number for number in range(10)]


def test_a_mutable_constant_or_default_is_the_callers_own() -> None:
    """As in Python: the graph hands it on and copies nothing."""
    shared: list[int] = []

    @task
    async def put(into: list[int], value: int) -> list[int]:
        into.append(value)
        return into

    @dag
    async def pipeline(value: int) -> list[int]:
        return await put(shared, value)

    for number in (1, 2):
        assert len(VirtualClock().run(functools.partial(pipeline.run, value=number)).output) == number
    assert shared == [1, 2]


def test_context_variables_of_whoever_starts_a_run_reach_its_tasks() -> None:
    from contextvars import ContextVar

    tenant: ContextVar[str] = ContextVar("tenant")

    @task
    async def who(number: int) -> str:
        return tenant.get()

    @dag
    async def pipeline() -> object:
        return await who(0), await who.map([1])

    async def one(engine: Engine, name: str) -> object:
        tenant.set(name)
        return (await pipeline.run(engine)).output

    async def main() -> list[object]:
        async with Engine() as engine:
            return await asyncio.gather(*(asyncio.create_task(one(engine, name)) for name in "ab"))

    assert VirtualClock().run(main) == [("a", ["a"]), ("b", ["b"])]
