"""What mypy and pyright infer of limits, budgets and prefix caches: read by both, and never run.

A `type: ignore` marks a call that must be refused: where one is not needed, both checkers say so.
"""
# pyright: reportUnnecessaryTypeIgnoreComment=error

from collections.abc import Mapping, Sequence
from typing import Any, assert_type

from paceline import (
    Budget,
    BudgetHandle,
    CacheEntry,
    CacheProvider,
    CircuitBreaker,
    Cost,
    Engine,
    Executor,
    Failure,
    GroupPolicy,
    Job,
    JobContext,
    Lane,
    LaneHandle,
    Limits,
    PrefixCache,
    Price,
    RateLimit,
    RateLimits,
    ResourceHandle,
    Usage,
    WaitReason,
    load_prices,
)


class Model:
    """An executor with all that it may offer."""

    resources: Sequence[str] = ("gpt-5", "key-1")

    def estimate(self, job: Job) -> Cost | None:
        return Cost(input_tokens=len(str(job.payload)), output_tokens=10, requests=1, money=0.1)

    def classify(self, error: BaseException) -> Failure:
        told = RateLimits(requests=RateLimit(limit=60, remaining=0, reset=1.5))
        return Failure(retryable=True, retry_after=2.0, fault="limit", limits=told)

    async def execute(self, job: Job, ctx: JobContext, /) -> object:
        ctx.rate_limits(RateLimits(requests=RateLimit(60, 59, None)))
        ctx.rate_limits({"x-ratelimit-remaining-requests": "59"})
        assert_type(ctx.cache, Any)
        ctx.usage(Usage(input_tokens=10, cached_tokens=5))
        return None


class Documents:
    """A provider whose caches have to be made."""

    def fingerprint(self, payload: Any, context: Mapping[str, Any], /) -> str:
        return str(payload)

    async def create(self, payload: Any, context: Mapping[str, Any]) -> str:
        return "handle"


class Nameless:
    async def create(self, payload: Any, context: Mapping[str, Any]) -> str:
        return "handle"


def count(job: Job) -> Cost | None:
    return None


def letters(job: Job) -> int:
    return len(job.id)


LIMITS = Limits(
    concurrency=8,
    requests_per_minute=300,
    tokens_per_minute=60_000,
    input_tokens_per_minute=50_000.0,
    output_tokens_per_minute=10_000,
    burst=0.1,
    cached_tokens_count=False,
    breaker=CircuitBreaker(failures=3, cooldown=10),
)


def limits_and_budgets_are_values() -> None:
    assert_type(LIMITS.concurrency, int | None)
    assert_type(LIMITS.breaker, CircuitBreaker | None)
    assert_type(Budget(money=1).money, float | None)
    assert_type(load_prices("prices.toml"), dict[str, Price])
    assert_type(Price(input=1.25, output=10).money(Usage(requests=1)), float | None)
    Limits(requests_per_second=1)  # type: ignore[call-arg]
    Limits(breaker=3)  # type: ignore[arg-type]
    Budget(tokens=1, on_exhausted="stop")  # type: ignore[arg-type]
    Lane("bulk", limits={"requests_per_minute": 1})  # type: ignore[arg-type]
    GroupPolicy(in_flight="all")  # type: ignore[arg-type]
    LIMITS.concurrency = 9  # type: ignore[misc]


def an_engine_takes_them_one_or_several() -> None:
    executor: Executor = Model()
    Engine(executor, limits=LIMITS, budget=Budget(tokens=10), estimate=count)
    Engine(
        executor,
        limits={"gpt-5": LIMITS, "*": Limits(concurrency=64)},
        budget=[Budget(money=1.0, period=60), Budget(tokens=10, by="tenant", name="each")],
        prices={"gpt-5": Price(input=1.25, output=10.0, cached_input=0.125)},
        estimate=lambda job: Cost(input_tokens=len(job.payload)),
        lanes=Lane("bulk", limits=LIMITS, budget=Budget(tokens=10)),
    )
    Engine(executor, prices=load_prices("prices.toml"))
    Engine(executor, limits=60)  # type: ignore[arg-type]
    Engine(executor, limits={"gpt-5": 60})  # type: ignore[dict-item]
    Engine(executor, budget=20.0)  # type: ignore[arg-type]
    Engine(executor, prices={"gpt-5": 1.25})  # type: ignore[dict-item]
    Engine(executor, estimate=letters)  # type: ignore[arg-type]


async def handles_tell_how_they_stand(engine: Engine) -> None:
    resource = engine.resource("gpt-5")
    assert_type(resource, ResourceHandle)
    assert_type(resource.limits, Limits | None)
    assert_type(resource.running, int)
    assert_type(resource.rates, Mapping[str, float])
    assert_type(resource.available, Mapping[str, float])
    assert_type(resource.held_until, float | None)
    resource.update(Limits(concurrency=2))
    resource.update(None)
    resource.update(concurrency=2)  # type: ignore[call-arg]

    budget = engine.budget()
    assert_type(budget, BudgetHandle)
    assert_type(engine.budget("each").left("acme"), Mapping[str, float])
    assert_type(budget.spent(), Mapping[str, float])
    assert_type(budget.settings, Budget)
    budget.update(tokens=100, money=2)
    budget.update(Budget(tokens=100))  # type: ignore[call-arg, arg-type]

    lane = engine.lane("bulk", limits=LIMITS, budget=None)
    assert_type(lane, LaneHandle)
    assert_type(lane.limits, Limits | None)
    assert_type(lane.budget, Budget | None)
    lane.update(limits=None, budget=Budget(money=1))


async def jobs_name_what_they_use(engine: Engine) -> None:
    handle = await engine.submit("tea", resources="gpt-5")
    await engine.submit("tea", resources=["gpt-5", "key-1"])
    assert_type(handle.waiting, WaitReason | None)
    await engine.submit("tea", resources=5)  # type: ignore[arg-type]


async def groups_take_a_prefix_cache(engine: Engine) -> None:
    provider: CacheProvider = Documents()
    cache = PrefixCache(provider, ttl=300, sliding=False, timeout=None)
    assert_type(cache.entries, Mapping[str, CacheEntry])
    assert_type(await cache.invalidate("tea"), bool)
    policy = GroupPolicy(in_flight="auto", ttl=300, miss_hold=0.5, budget=Budget(tokens=10))
    await engine.submit_group("g", primer="p", followers=["f"], cache=cache, policy=policy)
    async with engine.open_group("h", cache=cache, cache_context={"tenant": "acme"}) as group:
        await group.submit_primer("p")
    PrefixCache(Nameless())  # type: ignore[arg-type]
    await engine.submit_group("g", primer="p", cache=provider)  # type: ignore[arg-type]
