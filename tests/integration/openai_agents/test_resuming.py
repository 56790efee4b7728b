"""What was approved is done once, whatever fails afterwards; and what cannot be gone on with says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from agents import Agent, SQLiteSession, function_tool
from agents.testing import ModelStep, assistant_message, function_call

from paceline import CannotGoOn, Engine, Job, JobContext, RunAgain
from paceline.testing import VirtualClock
from paceline_adapters.openai_agents import AgentExecutor

from .till import Till, Unavailable, asked, pay, retrying

Make = Callable[..., Agent[Any]]
FULL = ["user", "function_call", "function_call_output", "assistant"]


def kind(item: Mapping[str, Any]) -> str:
    return str(item.get("role") or item.get("type"))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kept", [False, True])
def test_a_retry_after_the_answer_neither_pays_twice_nor_asks_twice(
    agent: Make, stream: bool, kept: bool
) -> None:
    till, error = Till(), ModelStep.raise_error(Unavailable())
    subject = agent([pay(4)], error, error, [assistant_message("done")], tools=[till.tool()])

    async def main() -> Any:
        session = SQLiteSession("s") if kept else None
        async with retrying(AgentExecutor(subject, session=session)) as engine:
            handle = await asked(engine, stream=stream)
            await engine.reply(handle.id, True)
            result = await handle.wait()
        if session is not None:
            assert [kind(item) for item in await session.get_items()] == FULL
            session.close()
        return result

    result = asyncio.run(main())
    assert (result.output, till.paid) == ("done", [4])
    assert [each.outcome for each in result.attempts] == ["suspended", "failed", "failed", "succeeded"]
    assert (result.usage.requests, result.usage.input_tokens) == (2, 20)


@pytest.mark.parametrize("stream", [False, True])
def test_a_retry_of_a_later_turn_goes_on_after_what_was_approved(agent: Make, stream: bool) -> None:
    till, looked = Till(), list[str]()

    @function_tool
    def look() -> str:
        looked.append("look")
        return "looked"

    look_up = function_call("look", {}, call_id="l1")
    subject = agent(
        [pay(4)],
        [look_up],
        ModelStep.raise_error(Unavailable()),
        [look_up],
        [assistant_message("done")],
        tools=[till.tool(), look],
    )

    async def main() -> Any:
        session = SQLiteSession("s")
        async with retrying(AgentExecutor(subject, session=session)) as engine:
            handle = await asked(engine, stream=stream)
            await engine.reply(handle.id, True)
            output = await handle
        items = [kind(item) for item in await session.get_items()]
        session.close()
        return output, items

    output, items = asyncio.run(main())
    assert (output, till.paid, looked) == ("done", [4], ["look", "look"])
    assert items == [*FULL[:3], "function_call", "function_call_output", "assistant"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_that_broke_after_approval_is_not_run_again(agent: Make, stream: bool) -> None:
    till = Till(breaks=True)
    subject = agent([pay(4)], tools=[till.tool(failure_error_function=None)])

    async def main() -> Any:
        async with retrying(AgentExecutor(subject)) as engine:
            handle = await asked(engine, stream=stream)
            await engine.reply(handle.id, True)
            return await handle.wait()

    result = asyncio.run(main())
    assert till.paid == [4]
    assert isinstance(result.error.exception, CannotGoOn)
    assert [each.outcome for each in result.attempts] == ["suspended", "failed", "failed"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_job_cut_off_while_an_approved_tool_acts_fails_and_says_so(agent: Make, stream: bool) -> None:
    till = Till(takes=60)
    subject = agent([pay(4)], tools=[till.tool()])

    async def main() -> Any:
        async with retrying(AgentExecutor(subject)) as engine:
            handle = await asked(engine, timeout=5, stream=stream)
            await engine.reply(handle.id, True)
            return await handle.wait()

    result = VirtualClock().run(main)
    assert till.paid == [4]
    assert isinstance(result.error.exception, CannotGoOn)
    assert "cut off while tools that had been approved acted" in result.error.message


class Slow:
    async def __call__(self, call: object) -> Any:
        await asyncio.sleep(60)
        return [assistant_message("too late")]


@pytest.mark.parametrize("answer", [True, {"approve": False, "message": "no"}])
@pytest.mark.parametrize("stream", [False, True])
def test_a_decision_survives_a_model_that_takes_too_long(agent: Make, answer: Any, stream: bool) -> None:
    till = Till()
    subject = agent([pay(4)], ModelStep.respond(Slow()), [assistant_message("done")], tools=[till.tool()])

    async def main() -> Any:
        async with retrying(AgentExecutor(subject)) as engine:
            handle = await asked(engine, timeout=5, stream=stream)
            await engine.reply(handle.id, answer)
            return await handle.wait()

    result = VirtualClock().run(main)
    assert (result.output, till.paid) == ("done", [4] if answer is True else [])
    model: Any = subject.model
    assert model.last_call.input[-1]["output"] == ("paid 4" if answer is True else "no")


def test_a_job_that_is_sent_back_after_an_answer_begins_anew(agent: Make) -> None:
    till = Till()
    subject = agent([pay(4)], [assistant_message("poor")], [assistant_message("good")], tools=[till.tool()])

    class Gate:
        async def around(self, job: Job, ctx: JobContext, call_next: Any) -> object:
            output = await call_next()
            if output == "poor":
                raise RunAgain("better, please")
            return output

    async def main() -> Any:
        async with Engine(AgentExecutor(subject), middleware=[Gate()]) as engine:
            handle = await asked(engine)
            await engine.reply(handle.id, True)
            return await handle

    assert asyncio.run(main()) == "good"
    model: Any = subject.model
    assert model.last_call.input == [{"content": "better, please", "role": "user"}]


def test_state_that_another_version_saved_fails_with_the_way_out(
    agent: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.run_state.CURRENT_SCHEMA_VERSION", "99.0")
    subject = agent([pay(4)], tools=[Till().tool()])

    async def main() -> Any:
        async with retrying(AgentExecutor(subject)) as engine:
            handle = await asked(engine)
            await engine.reply(handle.id, True)
            return await handle.wait()

    result = asyncio.run(main())
    assert isinstance(result.error.exception, CannotGoOn)
    assert "Go on with that version, and with the same agents and tools, or submit" in result.error.message
    assert len(result.attempts) == 2


def test_an_agent_that_has_lost_its_tool_cannot_go_on(agent: Make) -> None:
    till = Till()
    subject = agent([pay(4)], tools=[till.tool()])

    async def main() -> Any:
        async with retrying(AgentExecutor(subject)) as engine:
            handle = await asked(engine)
            subject.tools.clear()
            await engine.reply(handle.id, True)
            return await handle.wait()

    result = asyncio.run(main())
    assert result.status == "failed"
    assert till.paid == []
