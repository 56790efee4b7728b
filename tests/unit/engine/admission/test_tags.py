"""Budgets by tag: one for each value of a key in the metadata."""

import asyncio

import pytest

from paceline import Budget, Cost, Engine, Job, JobContext, Price
from paceline.testing import VirtualClock

from ._providers import Call, Model, tokens

TENANTS = Budget(tokens=300, by="tenant", name="tenants", on_exhausted="fail")


def test_each_value_has_a_budget_of_its_own_and_who_has_none_is_free() -> None:
    async def main() -> None:
        async with Engine(Model(), slots=64, budget=TENANTS) as engine:
            statuses = {}
            for tenant in ("acme", "zeta", None):
                metadata = {} if tenant is None else {"tenant": tenant}
                handles = [await engine.submit(tokens(100), metadata=metadata) for _ in range(5)]
                statuses[tenant] = [(await handle.wait()).status for handle in handles].count("succeeded")
            assert statuses == {"acme": 3, "zeta": 3, None: 5}
            assert engine.budget("tenants").spent("acme") == {"tokens": 300.0}
            assert engine.budget("tenants").left("zeta") == {"tokens": 0.0}

    VirtualClock().run(main)


def test_several_budgets_by_tag_hold_together() -> None:
    budgets = [
        Budget(tokens=500, by="tenant", name="a", on_exhausted="fail"),
        Budget(tokens=200, by="user", name="b", on_exhausted="fail"),
        Budget(money=0.004, by="tenant", name="c", on_exhausted="fail"),
    ]
    prices = {"m": Price(input=10.0, output=0.0)}  # a hundred tokens are 0.001

    async def main() -> None:
        async with Engine(Model(), slots=64, budget=budgets, prices=prices) as engine:
            done: list[int] = []
            for user in ("x", "y", "z"):
                metadata = {"tenant": "acme", "user": user}
                handles = [await engine.submit(tokens(100), metadata=metadata) for _ in range(4)]
                done.append([(await handle.wait()).status for handle in handles].count("succeeded"))
            assert done == [2, 2, 0]

    VirtualClock().run(main)


def test_values_of_other_types_than_text_are_values_too() -> None:
    async def main() -> None:
        async with Engine(Model(), slots=64, budget=TENANTS) as engine:
            for tenant in (7, ("a", 1)):
                handles = [await engine.submit(tokens(100), metadata={"tenant": tenant}) for _ in range(5)]
                assert [(await handle.wait()).status for handle in handles].count("succeeded") == 3

    VirtualClock().run(main)


def test_members_of_a_group_and_children_of_a_job_come_under_the_tags_above_them() -> None:
    class Parent:
        def estimate(self, job: Job) -> Cost:
            return Cost(0, 0)

        async def execute(self, job: Job, ctx: JobContext) -> object:
            handles = [await ctx.spawn(tokens(100), executor="m") for _ in range(5)]
            return [(await handle.wait()).status for handle in handles].count("succeeded")

    async def main() -> None:
        executors = {"parent": Parent(), "m": Model()}
        async with Engine(executors, slots=64, budget=TENANTS) as engine:
            group = await engine.submit_group(
                "g", followers=[tokens(100)] * 5, executor="m", metadata={"tenant": "acme"}
            )
            assert sum(result.ok for result in await group.results()) == 3
            parent = await engine.submit("x", executor="parent", metadata={"tenant": "zeta"})
            assert await parent == 3

    VirtualClock().run(main)


def test_a_paused_tenant_holds_up_nobody_else() -> None:
    budget = Budget(tokens=100, by="tenant", name="tenants")

    async def main() -> None:
        async with Engine(Model(), slots=2, budget=budget) as engine:
            poor = [await engine.submit(tokens(100), metadata={"tenant": "poor"}) for _ in range(9)]
            rich = [await engine.submit(tokens(10), metadata={"tenant": n}) for n in range(20)]
            for handle in rich:
                await handle
            assert [handle.status for handle in poor] == ["succeeded"] + ["waiting"] * 8
            assert poor[1].waiting is not None
            assert poor[1].waiting.kind == "budget"
            assert "poor" in str(poor[1].waiting.on)

    VirtualClock().run(main)


def test_a_budget_by_tag_can_be_raised_for_all() -> None:
    budget = Budget(tokens=100, by="tenant", name="tenants")

    async def main() -> None:
        async with Engine(Model(), slots=64, budget=budget) as engine:
            handles = [await engine.submit(tokens(100), metadata={"tenant": n % 3}) for n in range(6)]
            await asyncio.sleep(5)
            assert [handle.status for handle in handles].count("succeeded") == 3
            engine.budget("tenants").update(tokens=200)
            for handle in handles:
                await handle

    VirtualClock().run(main)


def test_a_tag_that_cannot_be_told_from_others_is_refused_by_name() -> None:
    async def main() -> None:
        async with Engine(Model(), budget=TENANTS) as engine:
            with pytest.raises(TypeError, match="tenant"):
                await engine.submit(Call(), metadata={"tenant": ["a"]})
            await engine.submit(Call())

    VirtualClock().run(main)
