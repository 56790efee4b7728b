"""Prefixes that are there: primers that are spared, times to live, and providers that cache by themselves."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from paceline import (
    Engine,
    GroupPolicy,
    JobSkipped,
    MemorySink,
    PrefixCache,
    RetryPolicy,
    RunReport,
    WaitReason,
    current_job,
    events,
)
from paceline._groups import group_of
from paceline.testing import VirtualClock

from .caches import Implicit, Provider, Seen, ends, now, submit, told


def test_a_primer_whose_prefix_is_there_is_skipped_and_its_followers_run_at_once() -> None:
    work = Seen()

    async def main() -> None:
        cache = PrefixCache(Provider())
        async with Engine(work) as engine:
            await ends(engine, "first", cache)
            group = await submit(engine, "second", cache, policy=GroupPolicy(settle=50))
            after = await engine.submit("x", after=group)
            assert told(await group.results()) == ["skipped", "handle 1", "handle 1"]
            assert now() == 6
            assert group.status == "succeeded"
            assert (await after.wait()).ok
            assert group.primer is not None
            with pytest.raises(JobSkipped, match="was skipped: its prefix is there already"):
                await group.primer
            assert RunReport.of(await group.results()).ok

    VirtualClock().run(main)


def test_a_group_of_nothing_but_such_a_primer_succeeds() -> None:
    async def main() -> None:
        cache = PrefixCache(Provider())
        async with Engine(Seen()) as engine:
            await ends(engine, "first", cache)
            group = await engine.submit_group("second", primer="p", cache=cache)
            assert told(await group.results()) == ["skipped"]
            assert group.status == "succeeded"

    VirtualClock().run(main)


@pytest.mark.parametrize("fails", ["failed", "cancelled"])
def test_such_a_group_still_ends_by_the_worst_that_befell_another(fails: str) -> None:
    async def work(payload: Any) -> None:
        if payload == "bad":
            raise OSError
        await asyncio.sleep(1)

    async def main() -> None:
        cache = PrefixCache(Provider())
        async with Engine(work, retry=None) as engine:
            await ends(engine, "first", cache)
            async with engine.open_group("second", cache=cache) as group:
                await group.submit_primer("p")
                follower = await group.add_follower("bad" if fails == "failed" else "x")
                if fails == "cancelled":
                    follower.cancel()
            await group.results()
            assert group.status == fails

    VirtualClock().run(main)


def test_a_primer_that_has_work_of_its_own_runs_all_the_same() -> None:
    provider = Provider()

    async def main() -> None:
        cache = PrefixCache(provider, skip_primer=False)
        async with Engine(Seen()) as engine:
            for name in "ab":
                assert await ends(engine, name, cache) == ["handle 1"] * 3

    VirtualClock().run(main)
    assert len(provider.began) == 1


@pytest.mark.parametrize(("sliding", "made"), [(True, 1), (False, 3)])
def test_its_time_to_live_counts_from_its_last_use_or_from_its_making(sliding: bool, made: int) -> None:
    provider = Provider()

    async def main() -> None:
        cache = PrefixCache(provider, ttl=10, sliding=sliding)
        async with Engine(Seen()) as engine:
            for number in range(5):
                await ends(engine, f"g{number}", cache)
                await asyncio.sleep(6)

    VirtualClock().run(main)
    assert len(provider.began) == made


def test_a_use_counts_from_the_start_of_the_job_and_only_if_it_succeeds() -> None:
    provider = Provider(0.5)
    fails = False

    async def work(payload: Any) -> None:
        await asyncio.sleep(9)
        if fails:
            raise OSError

    async def main() -> None:
        nonlocal fails
        cache = PrefixCache(provider, ttl=20)
        async with Engine(work) as engine:
            await ends(engine, "a", cache)  # used at 0.5 and at 9.5
            await asyncio.sleep(10)
            fails = True
            await ends(engine, "b", cache)  # from 28.5 on, in vain
            fails = False
            await ends(engine, "c", cache)

    VirtualClock().run(main)
    assert [at for at, _ in provider.began] == [0, 37.5]


def test_a_use_that_began_in_time_counts_though_others_made_prefixes_meanwhile() -> None:
    provider = Provider(0)

    async def work(payload: Any) -> None:
        await asyncio.sleep(8)

    async def main() -> None:
        cache = PrefixCache(provider, ttl=10)
        async with Engine(work) as engine:
            await ends(engine, "a", cache)  # its last use begins at 8
            group = await submit(engine, "b", cache)  # at 16
            await asyncio.sleep(4)
            await submit(engine, "c", cache, prefix="another")  # at 20, when the one before is 12 s old
            await group.results()
            await ends(engine, "d", cache)  # at 24, 8 s after its last use

    VirtualClock().run(main)
    assert [name for _, name in provider.began] == ["p", "another"]


def test_members_that_start_when_it_has_expired_wait_for_a_new_one() -> None:
    provider = Provider(2)
    sink = MemorySink()

    async def main() -> None:
        cache = PrefixCache(provider, ttl=5)
        async with Engine(Seen(10), sinks=[sink]) as engine:
            group = await submit(engine, "g", cache)
            await asyncio.sleep(13)
            assert [handle.waiting for handle in group.followers] == [WaitReason("cache", "p")] * 2
            assert engine.snapshot().slots_used == 0
            assert told(await group.results()) == ["handle 1", "handle 2", "handle 2"]
            assert now() == 24

    VirtualClock().run(main)
    assert [at for at, _ in provider.began] == [0, 12]
    assert [event.outcome for event in sink.of(events.PrefixCached)] == ["created", "created"]


def test_a_job_cancelled_between_its_prefix_and_its_turn_leaves_nothing_behind() -> None:
    async def main() -> None:
        cache = PrefixCache(Provider(2), ttl=1)
        async with Engine(Seen(10), slots=1) as engine, engine.open_group("g", cache=cache) as group:
            primer = await group.submit_primer("p")
            await engine.submit("x")
            await asyncio.sleep(5)
            assert str(primer.waiting) == "waits for a free slot"
            primer.cancel()
            prefix = group_of(group).prefix
            assert prefix is not None
            assert not prefix._cleared

    VirtualClock().run(main)


def test_a_job_does_not_wait_for_ever_for_a_prefix_that_expires_before_its_turn() -> None:
    """One slot, and a prefix that lives shorter than any job takes."""
    provider = Provider(2)

    async def main() -> None:
        cache = PrefixCache(provider, ttl=1)
        async with Engine(Seen(10), slots=1) as engine:
            for number in range(3):
                await engine.submit(number)
            group = await submit(engine, "g", cache)
            for number in range(3):
                await engine.submit(number)
            assert [result.status for result in await group.results()] == ["succeeded"] * 3

    VirtualClock().run(main)
    assert len(provider.began) <= 3


@pytest.mark.parametrize("role", ["primer", "follower"])
def test_an_executor_that_finds_the_handle_lost_gets_another_at_its_next_attempt(role: str) -> None:
    provider = Provider()
    lost = {"handle 1"}

    async def main() -> None:
        cache = PrefixCache(provider)

        async def work(payload: Any) -> Any:
            job = current_job()
            assert job is not None
            await asyncio.sleep(1)
            if job.job.role == role and job.cache in lost:
                cache.forget(job.cache)
                raise LookupError(job.cache)
            return job.cache

        async with Engine(work, retry=RetryPolicy(attempts=2)) as engine:
            first = "handle 2" if role == "primer" else "handle 1"
            assert await ends(engine, "g", cache) == [first, "handle 2", "handle 2"]

    VirtualClock().run(main)
    assert len(provider.began) == 2


def test_where_nothing_can_be_made_a_primer_that_has_succeeded_spares_the_next() -> None:
    async def main() -> None:
        cache = PrefixCache(Implicit(), ttl=10)
        async with Engine(Seen()) as engine:
            assert await ends(engine, "a", cache) == [None] * 3
            assert await ends(engine, "b", cache) == ["skipped", None, None]
            assert await ends(engine, "c", cache, prefix="other") == [None] * 3
            await asyncio.sleep(10)
            assert await ends(engine, "d", cache) == [None] * 3

    VirtualClock().run(main)


def test_a_primer_that_ends_late_does_not_make_a_prefix_older_than_it_is() -> None:
    async def work(payload: Any) -> None:
        await asyncio.sleep(float(payload))

    class Same(Implicit):
        def fingerprint(self, payload: Any, context: Mapping[str, Any]) -> str:
            return "the same"

    async def main() -> None:
        cache = PrefixCache(Same(), ttl=10)
        async with Engine(work) as engine:
            slow = await engine.submit_group("slow", primer="8", cache=cache)
            await asyncio.sleep(5)
            await (await engine.submit_group("quick", primer="1", cache=cache)).results()
            await slow.results()
            await asyncio.sleep(4)  # 12 s after the start of the slow one, 7 s after that of the quick one
            group = await engine.submit_group("last", primer="1", cache=cache)
            assert told(await group.results()) == ["skipped"]

    VirtualClock().run(main)


def test_a_primer_that_fails_establishes_nothing() -> None:
    fails = True

    async def work(payload: Any) -> str:
        if fails:
            raise OSError
        return "done"

    async def main() -> None:
        nonlocal fails
        cache = PrefixCache(Implicit())
        policy = GroupPolicy(on_primer_failure="run_followers")
        async with Engine(work) as engine:
            assert await ends(engine, "a", cache, policy=policy) == ["failed"] * 3
            fails = False
            assert await ends(engine, "b", cache) == ["done"] * 3

    VirtualClock().run(main)


def test_a_provider_may_say_that_a_prefix_has_no_handle() -> None:
    """It is too short for an explicit cache, say: then it is as with a provider that caches by itself."""

    class Choosy(Provider):
        async def made(self, number: int) -> Any:
            return await asyncio.sleep(self.seconds)

    provider = Choosy()

    async def main() -> None:
        cache = PrefixCache(provider)
        async with Engine(Seen()) as engine:
            assert await ends(engine, "a", cache) == [None] * 3
            assert await ends(engine, "b", cache) == ["skipped", None, None]
            await cache.clear()

    VirtualClock().run(main)
    assert (len(provider.began), provider.undone) == (1, [])


def test_it_is_asked_once_for_all_that_wait_and_all_attempts_of_a_primer() -> None:
    class Handleless(Provider):
        async def made(self, number: int) -> Any:
            return await asyncio.sleep(self.seconds)

    provider = Handleless()

    async def work(payload: Any) -> None:
        job = current_job()
        assert job is not None
        await asyncio.sleep(1)
        if job.attempt == 1:
            raise OSError

    async def main() -> None:
        cache = PrefixCache(provider)
        async with Engine(work, retry=RetryPolicy(attempts=2, base=0)) as engine:
            groups = [await submit(engine, name, cache) for name in "ab"]
            for group in groups:
                assert told(await group.results()) == [None] * 3  # each runs its primer

    VirtualClock().run(main)
    assert len(provider.began) == 1
