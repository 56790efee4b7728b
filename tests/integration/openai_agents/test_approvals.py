"""Calls that wait for approval: the questions, and what comes of the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from agents import Agent, RunContextWrapper, function_tool
from agents.testing import ModelStep, assistant_message, function_call

from paceline import (
    AnswerTimeout,
    Engine,
    JobFailed,
    ReplyRefused,
)
from paceline.testing import VirtualClock
from paceline_adapters.openai_agents import AgentExecutor, ask_user

from .till import Till, Unavailable, asked, pay, retrying

Make = Callable[..., Agent[Any]]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("answer", [True, {"approve": True}])
def test_an_approved_call_runs_and_the_agent_goes_on(agent: Make, stream: bool, answer: object) -> None:
    till = Till()
    subject = agent([pay(4)], [assistant_message("all paid")], tools=[till.tool()])

    async def main() -> str:
        async with Engine(AgentExecutor(subject)) as engine:
            handle = await asked(engine, stream=stream)
            (question,) = handle.questions
            assert question.id == "c1"
            assert question.value == {"tool": "pay", "arguments": {"amount": 4}, "agent": "scripted"}
            assert till.paid == []
            await engine.reply(handle.id, answer)
            result = await handle.wait()
            assert (result.usage.requests, result.usage.input_tokens) == (2, 20)  # type: ignore[union-attr]
            return str(result.output)

    assert asyncio.run(main()) == "all paid"
    assert till.paid == [4]


def test_a_rejected_call_does_not_run_and_the_model_is_told_why(agent: Make) -> None:
    till = Till()
    subject = agent([pay(4)], [assistant_message("then not")], tools=[till.tool()])

    async def main() -> str:
        async with Engine(AgentExecutor(subject)) as engine:
            handle = await asked(engine)
            await engine.reply(handle.id, {"approve": False, "message": "too dear"})
            return str(await handle)

    assert asyncio.run(main()) == "then not"
    assert till.paid == []
    assert _last_output(subject) == "too dear"


def _last_output(subject: Agent[Any]) -> object:
    model: Any = subject.model
    return model.last_call.input[-1]["output"]


def test_several_calls_are_several_questions_and_each_has_its_own_answer(agent: Make) -> None:
    till = Till()
    subject = agent([pay(1, "a"), pay(2, "b"), pay(3, "c")], [assistant_message("done")], tools=[till.tool()])

    async def main() -> None:
        async with Engine(AgentExecutor(subject)) as engine:
            handle = await asked(engine)
            assert [each.id for each in handle.questions] == ["a", "b", "c"]
            await engine.reply(handle.id, True, question="c")
            await engine.reply(handle.id, False, question="b")
            with pytest.raises(ReplyRefused):
                await engine.reply(handle.id, True, question="b")
            await engine.reply(handle.id, True, question="a")
            assert await handle == "done"

    asyncio.run(main())
    assert sorted(till.paid) == [1, 3]


@pytest.mark.parametrize(
    "answer", ["", None, "perhaps", {}, {"approve": "yes"}, {"approve": True, "why": "so"}]
)
def test_what_is_no_decision_is_refused_and_the_question_stays(agent: Make, answer: object) -> None:
    till = Till()
    subject = agent([pay(4)], [assistant_message("done")], tools=[till.tool()])

    async def main() -> None:
        async with Engine(AgentExecutor(subject)) as engine:
            handle = await asked(engine)
            with pytest.raises(ReplyRefused):
                await engine.reply(handle.id, answer)
            assert (handle.status, till.paid) == ("suspended", [])
            await engine.reply(handle.id, True)
            assert await handle == "done"

    asyncio.run(main())


def test_always_covers_later_calls_of_the_tool(agent: Make) -> None:
    till = Till()
    subject = agent([pay(1)], [pay(2, "c2")], [assistant_message("done")], tools=[till.tool()])

    async def main() -> None:
        async with Engine(AgentExecutor(subject)) as engine:
            handle = await asked(engine)
            await engine.reply(handle.id, {"approve": True, "always": True})
            assert await handle == "done"

    asyncio.run(main())
    assert till.paid == [1, 2]


def test_a_run_may_ask_again(agent: Make) -> None:
    till = Till()
    subject = agent([pay(1)], [pay(2, "c2")], [assistant_message("done")], tools=[till.tool()])

    async def main() -> None:
        async with Engine(AgentExecutor(subject)) as engine:
            handle = await asked(engine)
            await engine.reply(handle.id, True)
            again = await handle.wait()
            assert [question.id for question in again.questions] == ["c2"]
            await engine.reply(handle.id, True)
            result = await handle.wait()
            assert (result.output, result.usage.requests) == ("done", 3)  # type: ignore[union-attr]

    asyncio.run(main())
    assert till.paid == [1, 2]


@dataclass
class Purse:
    """A context that is no JSON, and is not to be copied."""

    lock: asyncio.Lock
    seen: int = 0


def test_the_context_is_the_same_object_after_an_answer(agent: Make) -> None:
    @function_tool(needs_approval=True)
    async def count(context: RunContextWrapper[Purse]) -> str:
        context.context.seen += 1
        return str(context.context.seen)

    subject = agent([function_call("count", {}, call_id="c1")], [assistant_message("done")], tools=[count])

    async def main() -> int:
        purse = Purse(asyncio.Lock())
        async with Engine(AgentExecutor(subject)) as engine:
            handle = await asked(engine, config={"context": purse})
            await engine.reply(handle.id, True)
            await handle
        return purse.seen

    assert asyncio.run(main()) == 1


def test_ask_user_asks_and_the_answer_is_what_the_tool_gives(agent: Make) -> None:
    ask = function_call("ask_user", {"question": "Which city?"}, call_id="q1")
    subject = agent(
        [ask], ModelStep.raise_error(Unavailable()), [assistant_message("Porto it is")], tools=[ask_user]
    )

    async def main() -> str:
        async with retrying(AgentExecutor(subject)) as engine:
            handle = await asked(engine)
            assert [(each.id, each.value) for each in handle.questions] == [("q1", "Which city?")]
            with pytest.raises(ReplyRefused):
                await engine.reply(handle.id, " ")
            await engine.reply(handle.id, "Porto")
            return str(await handle)

    assert asyncio.run(main()) == "Porto it is"
    assert _last_output(subject) == "Porto"


def test_agents_that_serve_as_tools_ask_too(agent: Make) -> None:
    till = Till()
    inner = agent([pay(4)], [assistant_message("paid")], name="cashier", tools=[till.tool()])
    outer = agent(
        [function_call("cashier", {"input": "pay 4"}, call_id="o1")],
        ModelStep.raise_error(Unavailable()),
        [assistant_message("done")],
        tools=[inner.as_tool("cashier", "pays")],
    )

    async def main() -> Any:
        async with retrying(AgentExecutor(outer)) as engine:
            handle = await asked(engine)
            assert [each.value["agent"] for each in handle.questions] == ["cashier"]
            await engine.reply(handle.id, True)
            return await handle.wait()

    result = asyncio.run(main())
    assert (result.output, till.paid) == ("done", [4])
    assert (result.usage.requests, result.usage.input_tokens) == (4, 40)


def test_without_an_answer_in_time_the_job_fails(agent: Make) -> None:
    till = Till()
    subject = agent([pay(4)], tools=[till.tool()])

    async def main() -> None:
        async with retrying(AgentExecutor(subject, answer_timeout=30)) as engine:
            handle = await asked(engine)
            await asyncio.sleep(31)
            with pytest.raises(JobFailed) as failed:
                await handle
            assert isinstance(failed.value.__cause__, AnswerTimeout)

    VirtualClock().run(main)
    assert till.paid == []
