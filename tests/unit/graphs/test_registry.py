"""A list of graphs and flows: there is none unless somebody makes one."""

import gc
from typing import Any

import pytest

from paceline import Dag, NameTaken, Registry, UnknownName, dag, flow, task


@task
async def step() -> int:
    return 1


def test_it_finds_graphs_and_flows_by_name() -> None:
    registry = Registry(Dag("first"))

    @registry.add
    @dag
    async def drawn() -> int:
        return await step()

    @registry.add
    @flow(name="agent")
    async def reactive() -> int:
        return await step()

    assert list(registry) == ["first", "drawn", "agent"]
    assert len(registry) == 3
    assert registry["drawn"] is drawn
    assert registry["agent"] is reactive
    assert "agent" in registry
    assert "other" not in registry
    assert repr(registry) == "Registry(first, drawn, agent)"


def test_a_name_is_given_once_and_putting_in_the_same_again_is_nothing() -> None:
    graph = Dag("report")
    registry = Registry(graph, graph)
    assert len(registry) == 1
    with pytest.raises(NameTaken, match="report"):
        registry.add(Dag("report"))


def test_it_says_what_it_knows() -> None:
    with pytest.raises(UnknownName, match=r"'nothing'.*'report'"):
        Registry(Dag("report"))["nothing"]


def test_it_holds_nothing_else() -> None:
    with pytest.raises(TypeError, match="a registry holds graphs and flows, not task 'step'"):
        Registry(step)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_graphs_are_in_no_registry_of_themselves() -> None:
    """Two of one name may live side by side, and nothing keeps one that nobody holds."""
    assert Dag("report") is not Dag("report")
    import weakref

    graph: Dag[..., Any] | None = Dag("gone")
    assert graph is not None
    graph.task(step)
    graph.build()
    left = weakref.ref(graph)
    graph = None
    gc.collect()
    assert left() is None
