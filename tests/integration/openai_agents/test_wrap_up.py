"""The last turn of an agent that is out of turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import agents
import pytest
from agents import Agent, AgentHooks, RunHooks, SQLiteSession, Tool, function_tool
from agents.testing import ModelStep, assistant_message, function_call
from pydantic import BaseModel

from paceline import Engine, RetryPolicy, Usage
from paceline.instructions import WRAP_UP
from paceline_adapters.openai_agents import AgentExecutor

Make = Callable[..., Agent[Any]]
LOOK = [function_call("look", {}, call_id="1")]
AGAIN = [function_call("look", {}, call_id="2")]
ENOUGH = [assistant_message("what I have")]


class City(BaseModel):
    name: str


@pytest.fixture
def looked() -> list[str]:
    return []


@pytest.fixture
def look(looked: list[str]) -> Tool:
    @function_tool
    def look() -> str:
        looked.append("look")
        return "seen"

    return look


async def run(executor: AgentExecutor, **options: Any) -> Any:
    async with Engine(executor, retry=RetryPolicy(attempts=2, base=0.001)) as engine:
        return await (await engine.submit("hi", **options)).wait()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("wish", "text"), [(True, WRAP_UP), ("Stop here.", "Stop here.")])
def test_the_agent_answers_with_what_it_has_and_that_counts(
    agent: Make, look: Tool, wish: Any, text: str, stream: bool
) -> None:
    subject = agent(LOOK, AGAIN, ENOUGH, tools=[look], instructions="Look well.")
    result = asyncio.run(run(AgentExecutor(subject, max_turns=2, wrap_up=wish), stream=stream))
    assert result.output == "what I have"
    assert result.usage == Usage(30, 24, 0, 6, 0, 3)
    model: Any = subject.model
    *_, before, last = model.calls
    assert last.input == [*before.input, *last.input[-3:]], "all that was said before is its prefix"
    assert last.input[-1] == {"role": "user", "content": text}
    assert last.system_instructions == before.system_instructions
    assert [tool.name for tool in last.tools] == [tool.name for tool in before.tools]
    assert (before.model_settings.tool_choice, last.model_settings.tool_choice) == (None, "none")
    assert last.streamed is stream


def test_the_last_turn_is_heard_by_who_listens(agent: Make, look: Tool) -> None:
    subject = agent(LOOK, ENOUGH, tools=[look])

    async def main() -> list[object]:
        async with Engine(AgentExecutor(subject, max_turns=1, wrap_up=True)) as engine:
            return [chunk async for chunk in (await engine.submit("hi")).stream()]

    assert "".join(map(str, asyncio.run(main()))) == "what I have"


def test_an_output_type_holds_for_the_last_turn_too(agent: Make, look: Tool) -> None:
    subject = agent(LOOK, [assistant_message('{"name": "Porto"}')], tools=[look], output_type=City)
    assert asyncio.run(run(AgentExecutor(subject, max_turns=1, wrap_up=True))).output == City(name="Porto")


def test_no_tool_runs_in_the_last_turn(agent: Make, look: Tool, looked: list[str]) -> None:
    subject = agent(LOOK, LOOK, LOOK, LOOK, tools=[look])
    result = asyncio.run(run(AgentExecutor(subject, max_turns=1, wrap_up=True)))
    assert isinstance(result.error.exception, agents.ModelBehaviorError)
    assert "told to answer without tools" in result.error.message
    assert looked == ["look"] * len(result.attempts)


def test_what_fails_in_the_last_turn_is_told_as_what_it_is(agent: Make, look: Tool) -> None:
    subject = agent(LOOK, ModelStep.raise_error(ConnectionError("gone")), LOOK, ENOUGH, tools=[look])
    result = asyncio.run(run(AgentExecutor(subject, max_turns=1, wrap_up=True)))
    assert (result.output, len(result.attempts)) == ("what I have", 2)
    assert "ConnectionError" in result.attempts[0].error.type


def test_another_agent_that_has_no_tools_is_told_nothing_of_them(agent: Make) -> None:
    other = agent(ENOUGH, name="other")
    subject = agent([function_call("transfer_to_other", {}, call_id="1")], handoffs=[other])
    assert asyncio.run(run(AgentExecutor(subject, max_turns=1, wrap_up=True))).output == "what I have"
    model: Any = other.model
    assert model.last_call.model_settings.tool_choice is None


@pytest.mark.parametrize("stream", [False, True])
def test_hooks_hear_of_the_call_and_of_one_end(agent: Make, look: Tool, stream: bool) -> None:
    heard: list[str] = []

    class Hooks(RunHooks[Any]):
        async def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
            heard.append("run: llm")

        async def on_agent_start(self, *args: Any, **kwargs: Any) -> None:
            heard.append("run: start")

        async def on_agent_end(self, *args: Any, **kwargs: Any) -> None:
            heard.append("run: end")

    class Own(AgentHooks[Any]):
        async def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
            heard.append("agent: llm")

        async def on_end(self, *args: Any, **kwargs: Any) -> None:
            heard.append("agent: end")

    subject = agent(LOOK, ENOUGH, tools=[look], hooks=Own())
    executor = AgentExecutor(subject, max_turns=1, wrap_up=True, hooks=Hooks())
    assert asyncio.run(run(executor, stream=stream)).ok
    assert sorted(heard) == sorted(["run: start", *["run: llm", "agent: llm"] * 2, "run: end", "agent: end"])


def test_the_answer_belongs_to_the_conversation(agent: Make, look: Tool) -> None:
    subject = agent(LOOK, ENOUGH, tools=[look])

    async def main() -> list[str]:
        session = SQLiteSession("s")
        assert (await run(AgentExecutor(subject, session=session, max_turns=1, wrap_up=True))).ok
        items: list[Any] = await session.get_items()
        session.close()
        return [str(item.get("role") or item.get("type")) for item in items]

    assert asyncio.run(main()) == ["user", "function_call", "function_call_output", "assistant"]
