"""Graphs written by hand: tasks, what each comes after, and where each argument comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest

from paceline import Dag, Edge, Ended, From, RunReport, Task, dag, task
from paceline.testing import VirtualClock


class Users(TypedDict):
    users: list[str]


@dataclass
class Page:
    title: str
    words: int


def ran(graph: Dag[..., Any], **inputs: Any) -> RunReport:
    return VirtualClock().run(lambda: graph.run(inputs=inputs))


def test_a_value_comes_by_its_task_by_its_function_or_by_its_name() -> None:
    graph = Dag("report")

    def load_users() -> Users:
        return {"users": ["ann", "bob"]}

    loaded: Task[[], Users] = graph.task(load_users)

    @graph.task
    async def by_task(users: Annotated[list[str], From(loaded, "users")]) -> int:
        return len(users)

    @graph.task
    async def by_function(users: Annotated[list[str], From(load_users, "users")]) -> int:
        return len(users)

    @graph.task
    async def by_name(users: Annotated[list[str], From("load_users", "users")]) -> int:
        return len(users)

    report = ran(graph)
    assert [report.tasks[name].output for name in ("by_task", "by_function", "by_name")] == [2, 2, 2]
    assert graph.edges == tuple(
        Edge("load_users", name, "users", data=True, parameter="users")
        for name in ("by_task", "by_function", "by_name")
    )


def test_it_is_the_whole_value_or_a_key_or_an_attribute_or_an_index_of_it() -> None:
    graph = Dag("pages")

    @graph.task
    async def load() -> dict[Any, Any]:
        return {"first": 1, 7: "seven"}

    @graph.task
    async def page() -> Page:
        return Page("tea", 3)

    @graph.task
    async def pair() -> tuple[str, int]:
        return ("a", 2)

    @graph.task
    async def collect(
        whole: Annotated[dict[Any, Any], From(load)],
        key: Annotated[int, From(load, "first")],
        title: Annotated[str, From(page, "title")],
        last: Annotated[int, From(pair, -1)],
    ) -> object:
        return (whole, key, title, last)

    assert ran(graph).outputs["collect"] == ({"first": 1, 7: "seven"}, 1, "tea", 2)
    assert [edge.key for edge in graph.edges] == [None, "first", "title", "[-1]"]


def test_bind_says_the_same_without_touching_the_function() -> None:
    async def load() -> list[str]:
        return ["x", "y"]

    async def cut(words: list[str], number: int, mark: str = "!") -> str:
        return mark.join(words[:number])

    graph = Dag("words")
    graph.task(load)
    graph.task(cut, bind={"words": From(load), "number": 1})
    graph.task(cut, name="both", bind={"words": From("load"), "number": 2, "mark": "+"})
    report = ran(graph)
    assert (report.outputs["cut"], report.outputs["both"]) == ("x", "x+y")


def test_one_function_serves_as_many_tasks_each_with_inputs_of_its_own() -> None:
    async def double(value: int) -> int:
        return 2 * value

    graph = Dag("chain")
    graph.task(double, name="a", bind={"value": 1})
    graph.task(double, name="b", bind={"value": From("a")})
    graph.task(double, name="c", bind={"value": From("b")})
    report = ran(graph)
    assert report.outputs == {"a": 2, "b": 4, "c": 8}


def test_what_nobody_gives_is_an_input_of_the_graph() -> None:
    graph = Dag("greet")

    @graph.task
    async def greet(name: str, mark: str = "!") -> str:
        return name + mark

    @graph.task
    async def shout(name: str, greeting: Annotated[str, From(greet)]) -> str:
        return f"{name}: {greeting.upper()}"

    assert graph.inputs == ("name",)
    report = ran(graph, name="ann")
    assert report.outputs["shout"] == "ann: ANN!"
    assert report.output == {"greet": "ann!", "shout": "ann: ANN!"}


def test_order_without_data_takes_tasks_functions_names_and_ends() -> None:
    seen: list[str] = []

    def step(name: str) -> Any:
        async def run() -> None:
            seen.append(name)
            if name == "fails":
                raise ValueError(name)

        run.__name__ = name
        return run

    graph = Dag("order")
    last = step("last")
    graph.task(last, after=["second", Ended("fails")])
    graph.task(step("second"), after=["first"])
    graph.task(step("fails"))
    first = graph.task(step("first"))
    graph.task(step("third"), after=last)
    graph.task(step("alone"), after=first)
    report = ran(graph)
    assert seen.index("first") < seen.index("second") < seen.index("last") < seen.index("third")
    assert seen.index("first") < seen.index("alone")
    assert report.tasks["last"].status == "succeeded"
    assert {(edge.source, edge.target, edge.data) for edge in graph.edges} == {
        ("first", "second", False),
        ("second", "last", False),
        ("fails", "last", False),
        ("last", "third", False),
        ("first", "alone", False),
    }


class Chain:
    """What people's own chains look like: an object with `execute`."""

    async def execute(self, job: Any, ctx: Any) -> object:
        return ("chain", job.payload)


def test_an_executor_is_a_node_and_takes_a_payload() -> None:
    graph = Dag("chains")

    @graph.task
    async def load() -> dict[str, int]:
        return {"k": 3}

    graph.task(Chain(), name="one", bind=From(load, "k"))
    graph.task(Chain(), name="mapping", bind={"k": From(load, "k"), "fixed": "f"})
    graph.task(Chain(), name="all")
    graph.task(task(Chain(), name="step"))
    report = ran(graph, question="why?")
    assert report.outputs["one"] == ("chain", 3)
    assert report.outputs["mapping"] == ("chain", {"k": 3, "fixed": "f"})
    assert report.outputs["all"] == report.outputs["step"] == ("chain", {"question": "why?"})


def test_a_function_with_an_executor_only_names_the_arguments() -> None:
    graph = Dag("agents")

    @graph.task(executor=Chain())
    async def ask(question: str, tone: str = "plain") -> object:
        raise AssertionError("never called")

    assert ran(graph, question="why?").outputs["ask"] == ("chain", {"question": "why?"})


def test_a_graph_by_hand_or_drawn_is_a_node() -> None:
    inner = Dag("inner")

    @inner.task
    async def double(value: int) -> int:
        return 2 * value

    @task
    async def add(value: int, more: int) -> int:
        return value + more

    @dag
    async def drawn(value: int, more: int = 1) -> int:
        return await add(value, more)

    outer = Dag("outer")
    outer.task(inner)
    outer.task(inner, name="again", bind={"value": From("inner", "double")})
    outer.task(drawn, bind={"value": From("again", "double")})
    assert outer.inputs == ("value",)
    report = ran(outer, value=5)
    assert report.outputs["inner"] == {"double": 10}
    assert report.outputs["drawn"] == 21
    assert report.outputs["again/double"] == 20


def test_a_step_that_was_declared_elsewhere_keeps_its_own_options_and_gets_more() -> None:
    @task(name="fetch", metadata={"team": "a"})
    async def load() -> int:
        return 1

    graph = Dag("reuse")
    mine = graph.task(load, name="mine", priority=3)
    graph.task(load)

    @graph.task
    async def use(one: Annotated[int, From(mine)], two: Annotated[int, From("fetch")]) -> int:
        return one + two

    assert ran(graph).outputs == {"mine": 1, "fetch": 1, "use": 2}
    assert mine.options["metadata"] == {"team": "a"}
    assert "priority" not in load.options


def test_methods_are_tasks_of_the_object_that_they_belong_to() -> None:
    class Store:
        def __init__(self, start: int) -> None:
            self.start = start

        async def load(self) -> int:
            return self.start

        async def twice(self, value: int) -> int:
            return 2 * value

    one, two = Store(1), Store(2)
    graph = Dag("stores")
    graph.task(one.load, name="one")
    graph.task(two.load, name="two")
    graph.task(one.twice, bind={"value": From(two.load)})
    assert ran(graph).outputs == {"one": 1, "two": 2, "twice": 4}


def test_an_executor_that_cannot_be_hashed_is_called_by_its_name() -> None:
    class Odd(Chain):
        __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

    graph = Dag("odd")
    graph.task(Odd(), name="odd", bind=1)
    graph.task(Chain(), name="even", bind=From("odd", 1))
    assert ran(graph).outputs["even"] == ("chain", 1)


def test_other_words_in_an_annotation_are_passed_over() -> None:
    graph = Dag("annotated")

    @graph.task
    async def load() -> int:
        return 1

    @graph.task
    async def use(value: Annotated[int, "seconds", From(load)], other: Annotated[int, "pieces"]) -> int:
        return value + other

    assert graph.inputs == ("other",)
    assert ran(graph, other=2).outputs["use"] == 3
    assert repr(From(load, "k")) == "From('load', 'k')"
    assert repr(From("load")) == "From('load')"


def test_a_graph_by_hand_is_called_by_name_only() -> None:
    graph = Dag("named")
    graph.task(Chain(), name="one")
    with pytest.raises(TypeError, match="dag 'named' takes its inputs by name"):
        graph(1)


def test_a_graph_is_a_value_that_tells_its_parts() -> None:
    graph = Dag("report")

    @graph.task
    async def load(query: str) -> str:
        return query

    @graph.task(after=[load])
    async def publish() -> None: ...

    assert isinstance(graph.tasks, Mapping)
    assert {name: found.name for name, found in graph.tasks.items()} == {
        "load": "load",
        "publish": "publish",
    }
    assert graph.plan().levels == (("load",), ("publish",))
    assert graph.plan().width == 1

    @graph.task
    async def late() -> None: ...

    assert list(graph.tasks) == ["load", "publish", "late"]  # what was built before is built anew


def test_a_task_put_into_a_graph_stays_a_plain_function() -> None:
    graph = Dag("plain")

    @graph.task
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    assert add.fn(1, 2) == 3
    assert add.__doc__ == "Add."
