"""The timeline: which slot each attempt had, and when."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import islice

__all__ = ["Bar", "Timeline"]


@dataclass(slots=True, eq=False)
class Bar:
    """One attempt in the timeline; times in epoch seconds, `ended` None while it runs.

    `row` is the lowest that was free when it started. `outcome` as in an AttemptView.
    """

    row: int
    started: float
    job: str
    name: str
    lane: str
    group: str | None
    role: str
    attempt: int
    first_token: float | None = None
    ended: float | None = None
    outcome: str | None = None


class Timeline:
    """Bars in rows: those at work, and the latest of those that ended."""

    def __init__(self, keep: int) -> None:
        self._keep: int = keep
        self._free: list[int] = []
        self._running: dict[int, Bar] = {}
        self._ended: list[Bar] = []
        self._ends: list[float] = []
        self.rows: int = 0
        """How many rows there are: the most attempts that were at work at once."""
        self.dropped: int = 0
        """How many bars are gone, the oldest ones."""

    def start(self, bar: Bar) -> None:
        """An attempt begins: it gets the lowest free row."""
        if self._free:
            bar.row = heappop(self._free)
        else:
            bar.row = self.rows
            self.rows += 1
        self._running[bar.row] = bar

    def get(self, row: int | None) -> Bar | None:
        """The bar of the attempt that is at work in a row."""
        return None if row is None else self._running.get(row)

    def end(self, row: int, time: float, outcome: str) -> None:
        """The attempt in a row has given back its slot."""
        bar = self._running.pop(row)
        bar.ended, bar.outcome = max(time, bar.started), outcome
        heappush(self._free, bar.row)
        self._ended.append(bar)
        # Clocks may be set back: what is searched must rise all the same.
        self._ends.append(bar.ended if not self._ends else max(bar.ended, self._ends[-1]))
        if len(self._ended) >= 2 * self._keep:
            gone = len(self._ended) - self._keep
            del self._ended[:gone], self._ends[:gone]
            self.dropped += gone

    def __iter__(self) -> Iterator[Bar]:
        yield from self._ended[-self._keep :]
        yield from self._running.values()

    def __len__(self) -> int:
        return min(len(self._ended), self._keep) + len(self._running)

    def between(self, start: float, end: float) -> list[Bar]:
        """The bars that lie, with any part, in this time."""
        first = max(bisect_left(self._ends, start), len(self._ended) - self._keep)
        ended = islice(self._ended, first, None)
        found = [bar for bar in ended if bar.started <= end and bar.ended is not None and bar.ended >= start]
        found += [bar for bar in self._running.values() if bar.started <= end]
        return found
