"""Whoever gives a job up ends its request, and nothing stays open."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from openai import AsyncOpenAI

from paceline import Engine, JobResult, RetryPolicy
from paceline_adapters.openai import ChatExecutor, ResponsesExecutor
from paceline_integrations.simulator import Simulator

Serve = Callable[..., Simulator]
Run = Callable[..., Any]
Until = Callable[[Callable[[], bool]], Awaitable[None]]
Make = type[ResponsesExecutor] | type[ChatExecutor]

BOTH = pytest.mark.parametrize("make", [ResponsesExecutor, ChatExecutor])


def connections(client: AsyncOpenAI) -> list[Any]:
    """What the client's pool holds."""
    return list(cast("Any", client)._client._transport._pool.connections)


@BOTH
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_cancelling_a_job_ends_its_request(
    run: Run, serve: Serve, until: Until, make: Make, stream: bool
) -> None:
    server = serve(decode_rate=1)

    async def main(client: AsyncOpenAI) -> str:
        async with Engine(make(client, model="simulator")) as engine:
            handle = await engine.submit("go on", stream=stream)
            await until(lambda: server.stats().running == 1)
            handle.cancel("enough")
            await until(lambda: server.stats().unfinished == 0)
            return (await handle.wait()).status

    assert run(server.base_url, main) == "cancelled"
    assert (server.stats().running, server.stats().cancelled) == (0, 1)
    assert server.requests()[0].outcome == "cancelled"


@BOTH
def test_a_stream_that_is_given_up_midway_still_counts_as_a_call(run: Run, serve: Serve, make: Make) -> None:
    """What it used nobody says; that it was one request, and whose, is known."""
    server = serve(decode_rate=10)

    async def main(client: AsyncOpenAI) -> JobResult:
        async with Engine(make(client, model="simulator")) as engine:
            handle = await engine.submit("go on", stream=True)
            async for _ in handle.stream():
                handle.cancel("enough")
        return await handle.wait()

    usage = run(server.base_url, main).usage
    assert usage is not None
    assert (usage.requests, usage.model, usage.input_tokens) == (1, "simulator", None)


@BOTH
def test_an_attempt_that_takes_too_long_ends_its_request_before_the_next(
    run: Run, serve: Serve, make: Make
) -> None:
    server = serve()
    wishes = {"x-simulate": "hang=3, first=1"}

    async def main(client: AsyncOpenAI) -> JobResult:
        async with Engine(make(client, model="simulator", extra_headers=wishes)) as engine:
            retry = RetryPolicy(2, base=0)
            handle = await engine.submit("go on", stream=True, idle_timeout=0.3, retry=retry)
            return await handle.wait()

    result = run(server.base_url, main)
    assert result.ok
    assert [attempt.outcome for attempt in result.attempts] == ["failed", "succeeded"]
    assert [request.outcome for request in server.requests()] == ["cancelled", "answered"]


@pytest.mark.slow
@pytest.mark.timeout(300)
@BOTH
def test_a_thousand_cancelled_streams_leave_no_task_no_connection_and_no_thread(
    run: Run, serve: Serve, until: Until, make: Make
) -> None:
    server = serve(decode_rate=100)

    async def cancelled(engine: Engine) -> None:
        handle = await engine.submit("go on", stream=True)
        async for _ in handle.stream():
            handle.cancel("enough")
        assert (await handle.wait()).status == "cancelled"

    async def main(client: AsyncOpenAI) -> None:
        async with Engine(make(client, model="simulator"), slots=50) as engine:
            tasks = len(asyncio.all_tasks())
            for _ in range(20):
                await asyncio.gather(*(cancelled(engine) for _ in range(50)))
            await until(lambda: server.stats().unfinished == 0)
            assert len(asyncio.all_tasks()) == tasks
            assert engine.snapshot().abandoned == ()
        assert connections(client) == []

    threads = set(threading.enumerate())
    run(server.base_url, main)
    assert set(threading.enumerate()) == threads
    assert server.stats().cancelled == 1000
