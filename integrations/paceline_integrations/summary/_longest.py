"""The few largest of many."""

from __future__ import annotations

from heapq import heappush, heapreplace
from math import inf
from typing import Generic, TypeVar

__all__ = ["Longest"]

T = TypeVar("T")


class Longest(Generic[T]):
    """Keeps what took the most seconds, a bounded number of each."""

    def __init__(self, most: int) -> None:
        self._most: int = most
        self._heap: list[tuple[float, int, T]] = []
        self._seen: int = 0

    def takes(self, seconds: float) -> bool:
        """Whether something that took so long is among them: what describes it need not be made else."""
        return 0 < seconds < inf and (len(self._heap) < self._most or seconds > self._heap[0][0])

    def add(self, seconds: float, item: T) -> None:
        """Put it in its place, if it has one. Of two that took as long the first is kept."""
        self._seen += 1
        entry = seconds, -self._seen, item
        if len(self._heap) < self._most:
            heappush(self._heap, entry)
        elif entry > self._heap[0]:
            heapreplace(self._heap, entry)

    def items(self) -> tuple[T, ...]:
        """What there is, the longest first."""
        return tuple(item for _, _, item in sorted(self._heap, reverse=True))
