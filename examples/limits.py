"""Limits and budgets: a provider's rate is kept, its refusal stops all who use it, and no tenant overspends.

On a virtual clock, so that a minute takes no time.
"""

import asyncio
from collections import Counter

from paceline import Budget, Cost, Engine, Failure, Handle, Job, JobContext, Limits, RetryPolicy, Usage
from paceline.testing import VirtualClock


class TooManyRequests(Exception):
    """A 429 whose Retry-After header says 20 seconds."""


class Provider:
    """Refuses one call, and answers the others in two seconds; adapters tell all of this by themselves."""

    resources = ("gpt-5",)  # what its calls use, for limits to name

    def estimate(self, job: Job) -> Cost:
        return Cost(input_tokens=900, output_tokens=300)  # reserved before the call

    async def execute(self, job: Job, ctx: JobContext) -> str:
        await asyncio.sleep(2.0)
        if job.payload == "question 3" and ctx.attempt == 1:
            raise TooManyRequests
        ctx.usage(Usage(input_tokens=900, output_tokens=100))  # what it really was: the rest is given back
        return f"answer to {job.payload}"

    def classify(self, error: BaseException) -> Failure:
        refused = isinstance(error, TooManyRequests)
        return Failure(retryable=refused, retry_after=20.0 if refused else None, fault="limit")


def tell(handles: list[Handle]) -> None:
    """Say how many answers there are, and the one thing that holds each of the others."""
    answers = sum(handle.status == "succeeded" for handle in handles)
    print(f"second {asyncio.get_running_loop().time():.0f}: {answers} answers")
    for reason, count in Counter(handle.waiting for handle in handles).items():
        if reason is not None:
            until = "" if reason.until is None else f", until second {reason.until:.0f}"
            print(f"  {count}: {reason}{until}")


async def main() -> None:
    async with Engine(
        Provider(),
        limits={"gpt-5": Limits(concurrency=4, tokens_per_minute=12_000, burst=0.5)},
        budget=Budget(tokens=6_000, by="tenant", name="allowance"),
        retry=RetryPolicy(attempts=3),
    ) as engine:
        handles = [
            await engine.submit(f"question {number}", metadata={"tenant": tenant})
            for tenant, count in (("acme", 8), ("initech", 4))
            for number in range(count)
        ]
        for seconds in (1, 2, 24, 60):
            await asyncio.sleep(seconds)
            tell(handles)
        allowance = engine.budget("allowance")
        print("acme has left:", allowance.left("acme"), "- initech:", allowance.left("initech"))

        print("every tenant gets more")
        allowance.update(tokens=10_000)
        for handle in handles:
            await handle
        tell(handles)
        assert allowance.spent("acme") == {"tokens": 8_000.0}


VirtualClock().run(main)
