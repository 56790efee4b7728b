"""`paceline graph`: a graph of one's own module, as a tree and as a picture; the list of a registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Call

GRAPHS = """
from typing import Annotated
from paceline import Dag, From, Registry, dag, flow, task

print("imported")

@task
async def load(query: str) -> dict[str, list[str]]: raise AssertionError("nothing is run")

@task
async def rank(hits: list[str], best: int) -> list[str]: return hits[:best]

registry = Registry()

@registry.add
@dag
async def search(query: str, best: int = 3):
    found = await load(query)
    return await rank.after(load)(found["hits"], best)

@registry.add
@flow
async def agent(goal: str) -> str:
    return goal

circle = Dag("circle")

@circle.task
def first(value: Annotated[int, From("second")]) -> int: return value

@circle.task
def second(value: Annotated[int, From("first")]) -> int: return value
"""


@pytest.fixture(autouse=True)
def _graphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop.py").write_text(GRAPHS)
    monkeypatch.delitem(__import__("sys").modules, "shop", raising=False)


def test_a_graph_is_shown_as_a_tree_of_what_takes_what_from_whom(paceline: Call) -> None:
    ended = paceline("graph", "shop:search")
    assert ended.code == 0
    first, *levels, last = ended.out.splitlines()
    assert first.startswith("search")
    assert [line.strip("│├└─ ") for line in levels] == ["level 1", "load", "level 2", "rank  ← load.hits"]
    assert last == "inputs: query, best"
    assert ended.err.strip() == "imported"


@pytest.mark.parametrize(("form", "start"), [("mermaid", "---\ntitle: "), ("dot", "digraph {")])
def test_a_graph_is_written_as_a_picture_and_nothing_else(paceline: Call, form: str, start: str) -> None:
    ended = paceline("graph", "shop:search", "--format", form)
    assert (ended.code, ended.err.strip()) == (0, "imported")
    assert ended.out.startswith(start)
    assert "hits" in ended.out


def test_a_registry_is_listed_and_one_of_its_graphs_can_be_named(paceline: Call) -> None:
    ended = paceline("graph", "shop:registry")
    assert ended.out.splitlines() == ["graph  search", "flow   agent"]
    assert paceline("graph", "shop:registry.search").out == paceline("graph", "shop:search").out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["shop"], "expected module:name, not 'shop'"),
        (["shop:serach"], "has no 'serach'; did you mean search?"),
        (["nowhere:search"], "nowhere:search: cannot import 'nowhere'"),
        (["shop:load"], "shop:load is neither a graph nor a registry of graphs: Task"),
        (["shop:agent"], "shop:agent is a flow, which decides what to do as it runs"),
        (["shop:circle"], "shop:circle: graph 'circle': tasks wait for each other in a circle"),
        (["shop:registry", "--format", "dot"], "name the graph to draw: shop:registry.search"),
        (["shop:registry.report"], "shop:registry.report: there is no graph or flow"),
        (["shop:search", "--format", "svg"], "'svg' is not one of 'tree', 'mermaid', 'dot'"),
    ],
)
def test_what_cannot_be_shown_is_told_in_one_line(paceline: Call, arguments: list[str], told: str) -> None:
    ended = paceline("graph", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err.splitlines()[-1]
