"""Random groups, faults, cancellations and seeds: what the promises say of all of them."""

import asyncio
import gc
import math
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings, strategies as st

from paceline import (
    Ended,
    Engine,
    Group,
    GroupPolicy,
    Handle,
    Job,
    JobContext,
    Lane,
    MemorySink,
    RetryPolicy,
    current_job,
    events,
)
from paceline._record import GroupRecord, Record
from paceline.testing import VirtualClock

ENDS = {"succeeded", "failed", "cancelled", "skipped"}


@dataclass(frozen=True)
class Plan:
    """What one job does: speak, then end in its way."""

    seconds: float
    speaks: bool
    end: str


@dataclass(frozen=True)
class Family:
    """One group, and what is done to it."""

    primer: Plan | None
    followers: list[Plan]
    policy: GroupPolicy
    lane: str
    opened: bool
    after: bool
    attempts: int
    timeout: float | None
    cancel_at: float | None


PLANS = st.builds(
    Plan,
    st.sampled_from([0.0, 1.0, 2.5]),
    st.booleans(),
    st.sampled_from(
        [
            "good",
            "good",
            "good",
            "raise",
            "raise once",
            "cancelled",
            "exit",
            "hang",
            "swallow",
            "thread",
            "nest",
        ]
    ),
)
POLICIES = st.builds(
    GroupPolicy,
    release=st.sampled_from(["first_token", "complete"]),
    settle=st.sampled_from([0.0, 1.5]),
    in_flight=st.none() | st.integers(1, 3),
    on_primer_failure=st.sampled_from(["skip_followers", "run_followers"]),
    on_follower_failure=st.sampled_from(["continue", "cancel_group"]),
)
FAMILIES = st.builds(
    Family,
    st.none() | PLANS,
    st.lists(PLANS, max_size=5),
    POLICIES,
    st.sampled_from(["default", "capped"]),
    st.booleans(),
    st.booleans(),
    st.integers(1, 3),
    st.just(20.0),
    st.none() | st.sampled_from([0.0, 1.0, 3.0, 10.0]),
)


def now() -> float:
    return asyncio.get_running_loop().time()


class World:
    """Runs the plans, and notes when each group was released and each follower started."""

    def __init__(self) -> None:
        self.engine: Engine
        self.released: dict[str, float] = {}
        self.early: list[str] = []
        self.running: Counter[str] = Counter()
        self.over: list[str] = []

    async def execute(self, job: Job, ctx: JobContext) -> object:
        group = job.group
        if group is None:
            return await asyncio.sleep(0.5, 0.5)
        plan: Plan = job.payload
        if job.role == "follower":
            settle = self.policies[group].settle if self.has_primer[group] else 0.0
            if now() < self.released.get(group, math.inf) + settle:
                self.early.append(job.name)
        self.running[group] += 1
        limit = self.policies[group].in_flight
        if plan.end != "nest" and isinstance(limit, int) and self.running[group] > limit + self.nests[group]:
            self.over.append(job.name)
        try:
            return await self._do(plan, job, ctx)
        finally:
            self.running[group] -= 1

    async def _do(self, plan: Plan, job: Job, ctx: JobContext) -> object:
        await asyncio.sleep(plan.seconds)
        if plan.speaks:
            if job.role == "primer" and self.policies[job.group or ""].release == "first_token":
                self.released.setdefault(job.group or "", now())
            ctx.emit("chunk")
            await asyncio.sleep(plan.seconds)
        output = await self._end(plan, ctx)
        if job.role == "primer":
            self.released.setdefault(job.group or "", now())
        return output

    async def _end(self, plan: Plan, ctx: JobContext) -> object:
        match plan.end:
            case "raise":
                raise OSError("as planned")
            case "raise once" if ctx.attempt == 1:
                raise OSError("as planned")
            case "cancelled":
                raise asyncio.CancelledError
            case "exit":
                raise SystemExit(3)
            case "hang":
                await asyncio.Event().wait()
            case "swallow":
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    await asyncio.sleep(3)
            case "thread":
                return await ctx.on_thread(threading.get_ident)
            case "nest":
                await asyncio.gather(await ctx.spawn("child"), await self.engine.submit("child"))
            case _:
                pass
        return plan.end

    policies: dict[str, GroupPolicy]
    has_primer: dict[str, bool]
    nests: Counter[str]


async def submit(world: World, name: str, family: Family, before: Group | None) -> Group:
    options: Any = {
        "lane": family.lane,
        "policy": family.policy,
        "retry": RetryPolicy(family.attempts, base=2.0),
        "timeout": family.timeout,
    }
    if family.after and before is not None:
        options["after"] = Ended(before)
    if not family.opened:
        return await world.engine.submit_group(
            name, primer=family.primer, followers=family.followers, **options
        )
    async with world.engine.open_group(name, **options) as group:
        for number, plan in enumerate(family.followers):
            if number == 1 and family.primer is not None:
                await group.submit_primer(family.primer)
            await group.add_follower(plan)
        if len(family.followers) < 2 and family.primer is not None:
            await group.submit_primer(family.primer)
    return group


def handles_of(group: Group) -> list[Handle]:
    return [*([group.primer] if group.primer else []), *group.followers]


@settings(max_examples=150)
@given(
    st.lists(FAMILIES, min_size=1, max_size=5), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**16)
)
def test_every_job_ends_once_no_follower_is_early_and_nothing_is_left(
    families: list[Family], slots: int, places: int, seed: int
) -> None:
    sink = MemorySink()
    world = World()
    names = [f"g{number}" for number in range(len(families))]
    world.policies = {name: family.policy for name, family in zip(names, families, strict=True)}
    world.has_primer = {name: family.primer is not None for name, family in zip(names, families, strict=True)}
    world.nests = Counter(
        {
            name: sum(plan.end in {"nest", "swallow"} for plan in family.followers) + 1
            for name, family in zip(names, families, strict=True)
        }
    )

    async def main() -> None:
        engine = world.engine = Engine(
            world,
            slots=slots,
            max_active_groups=places,
            lanes=[Lane("capped", max_running=1)],
            sinks=[sink],
            grace=100.0,
        )
        loop = asyncio.get_running_loop()
        async with engine:
            groups: list[Group] = []
            for name, family in zip(names, families, strict=True):
                group = await submit(world, name, family, groups[-1] if groups else None)
                groups.append(group)
                if family.primer is None:
                    world.released[name] = 0.0
                elif family.policy.on_primer_failure == "run_followers":
                    # Its end by whatever means may release: checked by the unit tests of that policy.
                    world.released[name] = 0.0
                    world.policies[name] = GroupPolicy(in_flight=family.policy.in_flight)
                if family.cancel_at is not None:
                    loop.call_later(family.cancel_at, group.cancel)
            results = [result for group in groups for result in await group.results()]
            assert {result.status for result in results} <= ENDS
            for group in groups:
                assert group.status in ENDS
                assert [each.id for each in handles_of(group)] == [each.id for each in await group.results()]
        run = engine._run
        assert run is not None
        assert (run.records, run.groups, run.attempts.abandoned) == ({}, {}, {})
        scheduler = run.scheduler
        assert (scheduler.unfinished, scheduler.unfinished_groups) == (0, 0)
        assert (scheduler.queues.used, scheduler.queues.ready, len(scheduler.queues.active)) == (0, 0, 0)
        assert all((lane.used, lane.ready, lane.unfinished) == (0, 0, 0) for lane in scheduler.lanes.values())
        assert run.tasks == set()
        assert current_job() is None

    VirtualClock(seed).run(main)
    assert world.early == []
    assert world.over == []
    submitted = Counter(event.job for event in sink.of(events.JobSubmitted))
    ended = Counter(event.job for event in sink.of(events.JobEnded))
    assert submitted == ended
    assert set(ended.values()) <= {1}
    assert Counter(event.group for event in sink.of(events.GroupEnded)) == Counter(names)
    assert all(
        count == 1 for count in Counter(event.group for event in sink.of(events.GroupReleased)).values()
    )
    for thread in threading.enumerate():
        if thread.name.startswith("paceline-"):
            thread.join(10)
            assert not thread.is_alive()


@settings(max_examples=25)
@given(st.lists(FAMILIES, min_size=1, max_size=3), st.integers(0, 2**16))
def test_the_same_seed_gives_the_same_schedule(families: list[Family], seed: int) -> None:
    def schedule() -> list[tuple[float, str, str | None]]:
        sink = MemorySink()
        world = World()
        world.policies = {f"g{number}": family.policy for number, family in enumerate(families)}
        world.has_primer = {f"g{number}": False for number in range(len(families))}
        world.nests = Counter()

        async def main() -> None:
            world.engine = Engine(world, slots=2, lanes=[Lane("capped", max_running=1)], sinks=[sink])
            async with world.engine:
                before = None
                for number, family in enumerate(families):
                    before = await submit(world, f"g{number}", family, before)
                    if family.cancel_at is not None:
                        asyncio.get_running_loop().call_later(family.cancel_at, before.cancel)

        VirtualClock(seed).run(main)
        return [(event.time, event.type, getattr(event, "job", None)) for event in sink.events]

    assert schedule() == schedule()


def test_after_many_groups_no_record_of_them_is_left() -> None:
    def records() -> int:
        gc.collect()
        return sum(isinstance(each, Record | GroupRecord) for each in gc.get_objects())

    async def main() -> None:
        before = records()
        world = World()
        world.policies, world.has_primer, world.nests = {"g": GroupPolicy()}, {"g": True}, Counter()
        good = Plan(0.0, speaks=True, end="good")
        async with Engine(world) as engine:
            world.engine = engine
            for _ in range(200):
                await (await engine.submit_group("g", primer=good, followers=[good, good])).results()
            assert records() <= before + 4

    VirtualClock().run(main)
