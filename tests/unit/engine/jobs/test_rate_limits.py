"""What an attempt tells of its provider's limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from paceline import Engine, Job, JobContext, RateLimit, RateLimits, current_job
from paceline._live import LiveAttempt
from paceline._run import Run
from paceline.testing import VirtualClock

Told = list[tuple[str, RateLimits]]
HEADERS = {"X-RateLimit-Limit-Requests": "60", "x-ratelimit-reset-requests": "2s"}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """What reaches the run, with the name of the job that said it."""
    heard: Told = []

    def hear(run: Run, live: LiveAttempt, limits: RateLimits) -> None:
        heard.append((live.job.name, limits))

    monkeypatch.setattr(Run, "told_limits", hear)
    return heard


def run(executor: Any, **options: Any) -> Any:
    async def main() -> Any:
        async with Engine(executor) as engine:
            return await (await engine.submit("x", name="a", **options)).wait()

    return VirtualClock().run(main)


class Teller:
    def __init__(self, say: Callable[[JobContext], object]) -> None:
        self._say = say

    async def execute(self, job: Job, ctx: JobContext) -> object:
        return self._say(ctx)


def test_headers_and_what_was_read_from_them_reach_the_engine(told: Told) -> None:
    limits = RateLimits(requests=RateLimit(60, None, 2.0))
    assert run(Teller(lambda ctx: ctx.rate_limits(HEADERS))).ok
    assert run(Teller(lambda ctx: ctx.rate_limits(limits))).ok
    assert told == [("a", limits)] * 2


def test_headers_that_tell_of_no_limit_say_nothing(told: Told) -> None:
    assert run(Teller(lambda ctx: ctx.rate_limits({"content-type": "text/plain"}))).ok
    assert told == []


def test_a_time_is_seen_from_the_engines_own_clock(told: Told) -> None:
    def say(ctx: JobContext) -> None:
        run = ctx._live.run
        now = datetime.fromtimestamp(run.hooks.wall(run.loop.time()), UTC)
        ctx.rate_limits({"anthropic-ratelimit-tokens-reset": (now + timedelta(seconds=9)).isoformat()})

    assert run(Teller(say)).ok
    ((_, limits),) = told
    assert limits.tokens is not None
    assert limits.tokens.reset == pytest.approx(9.0, abs=1e-3)


def test_a_sync_job_tells_from_its_thread(told: Told) -> None:
    def job(payload: object) -> None:
        context = current_job()
        assert context is not None
        context.rate_limits(HEADERS)

    assert run(job).ok
    assert [name for name, _ in told] == ["a"]


def test_what_tells_nothing_of_limits_is_refused_by_name(told: Told) -> None:
    wrong: Any = [("x-ratelimit-limit-requests", "60")]
    result = run(Teller(lambda ctx: ctx.rate_limits(wrong)))
    assert result.error.message == "ctx.rate_limits takes headers or a RateLimits, not list"


def test_to_tell_of_limits_is_a_sign_of_life(told: Told) -> None:
    class Slow:
        async def execute(self, job: Job, ctx: JobContext) -> None:
            headers: Mapping[str, str] = HEADERS
            for _ in range(4):
                await asyncio.sleep(0.75)
                ctx.rate_limits(headers)

    assert run(Slow(), idle_timeout=1.0).ok
