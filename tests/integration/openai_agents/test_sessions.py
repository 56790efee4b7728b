"""Whose conversation a run belongs to: one that jobs take turns with, one of its own, one that is forked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, SQLiteSession, function_tool
from agents.testing import ModelStep, ScriptedModel, assistant_message, function_call

from paceline import Engine, GroupPolicy, RetryPolicy, current_job
from paceline_adapters.openai_agents import AgentExecutor

Make = Callable[..., Agent[Any]]
pytestmark = pytest.mark.blocks_loop  # the SDK's SQLiteSession opens its database where it is made


class Unavailable(Exception):
    status_code = 503


def said(text: str) -> Any:
    return [assistant_message(text)]


def texts(items: list[Any]) -> list[str]:
    """What was said, in short: texts, and kinds of other items."""
    found: list[str] = []
    for item in items:
        content: Any = item.get("content")
        found.append(
            str((content if type(content) is str else content[0]["text"]) if content else item["type"])
        )
    return found


@pytest.mark.parametrize("stream", [False, True])
def test_jobs_take_turns_with_one_session(agent: Make, stream: bool) -> None:
    subject = agent(said("1"), said("2"), said("3"))

    async def main() -> list[str]:
        session = SQLiteSession("s")
        async with Engine(AgentExecutor(subject, session=session)) as engine:
            handles = [await engine.submit(each, stream=stream) for each in "abc"]
            waiting = handles[1].waiting
            assert waiting is not None
            assert (waiting.kind, waiting.on) == ("lock", "agents session s")
            for handle in handles:
                await handle
        items = texts(await session.get_items())
        session.close()
        return items

    assert asyncio.run(main()) == ["a", "1", "b", "2", "c", "3"]


class Unnamed:
    """As OpenAI's own sessions are: its id is known once it was used."""

    def __init__(self) -> None:
        self._session: Any = SQLiteSession("s")
        self._used: bool = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    @property
    def session_id(self) -> str:
        if not self._used:
            raise ValueError("Session ID not yet available")
        return "conv_1"

    async def get_items(self, limit: int | None = None, **settings: Any) -> Any:
        self._used = True
        return await self._session.get_items(limit, **settings)


def test_jobs_take_turns_with_a_session_that_gets_its_id_only_when_it_is_used(agent: Make) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    @function_tool
    async def hold() -> None:
        entered.set()
        await leave.wait()

    subject = agent([function_call("hold", {}, call_id="c")], said("1"), said("2"), tools=[hold])

    async def main() -> list[str]:
        session: Any = Unnamed()
        async with Engine(AgentExecutor(subject, session=session)) as engine:
            await engine.submit("a")
            await entered.wait()
            assert session.session_id == "conv_1"
            second = await engine.submit("b")
            assert second.waiting is not None
            assert second.waiting.kind == "lock"
            leave.set()
            await second
        items = texts(await session.get_items())
        session.close()
        return items

    assert asyncio.run(main()) == ["a", "function_call", "function_call_output", "1", "b", "2"]


@pytest.mark.parametrize("shared", [False, True])
def test_a_session_that_nobody_can_make_is_refused_at_submit(agent: Make, shared: bool) -> None:
    """Without a word the job would forget, or speak in the conversation of others."""

    async def main() -> None:
        session = SQLiteSession("s") if shared else None
        async with Engine(AgentExecutor(agent(), session=session)) as engine:
            with pytest.raises(ValueError, match="names the session 'user-7', which nobody makes"):
                await engine.submit("a", config={"session": "user-7"})
        if session is not None:
            session.close()

    asyncio.run(main())


def test_each_job_has_a_session_of_its_own_unless_it_names_one(agent: Make, tmp_path: Path) -> None:
    subject = agent(said("1"), said("2"), said("3"))
    path = tmp_path / "chats.db"

    async def main() -> list[list[str]]:
        executor = AgentExecutor(subject, session=lambda name: SQLiteSession(name, path))
        async with Engine(executor) as engine:
            alone = await engine.submit("a")
            await alone
            first = await engine.submit("b", config={"session": "user-7"})
            second = await engine.submit("c", config={"session": "user-7"})
            assert second.waiting is not None
            assert second.waiting.on == "agents session user-7"
            await second
        found: list[list[str]] = []
        for name in (alone.id, "user-7", first.id):
            session = SQLiteSession(name, path)
            found.append(texts(await session.get_items()))
            session.close()
        return found

    assert asyncio.run(main()) == [["a", "1"], ["b", "2", "c", "3"], []]


def test_a_function_that_makes_sessions_may_be_async_and_what_it_made_is_closed(agent: Make) -> None:
    made: list[Kept] = []

    async def make(name: str) -> Kept:
        made.append(Kept(name))
        return made[-1]

    async def main() -> None:
        async with Engine(AgentExecutor(agent(said("1")), session=make)) as engine:
            handle = await engine.submit("a")
            await handle
            assert [(each.session_id, each.closed) for each in made] == [(handle.id, True)]

    asyncio.run(main())


class Kept(SQLiteSession):
    closed = False

    def close(self) -> None:
        self.closed = True
        super().close()


@pytest.mark.parametrize("stream", [False, True])
def test_a_retry_says_nothing_twice(agent: Make, stream: bool) -> None:
    @function_tool
    def look() -> str:
        return "seen"

    call = [function_call("look", {}, call_id="1")]
    error = ModelStep.raise_error(Unavailable())
    subject = agent(said("0"), call, error, call, said("1"), tools=[look])

    async def main() -> list[str]:
        session = SQLiteSession("s")
        retry = RetryPolicy(attempts=2, base=0.001)
        async with Engine(AgentExecutor(subject, session=session), retry=retry) as engine:
            await (await engine.submit("before"))
            assert await (await engine.submit("a", stream=stream)) == "1"
        items = texts(await session.get_items())
        session.close()
        return items

    expected = ["before", "0", "a", "function_call", "function_call_output", "1"]
    assert asyncio.run(main()) == expected
    model: Any = subject.model
    assert texts(model.last_call.input) == expected[:-1]


def test_followers_of_a_whole_primer_go_on_from_all_it_said_each_for_itself(
    agent: Make, tmp_path: Path
) -> None:
    subject = agent(said("plan"), *[ModelStep.respond(echo)] * 3)
    path = tmp_path / "chats.db"

    async def main() -> tuple[list[str], list[list[str]]]:
        executor = AgentExecutor(subject, session=lambda name: SQLiteSession(name, path))
        async with Engine(executor) as engine:
            group = await engine.submit_group(
                "g", primer="make a plan", followers=["a", "b", "c"], policy=GroupPolicy(release="complete")
            )
            await group.results()
        found: list[list[str]] = []
        assert group.primer is not None
        for handle in (group.primer, *group.followers):
            session = SQLiteSession(handle.id, path)
            found.append(texts(await session.get_items()))
            session.close()
        return found[0], found[1:]

    primer, followers = asyncio.run(main())
    assert primer == ["make a plan", "plan"]
    assert followers == [["make a plan", "plan", each, f"answer to {each}"] for each in "abc"]


def echo(call: Any) -> Any:
    return said(f"answer to {texts(call.input)[-1]}")


def test_followers_of_a_primer_that_still_speaks_begin_with_what_it_was_asked(agent: Make) -> None:
    more = asyncio.Event()

    async def slowly(call: Any) -> AsyncIterator[Any]:
        async for event in ScriptedModel([said("plan")]).stream_response(
            None, "", call.model_settings, [], None, [], call.tracing,
            previous_response_id=None, conversation_id=None, prompt=None,
        ):  # fmt: skip
            yield event
            if event.type == "response.output_text.delta":
                await more.wait()

    subject = agent(ModelStep.stream(slowly), *[ModelStep.respond(echo)] * 2)

    async def main() -> None:
        async with Engine(AgentExecutor(subject, session=SQLiteSession)) as engine:
            group = await engine.submit_group("g", primer="read this", followers=["a", "b"])
            assert [await each for each in group.followers] == ["answer to a", "answer to b"]
            more.set()
            await group.results()

    asyncio.run(main())
    model: Any = subject.model
    assert sorted(texts(call.input) for call in model.calls[1:]) == [["read this", "a"], ["read this", "b"]]


def test_what_a_tool_has_shared_is_left_to_the_followers(agent: Make) -> None:
    shared: list[object] = []

    @function_tool
    def share() -> str:
        job = current_job()
        assert job is not None
        assert job.group is not None
        if job.job.role == "primer":
            job.group.share("the plan")
        shared.append(job.group.shared)
        return "shared"

    call = [function_call("share", {}, call_id="1")]
    subject = agent(call, said("1"), call, said("2"), tools=[share])

    async def main() -> None:
        async with Engine(AgentExecutor(subject, session=SQLiteSession)) as engine:
            policy = GroupPolicy(release="complete")
            group = await engine.submit_group("g", primer="p", followers=["a"], policy=policy)
            await group.results()

    asyncio.run(main())
    assert shared == ["the plan", "the plan"]


def test_a_suspended_primer_of_a_conversation_is_answered_and_then_followed(agent: Make) -> None:
    @function_tool(needs_approval=True)
    def pay() -> str:
        return "paid"

    subject = agent(
        [function_call("pay", {}, call_id="1")], said("plan"), ModelStep.respond(echo), tools=[pay]
    )

    async def main() -> list[str]:
        policy = GroupPolicy(release="complete")
        async with Engine(AgentExecutor(subject, session=SQLiteSession)) as engine:
            group = await engine.submit_group("g", primer="p", followers=["a"], policy=policy)
            assert group.primer is not None
            await group.primer.wait()
            await engine.reply(group.primer.id, True)
            await group.results()
        model: Any = subject.model
        return texts(model.last_call.input)

    assert asyncio.run(main()) == ["p", "function_call", "function_call_output", "plan", "a"]
