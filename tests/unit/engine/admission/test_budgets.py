"""Budgets are reserved before the call, so nobody takes the last cent twice; and then corrected."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from paceline import (
    Budget,
    BudgetExhausted,
    Cost,
    Engine,
    GroupPolicy,
    JobFailed,
    Lane,
    LimitExceeded,
    RetryPolicy,
    Suspend,
    Usage,
)
from paceline.testing import VirtualClock

from ._providers import Broken, Call, Model, now, tokens
from ._runs import outcome

PLACES: dict[str, Callable[[Budget], dict[str, Any]]] = {
    "engine": lambda budget: {"budget": budget},
    "lane": lambda budget: {"lanes": Lane("default", budget=budget)},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("on_exhausted", "others"), [("pause", "cancelled"), ("fail", "failed")])
def test_no_two_jobs_take_the_last_of_it(place: str, on_exhausted: Any, others: str) -> None:
    budget = Budget(tokens=1000, on_exhausted=on_exhausted)
    statuses, model = outcome([tokens(90, 10)] * 50, **PLACES[place](budget))
    assert statuses == ["succeeded"] * 10 + [others] * 40
    assert len(model.times) == 10


def test_a_groups_budget_holds_for_its_members_only() -> None:
    model = Model()

    async def main() -> None:
        async with Engine(model, slots=64) as engine:
            policy = GroupPolicy(budget=Budget(tokens=500, on_exhausted="fail"))
            group = await engine.submit_group("g", followers=[tokens(100)] * 8, policy=policy)
            alone = [await engine.submit(tokens(100)) for _ in range(8)]
            statuses = [result.status for result in await group.results()]
            assert statuses == ["succeeded"] * 5 + ["failed"] * 3
            for handle in alone:
                await handle

    VirtualClock().run(main)


def test_what_was_reserved_too_much_lets_others_go() -> None:
    """Nine tenths of what is expected is not used: the jobs that had no room go as soon as that is known."""
    call = Call(Cost(100, 0), Usage(input_tokens=10, output_tokens=0))
    statuses, model = outcome([call] * 20, budget=Budget(tokens=200))
    # 1 runs over: 2 at once, 180 left: 1, then 1, ... until less than a hundred is left.
    assert statuses.count("succeeded") == 11
    assert model.peak == 2


def test_under_estimates_go_over_it_by_no_more_than_what_is_in_flight() -> None:
    call = Call(Cost(10, 0), Usage(input_tokens=100, output_tokens=0))
    model = Model()

    async def main() -> None:
        async with Engine(model, slots=4, budget=Budget(tokens=1000)) as engine:
            for _ in range(100):
                await engine.submit(call)
            await asyncio.sleep(60)
            assert 1000 <= engine.budget().spent()["tokens"] <= 1000 + 4 * 90

    VirtualClock().run(main)


def test_usage_that_is_not_reported_is_taken_as_expected() -> None:
    statuses, _ = outcome([Call(Cost(100, 0))] * 20, budget=Budget(tokens=1000, on_exhausted="fail"))
    assert statuses.count("succeeded") == 10


def test_usage_of_which_a_part_is_missing_counts_at_least_what_was_expected() -> None:
    call = Call(Cost(50, 50), Usage(input_tokens=20))
    statuses, _ = outcome([call] * 20, budget=Budget(tokens=1000, on_exhausted="fail"))
    assert statuses.count("succeeded") == 10


def test_failed_attempts_are_paid_for() -> None:
    call = Call(Cost(100, 0), Usage(input_tokens=100, output_tokens=0), error=Broken())
    budget = Budget(tokens=250, on_exhausted="fail")
    model = Model()

    async def main() -> None:
        async with Engine(model, budget=budget, retry=RetryPolicy(9, base=0.0)) as engine:
            with pytest.raises(JobFailed) as caught:
                await (await engine.submit(call))
            assert isinstance(caught.value.__cause__, BudgetExhausted)

    VirtualClock().run(main)
    assert len(model.times) == 2


def test_the_late_usage_of_an_attempt_that_was_given_up_is_paid_for() -> None:
    class Stubborn(Model):
        async def call(self, job: Any, ctx: Any) -> None:
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                await asyncio.sleep(3)
                ctx.usage(Usage(input_tokens=700, output_tokens=0))

    async def main() -> None:
        async with Engine(Stubborn(), budget=Budget(tokens=1000)) as engine:
            handle = await engine.submit(tokens(100))
            await asyncio.sleep(1)
            handle.cancel("enough")
            await asyncio.sleep(1)
            assert engine.budget().left() == {"tokens": 900.0}
            await asyncio.sleep(3)
            assert engine.budget().left() == {"tokens": 300.0}
            assert engine.budget().spent() == {"tokens": 700.0}

    VirtualClock().run(main)


def test_a_suspended_job_holds_nothing_and_reserves_again() -> None:
    class Asks(Model):
        async def call(self, job: Any, ctx: Any) -> object:
            ctx.usage(Usage(input_tokens=100, output_tokens=0))
            return "done" if job.reply else Suspend("ok?")

    async def main() -> None:
        async with Engine(Asks(), budget=Budget(tokens=200)) as engine:
            handle = await engine.submit(tokens(150))
            await handle.wait()
            assert engine.budget().left() == {"tokens": 100.0}
            await engine.reply(handle.id, "yes")
            assert handle.waiting is not None
            assert handle.waiting.kind == "budget"
            engine.budget().update(tokens=250)
            assert await handle == "done"

    VirtualClock().run(main)


def test_a_job_reserves_from_all_its_budgets_or_from_none() -> None:
    """The lane has nothing left: the engine's budget is not touched by jobs that cannot go."""

    async def main() -> None:
        lanes = [Lane("a", budget=Budget(tokens=100)), Lane("b")]
        async with Engine(Model(), slots=64, lanes=lanes, budget=Budget(tokens=1000)) as engine:
            for _ in range(9):
                await engine.submit(tokens(100), lane="a")
            handles = [await engine.submit(tokens(100), lane="b") for _ in range(9)]
            for handle in handles:
                await handle
            assert engine.budget().spent() == {"tokens": 1000.0}

    VirtualClock().run(main)


def test_ten_thousand_jobs_that_race_for_a_budget_end_within_one_job_below_it() -> None:
    model = Model()

    async def main() -> None:
        budget = Budget(tokens=50_000, on_exhausted="fail")
        async with Engine(model, slots=256, budget=budget) as engine:
            for number in range(10_000):
                size = 10 + number % 90
                await engine.submit(
                    Call(Cost(size, 0), Usage(input_tokens=size - number % 7, output_tokens=0), 0.1)
                )
            await asyncio.sleep(10)
            assert not engine.snapshot().waiting
            assert 50_000 - 100 <= engine.budget().spent()["tokens"] <= 50_000

    VirtualClock().run(main)


def test_a_job_that_is_dearer_than_the_whole_budget_fails_at_once() -> None:
    async def main() -> None:
        async with Engine(Model(), budget=Budget(tokens=100, name="night")) as engine:
            handle = await engine.submit(tokens(101))
            assert handle.status == "failed"
            with pytest.raises(JobFailed) as caught:
                await handle
            assert isinstance(caught.value.__cause__, LimitExceeded)
            assert caught.value.__cause__.needed == 101

    VirtualClock().run(main)


# Periods.


def test_in_each_period_the_whole_is_there_again() -> None:
    statuses, model = outcome([tokens(100)] * 25, budget=Budget(tokens=1000, period=60))
    assert statuses == ["succeeded"] * 25
    assert model.times == [0.0] * 10 + [60.0] * 10 + [120.0] * 5


def test_a_period_begins_with_the_first_reservation_in_it() -> None:
    model = Model()

    async def main() -> None:
        async with Engine(model, slots=64, budget=Budget(tokens=100, period=60)) as engine:
            await asyncio.sleep(1000)
            for _ in range(3):
                await engine.submit(tokens(100))

    VirtualClock().run(main)
    assert model.times == [1000.0, 1060.0, 1120.0]


def test_what_runs_over_the_end_of_a_period_counts_in_the_next_and_nobody_waits_for_ever() -> None:
    model = Model()

    async def main() -> None:
        async with Engine(model, slots=64, budget=Budget(tokens=100, period=60)) as engine:
            first = Call(Cost(50, 0), Usage(input_tokens=120, output_tokens=0), seconds=90)
            await engine.submit(first)
            await asyncio.sleep(95)
            assert engine.budget().spent() == {"tokens": 120.0}
            assert engine.budget().left() == {"tokens": -20.0}
            await (await engine.submit(tokens(50)))
            assert now() == 121.0

    VirtualClock().run(main)


def test_the_end_of_a_period_is_told_as_the_end_of_the_wait() -> None:
    async def main() -> None:
        async with Engine(Model(), budget=Budget(tokens=100, period=60)) as engine:
            await engine.submit(tokens(100))
            second = await engine.submit(tokens(100))
            await asyncio.sleep(30)
            assert second.waiting is not None
            assert (second.waiting.kind, second.waiting.until) == ("budget", 60.0)

    VirtualClock().run(main)
