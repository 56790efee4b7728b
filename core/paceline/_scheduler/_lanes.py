"""A lane: its weight and cap, and what it has been charged.

Start-time fair queueing (Goyal, Vin and Cheng, 1996) at two levels. Lanes take turns by their *service*:
the cost charged to them so far over their weight. Within a lane its flows take turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._branches import Branch

if TYPE_CHECKING:
    from ._flows import Level
    from ._means import Means
    from ._meters import Unit
    from ._pools import Pool

__all__ = ["LaneState"]


class LaneState:
    """A lane: its weight and cap, its flows, and what it has been charged."""

    __slots__ = (
        "active",
        "branches",
        "capacity",
        "closed",
        "cost_count",
        "cost_sum",
        "label",
        "levels",
        "means",
        "ready",
        "served",
        "service",
        "unfinished",
        "used",
        "weight",
    )

    def __init__(self, label: str, weight: float = 1.0, capacity: int | None = None) -> None:
        self.label: str = label
        self.weight: float = weight
        self.capacity: int | None = capacity
        self.closed: bool = False
        self.used: int = 0
        """Its running jobs, and its attempts that were given up but have not ended."""
        self.ready: int = 0
        self.unfinished: int = 0
        self.served: float = 0.0
        """Cost charged so far, running reservations included."""
        self.service: float = 0.0
        """The same over the weight: how far the lane's turns have come."""
        self.active: int = 0
        """Its active groups."""
        self.cost_sum: float = 0.0
        self.cost_count: int = 0
        self.levels: dict[float, Level] = {}
        """How far the turns of each priority have come."""
        self.means: Means | None = None
        """What its jobs use."""
        self.branches: dict[Pool, Branch] = {}
        """Its ready jobs, by the gates that they pass."""

    @property
    def full(self) -> bool:
        """Whether as many of its jobs run as may."""
        return self.capacity is not None and self.used >= self.capacity

    @property
    def has_place(self) -> bool:
        """Whether its cap lets another group become active: one that waits for it would block others."""
        return self.capacity is None or self.active < self.capacity

    def mean(self, unit: Unit) -> float:
        """What a job of the lane uses, as far as is known."""
        return 0.0 if self.means is None else self.means.mean(unit)

    def branch(self, pool: Pool) -> Branch:
        """Where its jobs stand that pass the gates of this pool."""
        branch = self.branches.get(pool)
        if branch is None:
            branch = self.branches[pool] = Branch(self, pool)
        return branch

    def elsewhere(self, branch: Branch) -> bool:
        """Whether it has its turns in another pool than that of this branch."""
        return any(other.seat is not None for other in self.branches.values() if other is not branch)
