"""The whole way: agents over HTTP by the real client, both of its APIs, against the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from agents import Agent, ModelSettings, RunConfig, Tool, function_tool

from paceline import Engine, RetryPolicy, StreamRestarted, Usage
from paceline_adapters.openai_agents import AgentExecutor
from paceline_integrations.simulator import Simulator, SimulatorRequest

Clients = Any
Serve = Callable[..., Simulator]
Until = Callable[[Callable[[], bool]], Awaitable[None]]
MANUAL = "the tide comes in and the tide goes out " * 40
SHORT = ModelSettings(max_tokens=8)


@function_tool
def look() -> str:
    """Look around."""
    return "nothing new"


def guide(model: Any, *tools: Tool, **settings: Any) -> Agent[Any]:
    settings.setdefault("model_settings", SHORT)
    return Agent(name="guide", instructions=MANUAL, model=model, tools=list(tools), **settings)


def posts(server: Simulator) -> list[SimulatorRequest]:
    return [each for each in server.requests() if each.method == "POST"]


@pytest.mark.parametrize("stream", [False, True])
def test_usage_is_what_the_provider_counted(clients: Clients, serve: Serve, stream: bool) -> None:
    server = serve()
    subject = guide(clients(server), look)

    async def main() -> Usage:
        total = Usage()
        async with Engine(AgentExecutor(subject), slots=1) as engine:
            async for result in engine.map(["call look", "well?", "and now?"], stream=stream):
                assert result.ok, result.error
                total += result.usage or Usage()
        return total

    total, stats = clients.run(main), server.stats()
    assert (total.requests, total.model) == (4, "simulator")
    assert (total.input_tokens, total.cached_tokens) == (stats.prompt_tokens, stats.cached_tokens)
    assert total.output_tokens == stats.output_tokens
    assert stats.cached_tokens > 0


def test_usage_is_told_though_somebody_begins_to_listen_halfway(clients: Clients, serve: Serve) -> None:
    """Whether to stream is decided once: a stream has to be asked for its usage."""
    server = serve()
    before, listened = asyncio.Event(), asyncio.Event()

    @function_tool
    async def wait() -> str:
        before.set()
        await listened.wait()
        return "there"

    async def main() -> Any:
        agent = guide(clients(server), wait)
        async with Engine(AgentExecutor(agent, max_turns=1, wrap_up=True)) as engine:
            handle = await engine.submit("call wait")
            await before.wait()
            stream = handle.stream()
            listened.set()
            async for _ in stream:
                pass
            return await handle.wait()

    result, stats = clients.run(main), server.stats()
    assert result.ok, result.error
    assert result.usage.requests == 2
    assert result.usage.output_tokens == stats.output_tokens


def test_chunks_add_up_to_the_output(clients: Clients, serve: Serve) -> None:
    server = serve()

    async def main() -> tuple[str, object]:
        async with Engine(AgentExecutor(guide(clients(server)))) as engine:
            handle = await engine.submit("well?")
            chunks = [str(chunk) async for chunk in handle.stream()]
            assert len(chunks) > 1
            return "".join(chunks), await handle

    text, output = clients.run(main)
    assert text == output


def test_followers_start_before_the_primers_answer_is_complete_and_find_its_prefix(
    clients: Clients, serve: Serve
) -> None:
    server = serve(decode_rate=100)
    settings = ModelSettings(max_tokens=40)

    async def main() -> Any:
        async with Engine(AgentExecutor(guide(clients(server), model_settings=settings))) as engine:
            group = await engine.submit_group("g", primer="sum up", followers=["risks?"] * 3)
            return await group.results()

    primer, *followers = clients.run(main)
    assert all(each.ok for each in (primer, *followers))
    assert [each.attempts[0].started < primer.attempts[0].ended for each in followers] == [True] * 3
    assert primer.usage.cached_tokens == 0
    assert all(each.usage.cached_tokens > 0.8 * each.usage.input_tokens for each in followers)


@pytest.mark.parametrize("stream", [False, True])
def test_cancelling_ends_the_request(clients: Clients, serve: Serve, until: Until, stream: bool) -> None:
    server = serve(decode_rate=1)

    async def main() -> str:
        async with Engine(AgentExecutor(guide(clients(server)))) as engine:
            handle = await engine.submit("go on", stream=stream)
            await until(lambda: server.stats().running == 1)
            handle.cancel("enough")
            await until(lambda: server.stats().cancelled == 1)
            await until(lambda: not engine.snapshot().abandoned)
            return (await handle.wait()).status

    assert clients.run(main) == "cancelled"
    assert server.stats().running == 0


def test_many_cancelled_streams_leave_no_task_and_no_connection(
    clients: Clients, serve: Serve, until: Until
) -> None:
    server = serve(decode_rate=20)

    async def main() -> None:
        model = clients(server)
        endless = ModelSettings(max_tokens=1000)
        async with Engine(AgentExecutor(guide(model, model_settings=endless)), slots=20) as engine:
            before = asyncio.all_tasks()
            for _ in range(3):
                handles = [await engine.submit("go on", stream=True) for _ in range(20)]
                for handle in handles:
                    stream = handle.stream()
                    await anext(aiter(stream))
                    stream.close()
                    handle.cancel("enough")
            await until(lambda: not engine.snapshot().abandoned)
            await until(lambda: server.stats().unfinished == 0)
            await until(lambda: asyncio.all_tasks() == before)  # the SDK closes streams behind its back
            pool: Any = model._client._client._transport._pool
            assert all(each.is_idle() or each.is_closed() for each in pool.connections)

    clients.run(main)


def test_the_jobs_of_a_group_share_a_cache_key_and_others_have_none(clients: Clients, serve: Serve) -> None:
    server = serve()

    async def main() -> None:
        async with Engine(AgentExecutor(guide(clients(server), look)), slots=1) as engine:
            group = await engine.submit_group("g", primer="sum up", followers=["call look", "b"])
            assert all(each.ok for each in await group.results())
            await (await engine.submit("alone"))

    clients.run(main)
    assert [each.cache_key for each in posts(server)] == ["g"] * 4 + [None]


KEY: dict[str, Any] = {"prompt_cache_key": "mine"}


@pytest.mark.parametrize(
    ("agent_settings", "run_settings", "options", "expected"),
    [
        (ModelSettings(extra_args=KEY), None, {}, "mine"),
        (ModelSettings(extra_body=KEY), None, {}, "mine"),
        (SHORT, ModelSettings(extra_args=KEY), {}, "mine"),
        (ModelSettings(extra_args={"user": "u"}), ModelSettings(temperature=0.5), {}, "g"),
        (SHORT, None, {"cache_key": False}, None),
    ],
    ids=["of the agent", "in its body", "of the run", "none", "unwanted"],
)
def test_a_cache_key_of_the_users_stays(
    clients: Clients,
    serve: Serve,
    agent_settings: ModelSettings,
    run_settings: ModelSettings | None,
    options: Any,
    expected: str | None,
) -> None:
    server = serve()
    config = RunConfig(model_settings=run_settings)

    async def main() -> None:
        subject = guide(clients(server), model_settings=agent_settings)
        async with Engine(AgentExecutor(subject, run_config=config, **options)) as engine:
            group = await engine.submit_group("g", followers=["a"])
            assert all(each.ok for each in await group.results())

    clients.run(main)
    (request,) = posts(server)
    assert request.cache_key == expected
    assert config.model_settings == run_settings
    if run_settings is not None and run_settings.temperature:
        assert (request.body["temperature"], request.body["user"]) == (0.5, "u")


@pytest.mark.parametrize("stream", [False, True])
def test_the_last_turn_keeps_the_prefix_and_lets_no_tool_be_called(
    clients: Clients, serve: Serve, stream: bool
) -> None:
    server = serve()

    async def main() -> Any:
        executor = AgentExecutor(guide(clients(server), look), max_turns=1, wrap_up="Say what you have.")
        async with Engine(executor) as engine:
            return await (await engine.submit("call look", stream=stream)).wait()

    result = clients.run(main)
    assert result.ok, result.error
    assert result.usage.requests == 2
    turn, last = posts(server)
    assert last.body["tool_choice"] == "none"
    assert last.body["tools"] == turn.body["tools"]
    said = "messages" if "messages" in turn.body else "input"
    assert last.body[said][: len(turn.body[said])] == turn.body[said]
    assert server.stats().cached_tokens > 0.8 * (turn.prompt_tokens or 0)


def test_the_engine_waits_as_long_as_a_429_says(clients: Clients, serve: Serve) -> None:
    server = serve()
    model = clients(server, simulate="status=429, retry-after=0.4, first=1")

    async def main() -> Any:
        retry = RetryPolicy(attempts=2, base=0.001)
        async with Engine(AgentExecutor(guide(model)), retry=retry) as engine:
            return await (await engine.submit("go on")).wait()

    result = clients.run(main)
    refused, answered = result.attempts
    assert result.ok
    assert answered.started - refused.ended >= 0.4
    assert result.usage.requests == 1


def test_an_answer_dropped_in_the_middle_is_tried_again(clients: Clients, serve: Serve) -> None:
    server = serve()
    model = clients(server, simulate="drop=3, first=1")

    async def main() -> tuple[str, Any]:
        retry = RetryPolicy(attempts=2, base=0.001)
        async with Engine(AgentExecutor(guide(model)), retry=retry) as engine:
            handle = await engine.submit("go on", stream=True)

            async def listen() -> str:
                return "".join([str(chunk) async for chunk in handle.stream()])

            with pytest.raises(StreamRestarted):
                await listen()
            return await listen(), await handle.wait()

    text, result = clients.run(main)
    assert result.output == text
    assert [attempt.outcome for attempt in result.attempts] == ["failed", "succeeded"]


def test_a_wrong_request_is_tried_once(clients: Clients, serve: Serve) -> None:
    server = serve()

    async def main() -> Any:
        executor = AgentExecutor(guide(clients(server, simulate="status=400")))
        async with Engine(executor, retry=RetryPolicy(attempts=3)) as engine:
            return await (await engine.submit("go on")).wait()

    assert len(clients.run(main).attempts) == 1
    assert len(posts(server)) == 1
