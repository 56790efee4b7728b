"""What a caller may decide about lanes, groups and retries. Values only; the engine acts on them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ._checks import count, instance, number, text
from ._limits import Budget, Limits

if TYPE_CHECKING:
    from random import Random

__all__ = ["GroupPolicy", "Lane", "RetryPolicy"]


@dataclass(frozen=True, slots=True)
class Lane:
    """A fair share of the engine's slots: backlogged lanes are served in proportion to their weights.

    `max_running` caps how many of its jobs run at once (None: no cap). `limits`: what else its jobs may use,
    all together. `budget`: what they may spend. If a lane had neither, those that it is given at run time
    (`engine.lane(name, limits=...)`) hold for jobs submitted from then on.

    Raises:
        ValueError, TypeError: if the weight is not a positive finite number or the cap not a whole one.
    """

    name: str
    weight: float = 1.0
    max_running: int | None = None
    limits: Limits | None = None
    budget: Budget | None = None

    def __post_init__(self) -> None:
        owner = f"lane {self.name!r}"
        text("lane", "name", self.name)
        number(owner, "weight", self.weight, above=True)
        if self.max_running is not None:
            count(owner, "max_running", self.max_running)
        if self.limits is not None:
            instance(owner, "limits", self.limits, Limits)
        if self.budget is not None:
            instance(owner, "budget", self.budget, Budget)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a failed attempt is followed by another, and after how long.

    `attempts` counts all of them, the first and those that a provider refused included. The wait before
    attempt n+1 is drawn evenly from 0 to min(cap, base * 2**(n-1)) seconds: "full jitter", of the schemes
    that AWS compared the one with the least work and contention ("Exponential Backoff And Jitter",
    M. Brooker, 2015). A provider's Retry-After is obeyed where it asks for more. Waiting holds no slot.

    Raises:
        ValueError, TypeError: if attempts is below 1, or a time is not a finite number of at least 0.
    """

    attempts: int = 3
    base: float = 1.0
    cap: float = 60.0

    def __post_init__(self) -> None:
        count("RetryPolicy", "attempts", self.attempts)
        number("RetryPolicy", "base", self.base)
        number("RetryPolicy", "cap", self.cap)

    def delay(self, failures: int, random: "Random") -> float:
        """Seconds to wait after that many failures (1 or more)."""
        # Past 2**63 the ceiling is far above any cap, and a larger exponent would overflow a float.
        ceiling = min(self.cap, self.base * 2.0 ** min(failures - 1, 63))
        return random.uniform(0.0, ceiling)


@dataclass(frozen=True, slots=True)
class GroupPolicy:
    """When a group's followers may start, how many at once, and what a failure means for the others.

    `release`: at the primer's first token (a provider's prefix is readable from then on) or at its success.
    `settle`: seconds to wait after release. `in_flight`: how many of its jobs may run at once, the primer
    included (None: no cap). "auto" learns it, for each resource: where jobs that ran beside others of their
    group found no cached tokens, the provider keeps one prompt a slot, and groups send one at a time. That
    helps only if no more groups run at once than the server has slots: set the engine's `slots` or
    `max_active_groups` to that number. `miss_hold`: seconds for which the rest is held when a follower found
    nothing cached. `budget`: what its jobs may spend.

    `ttl`: seconds for which the provider keeps the prefix unused; a group that was idle for longer lets one
    job establish it again before the others follow (None: it does not expire). It is for caches that fill
    themselves. Where a `PrefixCache` makes them on request its own `ttl` does this, and this one stays None;
    if its provider has no `create`, set both.

    `on_primer_suspended`: whether followers wait for a primer that asks something before its release, or run
    while it waits for the answer. `on_follower_suspended`: whether the others go on while a follower
    waits for an answer, or no more of the group's jobs start until all that was asked is answered ("wait").

    Raises:
        ValueError, TypeError: if a choice is not one of those listed or a number is out of range.
    """

    release: Literal["first_token", "complete"] = "first_token"
    settle: float = 0.0
    in_flight: int | Literal["auto"] | None = None
    on_primer_failure: Literal["skip_followers", "run_followers"] = "skip_followers"
    on_follower_failure: Literal["continue", "cancel_group"] = "continue"
    ttl: float | None = None
    miss_hold: float = 0.0
    budget: Budget | None = None
    on_primer_suspended: Literal["wait", "run_followers"] = "wait"
    on_follower_suspended: Literal["continue", "wait"] = "continue"

    def __post_init__(self) -> None:
        for name, choices in (
            ("release", ("first_token", "complete")),
            ("on_primer_failure", ("skip_followers", "run_followers")),
            ("on_follower_failure", ("continue", "cancel_group")),
            ("on_primer_suspended", ("wait", "run_followers")),
            ("on_follower_suspended", ("continue", "wait")),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"GroupPolicy: {name} must be one of {choices}, not {getattr(self, name)!r}")
        number("GroupPolicy", "settle", self.settle)
        if self.in_flight is not None and self.in_flight != "auto":
            count("GroupPolicy", "in_flight", self.in_flight)
        if self.ttl is not None:
            number("GroupPolicy", "ttl", self.ttl, above=True)
        number("GroupPolicy", "miss_hold", self.miss_hold)
        if self.budget is not None:
            instance("GroupPolicy", "budget", self.budget, Budget)
