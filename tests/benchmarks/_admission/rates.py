"""How well limits per minute are kept and used: on the simulator's own limiter, exactly and over HTTP.

In virtual time the limits are the issue's, 60,000 tokens and 300 requests a minute. Over HTTP the buckets
are of the same size but fill several times as fast, so that minutes take seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import httpx
from tests.benchmarks._admission.rows import Row

from paceline import (
    Cost,
    Engine,
    Failure,
    Job,
    JobContext,
    JobResult,
    Limits,
    RetryPolicy,
    Usage,
    classify_http,
)
from paceline.testing import VirtualClock
from paceline_integrations.comparison import Request
from paceline_integrations.simulator import Simulator, SimulatorSettings, SimulatorStats
from paceline_integrations.simulator._direct import DirectSimulator
from paceline_integrations.simulator._errors import ApiError
from paceline_integrations.simulator._tokens import PromptWriter
from paceline_integrations.simulator._words import words

__all__ = ["rates"]

TOKENS, REQUESTS, JOBS = 60_000, 300, 500
SLOTS = 128
RETRY = RetryPolicy(attempts=1000, base=0.5, cap=5.0)

# How many times as fast over HTTP: as much as client and server can keep up with on one core.
FASTER = {"tokens bind": 20, "requests bind": 5, "both bind": 5}

# (prompt tokens, answer tokens), drawn with equal odds: which of the two limits binds.
MIXES: dict[str, tuple[tuple[int, int], ...]] = {
    "tokens bind": ((100, 20), (200, 50), (600, 100), (1500, 300)),
    "requests bind": ((20, 10), (50, 10), (80, 20), (150, 40)),
    "both bind": ((40, 10), (100, 20), (150, 30), (400, 50)),
    "a few giants": ((100, 20),) * 19 + ((9000, 500),),
}


def requests(mix: str, seed: int = 0) -> list[Request]:
    """Draw the jobs of a mix."""
    dice = Random(f"{mix}/{seed}")
    drawn: list[Request] = []
    for number in range(JOBS):
        prompt, answer = dice.choice(MIXES[mix])
        writer = PromptWriter()
        writer.header("user")
        writer.add(words(dice, prompt))
        drawn.append(Request(str(number), writer.prompt("simulator"), answer))
    return drawn


@dataclass
class Metered:
    """An executor on a simulator in process; `reads_headers`: it hands the x-ratelimit headers on."""

    server: DirectSimulator
    estimates: bool = True
    reads_headers: bool = False
    last: float = 0.0
    tokens: int = 0
    requests: int = 0
    resources: tuple[str, ...] = ("simulator",)

    def estimate(self, job: Job) -> Cost | None:
        """What the server will take from its buckets; None where nothing can count tokens beforehand."""
        request: Request = job.payload
        return Cost(request.prompt.tokens, request.answer) if self.estimates else None

    def classify(self, error: Exception) -> Failure:
        """A refusal says when to come back."""
        return classify_http(error.status, error.headers) if isinstance(error, ApiError) else Failure(False)

    async def execute(self, job: Job, ctx: JobContext) -> None:
        """Ask; a request that is let in counts from that moment on."""
        request: Request = job.payload
        now = asyncio.get_running_loop().time()
        done = await self.server.ask(request.prompt, request.answer)
        self.last = max(self.last, now)
        self.tokens += done.prompt + done.output
        self.requests += 1
        if self.reads_headers:
            ctx.rate_limits(done.headers)
        ctx.usage(Usage(done.prompt, done.cached, output_tokens=done.output))


def used(tokens: float, number: float, seconds: float, faster: float = 1.0) -> float:
    """The share of what the buckets would have let through until the last job went, of the tighter limit."""
    by_tokens = tokens / (TOKENS + TOKENS / 60 * faster * seconds)
    by_requests = number / (REQUESTS + REQUESTS / 60 * faster * seconds)
    return max(by_tokens, by_requests)


def refused(stats: SimulatorStats) -> float:
    """The share of requests that got a 429."""
    return stats.rejected / stats.requests


@dataclass(frozen=True, slots=True)
class Told:
    """What the engine is told of the limits: so many times the real ones (None: nothing)."""

    what: str
    factor: float | None
    estimates: bool
    reads_headers: bool
    judged: bool


TOLD = (
    Told("limits and estimates right", 1.0, estimates=True, reads_headers=False, judged=True),
    Told("limits and estimates right, headers read", 1.0, estimates=True, reads_headers=True, judged=True),
    Told("no estimates: the lane's mean", 1.0, estimates=False, reads_headers=False, judged=False),
    Told("told twice the rate", 2.0, estimates=True, reads_headers=False, judged=False),
    Told("told twice the rate, headers read", 2.0, estimates=True, reads_headers=True, judged=False),
    Told("told nothing", None, estimates=True, reads_headers=False, judged=False),
    Told("told nothing, headers read", None, estimates=True, reads_headers=True, judged=False),
)


def exact(mix: str, told: Told, seed: int = 0) -> tuple[float, float]:
    """Run a mix in virtual time; the share refused and the share used."""

    async def main() -> tuple[float, float]:
        server = DirectSimulator(
            SimulatorSettings(cache="none", rpm=REQUESTS, tpm=TOKENS, prefill_rate=5000.0, decode_rate=50.0)
        )
        executor = Metered(server, told.estimates, told.reads_headers)
        limits = None
        if told.factor is not None:
            limits = Limits(
                requests_per_minute=REQUESTS * told.factor,
                tokens_per_minute=TOKENS * told.factor,
                burst=1.0 / told.factor,
            )
        async with Engine(
            executor, slots=SLOTS, retry=RETRY, limits=None if limits is None else {"simulator": limits}
        ) as engine:
            handles = [await engine.submit(request) for request in requests(mix, seed)]
            all_succeed([await handle.wait() for handle in handles])
        share = used(executor.tokens, executor.requests, executor.last)
        return refused(server.stats()), share

    return VirtualClock(seed).run(main)


class Over:
    """An executor that posts to a server on this machine."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.resources = ("simulator",)
        self.first = self.last = 0.0

    def estimate(self, job: Job) -> Cost:
        """What the server will take from its buckets."""
        request: Request = job.payload
        return Cost(request.prompt.tokens, request.answer)

    def classify(self, error: Exception) -> Failure:
        """A refusal says when to come back."""
        if isinstance(error, httpx.HTTPStatusError):
            return classify_http(error.response.status_code, error.response.headers)
        return Failure(isinstance(error, httpx.TransportError))

    async def execute(self, job: Job, ctx: JobContext) -> None:
        """Post, and note when the last request was let in."""
        request: Request = job.payload
        self.first = self.first or time.monotonic()
        text = request.prompt.text[len("<user>..") : -len("<assistant>.")].rstrip("\0")
        response = await self.client.post(
            "/chat/completions",
            json={
                "model": "simulator",
                "messages": [{"role": "user", "content": text}],
                "max_tokens": request.answer,
            },
        )
        ctx.rate_limits(response.headers)
        response.raise_for_status()
        self.last = time.monotonic()
        usage = response.json()["usage"]
        ctx.usage(Usage(usage["prompt_tokens"], 0, output_tokens=usage["completion_tokens"]))


def over_http(mix: str) -> tuple[float, float]:
    """Run a mix against the server over HTTP, in real time; the share refused and the share used."""
    faster = FASTER[mix]
    settings = SimulatorSettings(cache="none", rpm=REQUESTS * faster, tpm=TOKENS * faster, burst=1 / faster)
    limits = Limits(
        requests_per_minute=REQUESTS * faster, tokens_per_minute=TOKENS * faster, burst=1 / faster
    )
    drawn = requests(mix)

    async def main() -> float:
        pool = httpx.Limits(max_connections=SLOTS, max_keepalive_connections=SLOTS)
        async with httpx.AsyncClient(
            base_url=server.base_url, limits=pool, timeout=30.0, trust_env=False
        ) as client:
            executor = Over(client)
            async with Engine(executor, slots=SLOTS, retry=RETRY, limits={"simulator": limits}) as engine:
                handles = [await engine.submit(request) for request in drawn]
                all_succeed([await handle.wait() for handle in handles])
            return executor.last - executor.first

    with Simulator(settings) as server:
        seconds = asyncio.run(main())
        stats = server.stats()
    tokens = sum(request.prompt.tokens + request.answer for request in drawn)
    return refused(stats), used(tokens, len(drawn), seconds, faster)


def all_succeed(results: Sequence[JobResult]) -> None:
    errors = [result.error for result in results if result.error is not None]
    if errors:
        raise RuntimeError(f"{len(errors)} jobs failed, the first of them: {errors[0].message}")


def rates(smoke: bool) -> list[Row]:
    """At most 1 % of requests refused, at least 95 % of the allowed rate used."""
    rows: list[Row] = []
    for told in (told for told in TOLD if told.judged or not smoke):
        for mix in list(MIXES)[:1] if smoke or not told.judged else MIXES:
            bad, good = exact(mix, told)
            what = f"{mix}, {told.what}"
            rows.append(Row(f"{what}: refused", bad, 0.01 if told.judged else None, unit="%"))
            rows.append(Row(f"{what}: used", good, 0.95 if told.judged else None, "at least", "%"))
    for mix in ["both bind"] if smoke else FASTER:
        bad, good = over_http(mix)
        rows.append(Row(f"{mix}, over HTTP, {FASTER[mix]}x: refused", bad, 0.01, unit="%", drifts=True))
        rows.append(Row(f"{mix}, over HTTP, {FASTER[mix]}x: used", good, 0.95, "at least", "%", drifts=True))
    return rows
