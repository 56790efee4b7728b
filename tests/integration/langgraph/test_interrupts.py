"""Graphs that ask: one question, several, in subgraphs, at breakpoints; good answers, bad and stale ones."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from pydantic import BaseModel, field_validator

from paceline import (
    AnswerTimeout,
    CannotGoOn,
    Engine,
    Job,
    JobContext,
    JobFailed,
    ReplyRefused,
    RetryPolicy,
    UnknownName,
)
from paceline.testing import VirtualClock
from paceline_adapters.langgraph import GraphExecutor

pytestmark = pytest.mark.anyio
Node = Callable[[Any], Any]
BOTH = pytest.mark.parametrize("stream", [False, True])
Builder: Any = StateGraph  # its own types are half known


class State(TypedDict):
    log: Annotated[list[str], operator.add]


class Even(BaseModel):
    """A number that a JSON Schema lets pass and the graph does not."""

    number: int

    @field_validator("number")
    @classmethod
    def even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("must be even")
        return value


class Nodes:
    """Makes nodes, and knows what they did."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def plain(self, name: str, *, fails: int = 0) -> Node:
        left = fails

        async def node(state: State) -> dict[str, Any]:
            nonlocal left
            self.ran.append(name)
            if left:
                left -= 1
                raise ConnectionError("broken")
            return {"log": [name]}

        return node

    def asks(self, name: str, *, fails: int = 0, schema: Any = None, times: int = 1) -> Node:
        left = fails

        async def node(state: State) -> dict[str, Any]:
            nonlocal left
            answers = [interrupt(f"{name}{number}?", response_schema=schema) for number in range(times)]
            self.ran.extend(f"{name}={answer}" for answer in answers)
            if left:
                left -= 1
                raise ConnectionError("broken")
            return {"log": [str(answer) for answer in answers]}

        return node


@pytest.fixture
def nodes() -> Nodes:
    return Nodes()


def builder(*parts: tuple[str, Any]) -> Any:
    """A chain of nodes."""
    graph = Builder(State)
    last = START
    for name, node in parts:
        graph.add_node(name, node)
        graph.add_edge(last, name)
        last = name
    return graph


def chain(*parts: tuple[str, Any], **options: Any) -> GraphExecutor:
    return GraphExecutor(builder(*parts).compile(checkpointer=InMemorySaver()), **options)


@BOTH
async def test_an_interrupt_rests_the_job_and_a_reply_lets_it_go_on(nodes: Nodes, stream: bool) -> None:
    executor = chain(
        ("a", nodes.plain("a")),
        ("ask", nodes.asks("ask", schema={"type": "string"})),
        ("b", nodes.plain("b")),
    )
    async with Engine(executor) as engine:
        handle = await engine.submit({"log": ["in"]}, stream=stream)
        assert (await handle.wait()).status == "suspended"
        (question,) = handle.questions
        assert (question.value, question.schema) == ("ask0?", {"type": "string"})
        await engine.reply(handle.id, "yes")
        assert await handle == {"log": ["in", "a", "yes", "b"]}
    assert nodes.ran == ["a", "ask=yes", "b"]


async def test_the_next_question_of_a_node_is_another(nodes: Nodes) -> None:
    async with Engine(chain(("ask", nodes.asks("ask", times=3)))) as engine:
        handle = await engine.submit({"log": []})
        seen: list[str] = []
        for answer in ("one", "two", "three"):
            await handle.wait()
            (question,) = handle.questions
            seen.append(question.id)
            await engine.reply(handle.id, answer, question=question.id)
        assert await handle == {"log": ["one", "two", "three"]}
    assert len(set(seen)) == 3


@BOTH
async def test_all_that_is_asked_at_once_is_asked_in_subgraphs_too(nodes: Nodes, stream: bool) -> None:
    graph = Builder(State).add_node("a", nodes.plain("a"))
    for name, node in {
        "left": nodes.asks("left"),
        "right": nodes.asks("right"),
        "below": builder(("deep", nodes.asks("deep"))).compile(),
        "busy": nodes.plain("busy"),
    }.items():
        graph.add_node(name, node)
        graph.add_edge("a", name)
    graph.add_edge(START, "a")
    async with Engine(GraphExecutor(graph.compile(checkpointer=InMemorySaver()))) as engine:
        handle = await engine.submit({"log": []}, stream=stream)
        await handle.wait()
        asked = {question.value: question.id for question in handle.questions}
        assert sorted(asked) == ["deep0?", "left0?", "right0?"]
        for number, (value, question) in enumerate(sorted(asked.items())):
            assert handle.status == "suspended"
            await engine.reply(handle.id, f"{value}{number}", question=question)
        output = await handle
    assert {"deep0?0", "left0?1", "right0?2"} <= set(output["log"])
    assert nodes.ran.count("busy") == 1


async def test_a_reply_is_used_once_though_what_comes_after_fails(nodes: Nodes) -> None:
    executor = chain(
        ("first", nodes.asks("first", fails=2, times=2)),
        ("b", nodes.plain("b", fails=2)),
        ("c", nodes.asks("c")),
    )
    async with Engine(executor, retry=RetryPolicy(attempts=9, base=0.0)) as engine:
        handle = await engine.submit({"log": []})
        for answer in ("one", "two", "three"):
            await handle.wait()
            await engine.reply(handle.id, answer)
        result = await handle.wait()
        assert result.output == {"log": ["one", "two", "b", "three"]}
    assert nodes.ran == [*["first=one", "first=two"] * 3, "b", "b", "b", "c=three"]
    outcomes = [attempt.outcome for attempt in result.attempts]
    assert outcomes == ["suspended"] * 2 + ["failed"] * 4 + ["suspended", "succeeded"]


async def test_a_second_and_a_stale_reply_are_refused_and_change_nothing(nodes: Nodes) -> None:
    async with Engine(chain(("ask", nodes.asks("ask", times=2)))) as engine:
        handle = await engine.submit({"log": []})
        await handle.wait()
        (first,) = handle.questions
        await engine.reply(handle.id, "one")
        with pytest.raises(ReplyRefused, match="asks nothing"):
            await engine.reply(handle.id, "again")
        await handle.wait()
        with pytest.raises(ReplyRefused, match="is not open"):
            await engine.reply(handle.id, "again", question=first.id)
        await engine.reply(handle.id, "two")
        assert await handle == {"log": ["one", "two"]}
        with pytest.raises(UnknownName):
            await engine.reply(handle.id, "late")


async def test_an_answer_that_does_not_fit_the_schema_is_refused_at_once(nodes: Nodes) -> None:
    async with Engine(chain(("ask", nodes.asks("ask", schema=Even)))) as engine:
        handle = await engine.submit({"log": []})
        await handle.wait()
        with pytest.raises(ReplyRefused, match="'two' is not of type 'integer'"):
            await engine.reply(handle.id, {"number": "two"})
        await engine.reply(handle.id, {"number": 2})
        assert await handle == {"log": ["number=2"]}


@BOTH
async def test_an_answer_that_only_the_graph_can_refuse_leaves_its_question_open_and_says_why(
    nodes: Nodes, stream: bool
) -> None:
    async with Engine(chain(("a", nodes.plain("a")), ("ask", nodes.asks("ask", schema=Even)))) as engine:
        handle = await engine.submit({"log": []}, stream=stream)
        await handle.wait()
        (before,) = handle.questions
        await engine.reply(handle.id, {"number": 3})
        await handle.wait()
        (after,) = handle.questions
        assert (after.id, after.schema) == (before.id, before.schema)
        assert after.value == "ask0?\n(the last answer was refused: number: Value error, must be even)"
        await engine.reply(handle.id, {"number": 4})
        assert await handle == {"log": ["a", "number=4"]}
    assert nodes.ran == ["a", "ask=number=4"]


@pytest.mark.parametrize(
    ("value", "noted"),
    [
        ({"ask": "how many?"}, {"ask": "how many?", "refused": "number: Value error, must be even"}),
        (["how", "many"], {"question": ["how", "many"], "refused": "number: Value error, must be even"}),
    ],
)
async def test_the_reason_joins_a_question_that_is_data(value: Any, noted: Any) -> None:
    async def ask(state: State) -> dict[str, Any]:
        return {"log": [str(interrupt(value, response_schema=Even))]}

    async with Engine(chain(("ask", ask))) as engine:
        handle = await engine.submit({"log": []})
        await handle.wait()
        await engine.reply(handle.id, {"number": 3})
        await handle.wait()
        assert [question.value for question in handle.questions] == [noted]
        assert handle.cancel()


async def test_what_is_asked_beside_a_bad_answer_is_asked_again_and_nothing_is_lost(nodes: Nodes) -> None:
    graph = Builder(State)
    for name in ("left", "right"):
        graph.add_node(name, nodes.asks(name, schema=Even))
        graph.add_edge(START, name)
    async with Engine(GraphExecutor(graph.compile(checkpointer=InMemorySaver()))) as engine:
        handle = await engine.submit({"log": []})
        for numbers in ({"left0?": 2, "right0?": 3}, {"left0?": 2, "right0?": 4}):
            await handle.wait()
            for question in handle.questions:
                number = numbers[question.value.partition("\n")[0]]
                await engine.reply(handle.id, {"number": number}, question=question.id)
        assert await handle == {"log": ["number=2", "number=4"]}


@BOTH
@pytest.mark.parametrize("breakpoint_", [False, True])
async def test_a_graph_that_asks_without_a_checkpointer_fails_and_says_what_it_needs(
    nodes: Nodes, breakpoint_: bool, stream: bool
) -> None:
    graph = builder(("a", nodes.plain("a")), ("ask", nodes.asks("ask")))
    executor = GraphExecutor(graph.compile(interrupt_before=["ask"] if breakpoint_ else None))
    async with Engine(executor, retry=RetryPolicy(base=0.0)) as engine:
        result = await (await engine.submit({"log": []}, stream=stream)).wait()
    assert result.error is not None
    assert isinstance(result.error.exception, CannotGoOn)
    assert "has no checkpointer" in result.error.message
    assert "builder.compile(checkpointer=InMemorySaver())" in result.error.message
    assert len(result.attempts) == 1


@BOTH
@pytest.mark.parametrize("where", ["before", "after", "all", "below"])
async def test_a_breakpoint_asks_whether_to_go_on(nodes: Nodes, where: str, stream: bool) -> None:
    inner = builder(("b", nodes.plain("b"))).compile(interrupt_before=["b"] if where == "below" else None)
    graph = builder(("a", nodes.plain("a")), ("sub", inner))
    stops: dict[str, Any] = {
        "before": dict[str, Any](interrupt_before=["sub"]),
        "after": dict[str, Any](interrupt_after=["a"]),
        "all": dict[str, Any](interrupt_after="*"),
        "below": dict[str, Any](),
    }[where]
    async with Engine(GraphExecutor(graph.compile(checkpointer=InMemorySaver(), **stops))) as engine:
        handle = await engine.submit({"log": []}, stream=stream)
        await handle.wait()
        (question,) = handle.questions
        assert question.value == "The graph has stopped before sub. Is it to go on?"
        assert nodes.ran == ["a"]
        with pytest.raises(ReplyRefused, match="not of type 'boolean'"):
            await engine.reply(handle.id, "certainly")
        await engine.reply(handle.id, True)
        output = await handle
    assert nodes.ran == ["a", "b"]
    assert output["log"][-1] == "b"


async def test_no_at_a_breakpoint_ends_the_job(nodes: Nodes) -> None:
    graph = builder(("a", nodes.plain("a")), ("b", nodes.plain("b")))
    executor = GraphExecutor(graph.compile(checkpointer=InMemorySaver(), interrupt_before=["b"]))
    async with Engine(executor, retry=RetryPolicy(base=0.0)) as engine:
        handle = await engine.submit({"log": []})
        await handle.wait()
        await engine.reply(handle.id, False)
        with pytest.raises(JobFailed) as caught:
            await handle
    assert isinstance(caught.value.__cause__, CannotGoOn)
    assert nodes.ran == ["a"]


async def test_what_fails_behind_a_breakpoint_is_tried_again_without_asking_again(nodes: Nodes) -> None:
    graph = builder(
        ("a", nodes.plain("a", fails=1)), ("b", nodes.plain("b", fails=2)), ("c", nodes.plain("c"))
    )
    compiled = graph.compile(checkpointer=InMemorySaver(), interrupt_before=["b", "c"])
    async with Engine(GraphExecutor(compiled), retry=RetryPolicy(attempts=9, base=0.0)) as engine:
        handle = await engine.submit({"log": []})
        for ran in (["a", "a"], ["a", "a", "b", "b", "b"]):
            await handle.wait()
            assert handle.status == "suspended"
            assert nodes.ran == ran
            await engine.reply(handle.id, True)
        assert await handle == {"log": ["a", "b", "c"]}


async def test_a_state_that_somebody_changed_at_a_breakpoint_is_gone_on_with(nodes: Nodes) -> None:
    graph = builder(("a", nodes.plain("a")), ("b", nodes.plain("b")))
    compiled = graph.compile(checkpointer=InMemorySaver(), interrupt_before=["b"])
    async with Engine(GraphExecutor(compiled)) as engine:
        handle = await engine.submit({"log": []})
        await handle.wait()
        await compiled.aupdate_state(
            {"configurable": {"thread_id": handle.id}}, {"log": ["changed"]}, as_node="a"
        )
        await engine.reply(handle.id, True)
        assert await handle == {"log": ["a", "changed", "b"]}


async def test_what_failed_beside_a_question_is_tried_again_before_it_is_asked(nodes: Nodes) -> None:
    graph = Builder(State)
    for name, node in {"ask": nodes.asks("ask"), "weak": nodes.plain("weak", fails=1)}.items():
        graph.add_node(name, node)
        graph.add_edge(START, name)
    compiled = graph.compile(checkpointer=InMemorySaver())
    async with Engine(GraphExecutor(compiled), retry=RetryPolicy(base=0.0)) as engine:
        handle = await engine.submit({"log": []})
        result = await handle.wait()
        assert [attempt.outcome for attempt in result.attempts] == ["failed", "suspended"]
        assert nodes.ran == ["weak", "weak"]
        await engine.reply(handle.id, "yes")
        assert sorted((await handle)["log"]) == ["weak", "yes"]
    assert nodes.ran.count("weak") == 2


def test_a_question_that_nobody_answers_in_time_fails_the_job(nodes: Nodes) -> None:
    async def main() -> BaseException | None:
        async with Engine(chain(("ask", nodes.asks("ask")), answer_timeout=60.0)) as engine:
            handle = await engine.submit({"log": []})
            await handle.wait()
            await asyncio.sleep(61.0)
            error = (await handle.wait()).error
            return None if error is None else error.exception

    assert isinstance(VirtualClock().run(main), AnswerTimeout)


async def test_a_primer_that_asks_before_any_model_has_answered_releases_nobody(nodes: Nodes) -> None:
    executor = chain(("a", nodes.plain("a")), ("b", nodes.asks("b")))
    async with Engine(executor) as engine:
        group = await engine.submit_group("g", primer={"log": []}, followers=[{"log": []}])
        results = await group.results()
        assert [result.status for result in results] == ["suspended", "waiting"]
        await engine.reply(results[0].id, "yes")
        results = await group.results()
        assert [result.status for result in results] == ["succeeded", "suspended"]
        await engine.reply(results[1].id, "yes")
        assert {result.status for result in await group.results()} == {"succeeded"}


async def test_an_answer_to_what_somebody_has_finished_elsewhere_runs_nothing_twice(
    nodes: Nodes,
) -> None:
    executor = chain(("a", nodes.asks("a")), ("pays", nodes.plain("pays")))
    async with Engine(executor, retry=RetryPolicy(3, base=0)) as engine:
        handle = await engine.submit({"log": []})
        await handle.wait()
        elsewhere: Any = {"configurable": {"thread_id": handle.id}}
        graph: Any = executor.graph
        await graph.ainvoke(Command(resume="by hand"), elsewhere)
        await engine.reply(handle.id, "too late")
        with pytest.raises(JobFailed, match="no longer open") as caught:
            await handle
    assert isinstance(caught.value.__cause__, CannotGoOn)
    assert nodes.ran == ["a=by hand", "pays"]


async def test_an_attempt_that_came_to_the_end_after_an_answer_is_not_run_again(nodes: Nodes) -> None:
    """It had a checkpoint at its end, and was cut short before it could say so."""
    executor = chain(("a", nodes.asks("a")), ("pays", nodes.plain("pays")))

    class CutShort:
        async def around(self, job: Job, ctx: JobContext, call_next: Any) -> object:
            output = await call_next()
            if ctx.attempt == 2:
                ctx.checkpoint(job.state)  # as if the attempt had not come to clear it
                raise ConnectionError
            return output

    async with Engine(executor, retry=RetryPolicy(3, base=0), middleware=[CutShort()]) as engine:
        handle = await engine.submit({"log": []})
        await handle.wait()
        await engine.reply(handle.id, "yes")
        assert (await handle)["log"] == ["yes", "pays"]
    assert nodes.ran == ["a=yes", "pays"]
