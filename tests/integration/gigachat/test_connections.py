"""Whoever gives a job up ends its request, and nothing stays open; clients that are made are closed."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from gigachat import GigaChatAsyncClient, custom_headers_cvar

from paceline import Engine, JobResult
from paceline_adapters.gigachat import GigaChatExecutor

from .conftest import Giga, Serve

BOTH = pytest.mark.parametrize("contract", ["v1", "v2"])


def pool(client: GigaChatAsyncClient) -> list[Any]:
    """The connections that the client holds."""
    transport: Any = client._aclient._transport
    return list(transport._pool.connections)


@BOTH
@pytest.mark.parametrize("stream", [False, True])
def test_cancelling_a_job_ends_its_request(serve: Serve, contract: Any, stream: bool) -> None:
    giga = serve(decode_rate=1)

    async def main() -> JobResult:
        client = giga.client()
        async with Engine(GigaChatExecutor(client, contract=contract)) as engine:
            handle = await engine.submit("go on", stream=stream)
            await giga.until(lambda stats: stats.running == 1 and stats.output_tokens == 1)
            handle.cancel("enough")
            await giga.until(lambda stats: stats.unfinished == 0)
            assert pool(client) == []
            return await handle.wait()

    assert asyncio.run(giga.run(main)).status == "cancelled"
    assert [one.outcome for one in giga.server.requests()] == ["cancelled"]
    assert giga.server.stats().running == 0


@BOTH
def test_a_stream_that_hangs_is_ended_by_the_idle_timeout_and_what_came_counts(
    giga: Giga, contract: Any
) -> None:
    async def main() -> JobResult:
        async with Engine(GigaChatExecutor(giga.client(), contract=contract)) as engine:
            custom_headers_cvar.set({"x-simulate": "hang=3"})
            handle = await engine.submit("go on", stream=True, idle_timeout=0.2)
            await handle.wait()
            await giga.until(lambda stats: stats.unfinished == 0)
        return await handle.wait()  # what was given up tells its usage late

    result = asyncio.run(giga.run(main))
    assert result.status == "failed"
    assert result.usage is not None
    assert (result.usage.requests, result.usage.output_tokens) == (1, None)


def test_a_made_client_is_of_the_environment_and_closed_with_its_loop(
    giga: Giga, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIGACHAT_BASE_URL", giga.server.gigachat_url)
    monkeypatch.setenv("GIGACHAT_MODEL", "GigaChat-2")
    monkeypatch.setenv("GIGACHAT_MAX_RETRIES", "5")
    executor = GigaChatExecutor()

    async def main() -> None:
        async with Engine(executor) as engine:
            await asyncio.gather(*[(await engine.submit("hello")).wait() for _ in range(3)])

    asyncio.run(main())
    asyncio.run(main())
    gc.collect()  # an open connection would be warned of, and warnings are errors
    assert [one.model for one in giga.server.requests()] == ["GigaChat-2"] * 6
    assert giga.server.stats().unfinished == 0


def test_a_made_client_may_be_closed_earlier_and_is_made_anew(
    giga: Giga, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIGACHAT_BASE_URL", giga.server.gigachat_url)

    async def main() -> None:
        async with GigaChatExecutor(model="GigaChat") as executor:
            for _ in range(2):
                async with Engine(executor) as engine:
                    await (await engine.submit("hello"))
                await executor.aclose()
        await executor.aclose()

    asyncio.run(main())
    assert len(giga.server.requests()) == 2


def test_a_given_client_stays_open(giga: Giga) -> None:
    async def main() -> None:
        client = giga.client()
        async with GigaChatExecutor(client) as executor, Engine(executor) as engine:
            await (await engine.submit("hello"))
        assert (await client.achat("hello")).choices

    asyncio.run(giga.run(main))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_thousand_cancelled_streams_leave_no_task_and_no_connection(serve: Serve) -> None:
    giga = serve(decode_rate=100)

    async def main() -> None:
        client = giga.client()
        async with Engine(GigaChatExecutor(client), slots=50) as engine:
            tasks = len(asyncio.all_tasks())

            async def cancelled() -> None:
                handle = await engine.submit("go on", stream=True)
                async for _ in handle.stream():
                    handle.cancel("enough")
                assert (await handle.wait()).status == "cancelled"

            for _ in range(20):
                await asyncio.gather(*(cancelled() for _ in range(50)))
            await giga.until(lambda stats: stats.unfinished == 0)
            assert len(asyncio.all_tasks()) == tasks
            assert pool(client) == []

    asyncio.run(giga.run(main))
    assert giga.server.stats().cancelled == 1000
