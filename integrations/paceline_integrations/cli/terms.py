"""The terms on which a run is held: limits, budgets, how groups run, and what a cached token is worth.

What the person says comes first, then what is known of the provider, then the defaults of core.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from paceline import Budget, Executor, GroupPolicy, Limits, Price, Provider, SavingsOptions, price_of

from ._errors import CommandError
from .known import known_prices, known_provider
from .settings import RunSettings

__all__ = ["Terms", "policy_at", "savings_at", "terms_of"]

_WHOLE = "*"
"""The engine's own name for all jobs."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the settings come to, as an engine, its groups and the savings report take it."""

    limits: Mapping[str, Limits]
    budgets: tuple[Budget, ...]
    prices: Mapping[str, Price]
    policy: GroupPolicy
    savings: SavingsOptions


def terms_of(settings: RunSettings, executor: Executor, name: str) -> Terms:
    """Work them out for an executor, which the engine knows by that name.

    Raises:
        CommandError: if a provider is unknown, a file of facts or prices is wrong, a limit is on something
            that the executor does not use, or a budget of money lacks a price.
    """
    provider = None if settings.provider is None else known_provider(settings.provider, settings.providers)
    prices: Mapping[str, Price] = {} if settings.prices is None else known_prices(settings.prices)
    used = _used(executor)
    _check_prices(settings, prices, used)
    savings = SavingsOptions(by=settings.savings_by)
    if provider is not None:
        savings |= savings_at(provider)
    if prices:
        savings["prices"] = prices
    return Terms(
        dict(_limits(settings, provider, used, name)),
        settings.budget,
        prices,
        _policy(settings, provider),
        savings,
    )


def _used(executor: Executor) -> tuple[str, ...]:
    """What the executor says that it uses: models, mostly."""
    named: object = getattr(executor, "resources", ())
    if isinstance(named, str):
        return (named,)
    several = cast("Iterable[object]", named) if isinstance(named, Iterable) else ()
    return tuple(dict.fromkeys(each for each in several if isinstance(each, str)))


def _limits(
    settings: RunSettings, provider: Provider | None, used: tuple[str, ...], name: str
) -> Iterable[tuple[str, Limits]]:
    # Limits of what a provider knows by name learn from what it says; those of all jobs (*) do not.
    default = used[0] if len(used) == 1 else name
    for given in settings.limits:
        on = given.name or default
        if used and on not in (*used, name, _WHOLE):
            known = ", ".join((*used, name))
            raise CommandError(
                f"--limits: the executor does not use {on!r}: name one of {known}, or * for all jobs"
            )
        if given.name == default and any(each.name is None for each in settings.limits):
            raise CommandError(
                f"--limits: {default!r} is given twice, with its name and without: put all pairs in one"
            )
        exempt = provider is not None and provider.reads_exempt and not given.says_cached
        yield on, replace(given.limits, cached_tokens_count=False) if exempt else given.limits


def _check_prices(settings: RunSettings, prices: Mapping[str, Price], used: tuple[str, ...]) -> None:
    """Without a price a budget of money would never be spent, however much is."""
    if all(budget.money is None for budget in settings.budget):
        return
    if settings.prices is None:
        raise CommandError("--budget: money needs --prices FILE, which says what models cost; or give tokens")
    for model in used:
        if price_of(prices, model) is None:
            known = ", ".join(map(repr, sorted(prices))) or "none"
            raise CommandError(
                f"--budget: money needs a price of {model!r}, and {settings.prices} has none; known: {known}"
            )


def _policy(settings: RunSettings, provider: Provider | None) -> GroupPolicy:
    """How groups run; 0 stands for "no cap" and "for ever" where it is said."""
    by_provider = GroupPolicy() if provider is None else policy_at(provider)
    return replace(
        by_provider,
        release=settings.release,
        settle=by_provider.settle if settings.settle is None else settings.settle,
        in_flight=by_provider.in_flight if settings.in_flight is None else settings.in_flight or None,
        ttl=by_provider.ttl if settings.ttl is None else settings.ttl or None,
        miss_hold=settings.miss_hold,
    )


def policy_at(provider: Provider) -> GroupPolicy:
    """How groups run at a provider."""
    # Each place of such a server keeps one prompt: jobs side by side would each read it anew.
    one_by_one = provider.cache == "slot"
    return GroupPolicy(settle=provider.settle, in_flight=1 if one_by_one else None, ttl=provider.ttl)


def savings_at(provider: Provider) -> SavingsOptions:
    """What cached tokens are worth at a provider."""
    return SavingsOptions(read=provider.read, write=provider.write, min_prefix=provider.min_prefix)
