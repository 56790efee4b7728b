"""The timeline of a run of any length: attempts as bars; of too many, what they have in common.

An attempt is drawn by itself as long as there are few. Of many, time is cut into equal cells, which grow as
the run does: a cell knows how many attempts lie in it, how much of it they fill, and the worst that befell.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

__all__ = ["Bars", "Cell", "Strip"]

_MOST_BARS: Final = 4_000
_MOST_CELLS: Final = 12_000
"""Cells that are drawn."""
_CELLS: Final = 2_048
"""Cells of a row that are kept at most; a power of two."""
MOST_ROWS: Final = 128

_WORST: Final = {
    "failed": 6,
    "cancelled": 5,
    "suspended": 4,
    "running": 3,
    "again": 2,
    "succeeded": 1,
}


@dataclass(frozen=True, slots=True)
class Strip:
    """One attempt: its row, times in seconds from the beginning, and how it ended."""

    row: int
    started: float
    ended: float
    outcome: str
    name: str
    group: str | None
    role: str
    attempt: int
    first_token: float | None = None


@dataclass(slots=True)
class Cell:
    """A piece of a row: the attempts in it, the seconds that they fill, and the worst of their outcomes."""

    row: int
    started: float
    ended: float
    attempts: int
    filled: float
    outcome: str


class Bars:
    """Takes in attempts, and gives them back as `strips`, or as `cells` where there are too many."""

    def __init__(self, most: int = _MOST_BARS) -> None:
        self._most: int = most
        self.strips: list[Strip] | None = []
        self.attempts: int = 0
        self.rows: int = 0
        """Rows that are drawn."""
        self.left_out: int = 0
        """Attempts in rows that are not drawn: there are too many."""
        self._width: float = 0.0625
        """Seconds of a cell: a power of two."""
        self._cells: dict[tuple[int, int], Cell] = {}

    def add(self, strip: Strip) -> None:
        """Take in an attempt."""
        self.attempts += 1
        if strip.row >= MOST_ROWS:
            self.left_out += 1
            return
        self.rows = max(self.rows, strip.row + 1)
        if self.strips is None:
            self._fill(strip)
            return
        self.strips.append(strip)
        if len(self.strips) > self._most:
            strips, self.strips = self.strips, None
            for each in strips:
                self._fill(each)

    def _fill(self, strip: Strip) -> None:
        while strip.ended / self._width >= _CELLS:
            self._halve()
        first = int(strip.started / self._width)
        last = max(first, math.ceil(strip.ended / self._width) - 1)
        for place in range(first, last + 1):
            begin, end = place * self._width, (place + 1) * self._width
            cell = self._cells.get((strip.row, place))
            if cell is None:
                cell = self._cells[strip.row, place] = Cell(strip.row, begin, end, 0, 0.0, strip.outcome)
            cell.attempts += 1
            cell.filled += max(0.0, min(strip.ended, end) - max(strip.started, begin))
            cell.outcome = max(cell.outcome, strip.outcome, key=_worse)

    def _halve(self) -> None:
        """Make each cell twice as long. An attempt in both halves of one is counted twice from then on."""
        self._width *= 2
        cells, self._cells = self._cells, {}
        for (row, place), cell in cells.items():
            found = self._cells.get((row, place // 2))
            if found is None:
                begin = place // 2 * self._width
                cell.started, cell.ended = begin, begin + self._width
                self._cells[row, place // 2] = cell
                continue
            found.attempts += cell.attempts
            found.filled += cell.filled
            found.outcome = max(found.outcome, cell.outcome, key=_worse)

    def cells(self) -> Iterator[Cell]:
        """The cells, row by row; those side by side that are full and alike as one."""
        while len(self._cells) > _MOST_CELLS:
            self._halve()
        ordered = sorted(self._cells.values(), key=lambda cell: (cell.row, cell.started))
        for _, alike in groupby(ordered, key=_Alike()):
            cells = list(alike)
            first = cells[0]
            yield Cell(
                first.row,
                first.started,
                cells[-1].ended,
                sum(each.attempts for each in cells),
                sum(each.filled for each in cells),
                first.outcome,
            )


class _Alike:
    """Numbers cells so that those have the same number that may be drawn as one."""

    def __init__(self) -> None:
        self._number: int = 0
        self._last: Cell | None = None

    def __call__(self, cell: Cell) -> int:
        last, self._last = self._last, cell
        if last is None or not (
            last.row == cell.row
            and last.ended == cell.started
            and last.outcome == cell.outcome
            and _full(last)
            and _full(cell)
        ):
            self._number += 1
        return self._number


def _full(cell: Cell) -> bool:
    return cell.filled >= 0.9 * (cell.ended - cell.started)


def _worse(outcome: str) -> int:
    return _WORST.get(outcome, 0)
