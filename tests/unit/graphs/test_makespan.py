"""How long a run takes: the critical path with enough slots, else within the bound of list scheduling."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, strategies as st

from paceline import Dag, Engine, From, RunReport, dag, task
from paceline.testing import VirtualClock


@dataclass(frozen=True)
class Shape:
    """Durations of nodes, in seconds, and for each the nodes before it that it needs."""

    seconds: tuple[int, ...]
    needs: tuple[tuple[int, ...], ...]

    @property
    def critical(self) -> int:
        ends: list[int] = []
        for seconds, needs in zip(self.seconds, self.needs, strict=True):
            ends.append(seconds + max((ends[each] for each in needs), default=0))
        return max(ends)


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    count = draw(st.integers(1, 14))
    seconds = tuple(draw(st.integers(0, 9)) for _ in range(count))
    needs = tuple(
        tuple(draw(st.sets(st.integers(0, number - 1), max_size=3))) if number else ()
        for number in range(count)
    )
    return Shape(seconds, needs)


async def step(seconds: int, needed: list[int]) -> int:
    await asyncio.sleep(seconds)
    return seconds


called = task(step, name="step")


def drawn(shape: Shape) -> Dag[..., Any]:
    @dag
    async def graph() -> list[int]:
        ends: list[Any] = []
        for seconds, needs in zip(shape.seconds, shape.needs, strict=True):
            ends.append(await called(seconds, [ends[each] for each in needs]))
        return ends

    return graph


def by_hand(shape: Shape) -> Dag[..., Any]:
    """The first need carries a value, the others order only; declared last first."""
    graph = Dag("by_hand")
    for number in reversed(range(len(shape.seconds))):
        needs = [f"n{each}" for each in shape.needs[number]]
        needed = From(needs[0]) if needs else 0
        bind = {"seconds": shape.seconds[number], "needed": needed}
        graph.task(_loose, name=f"n{number}", after=needs[1:], bind=bind)
    return graph


async def _loose(seconds: int, needed: Any) -> int:
    return await step(seconds, needed)


def ran(graph: Dag[..., Any], slots: int, seed: int = 0) -> tuple[float, RunReport]:
    async def main() -> tuple[float, RunReport]:
        async with Engine(slots=slots) as engine:
            report = await graph.run(engine)
            return asyncio.get_running_loop().time(), report

    return VirtualClock(seed).run(main)


@pytest.mark.parametrize("make", [drawn, by_hand])
@given(shape=shapes(), seed=st.integers(0, 9))
def test_with_enough_slots_it_takes_the_critical_path(make: Any, shape: Shape, seed: int) -> None:
    seconds, report = ran(make(shape), slots=len(shape.seconds), seed=seed)
    assert seconds == shape.critical
    assert report.state == "succeeded"
    assert report.critical_path is not None
    assert report.critical_path.seconds == pytest.approx(shape.critical)
    assert report.totals.seconds == pytest.approx(shape.critical)
    assert sum(each.waited or 0.0 for each in report.tasks.values()) == pytest.approx(0.0)
    assert report.longest_wait is None


@pytest.mark.parametrize("make", [drawn, by_hand])
@given(shape=shapes(), slots=st.integers(1, 4), seed=st.integers(0, 9))
def test_with_few_slots_it_stays_within_work_by_slots_and_the_critical_path(
    make: Any, shape: Shape, slots: int, seed: int
) -> None:
    seconds, report = ran(make(shape), slots=slots, seed=seed)
    work = sum(shape.seconds)
    assert max(shape.critical, work / slots) <= seconds <= work / slots + shape.critical
    assert report.width <= slots
    assert report.critical_path is not None
    assert report.critical_path.seconds == pytest.approx(seconds)
    assert {each.waited_for for each in report.tasks.values()} <= {None, "waits for a free slot"}


@given(shape=shapes(), slots=st.integers(1, 16))
def test_drawn_and_by_hand_it_is_the_same_graph(shape: Shape, slots: int) -> None:
    assert len(drawn(shape).edges) == len(by_hand(shape).edges) == sum(map(len, shape.needs))
    assert [len(level) for level in drawn(shape).plan().levels] == [
        len(level) for level in by_hand(shape).plan().levels
    ]
    if slots >= len(shape.seconds):
        assert ran(drawn(shape), slots)[0] == ran(by_hand(shape), slots)[0]


@given(shape=shapes(), cap=st.integers(1, 4))
def test_a_cap_of_the_run_bounds_it_as_slots_do(shape: Shape, cap: int) -> None:
    async def main() -> tuple[float, RunReport]:
        async with Engine(slots=32) as engine:
            report = await drawn(shape).run(engine, max_running=cap)
            return asyncio.get_running_loop().time(), report

    seconds, report = VirtualClock().run(main)
    work = sum(shape.seconds)
    assert max(shape.critical, work / cap) <= seconds <= work / cap + shape.critical
    assert report.width <= cap


@given(stages=st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=1, max_size=4))
def test_maps_of_maps_take_as_long_as_the_slowest_item_alone(stages: list[list[int]]) -> None:
    """Each item goes its own way: the run takes the longest sum of one item, not the sum of the longest."""

    @task
    async def stage(before: int, seconds: int) -> int:
        await asyncio.sleep(seconds)
        return before + seconds

    @dag
    async def graph(start: list[int]) -> Any:
        values: Any = start
        for seconds in stages:
            values = await stage.map(values, seconds)
        return values

    async def main() -> tuple[float, RunReport]:
        async with Engine(slots=64) as engine:
            report = await graph.run(engine, start=[0] * 4)
            return asyncio.get_running_loop().time(), report

    seconds, report = VirtualClock().run(main)
    sums = [sum(column) for column in zip(*stages, strict=True)]
    assert (seconds, report.output) == (max(sums), sums)
    assert report.critical_path is not None
    assert report.critical_path.seconds == pytest.approx(max(sums))
