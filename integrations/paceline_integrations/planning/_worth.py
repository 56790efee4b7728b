"""Whether caching a group's prefix pays at all, whatever the order; and if not, why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from paceline import Provider

from ._workload import PlannedGroup

__all__ = ["Unpaid", "UnpaidReason", "break_even", "unpaid"]

UnpaidReason: TypeAlias = Literal["no cache", "nothing shared", "short prefix", "few jobs"]


@dataclass(frozen=True, slots=True)
class Unpaid:
    """For how many groups priming does not pay, and why, in a sentence. `jobs` are theirs together."""

    reason: UnpaidReason
    groups: int
    jobs: int
    why: str


def break_even(provider: Provider) -> int | None:
    """How many calls that share a prefix cost less with a cache than without; None: never.

    That is the smallest N for which w + (N-1) r < N, whatever the prefix: one call writes it at w times the
    price of plain input, the others read it at r times. At least 2: a prefix that nobody reads is not shared.
    """
    if provider.cache == "none" or provider.read >= 1:
        return None
    # N (1-r) > w-r; the grain is what rounding may add to a quotient that is a whole number.
    return max(2, int((provider.write - provider.read) / (1 - provider.read) + 1e-9) + 1)


def unpaid(groups: Iterable[PlannedGroup], provider: Provider) -> tuple[Unpaid, ...]:
    """The groups for which priming does not pay, by reason."""
    needed = break_even(provider)
    found: dict[UnpaidReason, list[PlannedGroup]] = {}
    for group in groups:
        reason = _reason(group, provider, needed)
        if reason is not None:
            found.setdefault(reason, []).append(group)
    return tuple(
        Unpaid(
            reason,
            len(those),
            sum(len(group.members) for group in those),
            _why(reason, those, provider, needed),
        )
        for reason, those in found.items()
    )


def _reason(group: PlannedGroup, provider: Provider, needed: int | None) -> UnpaidReason | None:
    if needed is None:
        return "no cache"
    jobs = len(group.members)
    if jobs < 2:
        return "few jobs"
    if group.prefix == 0:
        return "nothing shared"
    if provider.cached(group.prefix) == 0:
        return "short prefix"
    return "few jobs" if jobs < needed else None


def _why(reason: UnpaidReason, groups: list[PlannedGroup], provider: Provider, needed: int | None) -> str:
    if reason == "no cache":
        return (
            f"{provider.name} has no prefix cache"
            if provider.cache == "none"
            else f"{provider.name} charges as much for cached input as for plain input"
        )
    if reason == "nothing shared":
        return "their prompts do not begin alike"
    if reason == "short prefix":
        least = max(provider.min_prefix, provider.step)
        longest = max(group.prefix for group in groups)
        return (
            f"their prefixes have at most {longest:,} tokens, and {provider.name} caches none below {least:,}"
        )
    if max(len(group.members) for group in groups) == 1:
        return "a single job has nobody to share its prefix with"
    return f"fewer than {needed} jobs do not earn back what writing the prefix costs"
