"""Where pools wait at a gate: a line for each thing that may be lacking there, in the fair order of lanes.

Whoever stands in a line needs what it is for: so its first one may hold up the others, and no one else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._turns import Turns

if TYPE_CHECKING:
    from ._entries import Timer
    from ._pools import Pool

__all__ = ["Line"]


class Line:
    """Pools whose heads lack the same."""

    __slots__ = ("lift", "pools", "seen", "timer")

    def __init__(self) -> None:
        self.pools: Turns[Pool] = Turns(_standing)
        self.lift: float = 0.0
        """By how much those that stand here have been brought up to the others, all of them together."""
        self.seen: Pool | None = None
        """Who was looked at last as the first of them."""
        self.timer: Timer | None = None


def _standing(pool: Pool) -> tuple[float, float]:
    return pool.standing
