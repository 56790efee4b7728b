"""The policies, and one run of a workload by one of them on one server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from paceline import Cost, Engine, Failure, GroupPolicy, Job, JobContext, Usage, classify_http
from paceline.testing import VirtualClock
from paceline_integrations.simulator._direct import DirectSimulator
from paceline_integrations.simulator._errors import ApiError

from ._servers import Server
from ._workload import Request, Workload, ideal_tokens

__all__ = ["POLICIES", "Comparison", "Outcome", "Policy", "SimulatedModel", "Span", "compare", "run_policy"]


@dataclass(frozen=True, slots=True)
class Policy:
    """How the jobs of a group follow one another; `group` None: they do not, everything is sent at once."""

    title: str
    group: GroupPolicy | None


POLICIES: Final[tuple[Policy, ...]] = (
    Policy("everything at once", None),
    Policy("followers after the primer's end", GroupPolicy(release="complete")),
    Policy("followers after its first token", GroupPolicy()),
    Policy('the same, in_flight="auto"', GroupPolicy(in_flight="auto")),
)


@dataclass(frozen=True, slots=True)
class Span:
    """One request on the server, in seconds from the start of the run; until `first_token` it was read."""

    group: str
    primer: bool
    began: float
    first_token: float
    ended: float
    prompt: int
    evaluated: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run took: prompt tokens, those of them that the server evaluated, and seconds."""

    policy: Policy
    prompt: int
    evaluated: int
    ideal: int
    seconds: float
    spans: tuple[Span, ...]

    @property
    def over_ideal(self) -> float:
        """How many times the ideal was evaluated."""
        return self.evaluated / self.ideal


@dataclass(frozen=True, slots=True)
class Comparison:
    """One workload by every policy on one server."""

    server: Server
    outcomes: tuple[Outcome, ...]


@dataclass
class SimulatedModel:
    """An executor whose payloads are Requests. It knows its tokens beforehand, and tells them afterwards."""

    server: DirectSimulator
    resources: tuple[str, ...] = ("simulator",)
    spans: list[Span] = field(default_factory=list[Span])

    def estimate(self, job: Job) -> Cost:
        """Count the tokens of the prompt, and those that the answer is allowed."""
        request: Request = job.payload
        return Cost(request.prompt.tokens, request.answer)

    def classify(self, error: Exception) -> Failure:
        """Refusals come with the time to wait."""
        if isinstance(error, ApiError):
            return classify_http(error.status, error.headers)
        return Failure(retryable=False)

    async def execute(self, job: Job, ctx: JobContext) -> None:
        """Ask, and note what the server did."""
        request: Request = job.payload
        done = await self.server.ask(request.prompt, request.answer, ctx.first_token)
        ctx.usage(Usage(done.prompt, done.cached, output_tokens=done.output))
        self.spans.append(
            Span(
                request.group,
                job.role == "primer",
                done.began,
                done.first_token,
                done.ended,
                done.prompt,
                done.evaluated,
            )
        )


def compare(workload: Workload, servers: Iterable[Server]) -> tuple[Comparison, ...]:
    """Run a workload by every policy on each of the servers."""
    return tuple(
        Comparison(server, tuple(run_policy(workload, server, policy) for policy in POLICIES))
        for server in servers
    )


def run_policy(workload: Workload, server: Server, policy: Policy) -> Outcome:
    """Run all of a workload in virtual time.

    Raises:
        ExceptionGroup: if a job failed, which a simulated server gives no reason for.
    """
    clock = VirtualClock(workload.seed)

    async def main() -> Outcome:
        model = SimulatedModel(DirectSimulator(server.settings))
        async with Engine(model, slots=server.slots) as engine:
            if policy.group is None:
                handles = [await engine.submit(request) for request in workload.requests]
                results = [await handle.wait() for handle in handles]
            else:
                groups = [
                    await engine.submit_group(name, primer=first, followers=others, policy=policy.group)
                    for name, (first, *others) in workload.by_group.items()
                ]
                results = [result for group in groups for result in await group.results()]
        broken = [each.error.exception for each in results if each.error and each.error.exception]
        if broken:
            raise BaseExceptionGroup(f"{len(broken)} jobs of a simulated run failed", broken)
        stats = model.server.stats()
        return Outcome(
            policy,
            stats.prompt_tokens,
            stats.evaluated_tokens,
            ideal_tokens(workload.by_group.values(), block=server.block),
            clock.time(),
            tuple(model.spans),
        )

    return clock.run(main)
