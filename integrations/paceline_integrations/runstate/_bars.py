"""The timeline: which slot each attempt had, and when."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from itertools import takewhile
from typing import NamedTuple

from ._views import AttemptView

__all__ = ["Bar", "Timeline"]


class Bar(NamedTuple):
    """One attempt in the timeline, in the lowest row that was free when it started; `name` is the job's.

    An attempt keeps its row until it is over, also while its job waits for jobs of its own and has given back
    its slot: no event tells of that. So there may be more rows than slots.
    """

    row: int
    name: str
    attempt: AttemptView


class Timeline:
    """Bars in rows: those at work, and the latest of those that ended."""

    def __init__(self, keep: int) -> None:
        self._free: list[int] = []
        self._running: dict[int, Bar] = {}
        self._ended: deque[tuple[float, Bar]] = deque(maxlen=keep)
        """Each with the latest end so far, which rises even if clocks are set back."""
        self.rows: int = 0
        """How many rows there are: the most attempts that were at work at once."""

    def start(self, name: str, attempt: AttemptView) -> None:
        """An attempt begins: it gets the lowest free row."""
        if self._free:
            row = heappop(self._free)
        else:
            row = self.rows
            self.rows += 1
        attempt.row = row
        self._running[row] = Bar(row, name, attempt)

    def end(self, row: int) -> None:
        """The attempt in a row is over."""
        bar = self._running.pop(row)
        latest = self._ended[-1][0] if self._ended else 0.0
        self._ended.append((max(latest, bar.attempt.ended or 0.0), bar))
        heappush(self._free, row)

    def between(self, start: float, end: float) -> list[Bar]:
        """The bars that lie, with any part, in this time."""
        late = [bar for _, bar in takewhile(lambda each: each[0] >= start, reversed(self._ended))]
        return [
            bar
            for bar in (*reversed(late), *self._running.values())
            if bar.attempt.started <= end and (bar.attempt.ended is None or bar.attempt.ended >= start)
        ]
