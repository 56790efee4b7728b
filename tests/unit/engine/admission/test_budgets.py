"""Budgets are reserved before the call, so nobody takes the last cent twice; what then becomes of jobs."""

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
    MemorySink,
    Price,
    RetryPolicy,
    Suspend,
    Usage,
    events,
)
from paceline.testing import VirtualClock

from ._providers import Broken, Call, Model, now, tokens

PLACES: dict[str, Callable[[Budget], dict[str, Any]]] = {
    "engine": lambda budget: {"budget": budget},
    "lane": lambda budget: {"lanes": Lane("default", budget=budget)},
}


def outcome(calls: list[Call], **options: Any) -> tuple[list[str], Model]:
    """Submit these, leave the engine, and see what became of them."""
    model = Model()

    async def main() -> list[str]:
        async with Engine(model, slots=64, **options) as engine:
            handles = [await engine.submit(call) for call in calls]
        return [handle.status for handle in handles]

    return VirtualClock().run(main), model


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


# What becomes of jobs.


def test_the_run_ends_where_its_budget_says_so() -> None:
    budget = Budget(tokens=300, name="night", on_exhausted="cancel_run")
    model = Model()

    async def main() -> None:
        async with Engine(model, slots=64, budget=budget) as engine:
            handles = [await engine.submit(tokens(100)) for _ in range(6)]
        results = [await handle.wait() for handle in handles]
        assert [result.status for result in results].count("failed") == 1
        failed = next(result for result in results if result.status == "failed")
        assert failed.error is not None
        assert failed.error.type == "paceline.BudgetExhausted"
        assert "night" in failed.error.message
        assert [result.status for result in results].count("succeeded") == 3
        assert [result.status for result in results].count("cancelled") == 2

    VirtualClock().run(main)


def test_a_paused_job_goes_on_when_the_budget_is_raised() -> None:
    model = Model()

    async def main() -> None:
        async with Engine(model, budget=Budget(tokens=100)) as engine:
            handles = [await engine.submit(tokens(100)) for _ in range(3)]
            await asyncio.sleep(10)
            assert [handle.status for handle in handles] == ["succeeded", "waiting", "waiting"]
            engine.budget().update(tokens=200)
            await handles[1]
            await asyncio.sleep(10)
            assert handles[2].status == "waiting"
            engine.budget().update(tokens=300)
            await handles[2]

    VirtualClock().run(main)
    assert model.times == [0.0, 10.0, 21.0]


@pytest.mark.parametrize("way", ["cancel", "deadline"])
def test_a_paused_job_can_be_ended(way: str) -> None:
    async def main() -> None:
        async with Engine(Model(), budget=Budget(tokens=100)) as engine:
            await (await engine.submit(tokens(100)))
            handle = await engine.submit(tokens(100), **({"deadline": 5.0} if way == "deadline" else {}))  # type: ignore[arg-type]
            assert handle.status == "waiting"
            if way == "cancel":
                handle.cancel("enough")
            result = await handle.wait()
            assert result.status == ("cancelled" if way == "cancel" else "failed")
            assert now() == (1.0 if way == "cancel" else 6.0)
            engine.budget().update(tokens=1000)
            await (await engine.submit(tokens(100)))

    VirtualClock().run(main)


def test_leaving_the_engine_cancels_what_waits_for_more_of_a_budget() -> None:
    async def main() -> None:
        async with Engine(Model(), budget=Budget(tokens=100)) as engine:
            await engine.submit(tokens(100))
            handle = await engine.submit(tokens(100))
        result = await handle.wait()
        assert result.status == "cancelled"
        assert result.error is not None
        assert "budget" in result.error.message

    VirtualClock().run(main)


def test_what_depends_on_a_job_that_its_budget_failed_is_skipped() -> None:
    async def main() -> None:
        async with Engine(Model(), budget=Budget(tokens=100, on_exhausted="fail")) as engine:
            await (await engine.submit(tokens(100)))
            failed = await engine.submit(tokens(100))
            after = await engine.submit(Call(), after=failed)
            assert (await after.wait()).status == "skipped"

    VirtualClock().run(main)


def test_a_paused_job_does_not_hold_up_smaller_ones() -> None:
    async def main() -> None:
        async with Engine(Model(), budget=Budget(tokens=100)) as engine:
            await (await engine.submit(tokens(60)))
            large = await engine.submit(tokens(50))
            small = await engine.submit(tokens(40))
            await small
            assert large.status == "waiting"

    VirtualClock().run(main)


def test_nothing_is_said_to_be_exhausted_that_running_jobs_may_give_back() -> None:
    """With "fail" a job waits for those that run: what they do not use may be enough for it."""
    little = Call(Cost(100, 0), Usage(input_tokens=10, output_tokens=0))
    statuses, _ = outcome([little] * 5, budget=Budget(tokens=150, on_exhausted="fail"))
    assert statuses == ["succeeded"] * 5


def test_it_is_an_event_that_a_budget_is_exhausted_and_only_one() -> None:
    sink = MemorySink()
    outcome([tokens(100)] * 10, budget=Budget(tokens=100, name="night"), sinks=[sink])
    reached = [event for event in sink.events if isinstance(event, events.LimitReached)]
    assert [(event.why, event.until) for event in reached] == [("budget", None)]


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


# Money.

PRICES = {"m": Price(input=10.0, output=100.0, cached_input=1.0)}


def test_a_budget_in_money_goes_by_the_prices() -> None:
    """A thousand tokens in and a hundred out are two cents."""
    budget = Budget(money=0.1, on_exhausted="fail")
    statuses, _ = outcome([tokens(1000, 100)] * 20, budget=budget, prices=PRICES)
    assert statuses.count("succeeded") == 5


def test_cached_tokens_are_cheaper() -> None:
    usage = Usage(input_tokens=1000, cached_tokens=1000, output_tokens=0)

    async def main() -> None:
        async with Engine(Model(), budget=Budget(money=1.0), prices=PRICES) as engine:
            await (await engine.submit(Call(Cost(1000, 0), usage)))
            assert engine.budget().spent() == pytest.approx({"money": 0.001})

    VirtualClock().run(main)


def test_what_the_provider_says_of_money_counts_before_any_price() -> None:
    usage = Usage(input_tokens=1000, output_tokens=0, money=0.5)

    async def main() -> None:
        async with Engine(Model(), budget=Budget(money=1.0), prices=PRICES) as engine:
            await (await engine.submit(Call(Cost(1000, 0), usage)))
            assert engine.budget().spent() == {"money": 0.5}

    VirtualClock().run(main)


def test_a_model_that_only_the_job_names_has_its_price_too() -> None:
    from paceline import Limits

    async def main() -> None:
        limits = {"gpt": Limits(concurrency=9)}
        prices = {"gpt": Price(input=10.0, output=100.0)}
        async with Engine(Model("key"), limits=limits, budget=Budget(money=1.0), prices=prices) as engine:
            await (await engine.submit(tokens(1000, 100), resources="gpt"))
            assert engine.budget().spent() == pytest.approx({"money": 0.02})

    VirtualClock().run(main)


def test_tokens_and_money_of_one_budget_both_hold() -> None:
    budget = Budget(tokens=5500, money=1.0, on_exhausted="fail")
    statuses, _ = outcome([tokens(1000, 100)] * 20, budget=budget, prices=PRICES)
    assert statuses.count("succeeded") == 5
    budget = Budget(tokens=55000, money=0.04, on_exhausted="fail")
    statuses, _ = outcome([tokens(1000, 100)] * 20, budget=budget, prices=PRICES)
    assert statuses.count("succeeded") == 2


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


class Parent(Model):
    """Has three jobs of its own, one after the other, and says what became of them."""

    async def call(self, job: Any, ctx: Any) -> object:
        ends = [(await (await ctx.spawn(tokens(100), executor="leaf")).wait()).status for _ in range(3)]
        ctx.usage(job.payload.uses)
        return ends


@pytest.mark.parametrize("by", [None, "tenant"])
def test_a_job_never_waits_for_what_the_job_above_it_may_give_back(by: str | None) -> None:
    """The parent holds 50 of 250, so there is room for two of its three."""
    budget = Budget(tokens=250, on_exhausted="fail", by=by)

    async def main() -> None:
        executors = {"parent": Parent(), "leaf": Model()}
        async with Engine(executors, slots=1, budget=budget) as engine:
            handle = await engine.submit(tokens(50), executor="parent", metadata={"tenant": "acme"})
            assert await handle == ["succeeded", "succeeded", "failed"]

    VirtualClock().run(main)


def test_what_a_parked_job_gives_back_in_the_end_lets_paused_ones_go() -> None:
    """The parent has 150 of 450 that it does not use; its three jobs use the rest."""

    async def main() -> None:
        executors = {"parent": Parent(), "leaf": Model()}
        async with Engine(executors, budget=Budget(tokens=450)) as engine:
            payload = Call(Cost(150, 0), Usage(input_tokens=0, output_tokens=0))
            await engine.submit(payload, executor="parent")
            await asyncio.sleep(2.5)
            paused = await engine.submit(tokens(150), executor="leaf")
            assert paused.waiting is not None
            assert paused.waiting.kind == "budget"
            await paused
            assert now() == 4.0

    VirtualClock().run(main)


def test_leaving_the_engine_ends_a_job_that_waits_for_one_of_its_own_that_its_budget_paused() -> None:
    async def main() -> None:
        executors = {"parent": Parent(), "leaf": Model()}
        async with Engine(executors, budget=Budget(tokens=150)) as engine:
            handle = await engine.submit(tokens(0), executor="parent")
        assert (await handle.wait()).status in {"cancelled", "succeeded"}
        assert now() == 1.0

    VirtualClock().run(main)
