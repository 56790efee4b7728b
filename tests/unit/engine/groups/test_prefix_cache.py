"""Groups whose prefix cache is made on request: who waits, who gets the handle, and who shares it."""

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import pytest

from paceline import (
    CircuitBreaker,
    Engine,
    Failure,
    Job,
    JobContext,
    Limits,
    MemorySink,
    PrefixCache,
    WaitReason,
    current_job,
    dag,
    events,
    task,
)
from paceline.testing import VirtualClock

from .caches import Failing, Provider, Seen, ends, now, submit, told


def test_every_job_of_the_group_gets_the_handle_that_was_made_once() -> None:
    provider = Provider()

    async def main() -> None:
        async with Engine(Seen()) as engine:
            assert await ends(engine, "g", PrefixCache(provider)) == ["handle 1"] * 3
            assert now() == 5

    VirtualClock().run(main)
    assert provider.began == [(0, "p")]


def test_a_job_of_no_group_and_of_a_group_without_a_cache_has_no_handle() -> None:
    async def main() -> None:
        async with Engine(Seen()) as engine:
            assert await (await engine.submit("x")) is None
            group = await engine.submit_group("g", primer="p", followers=[1])
            assert told(await group.results()) == [None, None]

    VirtualClock().run(main)


def test_while_it_is_made_submitting_goes_on_and_the_slot_serves_others() -> None:
    """Acty made it inside submit_group: three submits took as long as three caches."""
    work = Seen()

    async def main() -> None:
        cache = PrefixCache(Provider(10))
        async with Engine(work, slots=1) as engine:
            groups = [await submit(engine, name, cache, prefix=name) for name in "abc"]
            other = await engine.submit("other")
            assert now() == 0
            await asyncio.sleep(0.5)
            assert other.status == "running"
            for group in groups:
                assert group.primer is not None
                for handle in (group.primer, *group.followers):
                    assert handle.status == "waiting"
                    assert handle.waiting == WaitReason("cache", group.name)
            assert str(groups[0].followers[0].waiting) == "waits for the prefix cache a"
            snapshot = engine.snapshot()
            assert (snapshot.slots_used, snapshot.counts["waiting"], snapshot.counts["running"]) == (1, 9, 1)
            for group in groups:
                await group.results()
            assert now() == 19

    VirtualClock().run(main)
    assert work.started[0][0] == 0


def test_the_wait_for_a_prefix_costs_the_lane_nothing() -> None:
    async def main() -> None:
        async with Engine(Seen()) as engine:
            await submit(engine, "g", PrefixCache(Provider()), cost=5.0)
            await asyncio.sleep(1)
            assert engine.snapshot().lanes["default"].served == 0.0

    VirtualClock().run(main)


def test_jobs_that_wait_for_a_prefix_count_in_max_pending() -> None:
    async def main() -> None:
        async with Engine(Seen(), max_pending=3) as engine:
            await submit(engine, "g", PrefixCache(Provider(10)))
            await asyncio.sleep(1)
            await engine.submit("x")
            assert now() == 10  # when the primer has begun

    VirtualClock().run(main)


def test_a_group_whose_prefix_is_being_made_has_no_place_among_the_active_ones() -> None:
    async def main() -> None:
        async with Engine(Seen(), slots=1, max_active_groups=1) as engine:
            await submit(engine, "waits", PrefixCache(Provider(100)))
            group = await engine.submit_group("g", primer="p", followers=[1, 2])
            await group.results()
            assert now() == 3

    VirtualClock().run(main)


def test_what_was_reserved_for_a_job_that_waits_for_its_prefix_is_there_for_others() -> None:
    work = Seen()

    async def main() -> None:
        limits = Limits(requests_per_minute=6, burst=1 / 6)
        async with Engine(work, limits=limits) as engine:
            await submit(engine, "g", PrefixCache(Provider(5)))
            await engine.submit("x", name="other")

    VirtualClock().run(main)
    assert [name for _, name in work.started] == ["other", "g/primer", "g/follower/0", "g/follower/1"]
    assert [at for at, _ in work.started] == pytest.approx([0, 10, 20, 30])


def test_a_probe_of_a_broken_provider_that_waits_for_its_prefix_lets_another_be_the_probe() -> None:
    class Broken(Seen):
        async def execute(self, job: Job, ctx: JobContext) -> object:
            await super().execute(job, ctx)
            if job.payload == "breaks":
                raise OSError
            return None

        def classify(self, error: Exception) -> Failure:
            return Failure(False, fault="provider")

    work = Broken()

    async def main() -> None:
        breaker = CircuitBreaker(failures=1, cooldown=10)
        async with Engine(work, slots=1, limits=Limits(breaker=breaker)) as engine:
            broken = await engine.submit("breaks")
            await submit(engine, "g", PrefixCache(Provider(50)))
            await engine.submit("x", name="other")
            assert (await broken.wait()).status == "failed"

    VirtualClock().run(main)
    assert work.started[1:] == [
        (11, "other"),
        (61, "g/primer"),
        (62, "g/follower/0"),
        (63, "g/follower/1"),
    ]


def test_it_is_ready_only_when_its_provider_says_so() -> None:
    class Slow(Provider):
        async def wait_ready(self, handle: object) -> None:
            assert handle == "handle 1"
            await asyncio.sleep(20)

    async def main() -> None:
        async with Engine(Seen()) as engine:
            assert await ends(engine, "g", PrefixCache(Slow())) == ["handle 1"] * 3
            assert now() == 25

    VirtualClock().run(main)


def test_a_prefix_is_not_made_before_what_its_group_comes_after() -> None:
    provider = Provider()

    async def main() -> None:
        async with Engine(Seen(7)) as engine:
            before = await engine.submit("x")
            await ends(engine, "g", PrefixCache(provider), after=before)

    VirtualClock().run(main)
    assert provider.began == [(7, "p")]


def test_an_open_group_takes_followers_while_its_prefix_is_made_and_after() -> None:
    async def main() -> None:
        cache = PrefixCache(Provider())
        async with Engine(Seen()) as engine, engine.open_group("g", cache=cache) as group:
            first = await group.add_follower(1)
            await group.submit_primer("p")
            await asyncio.sleep(1)
            assert first.waiting == WaitReason("cache", "p")
            assert await first == "handle 1"
            assert await (await group.add_follower(2)) == "handle 1"

    VirtualClock().run(main)


def test_an_open_group_without_a_primer_has_no_handle() -> None:
    provider = Provider()

    async def main() -> None:
        async with Engine(Seen()) as engine:
            async with engine.open_group("g", cache=PrefixCache(provider)) as group:
                handle = await group.add_follower(1)
            assert await handle is None

    VirtualClock().run(main)
    assert provider.began == []


def test_a_graph_as_the_member_of_a_group_waits_like_any_job() -> None:
    @task
    async def look(value: str) -> str:
        await asyncio.sleep(1)
        return value

    @dag
    def graph(value: str) -> str:
        return look(value)  # type: ignore[return-value]

    provider = Provider()

    async def main() -> None:
        cache = PrefixCache(provider)
        async with Engine(graph) as engine:
            given = {"value": "p"}
            group = await engine.submit_group("g", primer=given, followers=[given], cache=cache)
            await asyncio.sleep(1)
            assert group.primer is not None
            assert group.primer.waiting == WaitReason("cache", str(given))
            assert [result.status for result in await group.results()] == ["succeeded"] * 2
            assert now() == 5
            again = await engine.submit_group("h", primer=given, followers=[given], cache=cache)
            assert [result.status for result in await again.results()] == ["skipped", "succeeded"]

    VirtualClock().run(main)
    assert len(provider.began) == 1


def test_groups_that_want_the_same_prefix_share_its_making() -> None:
    """The group that was first runs its primer; the others find the prefix made."""
    provider = Provider()

    async def main() -> None:
        cache = PrefixCache(provider)
        async with Engine(Seen(), slots=100) as engine:
            groups = [await submit(engine, f"g{number}", cache) for number in range(10)]
            ended = [told(await group.results()) for group in groups]
        assert ended[0] == ["handle 1"] * 3
        assert ended[1:] == [["skipped", "handle 1", "handle 1"]] * 9

    VirtualClock().run(main)
    assert len(provider.began) == 1


def test_two_engines_of_one_loop_share_it_too() -> None:
    provider = Provider()

    async def main() -> None:
        cache = PrefixCache(provider)
        async with Engine(Seen()) as one, Engine(Seen()) as two:
            first, second = await submit(one, "g", cache), await submit(two, "g", cache)
            assert told(await first.results()) == ["handle 1"] * 3
            assert told(await second.results()) == ["skipped", "handle 1", "handle 1"]

    VirtualClock().run(main)
    assert len(provider.began) == 1


def test_an_engine_that_is_left_does_not_take_the_making_from_another() -> None:
    provider = Provider()

    async def main() -> None:
        cache = PrefixCache(provider)
        async with Engine(Seen()) as two:
            one = Engine(Seen())
            await one.__aenter__()
            await submit(one, "g", cache)
            second = await submit(two, "g", cache)
            await asyncio.sleep(1)
            await one.__aexit__(OSError, OSError("left"), None)
            assert now() == 1
            assert told(await second.results()) == ["skipped", "handle 1", "handle 1"]

    VirtualClock().run(main)
    assert (len(provider.began), provider.stopped) == (1, 0)


def test_the_context_tells_tenants_apart() -> None:
    class PerTenant(Provider):
        def fingerprint(self, payload: Any, context: Mapping[str, Any]) -> str:
            return f"{context['tenant']}/{payload}"

    provider = PerTenant()

    async def main() -> None:
        cache = PrefixCache(provider)
        async with Engine(Seen()) as engine:
            for number, tenant in enumerate(("a", "b", "a")):
                await ends(engine, f"g{number}", cache, cache_context={"tenant": tenant})

    VirtualClock().run(main)
    assert [fingerprint for _, fingerprint in provider.began] == ["a/p", "b/p"]


def test_no_more_are_made_at_once_than_may_be() -> None:
    provider = Provider(10)

    async def main() -> None:
        async with Engine(Seen()) as engine:
            for number in range(5):
                await submit(engine, f"g{number}", PrefixCache(provider), prefix=f"own {number}")
            cache = PrefixCache(provider, max_creations=2, timeout=15)
            for number in range(5):
                await submit(engine, f"h{number}", cache, prefix=f"p{number}")

    VirtualClock().run(main)
    assert [at for at, name in provider.began if name.startswith("p")] == [0, 0, 10, 10, 20]


def test_the_provider_runs_in_the_submitters_context_but_in_no_job() -> None:
    tenant: ContextVar[str] = ContextVar("tenant")
    seen: list[object] = []

    class Looking(Provider):
        async def made(self, number: int) -> Any:
            seen.extend((tenant.get(), current_job()))
            return "handle"

    async def main() -> None:
        cache = PrefixCache(Looking())

        async def parent(payload: Any) -> None:
            tenant.set("acme")
            await (await submit(engine, "g", cache, executor=Seen())).results()

        async with Engine(parent) as engine:
            await (await engine.submit("x"))

    VirtualClock().run(main)
    assert seen == ["acme", None]


def test_events_tell_what_became_of_each_groups_prefix() -> None:
    sink = MemorySink()

    async def main() -> None:
        cache = PrefixCache(Failing(1, OSError("no")))
        async with Engine(Seen(), sinks=[sink]) as engine:
            for name in "abc":
                await ends(engine, name, cache)

    VirtualClock().run(main)
    found = sink.of(events.PrefixCached)
    assert [(each.group, each.fingerprint, each.outcome, each.seconds) for each in found] == [
        ("a", "p", "failed", 1.0),
        ("b", "p", "created", 1.0),
        ("c", "p", "reused", None),
    ]
    assert found[0].error == events.ErrorText("OSError", "no")
    released = sink.of(events.GroupReleased)
    assert [(each.group, each.by) for each in released] == [("b", "complete"), ("c", "warm")]


def test_a_cache_needs_a_primer_and_must_be_a_registry() -> None:
    cache: Any = PrefixCache(Provider())

    async def main() -> None:
        async with Engine(Seen()) as engine:
            with pytest.raises(ValueError, match="group 'g': a prefix cache needs a primer"):
                await engine.submit_group("g", followers=[1], cache=cache)
            with pytest.raises(TypeError, match=r"cache must be a PrefixCache.*PrefixCache\(provider\)"):
                await engine.submit_group("g", primer="p", cache=cache._provider)
            with pytest.raises(ValueError, match="cache_context is for a prefix cache"):
                engine.open_group("g", cache_context={"tenant": "a"})
            assert await ends(engine, "g", cache) == ["handle 1"] * 3

    VirtualClock().run(main)
