"""Executors that pretend to call a provider: payloads say what they use, and what they did is kept."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from paceline import Cost, Failure, Job, JobContext, RateLimit, RateLimits, Usage

__all__ = ["Broken", "Call", "Metered", "Model", "Refused", "now", "tokens"]


def now() -> float:
    """The time on the clock of the event loop."""
    return asyncio.get_running_loop().time()


class Broken(Exception):
    """It is the provider's fault."""


class Refused(Exception):
    """The provider refuses a call for its limits, asks to wait so long, and may say what is left."""

    def __init__(self, wait: float | None = None, limits: RateLimits | None = None) -> None:
        super().__init__("429")
        self.wait = wait
        self.limits = limits


@dataclass(frozen=True)
class Call:
    """What a call is expected to use, what it uses, how long it takes, and how it ends."""

    expects: Cost | None = None
    uses: Usage | None = None
    seconds: float = 1.0
    error: BaseException | None = None


def tokens(given: int, got: int = 0, *, seconds: float = 1.0) -> Call:
    """A call that uses just what is expected of it."""
    return Call(Cost(given, got), Usage(input_tokens=given, output_tokens=got), seconds)


class Model:
    """Does what its payloads say, and keeps count: when each began, how many ran, and the most at once."""

    def __init__(self, *resources: str) -> None:
        self.resources: Sequence[str] = resources or ("m",)
        self.started: list[tuple[float, str]] = []
        self.running = 0
        self.peak = 0

    @property
    def times(self) -> list[float]:
        """When each attempt began."""
        return [when for when, _ in self.started]

    def between(self, begin: float, end: float) -> int:
        """How many attempts began in that time."""
        return sum(begin <= when < end for when in self.times)

    def estimate(self, job: Job) -> Cost | None:
        """What the payload says."""
        return job.payload.expects if isinstance(job.payload, Call) else Cost(0, 0)

    def classify(self, error: BaseException) -> Failure:
        """As providers' errors are to be told apart."""
        if isinstance(error, Refused):
            return Failure(True, error.wait, "limit", error.limits)
        return Failure(True, None, "provider" if isinstance(error, Broken) else "unknown")

    async def execute(self, job: Job, ctx: JobContext) -> object:
        """Take as long as the payload says, use what it says, and end so."""
        self.started.append((now(), job.name))
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            return await self.call(job, ctx)
        finally:
            self.running -= 1

    async def call(self, job: Job, ctx: JobContext) -> object:
        """What happens at the provider."""
        call = job.payload if isinstance(job.payload, Call) else Call()
        await asyncio.sleep(call.seconds)
        if call.uses is not None:
            ctx.usage(call.uses)
        if call.error is not None:
            raise call.error
        return call


class Metered(Model):
    """A provider with a bucket of its own for requests or input tokens, that refuses what it has no room for.

    `latency`: seconds until a refusal arrives. `says`: whether it says how long to wait; `headers`: whether
    each response tells what is left.
    """

    def __init__(
        self,
        per_minute: float,
        *,
        unit: str = "requests",
        burst: float = 1.0,
        says: bool = True,
        headers: bool = False,
        latency: float = 0.1,
    ) -> None:
        super().__init__()
        self.per_minute = per_minute
        self.unit = unit
        self.burst = burst
        self.says = says
        self.headers = headers
        self.latency = latency
        self.level = per_minute * burst
        self.at: float | None = None
        self.refused: list[float] = []
        self.served: list[float] = []

    def take(self, amount: float) -> float:
        """Take so much now, or say how long to wait."""
        when = now()
        if self.at is not None:
            self.level = min(
                self.per_minute * self.burst, self.level + (when - self.at) * self.per_minute / 60.0
            )
        self.at = when
        if self.level + 1e-6 < amount:
            return (amount - self.level) * 60.0 / self.per_minute
        self.level -= amount
        return 0.0

    @property
    def limits(self) -> RateLimits:
        """What its headers say."""
        told = RateLimit(int(self.per_minute), int(self.level), None)
        return RateLimits(requests=told) if self.unit == "requests" else RateLimits(input_tokens=told)

    async def call(self, job: Job, ctx: JobContext) -> object:
        """Refuse at once, or serve."""
        call = job.payload
        assert isinstance(call, Call)
        used = 1 if self.unit == "requests" or call.uses is None else call.uses.input_tokens or 0
        wait = self.take(used)
        if wait > 0.0:
            self.refused.append(now())
            await asyncio.sleep(self.latency)
            raise Refused(wait if self.says else None, self.limits if self.headers else None)
        self.served.append(now())
        if self.headers:
            ctx.rate_limits(self.limits)
        return await super().call(job, ctx)
