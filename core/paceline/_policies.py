"""What a caller may decide about lanes, groups and retries. Values only; the engine acts on them."""

import math
from dataclasses import dataclass
from random import Random
from typing import Literal

__all__ = ["GroupPolicy", "Lane", "RetryPolicy"]


def _at_least(name: str, value: float, least: float, owner: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value) or value < least:
        raise ValueError(f"{owner}: {name} must be a number of at least {least:g}, not {value!r}")


def _count(name: str, value: int | None, owner: str) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError(
            f"{owner}: {name} must be a whole number of at least 1, or None for no cap, not {value!r}"
        )


@dataclass(frozen=True, slots=True)
class Lane:
    """A fair share of the engine's slots: backlogged lanes are served in proportion to their weights.

    `max_running` caps how many of its jobs run at once (None: no cap).

    Raises:
        ValueError: if the weight is not a positive finite number or the cap is below 1.
    """

    name: str
    weight: float = 1.0
    max_running: int | None = None

    def __post_init__(self) -> None:
        owner = f"lane {self.name!r}"
        _at_least("weight", self.weight, 0.0, owner)
        if self.weight == 0 or math.isinf(self.weight):
            raise ValueError(f"{owner}: weight must be above 0 and finite, not {self.weight!r}")
        _count("max_running", self.max_running, owner)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a failed attempt is followed by another, and after how long.

    `attempts` counts all of them, the first included. The wait before attempt n+1 is drawn evenly from 0 to
    min(cap, base * 2**(n-1)) seconds: "full jitter", of the schemes that AWS compared the one with the least
    work and contention ("Exponential Backoff And Jitter", M. Brooker, 2015). A provider's Retry-After is
    obeyed where it asks for more. Waiting holds no slot.

    Raises:
        ValueError: if attempts is below 1 or a time is negative.
    """

    attempts: int = 3
    base: float = 1.0
    cap: float = 60.0

    def __post_init__(self) -> None:
        if isinstance(self.attempts, bool) or not isinstance(self.attempts, int) or self.attempts < 1:
            raise ValueError(
                f"RetryPolicy: attempts must be a whole number of at least 1, not {self.attempts!r}"
            )
        _at_least("base", self.base, 0.0, "RetryPolicy")
        _at_least("cap", self.cap, 0.0, "RetryPolicy")

    def delay(self, failures: int, random: Random) -> float:
        """Seconds to wait after that many failures (1 or more)."""
        # Past 2**63 the ceiling is far above any cap, and a larger exponent would overflow a float.
        ceiling = min(self.cap, self.base * 2.0 ** min(failures - 1, 63))
        return random.uniform(0.0, ceiling)


@dataclass(frozen=True, slots=True)
class GroupPolicy:
    """When a group's followers may start, how many at once, and what a failure means for the others.

    `release`: at the primer's first token (a provider's prefix is readable from then on) or at its success.
    `settle`: seconds to wait after release. `in_flight`: how many of its jobs may run at once, the primer
    included (None: no cap).

    Raises:
        ValueError: if a choice is not one of those listed or a number is out of range.
    """

    release: Literal["first_token", "complete"] = "first_token"
    settle: float = 0.0
    in_flight: int | None = None
    on_primer_failure: Literal["skip_followers", "run_followers"] = "skip_followers"
    on_follower_failure: Literal["continue", "cancel_group"] = "continue"

    def __post_init__(self) -> None:
        for name, choices in (
            ("release", ("first_token", "complete")),
            ("on_primer_failure", ("skip_followers", "run_followers")),
            ("on_follower_failure", ("continue", "cancel_group")),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"GroupPolicy: {name} must be one of {choices}, not {getattr(self, name)!r}")
        _at_least("settle", self.settle, 0.0, "GroupPolicy")
        if math.isinf(self.settle):
            raise ValueError("GroupPolicy: settle must be finite")
        _count("in_flight", self.in_flight, "GroupPolicy")
