"""Limits: each kind at each place, several reserved together, and those who share them."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from paceline import Engine, Lane, Limits
from paceline.testing import VirtualClock

from ._providers import Call, Model, now, tokens
from ._runs import Options, run

PLACES: Mapping[str, Callable[[Limits], Options]] = {
    "engine": lambda limits: {"limits": limits},
    "engine, by name": lambda limits: {"limits": {"*": limits}},
    "lane": lambda limits: {"lanes": Lane("default", limits=limits)},
    "executor": lambda limits: {"limits": {"Model": limits}},
    "resource of the executor": lambda limits: {"limits": {"m": limits}},
    "resource of the job": lambda limits: {"limits": {"key": limits}},
}


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
