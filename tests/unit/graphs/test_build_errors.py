"""What cannot run is refused before anything does, by an error that names graph, task and edge."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import pytest

from paceline import BuildError, Dag, Engine, From, MemorySink, UnknownName, dag, events, task


@task
async def load() -> dict[str, int]:
    return {"k": 1}


@task
async def use(value: int, more: int = 0) -> int:
    return value + more


def test_a_circle_is_shown_along_its_path() -> None:
    graph = Dag("round")

    @graph.task(after=["third"])
    async def outside() -> None: ...

    @graph.task
    async def first(value: Annotated[int, From("third")]) -> int:
        return value

    @graph.task
    async def second(value: Annotated[int, From("first")]) -> int:
        return value

    @graph.task(after=["second"])
    async def third() -> int:
        return 1

    message = (
        r"graph 'round': tasks wait for each other in a circle: 'third' -> 'first' -> 'second' -> 'third'$"
    )
    with pytest.raises(BuildError, match=message):
        graph.build()


def test_a_task_that_waits_for_itself_is_a_circle() -> None:
    graph = Dag("self")
    graph.task(use.fn, name="alone", bind={"value": From("alone")})
    with pytest.raises(BuildError, match="'alone' -> 'alone'"):
        graph.plan()


def by_hand(**options: Any) -> Dag[..., Any]:
    graph = Dag("report")
    graph.task(load)
    graph.task(use, **options)
    return graph


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"after": ["laod"]}, r"task 'use', after: there is no task named 'laod'; known: 'load', 'use'"),
        ({"after": [print]}, r"task 'use', after: there is no task named 'print'"),
        ({"after": [3]}, r"task 'use', after: there is no task named '3'"),
        ({"bind": {"value": From("laod")}}, r"task 'use', argument 'value': there is no task named 'laod'"),
        ({"bind": {"value": From([])}}, r"task 'use', argument 'value': there is no task named '\[\]'"),
        ({"when": From("laod")}, r"task 'use', `when`: there is no task named 'laod'"),
        ({"bind": {"valeu": 1}}, r"bind= of task 'use' names 'valeu', .*it takes: 'value', 'more'"),
        ({"bind": 3}, r"bind= of task 'use' maps its arguments to values, it is 3"),
    ],
    ids=["name", "function", "number", "from", "odd", "when", "argument", "no mapping"],
)
def test_what_a_task_names_and_is_not_there(options: dict[str, Any], said: str) -> None:
    with pytest.raises(BuildError, match=f"graph 'report': {said}"):
        by_hand(**options).build()


def test_an_unknown_name_is_both_a_build_error_and_an_unknown_name() -> None:
    with pytest.raises(UnknownName, match="report") as caught:
        by_hand(after=["nothing"]).build()
    assert isinstance(caught.value, BuildError)
    assert "'load'" in str(caught.value)


def test_a_function_that_became_many_tasks_is_ambiguous_and_they_are_listed() -> None:
    async def double(value: int) -> int:
        return 2 * value

    graph = Dag("many")
    graph.task(double, name="a", bind={"value": 1})
    graph.task(double, name="b", bind={"value": 1})
    graph.task(use.fn, name="last", bind={"value": From(double)})
    message = "graph 'many': task 'last', argument 'value': 'double' could be any of 'a', 'b': name the one"
    with pytest.raises(BuildError, match=message):
        graph.build()


def test_one_name_is_one_task() -> None:
    graph = Dag("twice")
    graph.task(load)
    with pytest.raises(BuildError, match=r"graph 'twice' has a task 'load' already: .* name=\.\.\."):
        graph.task(load)


def test_a_drawn_graph_takes_no_tasks_by_hand() -> None:
    @dag
    async def drawn() -> None:
        await load()

    with pytest.raises(BuildError, match="graph 'drawn' is drawn from a function: call the task there"):
        drawn.task(load)


loose: Any = use
"""The same, for calls that do not fit it."""


def calls(call: Callable[[], Any]) -> Dag[[], Any]:
    @dag
    async def pipeline() -> Any:
        return await call()

    return pipeline


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (loose, "TypeError: task 'use': missing a required argument: 'value'"),
        (lambda: loose(1, 2, 3), "TypeError: task 'use': too many positional arguments"),
        (lambda: loose(1, mroe=2), "TypeError: task 'use': got an unexpected keyword argument 'mroe'"),
        (lambda: 1 / 0, "ZeroDivisionError"),
    ],
    ids=["missing", "too many", "unknown", "anything else"],
)
def test_a_call_that_does_not_fit_names_graph_task_and_argument(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(BuildError, match=f"graph 'pipeline' could not be drawn: {said}") as caught:
        calls(call).build()
    assert caught.value.__cause__ is not None


def test_an_error_in_a_graph_within_is_found_when_the_outer_one_is_built() -> None:
    inner = Dag("inner")
    inner.task(use, after=["nothing"])
    outer = Dag("outer")
    outer.task(inner)

    @dag
    async def drawn() -> Any:
        return await calls(loose)()

    with pytest.raises(
        BuildError, match="graph 'inner': task 'use', after: there is no task named 'nothing'"
    ):
        outer.build()
    with pytest.raises(BuildError, match=r"graph 'pipeline' could not be drawn: .*'value'"):
        drawn.build()


def test_a_graph_that_contains_itself_would_have_no_end() -> None:
    @dag
    async def endless(value: int) -> Any:
        return await endless(value)

    one, other = Dag("one"), Dag("other")
    one.task(other)
    other.task(one)
    with pytest.raises(BuildError, match=r"graph 'endless' contains itself, .*recursion needs a @flow"):
        endless.build()
    with pytest.raises(BuildError, match=r"graph '(one|other)' contains itself"):
        one.build()
    with pytest.raises(BuildError, match=r"graph '(one|other)' contains itself"):
        one.build()  # and it says so again


def test_inputs_that_are_missing_or_unknown_or_given_twice() -> None:
    @dag
    async def pipeline(value: int, spare: int) -> int:
        return await use(value)

    async def main(**given: Any) -> object:
        return await pipeline.run(**given)

    for given, said in (
        (
            {},
            r"graph 'pipeline' needs the input 'value' \(task 'use' takes it as 'value'\): give it, inputs=",
        ),
        ({"value": 1}, "graph 'pipeline' needs the input 'spare': give it"),
        ({"value": 1, "valeu": 2}, "graph 'pipeline' has no input 'valeu'; its inputs: 'value', 'spare'"),
        ({"value": 1, "inputs": {"value": 1}}, "dag 'pipeline': the input 'value' is given twice"),
    ):
        with pytest.raises(TypeError, match=said):
            asyncio.run(main(**given))


def test_only_the_inputs_that_the_targets_need_are_missed() -> None:
    graph = Dag("parts")
    graph.task(use, name="first")

    @graph.task
    async def second(other: int) -> int:
        return other

    report = asyncio.run(graph.run(targets="first", value=1))
    assert report.outputs == {"first": 1}
    with pytest.raises(TypeError, match=r"needs the input 'other' \(task 'second' takes it as 'other'\)"):
        asyncio.run(graph.run(targets=second, value=1))


def test_an_unknown_lane_executor_or_target_is_refused_before_anything_runs() -> None:
    sink = MemorySink()

    def graph(**options: Any) -> Dag[..., Any]:
        made = Dag("report")
        made.task(load)
        made.task(use, bind={"value": From(load, "k")}, **options)
        return made

    async def refused(made: Dag[..., Any], **how: Any) -> list[str]:
        async with Engine(sinks=[sink]) as engine:
            with pytest.raises(UnknownName) as caught:
                await made.start(engine, **how)
            return [str(caught.value), *getattr(caught.value, "__notes__", ())]

    said = asyncio.run(refused(graph(lane="gpu")))
    assert "'gpu'" in said[0]
    assert said[1] == "asked for by task 'use' of graph 'report'"
    said = asyncio.run(refused(graph(executor="chain")))
    assert "'chain'" in said[0]
    assert said[1] == "asked for by task 'use' of graph 'report'"
    said = asyncio.run(refused(graph(), targets=["lod"]))
    assert "'report'" in said[0]
    assert "'load'" in said[0]
    outer = Dag("outer")
    outer.task(graph(lane="gpu"))
    assert asyncio.run(refused(outer))[1] == "asked for by task 'use' of graph 'report'"
    assert sink.of(events.JobSubmitted) == []


def test_an_unknown_lane_of_a_graph_that_is_a_job_fails_it_before_its_tasks_run() -> None:
    graph = Dag("report")
    graph.task(load)
    graph.task(use, bind={"value": From(load, "k")}, lane="gpu")
    sink = MemorySink()

    async def main() -> str:
        async with Engine(sinks=[sink]) as engine:
            return str((await (await engine.submit(None, executor=graph)).wait()).error)

    assert "'gpu'" in asyncio.run(main())
    assert len(sink.of(events.JobSubmitted)) == 1


def test_an_unknown_policy_is_refused() -> None:
    graph = Dag("report")
    graph.task(load)
    with pytest.raises(ValueError, match=r"on_failure must be one of .*'fail_fast'.*not 'explode'"):
        asyncio.run(graph.run(on_failure="explode"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
