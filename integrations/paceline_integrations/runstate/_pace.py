"""How fast jobs end."""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["Pace"]

_SECONDS: Final = 30
_ENOUGH: Final = 10


class Pace:
    """Counts what ended in each of the last seconds."""

    def __init__(self) -> None:
        self._ends: deque[tuple[int, int]] = deque()
        self._all: int = 0

    def count(self, time: float) -> None:
        """One has ended."""
        second = int(time)
        ends = self._ends
        self._all += 1
        if ends and ends[-1][0] >= second:
            ends[-1] = ends[-1][0], ends[-1][1] + 1
            return
        ends.append((second, 1))
        while ends[0][0] <= second - _SECONDS:
            ends.popleft()

    def of_late(self, now: float, started: float | None) -> float:
        """How many ended per second, in the last half minute."""
        since = self._since(now, started)
        return self._ended(since) / max(1.0, now - since)

    def usual(self, now: float, started: float | None) -> float:
        """How many end per second: of late, or where those are too few to tell, since the start."""
        since = self._since(now, started)
        if started is not None and self._ended(since) < _ENOUGH:
            return self._all / max(1.0, now - started)
        return self.of_late(now, started)

    def _since(self, now: float, started: float | None) -> float:
        since = now - _SECONDS
        return since if started is None else max(since, min(started, now))

    def _ended(self, since: float) -> int:
        return sum(count for second, count in self._ends if second >= int(since))
