"""Agents as streams: chunks, the first token, and what is left when a job is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from agents import Agent, ModelSettings, ModelTracing, function_tool
from agents.testing import ModelStep, ScriptedModel, assistant_message, function_call

from paceline import Engine, Job, JobContext
from paceline.testing import VirtualClock
from paceline_adapters.openai_agents import AgentExecutor

Make = Callable[..., Agent[Any]]
Until = Callable[[Callable[[], bool]], Awaitable[None]]


def test_chunks_are_the_text_as_it_comes(agent: Make) -> None:
    @function_tool
    def look() -> str:
        return "seen"

    subject = agent(
        [function_call("look", {}, call_id="1")], [assistant_message("a tale of two")], tools=[look]
    )

    async def main() -> list[object]:
        async with Engine(AgentExecutor(subject)) as engine:
            handle = await engine.submit("hi")
            chunks = [chunk async for chunk in handle.stream()]
            assert await handle == "".join(map(str, chunks))
            return chunks

    assert "".join(map(str, asyncio.run(main()))) == "a tale of two"


def test_chunks_may_be_the_sdks_own_events(agent: Make) -> None:
    subject = agent([assistant_message("hello")])

    async def main() -> list[Any]:
        async with Engine(AgentExecutor(subject, chunks="events")) as engine:
            return [chunk async for chunk in (await engine.submit("hi")).stream()]

    events = asyncio.run(main())
    assert events[0].type == "agent_updated_stream_event"
    assert events[-1].name == "message_output_created"
    assert {event.type for event in events} >= {"raw_response_event", "run_item_stream_event"}


def test_followers_start_when_the_primers_model_begins_to_answer(agent: Make) -> None:
    gate = Gate()
    subject = agent(ModelStep.stream(gate.primer), *[[assistant_message("f")]] * 2)

    async def main() -> None:
        async with Engine(AgentExecutor(subject, chunks="events")) as engine:
            group = await engine.submit_group("g", primer="read this", followers=["a", "b"])
            await gate.framed.wait()
            for _ in range(20):
                await asyncio.sleep(0)
            assert {each.status for each in group.followers} == {"waiting"}, "a frame is no token"
            gate.speak.set()
            assert [await each for each in group.followers] == ["f", "f"]
            assert group.primer is not None
            assert group.primer.status == "running"
            gate.end.set()
            assert await group.primer == "hello there"

    asyncio.run(main())


class Gate:
    """A model's stream that stops after its frame, and again after its first word."""

    def __init__(self) -> None:
        self.framed = asyncio.Event()
        self.speak = asyncio.Event()
        self.end = asyncio.Event()
        self.closing = asyncio.Event()
        self.close = asyncio.Event()
        self.close.set()
        self.closed = asyncio.Event()

    async def primer(self, call: Any) -> AsyncIterator[Any]:
        words = ScriptedModel([[assistant_message("hello there")]]).stream_response(
            None, "", ModelSettings(), [], None, [], ModelTracing.DISABLED,
            previous_response_id=None, conversation_id=None, prompt=None,
        )  # fmt: skip
        try:
            async for event in words:
                if event.type == "response.output_text.delta":
                    self.framed.set()
                    await self.speak.wait()
                if event.type == "response.output_text.done":
                    await self.end.wait()
                yield event
        finally:
            self.closing.set()
            await self.close.wait()
            self.closed.set()


def test_cancelling_stops_the_run_and_leaves_no_task(agent: Make, until: Until) -> None:
    gate = Gate()
    gate.close.clear()
    subject = agent(ModelStep.stream(gate.primer))

    async def main() -> None:
        async with Engine(AgentExecutor(subject)) as engine:
            before = asyncio.all_tasks()
            handle = await engine.submit("hi", stream=True)
            await gate.framed.wait()
            handle.cancel("enough")
            assert (await handle.wait()).status == "cancelled"
            await gate.closing.wait()
            for _ in range(20):
                await asyncio.sleep(0)
            assert engine.snapshot().abandoned, "the request is not closed yet"
            gate.close.set()
            await until(lambda: not engine.snapshot().abandoned)
            assert gate.closed.is_set()
            assert asyncio.all_tasks() == before

    asyncio.run(main())


@pytest.mark.parametrize("stream", [False, True])
def test_cancelling_reaches_the_tools(agent: Make, stream: bool) -> None:
    started, stopped = list[str](), list[str]()

    @function_tool
    async def wait() -> str:
        started.append("wait")
        try:
            await asyncio.sleep(60)
        finally:
            stopped.append("wait")
        return "over"

    subject = agent([function_call("wait", {}, call_id="1")], tools=[wait])

    async def main() -> None:
        async with Engine(AgentExecutor(subject)) as engine:
            handle = await engine.submit("hi", stream=stream)
            await asyncio.sleep(1)
            assert started
            handle.cancel("enough")
            await handle.wait()
            await asyncio.sleep(1)
            assert stopped
            assert not engine.snapshot().abandoned

    VirtualClock().run(main)


def test_a_chunk_that_cannot_be_handed_on_stops_the_run(agent: Make) -> None:
    gate = Gate()
    subject = agent(ModelStep.stream(gate.primer))

    class Broken:
        async def around(self, job: Job, ctx: JobContext, call_next: Any) -> object:
            live: Any = ctx._live

            def emit(*args: object) -> None:
                raise RuntimeError("no more")

            live.run.attempts.emit = emit
            return await call_next()

    async def main() -> Any:
        async with Engine(AgentExecutor(subject), middleware=[Broken()]) as engine:
            gate.speak.set()
            return await (await engine.submit("hi", stream=True)).wait()

    assert asyncio.run(main()).error.message == "no more"
    assert gate.closed.is_set()


@pytest.mark.parametrize("stream", [False, True])
def test_a_run_that_cancels_itself_has_failed(agent: Make, stream: bool) -> None:
    subject = agent(ModelStep.respond(cancelled))

    async def main() -> Any:
        async with Engine(AgentExecutor(subject)) as engine:
            return await (await engine.submit("hi", stream=stream)).wait()

    result = asyncio.run(main())
    assert (result.status, result.error.type) == ("failed", "asyncio.exceptions.CancelledError")


async def cancelled(call: Any) -> Any:
    raise asyncio.CancelledError
