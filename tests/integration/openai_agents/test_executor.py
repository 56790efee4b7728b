"""Agents as jobs: what goes in and comes out, and what the user has set; on scripted models."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from agents import (
    Agent,
    ModelSettings,
    RunConfig,
    RunContextWrapper,
    RunErrorHandlerInput,
    RunHooks,
    function_tool,
)
from agents.testing import ScriptedModel, assistant_message, function_call
from pydantic import BaseModel

from paceline import Engine, RetryPolicy, current_job
from paceline_adapters.openai_agents import AgentExecutor, adapt

Make = Callable[..., Agent[Any]]
HELLO = [assistant_message("hello")]


class City(BaseModel):
    name: str


async def run(executor: AgentExecutor, payload: Any = "hi", **options: Any) -> Any:
    async with Engine(executor, retry=RetryPolicy(attempts=2, base=0.001)) as engine:
        return await (await engine.submit(payload, **options)).wait()


def test_an_agent_is_adapted_under_its_own_name(agent: Make) -> None:
    subject = agent(name="guide")
    executor = adapt(subject)
    assert executor is not None
    assert (executor.agent, executor.name, repr(executor)) == (subject, "guide", "AgentExecutor('guide')")


def test_what_is_no_agent_is_refused() -> None:
    with pytest.raises(TypeError, match="takes an Agent of the OpenAI Agents SDK, not function"):
        AgentExecutor(test_what_is_no_agent_is_refused)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"run_config": {"workflow_name": "x"}}, TypeError),
        ({"session": 7}, TypeError),
        ({"max_turns": 0}, ValueError),
        ({"chunks": "words"}, ValueError),
        ({"wrap_up": True, "error_handlers": {"max_turns": print}}, ValueError),
    ],
)
def test_settings_that_cannot_be_are_refused(agent: Make, wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(wrong))):
        AgentExecutor(agent(), **wrong)


def test_without_the_sdk_the_adapter_says_what_to_install() -> None:
    code = "import sys; sys.modules['agents'] = None; import paceline_adapters.openai_agents"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith('needs an extra: pip install "paceline[openai-agents]"')


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "payload", ["hi", [{"role": "user", "content": "hi"}], ({"role": "user", "content": "hi"},)]
)
def test_a_text_or_input_items_go_in_and_the_final_output_comes_out(
    agent: Make, payload: Any, stream: bool
) -> None:
    subject = agent([assistant_message("hello")])
    result = asyncio.run(run(AgentExecutor(subject), payload, stream=stream))
    assert result.output == "hello"
    model: Any = subject.model
    assert model.last_call.input in ("hi", [{"role": "user", "content": "hi"}])


@pytest.mark.parametrize("payload", [None, 7, {"input": "hi"}, [], ["hi"], b"hi"])
def test_other_payloads_fail_once_and_say_what_is_taken(agent: Make, payload: Any) -> None:
    result = asyncio.run(run(AgentExecutor(agent()), payload))
    assert len(result.attempts) == 1
    assert "payload is a text, or a list of input items" in result.error.message


def test_an_output_type_comes_out_as_its_object(agent: Make) -> None:
    subject = agent([assistant_message('{"name": "Porto"}')], output_type=City)
    assert asyncio.run(run(AgentExecutor(subject))).output == City(name="Porto")


@pytest.mark.parametrize(
    "config", ["fast", {"temperature": 1}, {"session": 7}, {"session": ""}, {"max_turns": 0}]
)
def test_a_config_that_means_nothing_is_refused_at_submit(agent: Make, config: Any) -> None:
    async def main() -> None:
        async with Engine(AgentExecutor(agent())) as engine:
            with pytest.raises(TypeError, match="config= is a mapping with 'context'"):
                await engine.submit("hi", config=config)

    asyncio.run(main())


# What is the user's.


def test_hooks_of_the_user_hear_all(agent: Make) -> None:
    heard: list[str] = []

    def hook(name: str) -> Any:
        async def on(self: object, *args: object) -> None:
            heard.append(name)

        return on

    class Hooks(RunHooks[Any]):
        pass

    names = ["llm_start", "llm_end", "agent_start", "agent_end", "handoff", "tool_start", "tool_end"]
    for name in names:
        setattr(Hooks, f"on_{name}", hook(name))

    @function_tool
    def look() -> str:
        return "seen"

    other = agent(HELLO, name="other")
    subject = agent(
        [function_call("look", {}, call_id="1")],
        [function_call("transfer_to_other", {}, call_id="2")],
        tools=[look],
        handoffs=[other],
    )
    assert asyncio.run(run(AgentExecutor(subject, hooks=Hooks()))).output == "hello"
    assert set(heard) == set(names)
    assert heard.count("llm_end") == 3


def test_context_and_context_variables_are_seen_inside(agent: Make) -> None:
    @function_tool
    def look(context: RunContextWrapper[str]) -> str:
        job = current_job()
        assert job is not None
        return f"{context.context} in {job.job.name}"

    def subject() -> Agent[Any]:
        step = [function_call("look", {}, call_id="1")]
        return agent(step, tools=[look], tool_use_behavior="stop_on_first_tool")

    executor = AgentExecutor(subject(), context="common")
    assert asyncio.run(run(executor, name="j")).output == "common in j"
    executor = AgentExecutor(subject(), context="common")
    assert asyncio.run(run(executor, name="j", config={"context": "own"})).output == "own in j"


def test_run_config_and_error_handlers_of_the_user_stay(agent: Make) -> None:

    def stop(given: RunErrorHandlerInput[Any]) -> str:
        return "out of turns"

    @function_tool
    def look() -> str:
        return "seen"

    model = ScriptedModel([[function_call("look", {}, call_id="1")]])
    config = RunConfig(model=model, model_settings=ModelSettings(temperature=0.5))
    executor = AgentExecutor(
        agent(tools=[look]), run_config=config, error_handlers={"max_turns": stop}, max_turns=1
    )
    assert asyncio.run(run(executor)).output == "out of turns"
    assert model.last_call is not None
    assert model.last_call.model_settings.temperature == 0.5
