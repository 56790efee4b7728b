"""Why a job is not running now, through `handle.waiting` and `snapshot()`: one test for every kind."""

import asyncio
from collections.abc import Mapping
from typing import Any, Literal, get_args

import pytest

from paceline import (
    Budget,
    CircuitBreaker,
    Cost,
    Engine,
    Failure,
    GroupPolicy,
    Handle,
    Job,
    JobContext,
    Lane,
    Limits,
    PrefixCache,
    RetryPolicy,
    Suspend,
    WaitReason,
    flow,
    gather,
    task,
)
from paceline._scheduler._waiting import WaitKind
from paceline.testing import VirtualClock

LIMITS = {
    "model": Limits(requests_per_minute=1),
    "key": Limits(breaker=CircuitBreaker(failures=1, cooldown=30.0)),
}


class Work:
    """Takes the payload's seconds; a function is called, an error raised, a Suspend returned.

    A TimeoutError stands for a provider that asks to wait, a ConnectionError for one that is broken.
    """

    resources = ()

    def estimate(self, job: Job) -> Cost:
        return Cost(input_tokens=60, output_tokens=0)

    def classify(self, error: BaseException) -> Failure:
        if isinstance(error, TimeoutError):
            return Failure(retryable=True, retry_after=25.0, fault="limit")
        return Failure(retryable=True, fault="provider" if isinstance(error, ConnectionError) else "unknown")

    async def execute(self, job: Job, ctx: JobContext) -> object:
        if isinstance(job.payload, BaseException):
            raise job.payload
        if isinstance(job.payload, Suspend):
            return job.payload
        if not isinstance(job.payload, int):
            return await job.payload(ctx)
        await asyncio.sleep(job.payload)
        return None


class Slow:
    """Takes nine seconds to make a prefix cache."""

    def fingerprint(self, payload: object, context: Mapping[str, Any]) -> str:
        return f"prefix {payload}"

    async def create(self, payload: object, context: Mapping[str, Any]) -> str:
        await nine_seconds()
        return "handle"


async def nine_seconds() -> None:
    await asyncio.sleep(9)


@flow
async def both() -> None:
    await gather(task(nine_seconds, name="first")(), task(nine_seconds, name="second")())


def seen(engine: Engine, handle: Handle) -> WaitReason | None:
    """What both places say, which must be the same."""
    reason = handle.waiting
    assert engine.snapshot().waiting.get(handle.id) == reason
    return reason


GroupKind = Literal["cache", "release", "settle", "active_groups", "group_in_flight", "prefix", "question"]
LimitKind = Literal["limit", "retry_after", "circuit", "budget"]


async def in_a_group(kind: GroupKind, engine: Engine) -> tuple[Handle, WaitReason]:
    """What holds members of groups."""
    match kind:
        case "cache":
            group = await engine.submit_group("g", primer=2, followers=[1], cache=PrefixCache(Slow()))
            assert group.primer is not None
            assert seen(engine, group.primer) == WaitReason("cache", "prefix 2")
            return group.followers[0], WaitReason("cache", "prefix 2")
        case "release" | "settle":
            policy = GroupPolicy(settle=7.0)
            group = await engine.submit_group("g", primer=2, followers=[1], policy=policy)
            if kind == "release":
                return group.followers[0], WaitReason("release", "g")
            await asyncio.sleep(3)
            return group.followers[0], WaitReason("settle", "g", 9.0)
        case "active_groups":
            for name in ("a", "b"):
                await engine.submit_group(name, primer=1, followers=[9] * 9, policy=GroupPolicy(in_flight=1))
            await asyncio.sleep(2)
            third = await engine.submit_group("c", primer=1)
            assert third.primer is not None
            return third.primer, WaitReason("active_groups", "c")
        case "group_in_flight":
            group = await engine.submit_group("g", followers=[9, 9], policy=GroupPolicy(in_flight=1))
            return group.followers[1], WaitReason("group_in_flight", "g")
        case "question":
            policy = GroupPolicy(in_flight=1, on_follower_suspended="wait")
            group = await engine.submit_group("g", followers=[Suspend("?"), 9], policy=policy)
            await group.followers[0].wait()
            return group.followers[1], WaitReason("question", "g")
        case "prefix":
            policy = GroupPolicy(ttl=2.0)
            async with engine.open_group("g", policy=policy) as group_to_be:
                await (await group_to_be.submit_primer(1))
                await asyncio.sleep(5)
                await group_to_be.add_follower(9)
                return await group_to_be.add_follower(9), WaitReason("prefix", "g")


async def at_a_limit(kind: LimitKind, engine: Engine) -> tuple[Handle, WaitReason]:
    """What holds jobs that use something limited."""
    match kind:
        case "limit":
            await engine.submit(5, resources="model")
            other = await engine.submit(1, resources="model")
            return other, WaitReason("limit", "model: requests per minute", 60.0)
        case "retry_after" | "circuit":
            error = TimeoutError() if kind == "retry_after" else ConnectionError()
            await (await engine.submit(error, resources="key")).wait()
            until = 25.0 if kind == "retry_after" else 30.0
            return await engine.submit(1, resources="key"), WaitReason(kind, "key", until)
        case "budget":
            await engine.submit(9, metadata={"tenant": "acme"})
            other = await engine.submit(1, metadata={"tenant": "acme"})
            return other, WaitReason("budget", "the budget 'purse' of tenant acme (tokens)", 3600.0)


async def scenario(kind: WaitKind, engine: Engine) -> tuple[Handle, WaitReason]:  # noqa: C901 - a case a kind
    """Bring about that kind of wait, and say what is to be seen of it."""
    match kind:
        case "cache" | "release" | "settle" | "active_groups" | "group_in_flight" | "prefix" | "question":
            return await in_a_group(kind, engine)
        case "limit" | "retry_after" | "circuit" | "budget":
            return await at_a_limit(kind, engine)
        case "dependency":
            other = await engine.submit(5)
            return await engine.submit(1, after=other), WaitReason("dependency", other.id)
        case "lock":
            await engine.submit(5, lock="user:7")
            return await engine.submit(1, lock="user:7"), WaitReason("lock", "user:7")
        case "max_running":
            run = await both.start(engine, max_running=1)
            await asyncio.sleep(1)
            return run.tasks["second"], WaitReason("max_running", "both")
        case "lane_cap":
            await engine.submit(9, lane="capped")
            return await engine.submit(1, lane="capped"), WaitReason("lane_cap", "capped")
        case "slot" | "lane_share":
            for _ in range(3):
                await engine.submit(9)
            mine, other = await engine.submit(1), await engine.submit(1, lane="other", cost=99)
            if kind == "slot":
                return other, WaitReason("slot")
            return mine, WaitReason("lane_share", "default")
        case "backoff":
            retry = RetryPolicy(attempts=2, base=50.0)
            handle = await engine.submit(OSError(), retry=retry)
            await asyncio.sleep(0.001)
            (reason,) = engine.snapshot().waiting.values()
            assert reason.until is not None
            assert 0 < reason.until <= 50.001
            return handle, WaitReason("backoff", None, reason.until)
        case "children":

            async def parent(ctx: JobContext) -> Any:
                return await (await ctx.spawn(9))

            handle = await engine.submit(parent)
            await asyncio.sleep(1)
            return handle, WaitReason("children")
        case "reply" | "rest":
            asks = Suspend("?", timeout=5.0) if kind == "reply" else Suspend(None, timeout=5.0, default=None)
            handle = await engine.submit(asks)
            await asyncio.sleep(1)
            return handle, WaitReason(kind, None, 5.0)


@pytest.mark.parametrize("kind", get_args(WaitKind))
def test_every_kind_of_wait_is_told_with_what_and_until_when(kind: WaitKind) -> None:
    async def main() -> None:
        lanes = [Lane("capped", max_running=1), Lane("other")]
        budget = Budget(tokens=100, period=3600.0, by="tenant", name="purse")
        async with Engine(
            Work(), lanes=lanes, slots=3, max_active_groups=2, limits=LIMITS, budget=budget
        ) as engine:
            handle, expected = await scenario(kind, engine)
            assert expected.kind == kind
            assert seen(engine, handle) == expected
            status = {"children": "running", "reply": "suspended", "rest": "suspended"}
            assert handle.status == status.get(kind, "waiting")
            handle.cancel()  # what rests would look again for ever

    VirtualClock().run(main)


def test_nothing_is_said_of_a_job_that_runs_or_has_ended() -> None:
    async def main() -> None:
        async with Engine(Work()) as engine:
            handle = await engine.submit(1)
            assert seen(engine, handle) is None
            await handle
            assert seen(engine, handle) is None
            assert engine.snapshot().waiting == {}

    VirtualClock().run(main)


def test_the_text_names_what_is_waited_for() -> None:
    assert str(WaitReason("lane_cap", "tenant-7")) == "lane tenant-7 has as many jobs running as it may"
    assert str(WaitReason("backoff", None, 12.5)) == "waits before the next attempt"


def test_a_job_that_waits_to_go_on_says_what_for() -> None:
    """Its await timed out; the slot that it gave back is its child's for the moment."""

    async def parent(ctx: JobContext) -> str:
        child = await ctx.spawn(5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await child
        return "on"

    async def main() -> None:
        async with Engine(Work(), slots=1) as engine:
            handle = await engine.submit(parent)
            await asyncio.sleep(0.5)
            assert seen(engine, handle) == WaitReason("children")
            await asyncio.sleep(1)
            assert seen(engine, handle) == WaitReason("slot")
            assert await handle == "on"

    VirtualClock().run(main)
