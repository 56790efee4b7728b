"""A circuit breaker opens on a row of failures that are the provider's fault, probes, and closes."""

import asyncio
from typing import Any

import pytest

from paceline import CircuitBreaker, Engine, Job, JobContext, Limits, MemorySink, RetryPolicy, events
from paceline.testing import VirtualClock

from ._providers import Broken, Call, Model, Refused, now

BROKEN = Call(error=Broken())


def limited(failures: int = 3, cooldown: float = 30.0) -> dict[str, Limits]:
    return {"m": Limits(breaker=CircuitBreaker(failures, cooldown))}


async def fail(engine: Engine, times: int = 3) -> None:
    """So many attempts fail by the provider's fault, one after the other, a second each."""
    for _ in range(times):
        await (await engine.submit(BROKEN)).wait()


def test_it_opens_lets_one_probe_through_after_a_while_and_closes_by_its_success() -> None:
    model = Model()

    async def main() -> None:
        async with Engine(model, slots=4, limits=limited()) as engine:
            await fail(engine)
            handles = [await engine.submit(Call()) for _ in range(9)]
            await asyncio.sleep(1)
            assert engine.snapshot().slots_used == 0
            assert {handle.waiting and handle.waiting.kind for handle in handles} == {"circuit"}
            assert handles[0].waiting is not None
            assert (handles[0].waiting.on, handles[0].waiting.until) == ("m", 33.0)
            assert str(handles[0].waiting) == "m is broken: it is tried again later"
            assert engine.resource("m").held_until == 33.0
            for handle in handles:
                await handle

    VirtualClock().run(main)
    assert model.times == [0.0, 1.0, 2.0, 33.0] + [34.0] * 4 + [35.0] * 4


def test_a_probe_that_fails_starts_another_cooldown() -> None:
    model = Model()

    async def main() -> None:
        async with Engine(model, limits=limited()) as engine:
            await fail(engine, 4)
            handle = await engine.submit(Call())
            await handle

    VirtualClock().run(main)
    assert model.times == [0.0, 1.0, 2.0, 33.0, 64.0]


def test_only_failures_in_a_row_count_and_only_the_providers() -> None:
    model = Model()

    async def main() -> None:
        async with Engine(model, limits=limited(2)) as engine:
            for call in (BROKEN, Call(), BROKEN, Call(error=ValueError("mine")), Call(), BROKEN):
                await (await engine.submit(call)).wait()
            await (await engine.submit(Call()))

    VirtualClock().run(main)
    assert model.times == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_a_provider_that_refuses_is_alive() -> None:
    model = Model()

    async def main() -> None:
        async with Engine(model, limits=limited(2)) as engine:
            for call in (BROKEN, Call(error=Refused(1.0)), BROKEN):
                await (await engine.submit(call)).wait()
            await (await engine.submit(Call()))

    VirtualClock().run(main)
    assert model.times == [0.0, 1.0, 3.0, 4.0]


@pytest.mark.parametrize("end", ["unknown", "cancel"])
def test_a_probe_that_tells_nothing_makes_room_for_another(end: str) -> None:
    model = Model()
    call = Call(error=ValueError("mine")) if end == "unknown" else Call(seconds=1000.0)

    async def main() -> None:
        async with Engine(model, slots=4, limits=limited()) as engine:
            await fail(engine)
            probe = await engine.submit(call)
            handles = [await engine.submit(Call()) for _ in range(3)]
            await asyncio.sleep(31)
            if end == "cancel":
                probe.cancel("enough")
            for handle in handles:
                await handle

    VirtualClock().run(main)
    assert model.times[3:] == [33.0, 34.0, 35.0, 35.0]


def test_a_probe_that_was_given_up_and_never_ends_does_not_stop_the_others() -> None:
    model = Model()

    class Stubborn(Model):
        async def call(self, job: Job, ctx: JobContext) -> object:
            if job.name == "stubborn":
                while True:
                    try:
                        await asyncio.sleep(1000)
                    except asyncio.CancelledError:
                        if now() > 100:
                            raise
            return await super().call(job, ctx)

    model = Stubborn()

    async def main() -> None:
        async with Engine(model, limits=limited(), grace=1.0) as engine:
            await fail(engine)
            await engine.submit(Call(), name="stubborn", timeout=1.0)
            await (await engine.submit(Call()))
            assert now() == 65.0, "it ran out of time: another cooldown"

    VirtualClock().run(main)


def test_a_provider_that_only_hangs_is_broken_too() -> None:
    model = Model()

    async def main() -> None:
        async with Engine(model, slots=8, limits=limited()) as engine:
            for _ in range(3):
                await engine.submit(Call(seconds=1000.0), timeout=5.0)
            await asyncio.sleep(6)
            late = await engine.submit(Call())
            assert late.waiting is not None
            assert (late.waiting.kind, late.waiting.until) == ("circuit", 35.0)
            await late

    VirtualClock().run(main)
    assert model.times == [0.0, 0.0, 0.0, 35.0]


def test_a_probe_that_waits_for_a_job_of_its_own_lets_that_one_probe() -> None:
    class Parent(Model):
        async def call(self, job: Job, ctx: JobContext) -> object:
            if job.name == "parent":
                return await (await ctx.spawn(Call()))
            return await super().call(job, ctx)

    async def main() -> None:
        async with Engine(Parent(), limits=limited()) as engine:
            await fail(engine)
            await (await engine.submit(Call(), name="parent"))
            assert now() == 34.0

    VirtualClock().run(main)


def test_what_began_before_it_opened_says_nothing_new() -> None:
    """Three fail at once, and one that had begun before succeeds later: it stays open until its probe."""
    model = Model()

    async def main() -> None:
        async with Engine(model, limits=limited()) as engine:
            await engine.submit(Call(seconds=10.0))
            for _ in range(3):
                await engine.submit(BROKEN)
            await asyncio.sleep(2)
            await (await engine.submit(Call()))

    VirtualClock().run(main)
    assert model.times == [0.0] * 4 + [31.0]


def test_retries_wait_for_it_and_a_job_may_be_ended_meanwhile() -> None:
    model = Model()

    async def main() -> None:
        async with Engine(model, limits=limited(1, 10.0), retry=RetryPolicy(3, base=0.0)) as engine:
            handle = await engine.submit(BROKEN)
            late = await engine.submit(Call(), deadline=5.0)
            other = await engine.submit(Call(seconds=0.5))
            assert (await handle.wait()).status == "failed"
            assert (await late.wait()).status == "succeeded"
            await other

    VirtualClock().run(main)
    assert model.times[:3] == [0.0, 0.0, 0.0]


def test_it_holds_up_nobody_who_does_not_use_what_is_broken() -> None:
    broken, well = Model("m"), Model("n")

    async def main() -> None:
        async with Engine({"m": broken, "n": well}, slots=2, limits=limited(1)) as engine:
            await (await engine.submit(BROKEN, executor="m")).wait()
            for _ in range(5):
                await engine.submit(Call(), executor="m", priority=5)
            for handle in [await engine.submit(Call(), executor="n") for _ in range(10)]:
                await handle
            assert now() == 6.0

    VirtualClock().run(main)


def test_opening_and_closing_are_events() -> None:
    sink = MemorySink()

    async def main() -> None:
        async with Engine(Model(), limits=limited(), sinks=[sink]) as engine:
            await fail(engine)
            await (await engine.submit(Call()))

    VirtualClock().run(main)
    reached: list[Any] = [
        each for each in sink.events if isinstance(each, events.LimitReached | events.LimitLifted)
    ]
    assert [(each.type, each.limit, each.why) for each in reached] == [
        ("limit.reached", "m", "circuit"),
        ("limit.lifted", "m", "circuit"),
    ]
    assert reached[0].until - reached[0].time == pytest.approx(30.0)
