"""The plan: each order played through, what does not pay, and which order to take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from paceline import Limits, Price, Provider, Usage

from ._policies import AT_ONCE, NO_CACHE, Policy, PolicyName, policies_for, primed_order
from ._simulation import Prediction, simulate
from ._workload import PlannedGroup, Rates
from ._worth import Unpaid, unpaid

__all__ = ["Forecast", "forecast", "paid"]

_CHEAPER = 1.02
_FASTER = 1.01
"""By how much an order must be cheaper, or of equal cost faster, to be worth more than a simpler one."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a plan foresees for some groups at a provider.

    `prompt_tokens` are all there are to read, `shared_tokens` those of them that belong to a shared prefix.
    `unprimed` counts the groups that share a prefix worth caching and have no primer, `oversized` the jobs
    that need more, by themselves and uncached, than a limit lets through at once. `without_cache` is
    everything at once with nothing cached, where writing to the cache is dearer than plain input; `if_primed`
    what would be if each of the unprimed groups had its first follower for a primer.
    """

    provider: Provider
    limits: Limits
    slots: int
    rates: Rates
    price: Price | None
    groups: int
    jobs: int
    prompt_tokens: int
    shared_tokens: int
    predictions: tuple[Prediction, ...]
    without_cache: Prediction | None
    if_primed: Prediction | None
    unpaid: tuple[Unpaid, ...]
    unprimed: int
    oversized: int
    recommended: PolicyName

    def prediction(self, policy: PolicyName) -> Prediction:
        """What is foreseen for an order.

        Raises:
            LookupError: if that order was not compared.
        """
        for each in (*self.predictions, *([] if self.without_cache is None else [self.without_cache])):
            if each.policy == policy:
                return each
        raise LookupError(f"{policy!r} was not compared at {self.provider.name}")

    @property
    def best(self) -> Prediction:
        """What is foreseen for the recommended order."""
        return self.prediction(self.recommended)

    @property
    def primer_pays(self) -> bool:
        """Whether it pays to give a primer to the groups that have none."""
        return self.if_primed is not None and paid(self.if_primed) * _CHEAPER < paid(self.best)

    @property
    def at_once(self) -> Prediction:
        """What is foreseen for everything at once, in the order of the file."""
        return self.prediction("at_once")


def forecast(
    groups: Sequence[PlannedGroup],
    provider: Provider,
    *,
    limits: Limits | None = None,
    slots: int = 8,
    rates: Rates | None = None,
    price: Price | None = None,
) -> Forecast:
    """Foresee tokens, cost and time of groups for each order that is worth comparing, and choose one.

    With a price, money is foreseen too; where the price says nothing of cached or written tokens, the
    provider's multiples of its input price are taken. The cheapest order is chosen, of those that cost about
    the same (2 %) the fastest, and of those as fast (1 %) the simplest.

    Raises:
        ValueError: if there is no group, or `slots` is below 1.
    """
    if not groups:
        raise ValueError("there is nothing to plan: give at least one group")
    if slots < 1:
        raise ValueError(f"slots must be at least 1, not {slots}")
    limits = Limits() if limits is None else limits
    rates = Rates() if rates is None else rates
    whole_price = None if price is None else _whole(price, provider)

    def play(
        policy: Policy, facts: Provider = provider, those: Sequence[PlannedGroup] = groups
    ) -> Prediction:
        found = simulate(those, facts, policy, slots=slots, limits=limits, rates=rates)
        return found if whole_price is None else replace(found, money=_money(found, whole_price))

    predictions = tuple(play(policy) for policy in policies_for(provider))
    writing_costs = provider.cache != "none" and (provider.write > 1 or _dearer(whole_price))
    without = play(NO_CACHE, replace(provider, cache="none")) if writing_costs else None
    lacking = sum(_lacks_primer(group, provider) for group in groups)
    return Forecast(
        provider=provider,
        limits=limits,
        slots=slots,
        rates=rates,
        price=whole_price,
        groups=len(groups),
        jobs=sum(len(group.members) for group in groups),
        prompt_tokens=sum(job.own + group.prefix for group in groups for job in group.members),
        shared_tokens=sum(group.prefix * len(group.members) for group in groups if len(group.members) > 1),
        predictions=predictions,
        without_cache=without,
        if_primed=play(primed_order(provider), those=[_primed(group) for group in groups])
        if lacking
        else None,
        unpaid=unpaid(groups, provider),
        unprimed=lacking,
        oversized=_oversized(groups, limits),
        recommended=_choice(predictions if without is None else (without, *predictions)),
    )


def _whole(price: Price, provider: Provider) -> Price:
    read, write = price.cached_input, price.cache_write
    return replace(
        price,
        cached_input=price.input * provider.read if read is None else read,
        cache_write=price.input * provider.write if write is None else write,
    )


def _dearer(price: Price | None) -> bool:
    return price is not None and price.cache_write is not None and price.cache_write > price.input


def _money(found: Prediction, price: Price) -> float | None:
    return price.money(
        Usage(
            input_tokens=found.evaluated + found.cached,
            cached_tokens=found.cached,
            cache_write_tokens=found.written,
            output_tokens=found.output,
        )
    )


def _lacks_primer(group: PlannedGroup, provider: Provider) -> bool:
    return group.primer is None and len(group.followers) > 1 and provider.cached(group.prefix) > 0


def _primed(group: PlannedGroup) -> PlannedGroup:
    return group if group.primer else replace(group, primer=group.followers[0], followers=group.followers[1:])


def _oversized(groups: Sequence[PlannedGroup], limits: Limits) -> int:
    rates = limits.tokens_per_minute, limits.input_tokens_per_minute, limits.output_tokens_per_minute
    whole, read, written = (math.inf if rate is None else rate * limits.burst for rate in rates)
    return sum(
        group.prefix + job.own > read or job.output > written or group.prefix + job.own + job.output > whole
        for group in groups
        for job in group.members
    )


_SIMPLEST: tuple[PolicyName, ...] = (
    AT_ONCE.name,
    "on_first_token",  # what the engine does by itself
    "one_at_a_time",
    "on_completion",
    NO_CACHE.name,  # what is sent at once and cached may be read again later
)


def _choice(predictions: Sequence[Prediction]) -> PolicyName:
    cheapest = min(map(paid, predictions))
    cheap = [each for each in predictions if paid(each) <= cheapest * _CHEAPER]
    fastest = min(each.seconds for each in cheap)
    fast = {each.policy for each in cheap if each.seconds <= fastest * _FASTER}
    return next(name for name in _SIMPLEST if name in fast)


def paid(found: Prediction) -> float:
    """What predictions are compared by: money, or else the cost of prompts."""
    return found.cost if found.money is None else found.money
