"""What jobs use on average: the guess for the next one, where nobody says better."""

from __future__ import annotations

from ._meters import Unit

__all__ = ["Means"]


class Means:
    """Means of a lane's jobs, and, until one has ended, of those of all lanes."""

    __slots__ = ("_above", "_counts", "_sums")

    def __init__(self, above: Means | None = None) -> None:
        self._above: Means | None = above
        self._sums: dict[Unit, float] = {}
        self._counts: dict[Unit, int] = {}

    def mean(self, unit: Unit) -> float:
        """The mean of what was used; 0 where nothing is known."""
        count = self._counts.get(unit)
        if count:
            return self._sums[unit] / count
        return 0.0 if self._above is None else self._above.mean(unit)

    def learn(self, unit: Unit, used: float) -> None:
        """A job has used so much."""
        self._sums[unit] = self._sums.get(unit, 0.0) + used
        self._counts[unit] = self._counts.get(unit, 0) + 1
        if self._above is not None:
            self._above.learn(unit, used)
