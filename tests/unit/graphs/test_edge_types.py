"""Types along edges: certain misfits are errors that name both ends, doubtful ones are notes."""

from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest
from pydantic import BaseModel

from paceline import BuildError, Dag, From, dag, task


class Users(TypedDict):
    users: list[str]
    total: int


class Order(BaseModel):
    number: int
    lines: list[str]


@dataclass
class Page:
    title: str


@task
async def users() -> Users:
    return {"users": [], "total": 0}


@task
async def order() -> Order:
    return Order(number=1, lines=[])


@task
async def anything() -> Any:
    return 1


@task
async def unsaid():  # type: ignore[no-untyped-def]
    return 1


@task
async def words(words: list[str]) -> str:
    return " ".join(words)


@task
async def number(number: int) -> int:
    return number


def by_hand(upstream: Any, target: Any, argument: str, source: From) -> Dag[..., Any]:
    graph = Dag("typed")
    graph.task(upstream)
    graph.task(target, bind={argument: source})
    return graph


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        (
            by_hand(users, words, "words", From(users, "total")),
            r"task 'users', 'total' of it -> argument 'words' of task 'words': int cannot be list\[str\]",
        ),
        (
            by_hand(users, words, "words", From(users)),
            r"task 'users' -> argument 'words' of task 'words': .*Users cannot be list\[str\]",
        ),
        (
            by_hand(users, words, "words", From(users, "names")),
            r"task 'users', 'names' of it -> argument 'words' of .*no field 'names'.*users, total",
        ),
        (
            by_hand(order, number, "number", From(order, "lines")),
            r"task 'order', 'lines' of it -> argument 'number' of task 'number': list\[str\] cannot be int",
        ),
    ],
    ids=["key", "whole", "no such key", "model"],
)
def test_a_certain_misfit_names_both_ends(graph: Dag[..., Any], said: str) -> None:
    with pytest.raises(BuildError, match=f"graph 'typed': {said}"):
        graph.build()


def test_a_drawn_edge_is_compared_too() -> None:
    @dag
    async def field() -> object:
        found = await order()
        return await number(found.lines)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # on purpose

    @dag
    async def missing() -> object:
        found: Any = await order()
        return await number(found.total)

    @dag
    async def given(query: str) -> object:
        return await number(query)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # on purpose

    @dag
    async def nested() -> object:
        found: Any = await order()
        return await words([found.total])

    with pytest.raises(
        BuildError, match=r"'field': task 'order', 'lines' of it -> .* list\[str\] cannot be int"
    ):
        field.build()
    with pytest.raises(
        BuildError, match=r"graph 'missing': task 'order', 'total' of it -> .*no field 'total'"
    ):
        missing.build()
    with pytest.raises(
        BuildError, match=r"graph 'given': input 'query' -> argument 'number' .*str cannot be int"
    ):
        given.build()
    with pytest.raises(BuildError, match=r"graph 'nested': task 'order', 'total' of it -> argument 'words'"):
        nested.build()


def test_two_types_of_one_name_are_told_apart() -> None:
    def load() -> Any:
        class Page:
            __module__ = "elsewhere"

        async def page() -> Page:
            return Page()

        return task(page)

    async def show(page: Page) -> str:
        return page.title

    graph = by_hand(load(), task(show), "page", From("page"))
    with pytest.raises(BuildError, match=r"elsewhere\.Page cannot be .*test_edge_types\.Page"):
        graph.build()


def test_what_fits_says_nothing() -> None:
    graph = by_hand(users, words, "words", From(users, "users"))
    graph.task(number, bind={"number": From(order, "number")})
    graph.task(order)
    assert graph.plan().notes == ()


@pytest.mark.parametrize("upstream", [anything, unsaid], ids=["Any", "no annotation"])
def test_a_type_that_does_not_tell_passes_with_a_note(upstream: Any) -> None:
    graph = by_hand(upstream, words, "words", From(upstream))
    (note,) = graph.plan().notes
    assert f"graph 'typed': task {upstream.name!r} -> argument 'words' of task 'words'" in note


def test_a_doubtful_type_passes_with_a_note() -> None:
    @task
    async def maybe() -> list[str] | None:
        return None

    graph = by_hand(maybe, words, "words", From(maybe))
    (note,) = graph.plan().notes
    assert "may not be list[str]" in note
    assert note in str(graph.plan())


def test_check_false_switches_one_edge_off_and_no_other() -> None:
    graph = by_hand(users, words, "words", From(users, "total", check=False))
    assert graph.plan().notes == ()
    graph.task(words, name="other", bind={"words": From(users, "total")})
    with pytest.raises(BuildError, match="of task 'other': int cannot be"):
        graph.build()


def test_an_annotation_that_cannot_be_read_is_a_note() -> None:
    async def odd(value: "Nowhere") -> int:  # type: ignore[name-defined]  # noqa: F821
        return 1

    graph = Dag("odd")
    graph.task(order)
    graph.task(odd, bind={"value": From(order)})  # pyright: ignore[reportUnknownArgumentType]
    assert any("task 'odd'" in note and "Nowhere" in note for note in graph.plan().notes)


def test_inputs_of_two_tasks_must_agree() -> None:
    graph = Dag("inputs")

    @graph.task
    async def one(value: int) -> int:
        return value

    @graph.task
    async def two(value: list[str]) -> int:
        return len(value)

    with pytest.raises(
        BuildError, match=r"graph 'inputs': input 'value' -> argument 'value' of task 'two': int cannot"
    ):
        graph.build()


def test_annotated_parameters_are_compared_by_the_type_within() -> None:
    graph = Dag("typed")
    graph.task(users)

    @graph.task
    async def use(total: Annotated[str, From(users, "total")]) -> str:
        return total

    with pytest.raises(
        BuildError, match="'total' of it -> argument 'total' of task 'use': int cannot be str"
    ):
        graph.build()


def test_what_a_graph_within_returns_and_takes_is_compared() -> None:
    @dag
    async def inner(page: Page) -> int:
        return await number(3)

    @dag
    async def gives() -> object:
        return await words(await inner(Page("t")))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    @dag
    async def takes() -> object:
        return await inner(await order())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    with pytest.raises(
        BuildError, match=r"task 'inner' -> argument 'words' of task 'words': int cannot be list"
    ):
        gives.build()
    with pytest.raises(
        BuildError, match=r"task 'order' -> argument 'page' of task 'inner': .*Order cannot be .*Page"
    ):
        takes.build()
