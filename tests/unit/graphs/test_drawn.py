"""Graphs drawn from a function: calls become nodes, what they give are symbols."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from paceline import BuildError, Dag, Edge, Ended, RunReport, dag, task
from paceline.testing import VirtualClock


@dataclass
class Found:
    hits: list[str]
    total: int


class Pair(NamedTuple):
    left: object
    right: object


@task
async def search(query: str) -> Found:
    return Found([f"{query}{number}" for number in range(3)], 3)


@task
async def load(key: str) -> dict[str, Any]:
    return {"name": key, "items": [{"word": f"{key}!"}]}


@task
def echo(value: Any) -> Any:
    return value


@task
async def add(left: int, right: int = 1) -> int:
    return left + right


def ran(graph: Dag[..., Any], **inputs: Any) -> RunReport:
    return VirtualClock().run(lambda: graph.run(inputs=inputs))


def test_calls_become_nodes_and_their_symbols_edges() -> None:
    @dag
    async def pipeline(query: str) -> object:
        found = await search(query)
        return await echo(found.total)

    assert pipeline.inputs == ("query",)
    assert list(pipeline.tasks) == ["search", "echo"]
    assert pipeline.edges == (Edge("search", "echo", "total", data=True, parameter="value"),)
    assert ran(pipeline, query="tea").output == 3


def test_a_plain_def_draws_the_same_graph() -> None:
    @dag
    def pipeline(query: str) -> object:
        return echo(search(query).total)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType, reportUnknownMemberType, reportUnknownVariableType]  # a symbol

    assert pipeline.edges == (Edge("search", "echo", "total", data=True, parameter="value"),)
    assert ran(pipeline, query="tea").output == 3


def test_keys_fields_and_indices_are_followed_however_deep() -> None:
    @dag
    async def pipeline(key: str) -> object:
        loaded = await load(key)
        word = await echo(loaded["items"][0]["word"])
        found = await search(key)
        return await echo([word, found.hits[-1]])

    assert ran(pipeline, key="a").output == ["a!", "a2"]
    assert [edge.key for edge in pipeline.edges] == ["items[0].word", None, "hits[-1]"]


def test_loops_and_conditions_over_what_is_known_when_it_is_drawn() -> None:
    @dag
    async def pipeline(start: int) -> int:
        value = start
        for step in range(3):
            value = await add(value, step) if step else await add(value)
        return value

    assert list(pipeline.tasks) == ["add", "add#2", "add#3"]
    assert ran(pipeline, start=10).output == 14


def test_names_of_nodes_are_theirs_alone() -> None:
    @dag
    async def pipeline(value: int) -> object:
        other = add.with_options()
        other.name = "add#2"
        return [await add(value), await other(value), await add(value), await add(value)]

    assert list(pipeline.tasks) == ["add", "add#2", "add#3", "add#4"]
    assert ran(pipeline, value=1).output == [2, 2, 2, 2]


def test_symbols_go_in_lists_dicts_tuples_and_sets_as_arguments() -> None:
    @dag
    async def pipeline(value: int) -> object:
        one, two = await add(value), await add(value, 2)
        nested = {"list": [one, {"deep": (two, value)}], "same": 7}
        return await echo([nested, (one, two), {one, two}, frozenset([one]), Pair(one, "x"), [], {"k": "v"}])

    assert ran(pipeline, value=1).output == [
        {"list": [2, {"deep": (3, 1)}], "same": 7},
        (2, 3),
        {2, 3},
        frozenset([2]),
        Pair(2, "x"),
        [],
        {"k": "v"},
    ]
    assert {edge.source for edge in pipeline.edges} == {"add", "add#2"}


def test_it_returns_symbols_in_dicts_lists_and_tuples() -> None:
    @dag
    async def pipeline(value: int) -> object:
        one = await add(value)
        return {"one": one, "parts": [one, (await search("q")).hits[1]], "pair": (value, "constant")}

    assert ran(pipeline, value=1).output == {"one": 2, "parts": [2, "q1"], "pair": (1, "constant")}


def test_it_may_return_nothing_or_an_input() -> None:
    @dag
    async def nothing(value: int) -> None:
        await add(value)

    @dag
    async def same(value: int) -> int:
        return value

    assert ran(nothing, value=1).output is None
    assert ran(same, value=4).output == 4


def test_inputs_may_have_defaults() -> None:
    @dag
    async def pipeline(value: int = 5, more: int = 2) -> int:
        return await add(value, more)

    assert ran(pipeline).output == 7
    assert ran(pipeline, more=1).output == 6


def test_the_drawing_function_runs_once_for_all_runs() -> None:
    drawn: list[object] = []

    @dag
    async def pipeline(value: int) -> int:
        drawn.append(value)
        return await add(value)

    assert drawn == []
    assert [ran(pipeline, value=number).output for number in (1, 2, 3)] == [2, 3, 4]
    assert len(drawn) == 1


def test_after_orders_without_data() -> None:
    seen: list[object] = []

    @task
    async def note(name: str, seconds: float = 0.0) -> str:
        await asyncio.sleep(seconds)
        seen.append(name)
        if name == "fails":
            raise ValueError(name)
        return name

    @dag
    async def pipeline() -> object:
        slow = await note("slow", 3.0)
        fails = await note("fails", 1.0)
        await note.after(slow)("by symbol")
        await add.after(note)(1)
        await note.after(Ended(fails))("by end")
        await note.after()("free")
        return await note.after([slow])("by list")

    report = ran(pipeline)
    assert seen.index("free") < seen.index("fails") < seen.index("by end") < seen.index("slow")
    assert seen.index("slow") < seen.index("by symbol")
    assert seen.index("slow") < seen.index("by list")
    assert report.tasks["add"].after == ("note", "note#2", "note#3")
    assert report.tasks["add"].status == "skipped"  # one of these failed
    assert Edge("note", "note#3", None, data=False) in pipeline.edges


def test_after_takes_calls_of_methods() -> None:
    class Store:
        @task
        async def load(self) -> int:
            return 1

    store, other = Store(), Store()

    @dag
    async def pipeline() -> int:
        await store.load()
        await other.load()
        return await add.after(store.load)(1)

    assert [(edge.source, edge.target) for edge in pipeline.edges] == [("load", "add")]
    assert ran(pipeline).output == 2


def test_a_graph_in_a_graph_is_one_node_whose_parts_are_told() -> None:
    @dag
    async def inner(value: int) -> dict[str, int]:
        return {"sum": await add(value)}

    @dag
    async def outer(value: int) -> int:
        first = await inner(value)
        second = await inner(first["sum"])
        return await add(second["sum"], 100)

    report = ran(outer, value=1)
    assert report.output == 103
    assert list(report.tasks) == ["inner", "inner/add", "inner#2", "inner#2/add", "add"]
    assert [edge.key for edge in outer.edges] == ["sum", "sum"]


def test_a_graph_by_hand_is_called_with_its_inputs_by_name() -> None:
    by_hand = Dag("by_hand")
    by_hand.task(add.fn, name="first", bind={"right": 5})

    @dag
    async def outer(value: int) -> Any:
        return (await by_hand(left=value))["first"]

    assert ran(outer, value=2).output == 7

    @dag
    async def wrong(value: int) -> Any:
        return await by_hand(lift=value)

    with pytest.raises(BuildError, match=r"graph 'by_hand' has no input 'lift'; its inputs: 'left'"):
        wrong.build()


def test_it_is_drawn_while_a_loop_runs_and_before_any_does() -> None:
    def make() -> Dag[[int], int]:
        @dag
        async def pipeline(value: int) -> int:
            return await add(value)

        return pipeline

    outside = make()
    outside.build()

    async def main() -> tuple[int, int]:
        return await outside(1), await make()(2)

    assert asyncio.run(main()) == (2, 3)


MISUSES: dict[str, tuple[Callable[[Any], object], str]] = {
    "bool": (lambda symbol: "yes" if symbol else "no", r"neither true nor false yet.*with_options\(when="),
    "not": (lambda symbol: not symbol, r"with_options\(when="),
    "iteration": (list, r"gone over: fan out by task.map"),
    "unpacking": (lambda symbol: (*symbol,), r"fan out by task.map"),
    "len": (len, "no length yet"),
    "format": (lambda symbol: f"<{symbol}>", "part of a text"),
    "text": (str, "a text"),
    "async iteration": (aiter, "fan out by task.map"),
    "call": (lambda symbol: symbol.items(), "cannot be called: call a method of a value in a task"),
    "in": (lambda symbol: 1 in symbol, "looked up"),
    "equal": (lambda symbol: symbol == 3, "cannot be compared"),
    "unequal": (lambda symbol: symbol != 3, "cannot be compared"),
    "less": (lambda symbol: symbol < 3, "cannot be compared"),
    "greater": (lambda symbol: symbol >= 3, "cannot be compared"),
    "plus": (lambda symbol: symbol + 1, "reckoned"),
    "join": (lambda symbol: "a" + symbol, "reckoned"),
    "key of a dict": (lambda symbol: echo({symbol: 1}), "must be known when the graph is drawn"),
    "symbol as key": (lambda symbol: {"a": 1} and symbol[symbol], "must be known when the graph is drawn"),
}


@pytest.mark.parametrize(("misuse", "said"), MISUSES.values(), ids=MISUSES)
def test_a_symbol_is_not_a_value_and_says_what_to_write(misuse: Callable[[Any], object], said: str) -> None:
    @dag
    async def pipeline() -> object:
        symbol = await echo(1)
        return misuse(symbol)

    with pytest.raises(BuildError, match=rf"graph 'pipeline': <echo.*>.*{said}"):
        pipeline.build()


def test_an_input_as_a_condition_is_named() -> None:
    @dag
    async def pipeline(flag: bool) -> object:
        return await (echo(1) if flag else echo(2))

    with pytest.raises(BuildError, match=r"graph 'pipeline': <input flag> is not known.*a @flow"):
        pipeline.build()


def test_only_calls_are_awaited_while_it_is_drawn() -> None:
    @dag
    async def pipeline() -> object:
        await asyncio.sleep(1)
        return await echo(1)

    with pytest.raises(
        BuildError, match=r"graph 'pipeline' awaits something that is no call of a task.*a @flow"
    ):
        pipeline.build()

    async def main() -> None:
        pipeline.build()

    with pytest.raises(BuildError, match="graph 'pipeline' awaits something that is no call of a task"):
        asyncio.run(main())


def test_a_symbol_does_not_leave_its_graph() -> None:
    kept: list[Any] = []

    @dag
    async def first() -> object:
        kept.append(await echo(1))
        return kept[0]

    @dag
    async def second() -> object:
        return await echo(kept[0])

    @dag
    async def third() -> object:
        return await echo.after(kept[0])(1)

    first.build()
    for graph in (second, third):
        with pytest.raises(BuildError, match=r"graph '(second|third)': <echo> belongs to another graph"):
            graph.build()


def test_an_order_that_is_never_called_is_an_error() -> None:
    @dag
    async def pipeline() -> object:
        one = await echo(1)
        add.after(one)
        return await add(2)

    with pytest.raises(BuildError, match=r"graph 'pipeline': task 'add'.after\(...\) was never called"):
        pipeline.build()


def test_an_order_that_names_what_was_not_called_is_an_error() -> None:
    @dag
    async def pipeline() -> object:
        return await add.after(echo)(2)

    @dag
    async def after_input(value: int) -> object:
        return await add.after(value)(2)

    @dag
    async def after_text() -> object:
        return await add.after("echo")(2)

    with pytest.raises(
        BuildError, match=r"graph 'pipeline': after\(echo\) comes before any call of task 'echo'"
    ):
        pipeline.build()
    with pytest.raises(BuildError, match=r"'after_input': <input value> is there from the start"):
        after_input.build()
    with pytest.raises(
        BuildError, match=r"graph 'after_text': after\(echo\): it takes tasks that were called"
    ):
        after_text.build()


def test_a_function_that_yields_is_no_graph() -> None:
    def pipeline() -> Any:
        yield 1

    with pytest.raises(TypeError, match="drawn from a function that returns"):
        dag(pipeline)
