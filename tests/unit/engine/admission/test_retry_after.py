"""Retry-After moves the clock of a limit: all jobs on it wait, in fair order, and no slot waits with them."""

import asyncio
from typing import Any

import pytest

from paceline import Engine, Job, JobContext, Lane, Limits, MemorySink, RetryPolicy, Suspend, events
from paceline.testing import VirtualClock

from ._providers import Call, Model, Refused, now

REFUSED = Call(seconds=0.0, error=Refused(10.0))


@pytest.mark.parametrize("limits", [None, Limits(requests_per_minute=6000), {"m": Limits(concurrency=50)}])
def test_all_that_use_what_refused_wait_and_others_do_not(limits: Any) -> None:
    model, other = Model("m"), Model("n")

    async def main() -> None:
        async with Engine({"m": model, "n": other}, slots=4, limits=limits) as engine:
            await (await engine.submit(REFUSED, executor="m")).wait()
            for _ in range(20):
                await engine.submit(Call(), executor="m")
            for _ in range(4):
                await engine.submit(Call(), executor="n")
            await asyncio.sleep(0.5)
            assert engine.snapshot().slots_used == 4
            await asyncio.sleep(1)
            assert engine.snapshot().slots_used == 0
            assert engine.resource("m").held_until == 10.0

    VirtualClock().run(main)
    assert other.times == [0.0] * 4
    assert model.times[1:] == pytest.approx([10.0 + n // 4 for n in range(20)], abs=0.2)


def test_the_wait_is_over_for_all_in_the_fair_order_of_their_lanes() -> None:
    model = Model()

    async def main() -> None:
        lanes = [Lane("a", weight=2.0), Lane("b")]
        async with Engine(model, slots=3, lanes=lanes) as engine:
            await (await engine.submit(REFUSED, lane="a")).wait()
            for lane in ("a", "b"):
                for _ in range(30):
                    await engine.submit(Call(), lane=lane, name=lane)
            await asyncio.sleep(19.5)
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        VirtualClock().run(main)
    names = [name for _, name in model.started[1:]]
    assert (names.count("a"), names.count("b")) == (20, 10)


def test_the_refused_job_tries_again_when_it_may() -> None:
    attempts: list[float] = []

    class Once(Model):
        async def call(self, job: Any, ctx: Any) -> None:
            attempts.append(now())
            if ctx.attempt == 1:
                raise Refused(10.0)

    async def main() -> None:
        async with Engine(Once(), retry=RetryPolicy(2, base=0.0)) as engine:
            await (await engine.submit(Call()))

    VirtualClock().run(main)
    assert attempts == [0.0, 10.0]


def test_the_longest_of_several_waits_counts() -> None:
    model = Model()

    async def main() -> None:
        async with Engine(model) as engine:
            for wait in (10.0, 30.0, 20.0):
                await engine.submit(Call(seconds=1.0, error=Refused(wait)))
            await asyncio.sleep(2)
            assert engine.resource("m").held_until == 31.0
            await (await engine.submit(Call()))

    VirtualClock().run(main)
    assert model.times[3:] == [31.0]


def test_where_it_is_not_said_how_long_each_refusal_in_a_row_doubles_the_wait_until_a_success() -> None:
    model = Model()

    async def main() -> None:
        async with Engine(model) as engine:
            for _ in range(5):
                await (await engine.submit(Call(seconds=0.0, error=Refused()))).wait()
            await (await engine.submit(Call(seconds=0.0))).wait()
            for _ in range(2):
                await (await engine.submit(Call(seconds=0.0, error=Refused()))).wait()

    VirtualClock().run(main)
    assert model.times == [0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 31.0, 32.0]


def test_a_refusal_costs_neither_tokens_nor_budget() -> None:
    model = Model()

    async def main() -> None:
        from paceline import Budget, Cost

        call = Call(Cost(1000, 0), error=Refused(1.0))
        budget = Budget(tokens=1000)
        async with Engine(model, limits={"m": Limits(concurrency=5)}, budget=budget) as engine:
            await (await engine.submit(call)).wait()
            assert engine.budget().spent() == {"tokens": 0.0}
            assert engine.budget().left() == {"tokens": 1000.0}

    VirtualClock().run(main)


def test_the_wait_is_an_event_with_its_end() -> None:
    sink = MemorySink()

    async def main() -> None:
        async with Engine(Model(), sinks=[sink]) as engine:
            await (await engine.submit(REFUSED)).wait()

    VirtualClock().run(main)
    reached = [event for event in sink.events if isinstance(event, events.LimitReached)]
    assert [(event.limit, event.why) for event in reached] == [("m", "retry_after")]
    assert reached[0].until is not None
    assert reached[0].until - reached[0].time == pytest.approx(10.0)


def test_a_job_that_was_answered_waits_as_all_others_do() -> None:
    class Asks(Model):
        async def call(self, job: Any, ctx: Any) -> object:
            if job.payload is REFUSED:
                raise Refused(10.0)
            return job.reply if job.reply is not None else Suspend("ok?")

    model = Asks()

    async def main() -> None:
        async with Engine(model) as engine:
            asks = await engine.submit(Call())
            assert (await asks.wait()).status == "suspended"
            await (await engine.submit(REFUSED)).wait()
            await engine.reply(asks.id, "yes")
            assert asks.waiting is not None
            assert (asks.waiting.kind, asks.waiting.until) == ("retry_after", 10.0)
            assert await asks == "yes"

    VirtualClock().run(main)
    assert model.times == [0.0, 0.0, 10.0]


@pytest.mark.parametrize("way", ["cancel", "deadline"])
def test_jobs_that_wait_for_it_can_be_ended(way: str) -> None:
    async def main() -> None:
        async with Engine(Model()) as engine:
            await (await engine.submit(REFUSED)).wait()
            handle = await engine.submit(Call(), **({"deadline": 3.0} if way == "deadline" else {}))  # type: ignore[arg-type]
            await asyncio.sleep(1)
            if way == "cancel":
                handle.cancel("enough")
            result = await handle.wait()
            assert result.status == ("cancelled" if way == "cancel" else "failed")
            assert now() == (1.0 if way == "cancel" else 3.0)

    VirtualClock().run(main)


def test_a_provider_of_unknown_rate_is_sent_half_as_many_at_once_and_more_with_success() -> None:
    """Nobody said how much it takes: else all that wait would rush at it again, and be refused again."""
    running: list[int] = []
    sent = 0

    class Narrow(Model):
        async def call(self, job: Job, ctx: JobContext) -> object:
            nonlocal sent
            sent += 1
            running.append(sent)
            try:
                if sent > 3:  # three at a time, and it does not say so
                    raise Refused(1.0)
                await asyncio.sleep(1.0)
            finally:
                sent -= 1
            return None

    async def main() -> None:
        async with Engine(Narrow(), slots=16, retry=RetryPolicy(attempts=50, base=0, cap=0)) as engine:
            for handle in [await engine.submit(Call()) for _ in range(100)]:
                await handle

    VirtualClock().run(main)
    refused = len(running) - 100
    assert refused < 40, f"{refused} of {len(running)} were refused"
