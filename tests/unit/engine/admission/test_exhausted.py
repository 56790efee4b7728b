"""What becomes of jobs that a budget has too little left for: they wait, fail, or end the run."""

import asyncio
from typing import Any

import pytest

from paceline import Budget, Cost, Engine, MemorySink, Usage, events
from paceline.testing import VirtualClock

from ._providers import Call, Model, now, tokens
from ._runs import outcome


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
