"""What a job reserves of a limit: what it is expected to use, corrected by what it really used."""

import asyncio
from typing import Any

import pytest

from paceline import Cost, Engine, Job, Limits, Usage
from paceline.testing import VirtualClock

from ._providers import Call, Model, now
from ._runs import run


def used(expected: int, given: int | None, *, cached: int | None = None, got: int | None = 0) -> Call:
    usage = Usage(input_tokens=given, cached_tokens=cached, output_tokens=got)
    return Call(Cost(expected, 0), usage)


def available(call: Call, unit: str = "input_tokens", **said: Any) -> float:
    """What is left of a full bucket of a thousand after a call of one second that fills it by ten."""
    model = Model()

    async def main() -> float:
        limits: dict[str, Any] = {f"{unit}_per_minute": 600.0, "burst": 1000 / 600, **said}
        async with Engine(model, limits={"m": Limits(**limits)}) as engine:
            await (await engine.submit(call))
            return engine.resource("m").available[unit] - 10.0

    return VirtualClock().run(main)


@pytest.mark.parametrize(
    ("call", "left"),
    [
        (used(500, 500), 500.0),
        (used(500, 100), 890.0),  # given back to a bucket that is full
        (used(100, 500), 500.0),
        (used(100, None), 900.0),  # not reported: as reserved
        (Call(Cost(100, 0)), 900.0),
        (used(500, 500, cached=400), 500.0),
    ],
)
def test_a_reservation_is_corrected_by_what_was_used(call: Call, left: float) -> None:
    assert available(call) == pytest.approx(left, abs=10.1)


def test_cached_tokens_are_free_where_the_provider_exempts_them() -> None:
    call = used(500, 500, cached=400)
    assert available(call, cached_tokens_count=True) == pytest.approx(500.0)
    assert available(call, cached_tokens_count=False) == pytest.approx(890.0, abs=10.1)


def test_of_both_kinds_of_tokens_the_known_one_counts_where_it_is_more_than_was_reserved() -> None:
    assert available(used(100, 300, got=None), "tokens") == pytest.approx(700.0)
    assert available(used(300, 100, got=None), "tokens") == pytest.approx(700.0)


def test_several_requests_of_one_job_count_as_several() -> None:
    assert available(Call(Cost(0, 0), Usage(requests=7)), "requests") == pytest.approx(993.0, abs=10.1)


def test_under_estimates_are_paid_by_waiting() -> None:
    """Ten times more is used than expected: what was too much is waited for before the next goes."""
    limits = Limits(input_tokens_per_minute=600, burst=1 / 6)  # ten a second, a hundred at once
    _, model = run(Model(), [used(10, 100)] * 20, {"limits": limits}, slots=1)
    assert model.times[-1] == pytest.approx(19 * 10.0 - 9.0, abs=10.1)


def test_over_estimates_cost_no_throughput() -> None:
    limits = Limits(input_tokens_per_minute=600, burst=1 / 6)
    end, _ = run(Model(), [used(100, 10)] * 20, {"limits": limits}, slots=1)
    assert end == pytest.approx(20.0, abs=1.1)


def test_where_nobody_can_say_the_mean_of_the_lane_is_expected() -> None:
    """The first job is let go on nothing, the others wait for what such a job has used."""
    model = Model()
    limits = Limits(output_tokens_per_minute=60, burst=1.0)  # one a second, sixty at once

    async def main() -> None:
        async with Engine(model, slots=64, limits=limits) as engine:
            await (await engine.submit(Call(Cost(0), Usage(output_tokens=30))))
            for _ in range(10):
                await engine.submit(Call(Cost(0), Usage(output_tokens=30)))

    VirtualClock().run(main)
    assert model.between(0.5, 1.5) == 1
    assert model.times[2:] == pytest.approx([30.0 * n for n in range(1, 10)], abs=1.1)


def test_the_engines_function_says_what_the_executor_cannot() -> None:
    times: list[float] = []

    async def plain(payload: int) -> None:
        times.append(now())
        await asyncio.sleep(1)

    def expect(job: Job) -> Cost:
        return Cost(input_tokens=job.payload)

    async def main() -> None:
        limits = Limits(input_tokens_per_minute=60, burst=0.5)
        async with Engine(plain, limits=limits, estimate=expect) as engine:
            for size in (30, 10, 5):
                await engine.submit(size)

    VirtualClock().run(main)
    assert times == pytest.approx([0.0, 10.0, 15.0])


def test_without_any_word_the_payload_is_counted_roughly() -> None:
    times: list[float] = []

    async def plain(payload: str) -> None:
        times.append(now())

    async def main() -> None:
        async with Engine(plain, limits=Limits(input_tokens_per_minute=600, burst=0.5)) as engine:
            for _ in range(3):
                await engine.submit("a" * 1200)  # 300 tokens

    VirtualClock().run(main)
    assert times == pytest.approx([0.0, 30.0, 60.0])
