"""Retries: a failing job waits off its slot, a hopeless one is not tried again, a slow one is cut off."""

import asyncio

from paceline import Engine, Failure, Job, JobContext, JobFailed, RetryPolicy


class Overloaded(Exception):
    pass


class Flaky:
    """Refuses twice, then answers; knows which of its errors are worth another attempt."""

    async def execute(self, job: Job, ctx: JobContext) -> str:
        if job.payload == "nonsense":
            raise ValueError("the request itself is wrong")
        if job.payload == "slow" and ctx.attempt == 1:
            await asyncio.sleep(60)
        if ctx.attempt < 3:
            raise Overloaded("try again in a moment")
        return f"answered at attempt {ctx.attempt}"

    def classify(self, error: Exception) -> Failure:
        if isinstance(error, ValueError):
            return Failure(retryable=False, fault="request")
        return Failure(retryable=True, retry_after=0.01, fault="limit")


async def main() -> None:
    async with Engine(Flaky(), slots=2, retry=RetryPolicy(attempts=4, base=0.01)) as engine:
        good = await engine.submit("hello")
        slow = await engine.submit("slow", timeout=0.05)
        bad = await engine.submit("nonsense")
        print("hello:   ", await good)
        print("slow:    ", await slow)
        try:
            await bad
        except JobFailed as error:
            print("nonsense:", error)
            assert isinstance(error.__cause__, ValueError)
        result = await good.wait()
        print("attempts:", [attempt.outcome for attempt in result.attempts])
        assert [attempt.outcome for attempt in result.attempts] == ["failed", "failed", "succeeded"]


asyncio.run(main())
