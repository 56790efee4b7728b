"""What agents use, call by call, and what their errors mean; on scripted models."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import agents
import pytest
from agents import (
    Agent,
    GuardrailFunctionOutput,
    RunConfig,
    ToolGuardrailFunctionOutput,
    Usage as AgentsUsage,
    function_tool,
    handoff,
    input_guardrail,
    output_guardrail,
    tool_input_guardrail,
)
from agents.testing import ModelStep, ScriptedModel, assistant_message, function_call

from paceline import Engine, Job, JobContext, JobFailed, RetryPolicy, Usage
from paceline_adapters.openai_agents import AgentExecutor

Make = Callable[..., Agent[Any]]
HELLO = [assistant_message("hello")]


class Used:
    """Middleware that hears what each attempt tells of usage."""

    def __init__(self) -> None:
        self.calls: list[Usage] = []

    async def around(self, job: Job, ctx: JobContext, call_next: Any) -> object:
        live: Any = ctx._live  # usage is summed up before users see it
        add = live.run.attempts.add_usage

        def told(live: Any, usage: Usage) -> None:
            self.calls.append(usage)
            add(live, usage)

        live.run.attempts.add_usage = told
        return await call_next()


async def run(executor: AgentExecutor, payload: Any = "hi", **options: Any) -> Any:
    async with Engine(executor, retry=RetryPolicy(attempts=2, base=0.001)) as engine:
        return await (await engine.submit(payload, **options)).wait()


def error_of(result: Any) -> BaseException:
    error: BaseException = result.error.exception
    return error


# Usage.


@pytest.mark.parametrize("stream", [False, True])
def test_each_call_is_told_once_and_as_it_comes(agent: Make, stream: bool) -> None:
    seen = list[int]()
    used = Used()

    @function_tool
    def look() -> str:
        seen.append(len(used.calls))
        return "seen"

    helper = agent([assistant_message("helped")], name="helper")
    other = agent([assistant_message("hello")], name="other")
    subject = agent(
        [function_call("look", {}, call_id="1")],
        [function_call("helper", {"input": "x"}, call_id="2")],
        [function_call("transfer_to_other", {}, call_id="3")],
        tools=[look, helper.as_tool("helper", "helps")],
        handoffs=[handoff(other)],
    )

    async def main() -> Any:
        async with Engine(AgentExecutor(subject), middleware=[used]) as engine:
            return await (await engine.submit("hi", stream=stream)).wait()

    result = asyncio.run(main())
    assert (result.output, seen) == ("hello", [1])
    one = Usage(10, 8, 0, 2, 0, 1)
    assert used.calls == [one] * 5
    assert result.usage == Usage(50, 40, 0, 10, 0, 5)


def test_calls_before_a_failure_count(agent: Make) -> None:
    helper = agent([function_call("none", {}, call_id="9")], name="helper")
    subject = agent(
        [function_call("helper", {"input": "x"}, call_id="1")],
        tools=[helper.as_tool("helper", "helps", failure_error_function=None)],
    )
    result = asyncio.run(run(AgentExecutor(subject, max_turns=1)))
    assert result.status == "failed"
    assert result.usage.requests == 2


def test_a_provider_that_tells_no_tokens_is_counted_all_the_same(agent: Make) -> None:
    subject = Agent(name="a", model=ScriptedModel([[assistant_message("hello")]]))
    result = asyncio.run(run(AgentExecutor(subject)))
    assert result.usage == Usage(requests=1)


def test_usage_bears_the_name_of_the_model(agent: Make) -> None:
    class Named(ScriptedModel):
        model = "scripted-1"

    usage = AgentsUsage(requests=1, input_tokens=1, output_tokens=1, total_tokens=2)
    subject = Agent(name="a", model=Named([[assistant_message("x")]], default_usage=usage))
    executor = AgentExecutor(subject)
    assert executor.resources == ("scripted-1",)
    assert asyncio.run(run(executor)).usage.model == "scripted-1"


def test_resources_are_the_models_of_all_that_it_may_hand_over_to() -> None:
    third = Agent(name="c", model="large")
    second = Agent(name="b", model="small", handoffs=[third])
    first = Agent(name="a", model="small", handoffs=[second])
    third.handoffs.append(first)
    assert AgentExecutor(first).resources == ("small", "large")
    assert AgentExecutor(first, run_config=RunConfig(model="tiny")).resources == ("tiny",)
    assert AgentExecutor(Agent(name="x", model=ScriptedModel())).resources == ("x",)


# Failures.


class Status(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status_code = status


@input_guardrail
async def no_input(ctx: Any, agent: Any, given: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(None, tripwire_triggered=True)


@output_guardrail
async def no_output(ctx: Any, agent: Any, given: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(None, tripwire_triggered=True)


@tool_input_guardrail
def no_call(data: Any) -> ToolGuardrailFunctionOutput:
    return ToolGuardrailFunctionOutput.raise_exception()


@function_tool(tool_input_guardrails=[no_call])
def guarded() -> str:
    return ""


GUARDRAILS: list[tuple[dict[str, Any], Any, type[Exception]]] = [
    ({"input_guardrails": [no_input]}, HELLO, agents.InputGuardrailTripwireTriggered),
    ({"output_guardrails": [no_output]}, HELLO, agents.OutputGuardrailTripwireTriggered),
    (
        {"tools": [guarded]},
        [function_call("guarded", {}, call_id="1")],
        agents.ToolInputGuardrailTripwireTriggered,
    ),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("settings", "step", "error"), GUARDRAILS, ids=["input", "output", "tool"])
def test_guardrails_are_not_retried(
    agent: Make, settings: Any, step: Any, error: type[Exception], stream: bool
) -> None:
    result = asyncio.run(run(AgentExecutor(agent(step, step, **settings)), stream=stream))
    assert isinstance(error_of(result), error)
    assert len(result.attempts) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (Status(503), 2),
        (Status(429), 2),
        (Status(400), 1),
        (Status(401), 1),
        (ConnectionError("gone"), 2),
        (TimeoutError("slow"), 2),
        (agents.ModelBehaviorError("no such tool"), 2),
        (agents.UserError("built wrongly"), 1),
        (KeyError("in a hook"), 1),
    ],
    ids=str,
)
def test_errors_are_retried_where_that_may_help(
    agent: Make, error: Exception, attempts: int, stream: bool
) -> None:
    result = asyncio.run(run(AgentExecutor(agent(ModelStep.raise_error(error), HELLO)), stream=stream))
    assert len(result.attempts) == attempts
    assert result.ok == (attempts == 2)


@pytest.mark.parametrize(("error", "attempts"), [(Status(503), 2), (ValueError("no number"), 1)])
def test_an_error_in_a_tool_is_judged_by_what_it_was(agent: Make, error: Exception, attempts: int) -> None:
    @function_tool(failure_error_function=None)
    def broken() -> str:
        raise error

    step = [function_call("broken", {}, call_id="1")]
    result = asyncio.run(run(AgentExecutor(agent(step, HELLO, tools=[broken]))))
    assert len(result.attempts) == attempts


def test_too_many_turns_are_not_retried(agent: Make) -> None:
    @function_tool
    def look() -> str:
        return "seen"

    step = [function_call("look", {}, call_id="1")]
    result = asyncio.run(run(AgentExecutor(agent(*[step] * 4, tools=[look]), max_turns=2)))
    assert isinstance(error_of(result), agents.MaxTurnsExceeded)
    assert (len(result.attempts), result.usage.requests) == (1, 2)


def test_a_job_may_have_more_turns_than_others(agent: Make) -> None:
    @function_tool
    def look() -> str:
        return "seen"

    step = [function_call("look", {}, call_id="1")]
    executor = AgentExecutor(agent(*[step] * 3, HELLO, tools=[look]), max_turns=2)
    assert asyncio.run(run(executor, config={"max_turns": None})).output == "hello"


def test_the_job_that_awaits_it_gets_the_sdks_error_as_the_cause(agent: Make) -> None:
    async def main() -> None:
        async with Engine(AgentExecutor(agent(HELLO, input_guardrails=[no_input]))) as engine:
            with pytest.raises(JobFailed) as failed:
                await (await engine.submit("hi"))
            assert isinstance(failed.value.__cause__, agents.InputGuardrailTripwireTriggered)

    asyncio.run(main())
