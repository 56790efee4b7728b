"""The orders that are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from paceline import Provider

__all__ = ["AT_ONCE", "NO_CACHE", "Policy", "PolicyName", "policies_for", "primed_order"]

PolicyName: TypeAlias = Literal["no_cache", "at_once", "on_completion", "on_first_token", "one_at_a_time"]
"""Nothing cached; everything at once; primers first, and their followers when they have ended, or at their
first token, or one after the other."""


@dataclass(frozen=True, slots=True)
class Policy:
    """When followers may start (`release` None: with all others), and how many of a group run at once."""

    name: PolicyName
    release: Literal["complete", "first_token"] | None
    in_flight: int | None = None


NO_CACHE: Final = Policy("no_cache", None)
AT_ONCE: Final = Policy("at_once", None)
_PRIMED: Final = (Policy("on_completion", "complete"), Policy("on_first_token", "first_token"))
_ONE: Final = Policy("one_at_a_time", "first_token", in_flight=1)


def primed_order(provider: Provider) -> Policy:
    """The order that is best, as a rule, for groups with a primer."""
    return _ONE if provider.cache == "slot" else _PRIMED[1]


def policies_for(provider: Provider) -> tuple[Policy, ...]:
    """What is worth comparing: a cache per slot asks for one job of a group at a time."""
    return (AT_ONCE, *_PRIMED, _ONE) if provider.cache == "slot" else (AT_ONCE, *_PRIMED)
