"""A tag stands for a tenant: whatever a tagged job starts, at any depth, comes under the tenant's budget."""

from __future__ import annotations

import logging

import pytest

from paceline import Budget, Cost, Engine, Job, JobContext, Limits, Usage, current_job
from paceline.testing import VirtualClock


class Parent:
    """Starts as many generations as its payload says, the last of them as a group; each uses 10 tokens."""

    def estimate(self, job: Job) -> Cost:
        return Cost(10, 0)

    async def execute(self, job: Job, ctx: JobContext) -> object:
        ctx.usage(Usage(input_tokens=10, output_tokens=0))
        if job.payload > 1:
            return await (await ctx.spawn(job.payload - 1))
        return dict(job.metadata)


def test_grandchildren_are_their_grandparents_tenants() -> None:
    async def main() -> None:
        async with Engine(Parent(), budget=Budget(tokens=1000, by="tenant")) as engine:
            handle = await engine.submit(3, metadata={"tenant": "acme"})
            assert await handle == {"tenant": "acme"}
            assert engine.budget().spent("acme") == {"tokens": 30.0}
            assert engine.budget().tags == ("acme",)
            assert engine.budget().left("nobody") == {"tokens": 1000}

    VirtualClock().run(main)


def test_a_group_that_a_tagged_job_opens_is_its_tenants_and_a_tag_of_its_own_comes_first() -> None:
    async def main() -> None:
        async def opens(names: list[str]) -> None:
            ctx = current_job()
            assert ctx is not None
            ctx.usage(Usage(input_tokens=0, output_tokens=0))
            for name, metadata in zip(names, ({}, {"tenant": "other"}), strict=True):
                group = await engine.submit_group(
                    name, primer=1, followers=[1, 1], metadata=metadata, executor="work"
                )
                await group.results()

        executors = {"default": opens, "work": Parent()}
        async with Engine(executors, budget=Budget(tokens=1000, by="tenant")) as engine:
            await (await engine.submit(["a", "b"], metadata={"tenant": "acme"}))
            assert engine.budget().spent("acme") == {"tokens": 30.0}
            assert engine.budget().spent("other") == {"tokens": 30.0}

    VirtualClock().run(main)


def test_limits_that_held_for_no_job_are_told_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """A name that is misspelt limits nothing: that is not to pass in silence."""

    async def main() -> None:
        limits = {"chatt": Limits(concurrency=1), "chat": Limits(concurrency=9)}
        async with Engine({"chat": Parent()}, limits=limits) as engine:
            await (await engine.submit(1))

    with caplog.at_level(logging.WARNING, "paceline"):
        VirtualClock().run(main)
    (told,) = caplog.messages
    assert "'chatt'" in told
    assert "'chat'" in told.split("what jobs used")[1]


def test_a_limit_needs_a_name() -> None:
    with pytest.raises(ValueError, match="each name in limits must not be empty"):
        Engine(Parent(), limits={"": Limits(concurrency=1)})
