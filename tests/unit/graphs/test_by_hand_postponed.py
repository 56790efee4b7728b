"""Graphs whose functions are local to another, with annotations that are text (PEP 563)."""

from __future__ import annotations

from typing import Annotated, TypedDict

import pytest

from paceline import BuildError, Dag, Edge, From
from paceline.testing import VirtualClock


def test_annotations_may_name_local_tasks_and_local_types() -> None:
    class Users(TypedDict):
        users: list[str]

    graph = Dag("report")

    async def load_users() -> Users:
        return {"users": ["ann", "bob"]}

    graph.task(load_users, name="loaded")

    @graph.task
    async def load_orders() -> dict[str, list[int]]:
        return {"orders": [1, 2, 3]}

    @graph.task
    async def count(
        users: Annotated[list[str], From(load_users, "users")],
        orders: Annotated[list[int], From(load_orders, "orders")],
    ) -> int:
        return len(users) + len(orders)

    assert VirtualClock().run(graph.run).outputs["count"] == 5
    # Only the class is out of reach: of the tasks that the annotations name, nothing is doubtful.
    assert not [note for note in graph.plan().notes if "load_users" in note or "load_orders" in note]
    assert graph.edges == (
        Edge("loaded", "count", "users", data=True, parameter="users"),
        Edge("load_orders", "count", "orders", data=True, parameter="orders"),
    )


def test_types_of_local_functions_are_compared_too() -> None:
    graph = Dag("report")

    @graph.task
    async def load() -> dict[str, int]:
        return {}

    @graph.task
    async def use(words: Annotated[list[str], From(load, "words")]) -> int:
        return len(words)

    with pytest.raises(
        BuildError, match=r"'load'.* -> argument 'words' of task 'use': int cannot be list\[str\]"
    ):
        graph.build()


def test_a_from_that_cannot_be_read_is_an_error_and_not_an_input() -> None:
    """`fetch` is a local variable here, and no annotation that is text can see it."""
    graph = Dag("report")

    async def load() -> int:
        return 1

    fetch = graph.task(load, name="loader")

    @graph.task
    async def use(value: Annotated[int, From(fetch)]) -> int:
        return value

    with pytest.raises(
        BuildError, match=r"graph 'report': task 'use', argument 'value'.*name the task in quotes"
    ):
        graph.build()
