"""Plan: which nodes of a graph may run side by side."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from paceline import Edge, Plan


def test_levels_go_by_the_longest_way() -> None:
    edges = [Edge("load", "clean"), Edge("clean", "report"), Edge("load", "report"), Edge("load", "users")]
    plan = Plan.of(["load", "users", "report", "clean", "alone"], edges, ["clean.page: Any"])
    assert plan.levels == (("load", "alone"), ("users", "clean"), ("report",))
    assert plan.width == 2
    assert plan.notes == ("clean.page: Any",)


@st.composite
def shapes(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    count = draw(st.integers(1, 10))
    places = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(places, places).filter(lambda pair: pair[0] != pair[1]), max_size=20))
    return count, [(min(pair), max(pair)) for pair in pairs]


@given(shapes())
def test_a_node_is_one_level_below_the_lowest_that_it_waits_for(
    shape: tuple[int, list[tuple[int, int]]],
) -> None:
    count, pairs = shape
    plan = Plan.of(map(str, range(count)), [Edge(str(source), str(target)) for source, target in pairs])
    depth = {name: number for number, level in enumerate(plan.levels) for name in level}
    assert len(depth) == count
    for node in range(count):
        above = [depth[str(source)] for source, target in pairs if target == node]
        assert depth[str(node)] == max(above, default=-1) + 1
    assert plan.width == max(map(len, plan.levels))


def test_a_chain_of_100_000_nodes_has_as_many_levels() -> None:
    names = [str(number) for number in range(100_000)]
    plan = Plan.of(names, [Edge(*pair) for pair in pairwise(names)])
    assert (len(plan.levels), plan.width) == (100_000, 1)
    assert len(str(plan).splitlines()) == 14


def test_edges_in_a_circle_and_to_nowhere_are_refused() -> None:
    with pytest.raises(ValueError, match="edges lead in a circle: a, b wait for one another"):
        Plan.of(["a", "b", "c"], [Edge("a", "b"), Edge("b", "a"), Edge("c", "a")])
    with pytest.raises(ValueError, match="the edge from 'a' to 'x': there is no node 'x'"):
        Plan.of(["a"], [Edge("a", "x")])


def test_a_printed_plan_shows_its_levels() -> None:
    plan = Plan.of(["load", "a b\nc", "d"], [Edge("load", "a b\nc"), Edge("load", "d")], ["d.x: Any"])
    assert str(plan).splitlines() == [
        "3 tasks in 2 levels, the widest of 2",
        "1  load",
        "2  a b c, d",
        "note: d.x: Any",
    ]
    assert str(Plan.of(["a"], [])).splitlines()[0] == "1 task in 1 level, the widest of 1"
    assert str(Plan()) == "0 tasks in 0 levels, the widest of 0"


def test_a_wide_level_is_printed_on_a_line_of_its_own_and_cut() -> None:
    line = str(Plan.of([f"task number {number}" for number in range(1000)], [])).splitlines()[1]
    assert len(line) < 130
    assert line.endswith(" more")
