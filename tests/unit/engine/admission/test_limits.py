"""Limits: each kind at each place, several reserved together, and corrected by what was really used."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from paceline import Cost, Engine, Job, JobContext, Lane, Limits, RetryPolicy, Usage
from paceline.testing import VirtualClock

from ._providers import Call, Model, now, tokens

Options = Mapping[str, Any]
NOTHING: Options = {}

PLACES: Mapping[str, Callable[[Limits], Options]] = {
    "engine": lambda limits: {"limits": limits},
    "engine, by name": lambda limits: {"limits": {"*": limits}},
    "lane": lambda limits: {"lanes": Lane("default", limits=limits)},
    "executor": lambda limits: {"limits": {"Model": limits}},
    "resource of the executor": lambda limits: {"limits": {"m": limits}},
    "resource of the job": lambda limits: {"limits": {"key": limits}},
}


def run(
    model: Model, calls: list[Call], options: Options = NOTHING, *, slots: int = 64, **said: Any
) -> tuple[float, Model]:
    """Run these calls; when they were over."""

    async def main() -> tuple[float, Model]:
        async with Engine(model, slots=slots, **options) as engine:
            handles = [await engine.submit(call, **said) for call in calls]
            for handle in handles:
                await handle
            return now(), model

    return VirtualClock().run(main)


@pytest.mark.parametrize("place", PLACES)
def test_concurrency_holds_wherever_it_is_said(place: str) -> None:
    said: dict[str, Any] = {"resources": "key"} if place == "resource of the job" else {}
    end, model = run(Model(), [Call()] * 10, PLACES[place](Limits(concurrency=2)), **said)
    assert (end, model.peak) == (5.0, 2)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "limits",
    [
        Limits(requests_per_minute=60, burst=0.1),
        Limits(input_tokens_per_minute=6000, burst=0.1),
        Limits(output_tokens_per_minute=1200, burst=0.1),
        Limits(tokens_per_minute=7200, burst=0.1),
    ],
    ids=lambda limits: next(name for name in ("req", "inp", "out", "tok") if _has(limits, name)),
)
def test_a_rate_holds_wherever_it_is_said(place: str, limits: Limits) -> None:
    """Each of them is one such call a second, and six at once after a rest."""
    said: dict[str, Any] = {"resources": "key"} if place == "resource of the job" else {}
    end, model = run(Model(), [tokens(100, 20)] * 30, PLACES[place](limits), **said)
    assert model.times == pytest.approx([0.0] * 6 + [float(second) for second in range(1, 25)])
    assert end == pytest.approx(25.0)


def _has(limits: Limits, name: str) -> bool:
    field = {"req": "requests", "inp": "input_tokens", "out": "output_tokens", "tok": "tokens"}[name]
    return getattr(limits, f"{field}_per_minute") is not None


def test_what_was_not_used_in_a_rest_is_no_more_than_a_burst() -> None:
    model = Model()

    async def main() -> None:
        async with Engine(model, slots=64, limits=Limits(requests_per_minute=60, burst=0.1)) as engine:
            await asyncio.sleep(1000)
            for _ in range(20):
                await engine.submit(Call())

    VirtualClock().run(main)
    assert model.between(1000, 1000.5) == 6
    assert model.between(1000, 1010.5) == 16


def test_a_request_every_other_minute_is_a_limit_like_any_other() -> None:
    _, model = run(Model(), [Call()] * 3, {"limits": Limits(requests_per_minute=0.5)})
    assert model.times == pytest.approx([0.0, 120.0, 240.0])


def test_a_job_that_is_bigger_than_the_bucket_waits_until_it_is_full_and_pays_all_of_it() -> None:
    limits = Limits(input_tokens_per_minute=600, burst=0.1)  # holds 60
    _, model = run(Model(), [tokens(60), tokens(300), tokens(60)], {"limits": limits})
    assert model.times == pytest.approx([0.0, 6.0, 36.0])  # 300 tokens more than there were, and 60, at 10/s


def test_several_limits_are_reserved_together_or_not_at_all() -> None:
    """Who lacks one of two holds nothing of the other, so those that use only the other pass freely."""
    model = Model("a")
    limits = {"a": Limits(concurrency=4), "b": Limits(requests_per_minute=1)}

    async def main() -> None:
        async with Engine(model, slots=64, limits=limits) as engine:
            both = [await engine.submit(Call(), resources="b", name="both") for _ in range(3)]
            alone = [await engine.submit(Call(), name="alone") for _ in range(16)]
            for handle in alone:
                await handle
            assert now() == pytest.approx(5.0)  # 17 jobs, four at a time
            assert engine.resource("a").running == 0
            assert engine.resource("b").available == pytest.approx({"requests": 5 / 60})
            for handle in both:
                handle.cancel("enough")

    VirtualClock().run(main)
    assert [name for _, name in model.started].count("both") == 1


def test_jobs_that_do_not_use_a_limit_never_queue_behind_those_that_do() -> None:
    slow, free = Model("slow"), Model("free")

    async def main() -> None:
        executors = {"slow": slow, "free": free}
        limits = {"slow": Limits(requests_per_minute=1)}
        async with Engine(executors, slots=4, limits=limits) as engine:
            first = [await engine.submit(Call(), executor="slow", priority=9) for _ in range(50)]
            done = [await engine.submit(Call(), executor="free") for _ in range(40)]
            for handle in done:
                await handle
            assert now() == pytest.approx(10.0, abs=1.0)
            for handle in first:
                handle.cancel("enough")

    VirtualClock().run(main)


@pytest.mark.parametrize("priority", [-1, 0, 7])
def test_limits_hold_for_jobs_of_any_priority(priority: int) -> None:
    """A flow of a priority of its own is forgotten with its last job, and then stands in no pool."""
    limits = Limits(requests_per_minute=60, burst=1 / 60)
    _, model = run(Model(), [Call(seconds=0.1)] * 10, {"limits": limits}, priority=priority)
    assert model.times == pytest.approx([float(second) for second in range(10)])


def test_a_job_that_needs_much_is_not_starved_by_those_that_need_little() -> None:
    model = Model()

    async def main() -> None:
        limits = Limits(input_tokens_per_minute=6000, burst=0.1)  # 100 a second, 600 at once
        async with Engine(model, slots=64, lanes=[Lane("b")], limits=limits) as engine:
            for _ in range(200):
                await engine.submit(tokens(10))
            big = await engine.submit(tokens(600), lane="b", name="big")
            await big
            assert now() <= 13.0

    VirtualClock().run(main)


# What was really used.


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


def test_limits_change_while_jobs_wait_for_them() -> None:
    model = Model()

    async def main() -> None:
        async with Engine(model, slots=64, limits={"m": Limits(requests_per_minute=1)}) as engine:
            handles = [await engine.submit(Call()) for _ in range(30)]
            await asyncio.sleep(5)
            assert len(model.times) == 1
            engine.resource("m").update(Limits(concurrency=10))
            for handle in handles:
                await handle
            assert now() == pytest.approx(8.0)

    VirtualClock().run(main)


# Attempts that are parked, given up or tried again.


def test_a_parked_job_gives_its_concurrency_back_and_takes_it_again() -> None:
    peak = running = 0

    async def leaf(payload: None) -> None:
        nonlocal peak, running
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(1)
        running -= 1

    class Parent:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            nonlocal running
            await (await ctx.spawn(None, executor="leaf"))
            await leaf(None)
            return None

    async def main() -> float:
        executors: dict[str, Any] = {"parent": Parent(), "leaf": leaf}
        async with Engine(executors, slots=8, limits=Limits(concurrency=1)) as engine:
            handles = [await engine.submit(None, executor="parent") for _ in range(4)]
            for handle in handles:
                await handle
        return now()

    assert VirtualClock().run(main) == 8.0
    assert peak == 1


def test_a_parked_job_pays_for_its_rate_once() -> None:
    times: list[float] = []

    async def leaf(payload: None) -> None:
        times.append(now())

    class Parent:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            times.append(now())
            await (await ctx.spawn(None, executor="leaf"))
            await (await ctx.spawn(None, executor="leaf"))
            return None

    async def main() -> None:
        executors: dict[str, Any] = {"parent": Parent(), "leaf": leaf}
        limits = Limits(requests_per_minute=60, burst=1 / 60)
        async with Engine(executors, slots=1, limits=limits) as engine:
            await engine.submit(None, executor="parent")

    VirtualClock().run(main)
    assert times == pytest.approx([0.0, 1.0, 2.0])


def test_an_attempt_that_was_given_up_still_counts_until_it_has_ended() -> None:
    started: list[float] = []

    async def stubborn(payload: str) -> None:
        started.append(now())
        if payload == "stubborn":
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                await asyncio.sleep(5)
                raise

    async def main() -> None:
        async with Engine(stubborn, limits=Limits(concurrency=1), grace=20) as engine:
            first = await engine.submit("stubborn")
            await asyncio.sleep(1)
            second = await engine.submit("quick")
            first.cancel("enough")
            await asyncio.sleep(1)
            assert engine.snapshot().slots_used == 0
            assert second.waiting is not None
            assert second.waiting.kind == "limit"
            await second

    VirtualClock().run(main)
    assert started == [0.0, 6.0]


@pytest.mark.parametrize("way", ["cancel", "deadline", "group"])
def test_a_job_that_ends_while_it_waits_takes_nothing_of_the_limit(way: str) -> None:
    model = Model()

    async def main() -> None:
        async with Engine(model, limits=Limits(requests_per_minute=6, burst=1 / 6)) as engine:
            await (await engine.submit(Call()))
            group = None
            if way == "group":
                group = await engine.submit_group("g", followers=[Call()] * 3)
                handles = list(group.followers)
            else:
                limit = {"deadline": 2.0} if way == "deadline" else {}
                handles = [await engine.submit(Call(), **limit) for _ in range(3)]  # type: ignore[arg-type]
            last = await engine.submit(Call(), name="last")
            await asyncio.sleep(3)
            if way == "cancel":
                for handle in handles:
                    handle.cancel("enough")
            elif group is not None:
                group.cancel("enough")
            await last
            assert {handle.status for handle in handles} == {"failed" if way == "deadline" else "cancelled"}

    VirtualClock().run(main)
    assert model.times == pytest.approx([0.0, 10.0])


def test_an_attempt_that_ran_out_of_time_is_paid_for_and_the_next_waits_for_the_limit() -> None:
    model = Model()

    async def main() -> None:
        limits = Limits(requests_per_minute=6, burst=1 / 6)
        async with Engine(model, limits=limits, retry=RetryPolicy(3, base=0.0)) as engine:
            handle = await engine.submit(Call(seconds=100.0), timeout=2.0)
            assert (await handle.wait()).status == "failed"

    VirtualClock().run(main)
    assert model.times == pytest.approx([0.0, 10.0, 20.0])


def test_the_items_of_a_map_and_the_members_of_a_group_come_under_limits_too() -> None:
    model = Model()

    async def main() -> None:
        async with Engine(model, slots=16, limits={"m": Limits(concurrency=2)}) as engine:
            results = [result async for result in engine.map([Call()] * 6)]
            assert all(result.ok for result in results)
            assert now() == 3.0
            group = await engine.submit_group("g", followers=[Call()] * 6)
            await group.results()
            assert now() == 6.0

    VirtualClock().run(main)
    assert model.peak == 2


def test_lanes_share_a_limit_by_their_weights() -> None:
    model = Model()

    async def main() -> None:
        lanes = [Lane("a", weight=3.0), Lane("b", weight=1.0)]
        limits = Limits(requests_per_minute=60, burst=1 / 60)
        async with Engine(model, slots=64, lanes=lanes, limits=limits) as engine:
            for lane in "ab":
                for _ in range(100):
                    await engine.submit(Call(seconds=0.1), lane=lane, name=lane)
            await asyncio.sleep(79.5)
            names = [name for _, name in model.started]
            assert (names.count("a"), names.count("b")) == (60, 20)
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        VirtualClock().run(main)
