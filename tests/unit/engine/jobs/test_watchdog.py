"""The watchdog names the job that blocks the event loop, and where."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from paceline import Engine, _watchdog
from paceline.testing import Block, EchoExecutor, FaultExecutor, VirtualClock


@pytest.fixture(autouse=True)
def _a_short_patience(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(_watchdog, "LIMIT", 0.1)
    yield
    for thread in threading.enumerate():  # those of engines that were left may not have noticed yet
        if thread.name == "paceline-watchdog":
            thread.join(5)


@pytest.mark.blocks_loop
def test_a_job_that_blocks_is_named_with_its_stack(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            handle = await engine.submit(Block(0.6), name="greedy")
            await handle
            await asyncio.sleep(0.3)
        said = [record.getMessage() for record in caplog.records]
        [blocked] = [
            text for text in said if f"job 'greedy' ({handle.id}) has blocked the event loop" in text
        ]
        assert "time.sleep(seconds)" in blocked
        assert said[said.index(blocked) + 1].startswith("the event loop answers again after ")

    asyncio.run(main())


@pytest.mark.blocks_loop
def test_other_code_that_blocks_is_shown_too(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with Engine(EchoExecutor()):
            await asyncio.sleep(0.01)
            time.sleep(0.4)  # noqa: ASYNC251 - the fault that is tried
            await asyncio.sleep(0.2)  # the watchdog has seen that it goes on
            asyncio.get_running_loop().call_soon(time.sleep, 0.4)
            await asyncio.sleep(0.3)

    asyncio.run(main())
    said = [record.getMessage() for record in caplog.records if "has blocked" in record.getMessage()]
    assert any(text.startswith("task <Task") and "main()" in text for text in said)
    assert any(text.startswith("a callback has blocked") for text in said)


def test_a_loop_that_is_idle_or_busy_with_short_things_is_left_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with Engine(EchoExecutor()) as engine:
            until = time.monotonic() + 0.8
            while time.monotonic() < until:
                await (await engine.submit(1))
            await asyncio.sleep(0.8)

    monkeypatch.setattr(_watchdog, "LIMIT", 0.6)  # a busy machine may well stop for a tenth of a second
    asyncio.run(main())
    assert caplog.records == []


@pytest.mark.blocks_loop
def test_under_a_virtual_clock_nobody_watches(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            await (await engine.submit(Block(0.4)))

    VirtualClock().run(main)
    assert caplog.records == []
