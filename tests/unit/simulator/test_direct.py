"""The simulator asked by a call, on a virtual clock."""

from __future__ import annotations

import asyncio

import pytest

from paceline.testing import VirtualClock
from paceline_integrations.simulator import SimulatorSettings
from paceline_integrations.simulator._direct import Answered, DirectSimulator
from paceline_integrations.simulator._errors import ApiError
from paceline_integrations.simulator._tokens import Prompt


def prompt(tokens: int, start: str = "a") -> Prompt:
    return Prompt("model", start * 4 + "b" * 4 * (tokens - 1))


def test_an_answer_takes_the_time_of_its_tokens_and_says_when_the_first_was_there() -> None:
    clock = VirtualClock()
    heard: list[float] = []

    async def main() -> Answered:
        server = DirectSimulator(SimulatorSettings(prefill_rate=100.0, decode_rate=10.0, latency=0.5))
        return await server.ask(prompt(200), 30, lambda: heard.append(clock.time()))

    done = clock.run(main)
    assert (done.prompt, done.cached, done.evaluated, done.output) == (200, 0, 200, 30)
    assert done.began == pytest.approx(0.5)
    assert heard == [done.first_token] == [pytest.approx(2.5)]
    assert done.ended == clock.time() == pytest.approx(5.5)


def test_what_was_read_can_be_read_again_from_the_first_token_on() -> None:
    async def main() -> tuple[Answered, Answered]:
        server = DirectSimulator(SimulatorSettings(prefill_rate=100.0, decode_rate=10.0, block=16))
        first = asyncio.create_task(server.ask(prompt(161), 100))
        await asyncio.sleep(1.7)
        second = await server.ask(prompt(161), 1)
        stats = server.stats()
        assert (stats.requests, stats.evaluated_tokens, stats.cached_tokens) == (2, 162, 160)
        return await first, second

    first, second = VirtualClock().run(main)
    assert (first.cached, second.cached) == (0, 160)


def test_a_limit_refuses_at_once_and_says_when_to_come_back() -> None:
    clock = VirtualClock()

    async def main() -> None:
        server = DirectSimulator(SimulatorSettings(tpm=600))
        done = await server.ask(prompt(500), 50)
        assert done.headers["x-ratelimit-remaining-tokens"] == "50"
        with pytest.raises(ApiError) as caught:
            await server.ask(prompt(50), 20)
        assert caught.value.status == 429
        assert caught.value.headers["retry-after"] == "2"
        assert (server.stats().requests, server.stats().rejected) == (2, 1)
        await asyncio.sleep(2.0)
        await server.ask(prompt(50), 20)

    clock.run(main)
    assert clock.time() == 2.0


def test_who_stops_asking_gives_the_place_back() -> None:
    clock = VirtualClock()

    async def main() -> Answered:
        server = DirectSimulator(SimulatorSettings(concurrency=1, decode_rate=10.0))
        running, waiting = (asyncio.create_task(server.ask(prompt(10), 1000)) for _ in range(2))
        last = asyncio.create_task(server.ask(prompt(10), 10))
        await asyncio.sleep(1.0)
        assert (server.stats().running, server.stats().waiting) == (1, 2)
        waiting.cancel()
        running.cancel()
        done = await last
        assert (server.stats().running, server.stats().waiting) == (0, 0)
        return done

    assert clock.run(main).ended == pytest.approx(2.0)
