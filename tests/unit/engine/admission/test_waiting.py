"""Why a job waits: the one thing that holds it, by name, and until when where that is known."""

import asyncio
from typing import Any

import pytest

from paceline import Budget, Engine, Handle, Lane, Limits, WaitReason
from paceline.testing import VirtualClock

from ._providers import Call, Model, Refused, now, tokens

LONG = Call(seconds=30.0)


def why(
    second: Call | None = None,
    first: Call = LONG,
    *,
    said: dict[str, Any] | None = None,
    **options: Any,
) -> WaitReason | None:
    """Why a job waits ten seconds after another one has begun; `handle.waiting` and the snapshot agree."""

    more: dict[str, Any] = said or {}

    async def main() -> WaitReason | None:
        async with Engine(Model(), **options) as engine:
            await engine.submit(first, **more)
            handle = await engine.submit(second or Call(), **more)
            await asyncio.sleep(10)
            assert engine.snapshot().waiting.get(handle.id) == handle.waiting
            reason = handle.waiting
            handle.cancel("enough")
            return reason

    return VirtualClock().run(main)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"limits": Limits(concurrency=1)}, WaitReason("limit", "the engine: jobs at once")),
        ({"limits": {"m": Limits(concurrency=1)}}, WaitReason("limit", "m: jobs at once")),
        (
            {"lanes": Lane("default", limits=Limits(concurrency=1))},
            WaitReason("limit", "lane default: jobs at once"),
        ),
        (
            {"limits": {"m": Limits(requests_per_minute=1)}},
            WaitReason("limit", "m: requests per minute", 60.0),
        ),
        (
            {"limits": {"m": Limits(requests_per_minute=1, concurrency=1)}},
            WaitReason("limit", "m: jobs at once"),
        ),
    ],
)
def test_a_limit_says_its_name_and_when_it_lets_go(options: Any, expected: WaitReason) -> None:
    assert why(**options) == expected


@pytest.mark.parametrize(
    ("limits", "on", "until"),
    [
        (Limits(input_tokens_per_minute=600), "m: input tokens per minute", 50.0),
        (Limits(output_tokens_per_minute=60), "m: output tokens per minute", 50.0),
        (Limits(tokens_per_minute=660), "m: tokens per minute", 50.0),
        (
            Limits(input_tokens_per_minute=600, output_tokens_per_minute=55),
            "m: output tokens per minute",
            60.0,
        ),
    ],
)
def test_of_several_rates_the_one_that_takes_longest_is_named(limits: Limits, on: str, until: float) -> None:
    """Both want 550 tokens of 600 a minute, and 55 of 60."""
    call = tokens(550, 55, seconds=1000)
    reason = why(call, call, limits={"m": limits})
    assert reason is not None
    assert (reason.kind, reason.on) == ("limit", on)
    assert reason.until == pytest.approx(until)


def test_a_budget_says_whose_it_is() -> None:
    reason = why(tokens(60), tokens(60), budget=Budget(tokens=100, name="night"))
    assert reason == WaitReason("budget", "the budget 'night' of the engine (tokens)")
    reason = why(tokens(60), tokens(60), budget=Budget(tokens=100, name="night", period=3600))
    assert reason == WaitReason("budget", "the budget 'night' of the engine (tokens)", 3600.0)
    reason = why(
        tokens(60),
        tokens(60),
        budget=Budget(tokens=100, name="share", by="tenant"),
        said={"metadata": {"tenant": "acme"}},
    )
    assert reason == WaitReason("budget", "the budget 'share' of tenant acme (tokens)")


def test_a_job_that_waits_for_what_runs_may_give_back_of_a_budget_waits_for_the_budget() -> None:
    reason = why(tokens(60), tokens(60, seconds=30), budget=Budget(tokens=100, name="night"))
    assert reason == WaitReason("budget", "the budget 'night' of the engine (tokens)")


def test_retry_after_says_until_when() -> None:
    reason = why(first=Call(seconds=0.0, error=Refused(25.0)), slots=1)
    assert reason == WaitReason("retry_after", "m", 25.0)
    assert str(reason) == "m has asked to wait"


def test_jobs_behind_the_first_that_waits_say_the_same() -> None:
    async def main() -> None:
        async with Engine(Model(), limits={"m": Limits(requests_per_minute=1)}) as engine:
            handles: list[Handle] = [await engine.submit(Call()) for _ in range(50)]
            await asyncio.sleep(10)
            assert {str(handle.waiting) for handle in handles[1:]} == {
                "waits for its limit, m: requests per minute"
            }
            assert len(engine.snapshot().waiting) == 49
            for handle in handles:
                handle.cancel("enough")

    VirtualClock().run(main)


def test_the_reason_changes_with_what_holds_it() -> None:
    async def main() -> None:
        lanes = Lane("default", max_running=2)
        async with Engine(
            Model(), slots=2, lanes=lanes, limits={"m": Limits(requests_per_minute=60)}
        ) as engine:
            for _ in range(2):
                await engine.submit(Call(seconds=5.0))
            handle = await engine.submit(Call())
            assert str(handle.waiting) == "lane default has as many jobs running as it may"
            await asyncio.sleep(2)
            engine.lane("default", max_running=4)
            assert str(handle.waiting) == "waits for a free slot"
            engine.resource("m").update(Limits(concurrency=2))
            await handle
            assert now() == 6.0

    VirtualClock().run(main)
