"""The tools that any agent can be given: `ask_user` and `report_status`."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from agents import Agent, RunConfig, Runner, RunState, Tool, UserError, function_tool
from agents.testing import ScriptedModel, assistant_message, function_call

from paceline import Engine, MemorySink, events, instructions
from paceline.testing import VirtualClock
from paceline_adapters.openai_agents._tools import (
    ANSWERS,
    ask_user,
    is_ask_user,
    question_of,
    report_status,
)

UNTRACED = RunConfig(tracing_disabled=True)


def asking(*questions: str, tool: Tool = ask_user) -> Agent[Any]:
    """Asks these questions in one turn, and then says what it was told."""
    calls = [
        function_call("ask_user", {"question": question}, call_id=f"call-{number}")
        for number, question in enumerate(questions)
    ]
    model = ScriptedModel([calls, [assistant_message("done")]])
    return Agent(name="asking", model=model, tools=[tool])


async def resumed(agent: Agent[Any], answers: dict[str, object]) -> list[object]:
    """Run until the agent asks, and on with these answers; what its tools gave the model."""
    first = await Runner.run(agent, "go", run_config=UNTRACED)
    state: RunState[Any, Any] = await RunState.from_string(agent, first.to_state().to_string())
    for item in state.get_interruptions():
        assert is_ask_user(item)
        state.approve(item)
    token = ANSWERS.set(answers)
    try:
        done = await Runner.run(agent, state, run_config=UNTRACED)
    finally:
        ANSWERS.reset(token)
    assert done.final_output == "done"
    return [item.output for item in done.new_items if item.type == "tool_call_output_item"]


def test_a_call_of_ask_user_interrupts_the_run_with_its_question() -> None:
    async def main() -> None:
        result = await Runner.run(asking("Which colour?", "Which size?"), "go", run_config=UNTRACED)
        assert [question_of(item) for item in result.interruptions] == ["Which colour?", "Which size?"]
        assert all(is_ask_user(item) for item in result.interruptions)

    VirtualClock().run(main)


def test_each_answer_is_the_output_of_the_call_that_asked() -> None:
    async def main() -> None:
        answers: dict[str, object] = {"call-1": "large", "call-0": "red"}
        assert await resumed(asking("Which colour?", "Which size?"), answers) == ["red", "large"]

    VirtualClock().run(main)


def test_an_answer_that_is_no_text_reaches_the_model_as_json() -> None:
    async def main() -> None:
        (output,) = await resumed(asking("Which?"), {"call-0": {"colour": "röt", "sizes": [1, 2]}})
        assert json.loads(str(output)) == {"colour": "röt", "sizes": [1, 2]}

    VirtualClock().run(main)


def test_approving_the_call_by_hand_without_an_answer_fails_the_run_and_says_why() -> None:
    async def main() -> None:
        with pytest.raises(UserError, match=r"nobody has answered 'Which\?'.*AgentExecutor"):
            await resumed(asking("Which?"), {})

    VirtualClock().run(main)


def test_a_tool_that_is_only_called_so_is_not_ask_user() -> None:
    @function_tool(name_override="ask_user", needs_approval=True)
    async def own(question: str) -> str:
        return question

    async def main() -> None:
        agent = asking("Which?", tool=own)
        result = await Runner.run(agent, "go", run_config=UNTRACED)
        assert [is_ask_user(item) for item in result.interruptions] == [False]

    VirtualClock().run(main)


def test_a_copy_under_another_name_is_ask_user_still() -> None:
    other = copy.copy(ask_user)
    other.name = "ask_boss"
    model = ScriptedModel([[function_call("ask_boss", {"question": "May I?"}, call_id="c")]])

    async def main() -> None:
        agent = Agent(name="asking", model=model, tools=[other, report_status])
        result = await Runner.run(agent, "go", run_config=UNTRACED)
        assert [question_of(item) for item in result.interruptions if is_ask_user(item)] == ["May I?"]

    VirtualClock().run(main)


@pytest.mark.parametrize("arguments", ["no json", '["a list"]', '{"other": 1}', ""])
def test_a_question_that_the_model_has_garbled_is_shown_as_it_is(arguments: str) -> None:
    model = ScriptedModel([[function_call("ask_user", arguments, call_id="c")]])

    async def main() -> None:
        agent = Agent(name="asking", model=model, tools=[ask_user])
        result = await Runner.run(agent, "go", run_config=UNTRACED)
        assert [question_of(item) for item in result.interruptions] == [arguments]

    VirtualClock().run(main)


def reporting(**arguments: object) -> Agent[Any]:
    call = function_call("report_status", {"fraction": None, **arguments}, call_id="c")
    return Agent(
        name="reporting", model=ScriptedModel([[call], [assistant_message("done")]]), tools=[report_status]
    )


@pytest.mark.parametrize(
    ("said", "fraction"), [(None, None), (0, 0.0), (0.25, 0.25), (1, 1.0), (40, None), (-1, None)]
)
def test_a_status_is_the_progress_of_the_job(said: float | None, fraction: float | None) -> None:
    """A fraction that is none is left out: the message is still of use."""
    sink = MemorySink()

    async def main() -> None:
        agent = reporting(message="reading the files", fraction=said)

        async def execute(payload: str) -> object:
            return (await Runner.run(agent, payload, run_config=UNTRACED)).final_output

        async with Engine(execute, sinks=[sink]) as engine:
            assert await (await engine.submit("go")) == "done"

    VirtualClock().run(main)
    progress = [event for event in sink.events if isinstance(event, events.JobProgress)]
    assert [(event.message, event.fraction) for event in progress] == [("reading the files", fraction)]


def test_outside_of_a_job_a_status_does_no_harm() -> None:
    async def main() -> None:
        result = await Runner.run(reporting(message="reading"), "go", run_config=UNTRACED)
        assert result.final_output == "done"

    VirtualClock().run(main)


def test_the_instructions_name_the_tools_as_they_are() -> None:
    assert ask_user.name in instructions.ASK_USER
    assert report_status.name in instructions.REPORT_STATUS
    for tool in (ask_user, report_status):
        properties = tool.params_json_schema["properties"]
        assert all(each["description"] for each in properties.values())
        assert tool.strict_json_schema
