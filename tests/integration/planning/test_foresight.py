"""What a plan foresees is what the engine then does: the same groups on the simulator, in virtual time."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from paceline import Engine, GroupPolicy, Job, JobContext, Provider
from paceline.testing import VirtualClock
from paceline_integrations.planning import (
    Forecast,
    PlannedGroup,
    PlannedJob,
    PolicyName,
    Rates,
    forecast,
)
from paceline_integrations.simulator import SimulatorSettings
from paceline_integrations.simulator._direct import DirectSimulator
from paceline_integrations.simulator._tokens import TOKEN_WIDTH, Prompt

BLOCK = 16
PREFILL, DECODE = 2000.0, 50.0
RATES = Rates(PREFILL, DECODE)
POLICIES: dict[PolicyName, GroupPolicy | None] = {
    "at_once": None,
    "on_completion": GroupPolicy(release="complete"),
    "on_first_token": GroupPolicy(),
    "one_at_a_time": GroupPolicy(in_flight=1),
}

SHARED = Provider("shared", step=BLOCK, read=0.0, ttl=300)
PER_SLOT = Provider("slots", read=0.0, cache="slot")


def per_slot(slots: int) -> SimulatorSettings:
    return SimulatorSettings(cache="slot", slots=slots, prefill_rate=PREFILL, decode_rate=DECODE)


@dataclass(frozen=True)
class Request:
    prompt: Prompt
    answer: int


@dataclass(frozen=True)
class Measured:
    evaluated: int
    seconds: float


def workload(groups: int, jobs: int, *, seed: int = 7) -> list[PlannedGroup]:
    """Groups of somewhat unequal size; prefixes are whole blocks, so that both count alike."""
    dice = random.Random(seed)

    def job() -> PlannedJob:
        return PlannedJob(dice.randint(20, 120), dice.randint(20, 80))

    return [
        PlannedGroup(
            f"g{n}",
            BLOCK * dice.randint(50, 250),
            job(),
            tuple(job() for _ in range(dice.randint(jobs // 2, jobs))),
        )
        for n in range(groups)
    ]


def requests(group: PlannedGroup) -> list[Request]:
    """Prompts of those sizes: no two groups, and no two jobs after the prefix, have a block in common."""
    prefix = f"{group.name:{TOKEN_WIDTH}}" * group.prefix
    return [
        Request(Prompt("m", prefix + f"{n:{TOKEN_WIDTH}}" * job.own), job.output)
        for n, job in enumerate(group.members)
    ]


class Model:
    def __init__(self, server: DirectSimulator) -> None:
        self.server = server

    async def execute(self, job: Job, ctx: JobContext) -> None:
        request: Request = job.payload
        await self.server.ask(request.prompt, request.answer, ctx.first_token)


def measured(
    groups: list[PlannedGroup], policy: GroupPolicy | None, settings: SimulatorSettings, slots: int
) -> Measured:
    clock = VirtualClock()

    async def main() -> Measured:
        model = Model(DirectSimulator(settings))
        async with Engine(model, slots=slots) as engine:
            for group in groups:
                first, *others = requests(group)
                if policy is None:
                    for request in (first, *others):
                        await engine.submit(request)
                else:
                    await engine.submit_group(group.name, primer=first, followers=others, policy=policy)
        return Measured(model.server.stats().evaluated_tokens, clock.time())

    return clock.run(main)


def foreseen(groups: list[PlannedGroup], provider: Provider, slots: int) -> Forecast:
    return forecast(groups, provider, slots=slots, rates=RATES)


@pytest.mark.parametrize("slots", [3, 8, 64])
@pytest.mark.parametrize("policy", ["at_once", "on_completion", "on_first_token"])
def test_on_a_shared_cache_tokens_and_time_come_as_foreseen(policy: PolicyName, slots: int) -> None:
    groups = workload(12, 12)
    settings = SimulatorSettings(cache="shared", block=BLOCK, prefill_rate=PREFILL, decode_rate=DECODE)
    did = measured(groups, POLICIES[policy], settings, slots)
    plan = foreseen(groups, SHARED, slots).prediction(policy)
    assert did.evaluated == pytest.approx(plan.evaluated, rel=0.01)
    assert did.seconds == pytest.approx(plan.seconds, rel=0.1)


@pytest.mark.parametrize("slots", [1, 3, 8, 64])
def test_on_a_cache_per_slot_everything_at_once_comes_as_foreseen(slots: int) -> None:
    groups = workload(12, 12)
    did = measured(groups, POLICIES["at_once"], per_slot(slots), slots)
    plan = foreseen(groups, PER_SLOT, slots).at_once
    assert did.evaluated == pytest.approx(plan.evaluated, rel=0.01)
    assert did.seconds == pytest.approx(plan.seconds, rel=0.05)


@pytest.mark.parametrize("slots", [1, 64])
def test_on_a_cache_per_slot_one_job_of_a_group_at_a_time_comes_as_foreseen(slots: int) -> None:
    groups = workload(12, 12)
    did = measured(groups, POLICIES["one_at_a_time"], per_slot(slots), slots)
    plan = foreseen(groups, PER_SLOT, slots).prediction("one_at_a_time")
    assert did.evaluated == pytest.approx(plan.evaluated, rel=0.01)
    assert did.seconds == pytest.approx(plan.seconds, rel=0.1)


@pytest.mark.parametrize("slots", [3, 8])
def test_on_a_cache_per_slot_a_fan_out_is_foreseen_to_cost_a_multiple(slots: int) -> None:
    groups = workload(12, 12)
    did = measured(groups, POLICIES["on_first_token"], per_slot(slots), slots)
    plan = foreseen(groups, PER_SLOT, slots)
    assert plan.recommended == "one_at_a_time"
    assert did.evaluated > 2 * plan.best.evaluated
    assert plan.prediction("on_first_token").evaluated > 2 * plan.best.evaluated
