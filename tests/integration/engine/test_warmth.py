"""Groups that pay for their prefix once; a provider in virtual time counts what it evaluates."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from paceline import (
    Engine,
    Group,
    GroupPolicy,
    Job,
    JobContext,
    MemorySink,
    RetryPolicy,
    Usage,
    WaitReason,
    dag,
    events,
    task,
)
from paceline.testing import VirtualClock

from .provider import Ask, Provider, ideal

AUTO = GroupPolicy(in_flight="auto")


@dataclass
class Outcome:
    """What a workload cost."""

    seconds: float
    over_ideal: list[float]
    """Evaluated over ideal, of each group in submit order."""
    provider: Provider

    def mean(self, skip: int = 0) -> float:
        return sum(self.over_ideal[skip:]) / len(self.over_ideal[skip:])


def run(
    make: Callable[[], Provider],
    policy: GroupPolicy | None,
    *,
    slots: int = 8,
    groups: int = 40,
    followers: int = 9,
    lanes: int = 1,
    sizes: Sequence[int] = (256,),
    primer: bool = True,
) -> Outcome:
    """Submit groups that share nothing with each other, and wait for them all."""

    async def main() -> Outcome:
        provider = make()
        began = now()
        asked: dict[str, list[Ask]] = {}
        async with Engine(provider, slots=slots) as engine:
            for lane in range(lanes):
                engine.lane(f"lane-{lane}", weight=1.0)
            for number in range(groups):
                name = f"g{number}"
                shared = sizes[number % len(sizes)]
                asks = [Ask(name, shared, name=str(each)) for each in range(followers + 1)]
                asked[name] = asks
                await engine.submit_group(
                    name,
                    primer=asks[0] if primer else None,
                    followers=asks[1 if primer else 0 :],
                    policy=policy,
                    lane=f"lane-{number % lanes}",
                )
        over = [provider.evaluated[name] / ideal(asks) for name, asks in asked.items()]
        return Outcome(now() - began, over, provider)

    return VirtualClock().run(main)


def now() -> float:
    return asyncio.get_running_loop().time()


def test_with_a_shared_cache_each_prefix_is_paid_for_once_and_auto_fans_out() -> None:
    for groups, followers in ((40, 9), (2, 60)):
        plain, auto = (
            run(Provider.shared, policy, groups=groups, followers=followers) for policy in (None, AUTO)
        )
        assert auto.mean() == pytest.approx(1.0)
        assert auto.seconds <= 1.02 * plain.seconds


@pytest.mark.parametrize(("slots", "followers"), [(4, 9), (8, 9), (8, 4), (3, 30)])
@pytest.mark.parametrize("lanes", [1, 3])
def test_one_at_a_time_a_group_keeps_its_place_in_a_cache_per_slot(
    slots: int, followers: int, lanes: int
) -> None:
    """Warm groups finish before cold ones start: nobody takes the place of the prompt that is next."""
    outcome = run(
        lambda: Provider.by_slot(slots),
        GroupPolicy(in_flight=1),
        slots=slots,
        followers=followers,
        lanes=lanes,
    )
    assert max(outcome.over_ideal) <= 1.01


@pytest.mark.parametrize(("slots", "followers"), [(4, 9), (8, 9), (12, 19), (3, 30)])
@pytest.mark.parametrize("seed", [1, 2])
def test_auto_learns_that_a_cache_is_kept_per_slot(slots: int, followers: int, seed: int) -> None:
    def make() -> Provider:
        return Provider.by_slot(slots, seed=seed)

    auto = run(make, AUTO, slots=slots, followers=followers)
    assert auto.mean(skip=slots) <= 1.15
    assert all(auto.provider.peak[f"g{number}"] == 1 for number in range(3 * slots, 40))
    plain = run(make, None, slots=slots, followers=followers)
    assert plain.mean() > 2.5
    assert auto.seconds < plain.seconds


@pytest.mark.parametrize(("slots", "followers"), [(4, 4), (8, 2), (8, 4)])
@pytest.mark.parametrize("seed", [1, 2])
def test_small_groups_take_longer_to_learn_from(slots: int, followers: int, seed: int) -> None:
    outcome = run(lambda: Provider.by_slot(slots, seed=seed), AUTO, slots=slots, followers=followers)
    assert outcome.mean(skip=2 * slots) <= 1.15


@pytest.mark.parametrize("slots", [4, 8])
def test_where_all_take_the_same_time_places_that_just_came_free_mislead_nobody(slots: int) -> None:
    outcome = run(lambda: Provider.by_slot(slots, decode=(1.0, 1.0)), AUTO, slots=slots)
    assert outcome.mean(skip=2 * slots) <= 1.15


def test_a_lead_is_asked_to_stream_since_others_wait_for_its_first_token() -> None:
    streaming: list[bool] = []

    class Model:
        async def execute(self, job: Job, ctx: JobContext) -> None:
            streaming.append(ctx.streaming)
            ctx.first_token()

    async def main() -> None:
        async with (
            Engine(Model(), slots=1) as engine,
            engine.open_group("g", policy=GroupPolicy(ttl=10.0)) as group,
        ):
            await group.submit_primer(0)
            await asyncio.sleep(20.0)
            for number in range(2):
                await group.add_follower(number)

    VirtualClock().run(main)
    assert streaming == [True, True, False]


def test_what_was_learnt_holds_for_the_groups_of_all_lanes() -> None:
    outcome = run(lambda: Provider.by_slot(8), AUTO, lanes=3)
    assert outcome.mean(skip=16) <= 1.15


@pytest.mark.parametrize("make", [Provider.without_cache, lambda: Provider.shared(min_prefix=1024)])
@pytest.mark.parametrize(("groups", "followers"), [(40, 9), (4, 60), (60, 1)])
def test_where_nothing_is_cached_auto_is_not_slow_for_nothing(
    make: Callable[[], Provider], groups: int, followers: int
) -> None:
    plain, auto = (run(make, policy, groups=groups, followers=followers) for policy in (None, AUTO))
    assert auto.seconds <= 1.15 * plain.seconds


@pytest.mark.parametrize("sizes", [(64, 256), (64, 64, 64, 256)])
def test_prefixes_that_are_too_short_to_be_cached_do_not_slow_down_the_others(sizes: Sequence[int]) -> None:
    plain, auto = (
        run(lambda: Provider.shared(min_prefix=128), policy, sizes=sizes) for policy in (None, AUTO)
    )
    assert auto.seconds <= 1.1 * plain.seconds
    assert auto.mean() == pytest.approx(plain.mean())


@pytest.mark.parametrize("says", ["no usage", "no cached"])
def test_a_provider_that_does_not_say_what_was_cached_teaches_nothing(says: str) -> None:
    outcome = run(lambda: Provider.by_slot(8, says=says), AUTO, groups=2, followers=30)
    assert outcome.provider.peak["g1"] >= 4


def test_auto_without_a_primer_has_nothing_to_learn() -> None:
    outcome = run(lambda: Provider.by_slot(8), AUTO, groups=4, primer=False)
    assert max(outcome.provider.peak.values()) == 8


def test_each_resource_has_a_cache_of_its_own() -> None:
    async def main() -> None:
        by_slot, shared = Provider.by_slot(4), Provider.shared(places=4)
        by_slot.resources, shared.resources = ("local",), ("hosted",)
        async with Engine({"local": by_slot, "hosted": shared}, slots=8) as engine:
            for executor in ("local", "hosted"):
                engine.lane(executor, weight=1.0, max_running=4)
                for number in range(30):
                    asks = [Ask(f"{number}", name=str(each)) for each in range(10)]
                    await engine.submit_group(
                        f"{executor}-{number}",
                        primer=asks[0],
                        followers=asks[1:],
                        policy=AUTO,
                        executor=executor,
                        lane=executor,
                    )
        assert [by_slot.peak[str(number)] for number in range(20, 30)] == [1] * 10
        assert shared.peak["20"] > 1

    VirtualClock().run(main)


def test_followers_that_come_after_the_time_to_live_wait_for_one_of_them() -> None:
    sink = MemorySink()

    async def main() -> None:
        provider = Provider.shared(ttl=60.0, decode=(5.0, 5.0))
        policy = GroupPolicy(ttl=60.0)
        async with (
            Engine(provider, sinks=[sink]) as engine,
            engine.open_group("g", policy=policy) as group,
        ):
            await group.submit_primer(Ask("p", name="primer"))
            await asyncio.sleep(100.0)
            followers = [await group.add_follower(Ask("p", name=str(number))) for number in range(5)]
            await asyncio.sleep(0.5)
            assert [each.status for each in followers] == ["running", *["waiting"] * 4]
            assert followers[1].waiting == WaitReason("prefix", "g")
            await asyncio.sleep(1.0)  # the lead has begun to answer, and goes on
            assert {each.status for each in followers} == {"running"}
        assert provider.evaluated["p"] == 2 * 272 + 4 * 16

    VirtualClock().run(main)
    assert [each.job for each in sink.events if isinstance(each, events.GroupReprimed)] != []


def test_a_miss_is_told_and_holds_the_rest() -> None:
    """The provider needs a while to make a prefix readable: who comes at once finds nothing."""
    sink = MemorySink()

    class Lags:
        async def execute(self, job: Job, ctx: JobContext) -> None:
            began = now()
            ctx.emit("first")
            await asyncio.sleep(1.0)
            cached = 0 if began < 3.0 else 900
            ctx.usage(Usage(input_tokens=1000, cached_tokens=cached))
            started.append(began)

    started: list[float] = []

    async def main() -> None:
        async with Engine(Lags(), slots=2, sinks=[sink]) as engine:
            group = await engine.submit_group(
                "g", primer=0, followers=[0] * 6, policy=GroupPolicy(miss_hold=5.0)
            )
            await asyncio.sleep(2.5)
            assert group.followers[-1].waiting == WaitReason("prefix", "g", 6.0)

    VirtualClock().run(main)
    assert started == [0, 0, 1, 6, 6, 7, 7]
    (missed,) = [each for each in sink.events if isinstance(each, events.CacheMissed)]
    assert (missed.group, missed.hold) == ("g", 5.0)


@pytest.mark.parametrize("how", ["cancelled", "timed out", "failed", "waits for its own"])
def test_a_lead_that_does_not_go_on_does_not_hold_its_group(how: str) -> None:
    ended: list[float] = []
    held: list[Group] = []

    class Swallows:
        async def execute(self, job: Job, ctx: JobContext) -> None:
            if job.payload == "primer":
                ctx.emit("first")
            elif job.payload == "lead" and ctx.attempt == 1:
                if how == "failed":
                    raise ValueError("no")
                if how == "waits for its own":
                    await (await held[0].add_follower("own"))
                    return
                for _ in range(3):
                    try:
                        await asyncio.sleep(500.0)
                    except asyncio.CancelledError:
                        continue
            ended.append(now())

    async def main() -> None:
        policy = GroupPolicy(ttl=10.0)
        async with Engine(Swallows(), slots=4, retry=RetryPolicy(2, base=0.0)) as engine:
            timeout = 5.0 if how == "timed out" else None
            async with engine.open_group("g", policy=policy, timeout=timeout) as group:
                held.append(group)
                await group.submit_primer("primer")
                await asyncio.sleep(20.0)
                lead = await group.add_follower("lead")
                others = [await group.add_follower(number) for number in range(3)]
                await asyncio.sleep(1.0)
                if how == "cancelled":
                    lead.cancel()
                await asyncio.wait_for(asyncio.gather(*others), 10.0)

    VirtualClock().run(main)
    assert len(ended) >= 4


def test_members_that_are_graphs_and_groups_of_theirs_end_under_auto() -> None:
    @task
    async def leaf(number: int) -> int:
        await asyncio.sleep(1.0)
        return number

    @dag
    def fan(number: int) -> object:
        return [leaf(number), leaf(number), leaf(number)]

    async def main() -> None:
        async with Engine(slots=2) as engine:
            group = await engine.submit_group(
                "g",
                primer={"number": 1},
                followers=[{"number": 2}, {"number": 3}],
                executor=fan,
                policy=GroupPolicy(in_flight="auto", ttl=0.5),
            )
            assert {each.status for each in await group.results()} == {"succeeded"}

    VirtualClock().run(main)


def test_a_group_in_a_job_is_under_the_same_rules() -> None:
    provider = Provider.by_slot(4)
    engines: list[Engine] = []

    class Outer:
        async def execute(self, job: Job, ctx: JobContext) -> None:
            asks = [Ask(job.payload, name=str(each)) for each in range(8)]
            group = await engines[0].submit_group(
                job.payload, primer=asks[0], followers=asks[1:], policy=AUTO, executor="model"
            )
            assert {each.status for each in await group.results()} == {"succeeded"}

    async def main() -> None:
        async with Engine({"outer": Outer(), "model": provider}, slots=4) as engine:
            engines.append(engine)
            for number in range(12):
                await engine.submit(f"g{number}", executor="outer")

    VirtualClock().run(main)
    assert len(provider.started) == 96
