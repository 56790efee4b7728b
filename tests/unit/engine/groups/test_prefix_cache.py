"""Groups whose prefix cache is made on request: who waits, who gets the handle, and what may fail."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import pytest

from paceline import (
    CacheFailed,
    CircuitBreaker,
    DeadlineExceeded,
    Engine,
    Failure,
    Group,
    GroupPolicy,
    Job,
    JobContext,
    JobFailed,
    JobResult,
    JobSkipped,
    Limits,
    MemorySink,
    PrefixCache,
    RetryPolicy,
    RunReport,
    Suspend,
    WaitReason,
    current_job,
    dag,
    events,
    task,
)
from paceline._groups import group_of
from paceline.testing import VirtualClock


def now() -> float:
    return asyncio.get_running_loop().time()


class Provider:
    """Takes `seconds` to make a handle for the prefix that the payload names."""

    def __init__(self, seconds: float = 3.0) -> None:
        self.seconds = seconds
        self.began: list[tuple[float, str]] = []
        self.undone: list[object] = []
        self.stopped = 0

    def fingerprint(self, payload: Any, context: Mapping[str, Any]) -> str:
        return str(payload)

    async def create(self, payload: Any, context: Mapping[str, Any]) -> Any:
        self.began.append((now(), self.fingerprint(payload, context)))
        number = len(self.began)
        try:
            return await self.made(number)
        except asyncio.CancelledError:
            self.stopped += 1
            raise

    async def made(self, number: int) -> Any:
        return await asyncio.sleep(self.seconds, f"handle {number}")

    async def invalidate(self, handle: object) -> None:
        self.undone.append(handle)


class Implicit:
    """A provider that caches by itself what it has read."""

    def fingerprint(self, payload: Any, context: Mapping[str, Any]) -> str:
        return str(payload)


class Seen:
    """Takes a second for each job, and gives back the handle that it saw."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self.started: list[tuple[float, str]] = []

    async def execute(self, job: Job, ctx: JobContext) -> object:
        self.started.append((now(), job.name))
        await asyncio.sleep(self.seconds)
        return ctx.cache


def told(results: list[JobResult]) -> list[Any]:
    return [result.output if result.ok else result.status for result in results]


async def submit(engine: Engine, name: str, cache: PrefixCache, prefix: str = "p", **options: Any) -> Group:
    return await engine.submit_group(name, primer=prefix, followers=[1, 2], cache=cache, **options)


async def ends(engine: Engine, name: str, cache: PrefixCache, prefix: str = "p", **options: Any) -> list[Any]:
    return told(await (await submit(engine, name, cache, prefix, **options)).results())


def error_of(result: JobResult) -> BaseException:
    assert result.error is not None
    assert result.error.exception is not None
    return result.error.exception


# The handle, and the wait for it.


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


# One for many.


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


# A prefix that is there.


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


# Providers that cache by themselves.


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


# What may fail.


class Failing(Provider):
    """Fails the first `times` times."""

    def __init__(self, times: int, error: BaseException) -> None:
        super().__init__()
        self.times = times
        self.error = error

    async def made(self, number: int) -> Any:
        await asyncio.sleep(1)
        if number <= self.times:
            raise self.error
        return f"handle {number}"


def test_a_creation_that_fails_fails_the_primer_with_the_providers_error_chained() -> None:
    """And leaves nobody hanging, whose place among the active groups others wait for (in acty it did)."""
    error = OSError("no room")
    provider = Failing(1, error)

    async def main() -> None:
        cache = PrefixCache(provider)
        async with Engine(Seen(), slots=1, max_active_groups=1) as engine:
            group = await submit(engine, "g", cache)
            primer, *followers = await group.results()
            assert [primer.status, *(each.status for each in followers)] == ["failed", "skipped", "skipped"]
            failed = error_of(primer)
            assert isinstance(failed, CacheFailed)
            assert failed.__cause__ is error
            assert str(failed) == "group 'g': create failed for the prefix 'p': OSError: no room"
            assert [error_of(each) for each in followers] == [failed, failed]
            assert group.primer is not None
            with pytest.raises(JobFailed, match="no room") as caught:
                await group.primer
            assert caught.value.__cause__ is failed
            assert group.status == "failed"
            # It is not kept: the next group that wants it tries again.
            assert await ends(engine, "h", cache) == ["handle 2"] * 3

    VirtualClock().run(main)


def test_all_that_wait_for_it_fail_each_by_an_error_that_names_its_group() -> None:
    async def main() -> None:
        cache = PrefixCache(Failing(1, OSError()))
        async with Engine(Seen()) as engine:
            groups = [await submit(engine, name, cache) for name in "ab"]
            errors = [error_of((await group.results())[0]) for group in groups]
            assert ["group 'a'" in str(errors[0]), "group 'b'" in str(errors[1])] == [True, True]

    VirtualClock().run(main)


def test_followers_that_run_without_their_primer_run_without_a_handle() -> None:
    provider = Failing(9, OSError())

    async def main() -> None:
        policy = GroupPolicy(on_primer_failure="run_followers")
        async with Engine(Seen()) as engine:
            assert await ends(engine, "g", PrefixCache(provider), policy=policy) == ["failed", None, None]

    VirtualClock().run(main)
    assert len(provider.began) == 1


def test_a_creation_is_tried_again_as_often_as_the_job_may_be() -> None:
    sink = MemorySink()

    async def main() -> None:
        retry = RetryPolicy(attempts=3, base=10.0)
        async with Engine(Seen(), sinks=[sink], retry=retry) as engine:
            results = await (await submit(engine, "a", PrefixCache(Failing(2, OSError())))).results()
            assert told(results) == ["handle 3"] * 3
            assert [[each.number for each in result.attempts] for result in results] == [[1]] * 3
            assert await ends(engine, "b", PrefixCache(Failing(3, OSError()))) == ["failed"] + ["skipped"] * 2

    VirtualClock().run(main)
    assert [event.attempt for event in sink.of(events.JobRetried)] == [0] * 4


def test_the_executor_judges_the_providers_own_error() -> None:
    class Judge(Seen):
        def classify(self, error: Exception) -> Failure:
            return Failure(isinstance(error, OSError))

    async def main() -> None:
        async with Engine(Judge(), retry=RetryPolicy(attempts=2)) as engine:
            assert await ends(engine, "a", PrefixCache(Failing(1, OSError()))) == ["handle 2"] * 3
            provider = Failing(1, ValueError())
            assert (await ends(engine, "b", PrefixCache(provider)))[0] == "failed"
            assert len(provider.began) == 1

    VirtualClock().run(main)


@pytest.mark.parametrize("error", [SystemExit(3), asyncio.CancelledError(), GeneratorExit()])
def test_whatever_the_provider_raises_is_the_end_of_its_own_group_only(error: BaseException) -> None:
    async def main() -> None:
        async with Engine(Seen()) as engine:
            other = await engine.submit("x")
            assert (await ends(engine, "g", PrefixCache(Failing(1, error))))[0] == "failed"
            assert (await other.wait()).ok

    VirtualClock().run(main)


def test_a_keyboard_interrupt_in_the_provider_ends_the_engine() -> None:
    async def main() -> None:
        async with Engine(Seen()) as engine:
            await submit(engine, "g", PrefixCache(Failing(1, KeyboardInterrupt())))
            await asyncio.sleep(100)

    with pytest.raises(KeyboardInterrupt):
        VirtualClock().run(main)


def test_a_create_that_is_not_async_is_named() -> None:
    class Sync(Implicit):
        def create(self, payload: Any, context: Mapping[str, Any]) -> str:
            return "handle"

    async def main() -> None:
        async with Engine(Seen()) as engine:
            group = await submit(engine, "g", PrefixCache(Sync()))
            message = str(error_of((await group.results())[0]))
            assert "create failed" in message
            assert "await" in message

    VirtualClock().run(main)


@pytest.mark.parametrize(
    ("fingerprint", "said"),
    [
        (lambda: 1 / 0, "Naming.fingerprint failed: ZeroDivisionError"),
        (lambda: None, "Naming.fingerprint must return a text, not None"),
        (lambda: "", "Naming.fingerprint must return a text, not ''"),
        (lambda: 7, "Naming.fingerprint must return a text, not 7"),
    ],
)
def test_a_provider_that_names_no_prefix_fails_the_primer(fingerprint: Any, said: str) -> None:
    class Naming(Provider):
        def fingerprint(self, payload: Any, context: Mapping[str, Any]) -> str:
            return fingerprint()  # type: ignore[no-any-return]

    async def main() -> None:
        async with Engine(Seen()) as engine:
            primer, *_ = await (await submit(engine, "g", PrefixCache(Naming()))).results()
            assert said in str(error_of(primer))

    VirtualClock().run(main)


def test_what_was_made_but_never_got_ready_is_undone() -> None:
    class NeverReady(Provider):
        async def wait_ready(self, handle: object) -> None:
            raise OSError("rejected")

    provider = NeverReady()

    async def main() -> None:
        async with Engine(Seen()) as engine:
            primer, *_ = await (await submit(engine, "g", PrefixCache(provider))).results()
            assert "wait_ready failed for the prefix 'p': OSError: rejected" in str(error_of(primer))

    VirtualClock().run(main)
    assert provider.undone == ["handle 1"]


def test_a_failure_to_undo_is_logged_and_hides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Hopeless(Provider):
        async def wait_ready(self, handle: object) -> None:
            raise OSError("rejected")

        async def invalidate(self, handle: object) -> None:
            raise LookupError("nor this")

    async def main() -> None:
        async with Engine(Seen()) as engine:
            primer, *_ = await (await submit(engine, "g", PrefixCache(Hopeless()))).results()
            assert isinstance(error_of(primer).__cause__, OSError)

    VirtualClock().run(main)
    assert "made in vain and could not be undone" in caplog.text


# Hanging, and leaving.


def test_a_creation_that_hangs_is_given_up_in_time() -> None:
    provider = Provider(1000)

    async def main() -> None:
        async with Engine(Seen()) as engine:
            primer, *_ = await (await submit(engine, "g", PrefixCache(provider, timeout=30))).results()
            assert now() == 30
            assert isinstance(error_of(primer).__cause__, TimeoutError)
            assert "longer than the 30 s" in str(error_of(primer))

    VirtualClock().run(main)
    assert provider.stopped == 1


class Deaf(Provider):
    """Swallows being cancelled, for so many seconds."""

    async def made(self, number: int) -> Any:
        loop = asyncio.get_running_loop()
        until = loop.time() + self.seconds
        while loop.time() < until:
            try:
                await asyncio.sleep(until - loop.time())
            except asyncio.CancelledError:
                self.stopped += 1
        return f"handle {number}"


def test_one_that_was_made_in_time_is_left_alone_when_the_time_is_over() -> None:
    async def main() -> None:
        cache = PrefixCache(Provider(), timeout=30)
        async with Engine(Seen()) as engine:
            await ends(engine, "g", cache)
            await cache.invalidate("p")
            await asyncio.sleep(100)
            assert not cache.entries

    VirtualClock().run(main)


def test_one_that_ignores_that_holds_up_no_job_and_is_undone_if_it_ends_in_time() -> None:
    provider = Deaf(33)

    async def main() -> None:
        cache = PrefixCache(provider, timeout=30)
        async with Engine(Seen(), grace=5) as engine:
            assert (await ends(engine, "g", cache))[0] == "failed"
            assert now() == 30
        assert now() == 33
        assert not cache.entries

    VirtualClock().run(main)
    assert provider.undone == ["handle 1"]
    assert provider.stopped == 1


def test_one_that_never_ends_is_left_behind_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    class Stone(Provider):
        async def made(self, number: int) -> Any:
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.get_running_loop().create_future()

    async def main() -> None:
        async with Engine(Seen(), grace=5) as engine:
            assert (await ends(engine, "g", PrefixCache(Stone(), timeout=30)))[0] == "failed"
        assert now() == 35

    with caplog.at_level(logging.WARNING, "paceline"):
        VirtualClock().run(main)
    assert "abandoned at the end of the run: prefix cache 'p'" in caplog.text


def test_a_group_that_is_cancelled_does_not_take_the_making_from_the_others() -> None:
    provider = Provider()

    async def main() -> None:
        cache = PrefixCache(provider)
        async with Engine(Seen()) as engine:
            first, second = await submit(engine, "a", cache), await submit(engine, "b", cache)
            await asyncio.sleep(1)
            first.cancel()
            assert told(await first.results()) == ["cancelled"] * 3
            assert now() == 1
            assert told(await second.results()) == ["skipped", "handle 1", "handle 1"]

    VirtualClock().run(main)
    assert (len(provider.began), provider.stopped) == (1, 0)


def test_when_all_that_wait_for_it_are_gone_it_is_cancelled() -> None:
    provider = Provider()

    async def main() -> None:
        cache = PrefixCache(provider)
        async with Engine(Seen()) as engine:
            groups = [await submit(engine, name, cache) for name in "ab"]
            await asyncio.sleep(1)
            for group in groups:
                group.cancel()
            await asyncio.sleep(0.1)
            assert provider.stopped == 1
            # And is made anew for one that comes later.
            assert await ends(engine, "c", cache) == ["handle 2"] * 3

    VirtualClock().run(main)


def test_one_cancelled_before_it_began_is_never_begun() -> None:
    provider = Provider()

    async def main() -> None:
        async with Engine(Seen()) as engine:
            (await submit(engine, "g", PrefixCache(provider))).cancel()

    VirtualClock().run(main)
    assert provider.began == []


def test_what_is_made_when_nobody_waits_any_more_is_undone() -> None:
    provider = Deaf(10)

    async def main() -> None:
        cache = PrefixCache(provider)
        async with Engine(Seen(), grace=20) as engine:
            group = await submit(engine, "g", cache)
            await asyncio.sleep(1)
            group.cancel()
        assert now() == 10
        assert not cache.entries

    VirtualClock().run(main)
    assert provider.undone == ["handle 1"]


def test_a_deadline_ends_a_job_that_waits_for_its_prefix() -> None:
    provider = Provider(100)

    async def main() -> None:
        async with Engine(Seen()) as engine:
            primer, *_ = await (await submit(engine, "g", PrefixCache(provider), deadline=7)).results()
            assert isinstance(error_of(primer), DeadlineExceeded)
            assert now() == 7

    VirtualClock().run(main)
    assert provider.stopped == 1


def test_a_timeout_does_not_count_the_wait_for_the_prefix() -> None:
    async def main() -> None:
        async with Engine(Seen()) as engine:
            assert await ends(engine, "g", PrefixCache(Provider(50)), timeout=2) == ["handle 1"] * 3

    VirtualClock().run(main)


def test_leaving_by_an_error_leaves_no_creation_behind() -> None:
    provider = Provider(100)

    async def main() -> None:
        engine = Engine(Seen())
        await engine.__aenter__()
        await submit(engine, "g", PrefixCache(provider))
        await asyncio.sleep(1)
        await engine.__aexit__(OSError, OSError("left"), None)
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
        assert now() == 1

    VirtualClock().run(main)
    assert provider.stopped == 1


def test_leaving_normally_waits_for_the_prefix_and_its_jobs() -> None:
    async def main() -> None:
        async with Engine(Seen()) as engine:
            suspended = await engine.submit("x", executor=asking)
            group = await submit(engine, "g", PrefixCache(Provider(50)))
        assert told(await group.results()) == ["handle 1"] * 3
        assert suspended.status == "suspended"

    VirtualClock().run(main)


async def asking(payload: Any) -> Suspend:
    return Suspend("?")


# What the provider sees, and what is recorded.


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


# What is refused.


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
