"""`ask_user` and `report_status`: what a model does with them in a real graph."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Command, Send
from pydantic import Field

from paceline import CallbackSink, Engine, PacelineError, ReplyRefused, RetryPolicy, instructions
from paceline.events import Event
from paceline_adapters.langgraph import GraphExecutor, ask_user, report_status

HELLO: Any = {"messages": [HumanMessage("hello")]}


def call(name: str, number: int = 1, **args: Any) -> Any:
    return {"name": name, "args": args, "id": f"{name}-{number}", "type": "tool_call"}


class Scripted(BaseChatModel):
    """Says one thing after the other, and remembers what it was told."""

    script: list[AIMessage]
    told: list[str] = Field(default_factory=list[str])

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        spoken = sum(isinstance(each, AIMessage) for each in messages)
        self.told = [each.text for each in messages if isinstance(each, ToolMessage)]
        return ChatResult(generations=[ChatGeneration(message=self.script[spoken])])


def agent(*says: AIMessage, apart: bool = False, tools: Sequence[Any] = (ask_user, report_status)) -> Any:
    """A model and its tools; `apart`: each tool call is a task of the graph's, as in the ready agents."""
    model = Scripted(script=list(says))

    async def think(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    def each(state: MessagesState) -> Any:
        last = state["messages"][-1]
        calls = last.tool_calls if isinstance(last, AIMessage) else []
        return [Send("tools", [each]) for each in calls] or "__end__"

    builder: Any = StateGraph(MessagesState)
    builder.add_node("model", think)
    builder.add_node("tools", ToolNode(tools))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", each if apart else tools_condition)
    builder.add_edge("tools", "model")
    graph = builder.compile(checkpointer=InMemorySaver())
    graph.name = "agent"
    return graph, model


def test_a_job_suspends_with_what_the_model_asks_and_the_answer_is_the_tools_output() -> None:
    graph, model = agent(
        AIMessage("", tool_calls=[call("ask_user", question="Which day?")]), AIMessage("Monday it is.")
    )

    async def main() -> Any:
        async with Engine(GraphExecutor(graph)) as engine:
            handle = await engine.submit(HELLO)
            result = await handle.wait()
            assert result.status == "suspended"
            (question,) = result.questions
            assert (question.value, question.schema) == ("Which day?", None)
            await engine.reply(handle.id, "Monday")
            return await handle

    assert asyncio.run(main())["messages"][-1].text == "Monday it is."
    assert model.told == ["Monday"]


def test_options_are_what_the_answer_must_be() -> None:
    graph, model = agent(
        AIMessage("", tool_calls=[call("ask_user", question="Go?", options=["yes", "no"])]), AIMessage("ok")
    )

    async def main() -> None:
        async with Engine(GraphExecutor(graph)) as engine:
            handle = await engine.submit(HELLO)
            (question,) = (await handle.wait()).questions
            assert question.schema == {"type": "string", "enum": ["yes", "no"]}
            with pytest.raises(ReplyRefused):
                await engine.reply(handle.id, "maybe")
            await engine.reply(handle.id, "no")
            await handle

    asyncio.run(main())
    assert model.told == ["no"]


@pytest.mark.parametrize("apart", [True, False])
def test_parallel_calls_each_get_their_own_answer(apart: bool) -> None:
    """Also in one `ToolNode`, which asks one after the other."""
    names = ["a", "b", "c"]
    graph, model = agent(
        AIMessage(
            "", tool_calls=[call("ask_user", number, question=name) for number, name in enumerate(names)]
        ),
        AIMessage("done"),
        apart=apart,
    )

    async def main() -> list[int]:
        rounds: list[int] = []
        async with Engine(GraphExecutor(graph)) as engine:
            handle = await engine.submit(HELLO)
            while (result := await handle.wait()).status == "suspended":
                rounds.append(len(result.questions))
                for question in reversed(result.questions):
                    await engine.reply(handle.id, question.value.upper(), question=question.id)
            await handle
        return rounds

    assert asyncio.run(main()) == ([3] if apart else [1, 1, 1])
    assert model.told == ["A", "B", "C"]


class Late(AsyncCallbackHandler):
    """Has the first of two tool calls begin after the other one, once."""

    def __init__(self) -> None:
        self.delays: Iterator[float] = iter([0.05])

    async def on_tool_start(self, *args: Any, **kwargs: Any) -> None:
        await asyncio.sleep(next(self.delays, 0.0))


def test_an_answer_never_goes_to_another_question() -> None:
    """With a bare `interrupt` the answer to the second would be given to the first."""
    calls = [call("ask_user", 1, question="a"), call("ask_user", 2, question="b")]
    graph, model = agent(AIMessage("", tool_calls=calls), AIMessage("done"))

    async def main() -> list[str]:
        config: Any = {"configurable": {"thread_id": "1"}, "callbacks": [Late()]}
        output = await graph.ainvoke(HELLO, config, version="v2")
        asked: list[str] = []
        while output.interrupts:
            (question,) = output.interrupts
            asked.append(question.value)
            answers = {question.id: question.value.upper()}
            output = await graph.ainvoke(Command(resume=answers), config, version="v2")
        return asked

    assert asyncio.run(main()) == ["b", "a", "b"], "one is asked again, as LangGraph cannot place its answer"
    assert model.told == ["A", "B"]


def test_a_graph_that_is_called_from_a_plain_program_asks_as_well() -> None:
    calls = [call("ask_user", 1, question="a"), call("ask_user", 2, question="b")]
    tools: Any = StateGraph(MessagesState)
    tools.add_node("tools", ToolNode([ask_user, report_status]))
    tools.add_edge(START, "tools")
    graph = tools.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    output: Any = graph.invoke({"messages": [AIMessage("", tool_calls=calls)]}, config, version="v2")
    while output.interrupts:
        answers = {each.id: each.value.upper() for each in output.interrupts}
        output = graph.invoke(Command(resume=answers), config, version="v2")
    assert [each.text for each in output.value["messages"][1:]] == ["A", "B"]


def test_a_retry_after_the_answer_does_not_ask_again() -> None:
    failures = iter([OSError("lost")])

    @tool
    async def flaky() -> str:
        """Fails once, after the person was asked."""
        for failure in failures:
            raise failure
        return "fine"

    graph, model = agent(
        AIMessage("", tool_calls=[call("ask_user", question="Which day?")]),
        AIMessage("", tool_calls=[call("flaky")]),
        AIMessage("done"),
        tools=[ask_user, flaky],
    )

    async def main() -> Any:
        async with Engine(GraphExecutor(graph), retry=RetryPolicy(attempts=3, base=0.001)) as engine:
            handle = await engine.submit(HELLO)
            await handle.wait()
            await engine.reply(handle.id, "Monday")
            await handle
            return await handle.wait()

    result = asyncio.run(main())
    assert [each.outcome for each in result.attempts] == ["suspended", "failed", "succeeded"]
    assert model.told == ["Monday", "fine"]


def test_outside_of_a_graph_there_is_nobody_to_ask() -> None:
    with pytest.raises(PacelineError, match="ask_user works in a node of a graph"):
        asyncio.run(ask_user.ainvoke({"question": "Which day?"}))
    with pytest.raises(PacelineError, match="ask_user works in a node of a graph"):
        ask_user.invoke({"question": "Which day?"})


def test_a_status_is_progress_of_the_job_and_harmless_outside_of_one() -> None:
    calls = [
        call("report_status", 1, message="packing"),
        call("report_status", 2, message="going", fraction=0.5),
        call("report_status", 3, message="there", fraction=100),
    ]
    graph, model = agent(AIMessage("", tool_calls=calls), AIMessage("done"))
    events: list[Event] = []

    async def main() -> None:
        async with Engine(GraphExecutor(graph), sinks=[CallbackSink(events.append)]) as engine:
            await (await engine.submit(HELLO))

    asyncio.run(main())
    told = [(each.message, each.fraction) for each in events if each.type == "job.progress"]
    assert told == [("packing", None), ("going", 0.5), ("there", None)]
    assert model.told == ["noted"] * 3
    assert report_status.invoke({"message": "packing"}) == "noted"
    assert asyncio.run(report_status.ainvoke({"message": "packing", "fraction": 0.1})) == "noted"


def test_models_are_told_by_the_names_that_the_tools_bear() -> None:
    assert ask_user.name in instructions.ASK_USER
    assert report_status.name in instructions.REPORT_STATUS
    assert set(ask_user.args) == {"question", "options"}
    assert all("description" in each for each in (*ask_user.args.values(), *report_status.args.values()))
