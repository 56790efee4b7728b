"""The timeline: a row for each slot, a bar for each attempt."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, ClassVar, Final

from rich.style import Style
from textual.binding import Binding, BindingType

from paceline_integrations.runstate import Bar

from ._ink import DIM, GLYPHS, QUIET
from ._line import Line, clipped, safe
from ._pane import Pane
from ._words import clock

if TYPE_CHECKING:
    from ._picture import Picture

__all__ = ["Timeline"]

_WINDOWS: Final = (5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 4 * 3600.0, 24 * 3600.0)
_AT_FIRST: Final = 120.0
_STEPS: Final = (1.0, 2.0, *_WINDOWS[:2], 15.0, *_WINDOWS[3:])
_GROUNDS: Final = {
    "running": Style(color="#a8e4ff", bgcolor="#14394d"),
    "succeeded": Style(color="#a9e6c3", bgcolor="#193b2a"),
    "failed": Style(color="#ffb3b3", bgcolor="#57222a"),
    "cancelled": Style(color="#ffd998", bgcolor="#4a3815"),
    "suspended": Style(color="#e6bdff", bgcolor="#412355"),
    "again": Style(color="#ffd998", bgcolor="#4a3815"),
}
_FILLS: Final = {
    "running": "━",
    "succeeded": "━",
    "failed": "▞",
    "cancelled": "╌",
    "suspended": "·",
    "again": "╌",
}
_SIGNS: Final = {**GLYPHS, "again": "↻"}


class Timeline(Pane):
    """Attempts over time: the last part of the run, or with `[` and `]` more or less of it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket", "zoom(1)", show=False),
        Binding("right_square_bracket", "zoom(-1)", show=False),
    ]

    def __init__(self, picture: Picture, part: str) -> None:
        super().__init__(id=part)
        self._picture: Picture = picture
        self._window: float | None = None
        self._bars: dict[int, list[Bar]] = {}
        self._from: float = 0.0
        self._seconds: float = 1.0
        self._count: int = 0

    def lines_in_all(self) -> int:
        """The axis, and a line for each slot."""
        return self._count + 1

    def action_zoom(self, way: int) -> None:
        """Show more of the run (1), or less (-1)."""
        known = [each for each in _WINDOWS if (each > self._seconds if way > 0 else each < self._seconds)]
        if known:
            self._window = known[0] if way > 0 else known[-1]
            self.update()

    def update(self) -> None:
        """Find the bars that are in the window."""
        picture = self._picture
        now, run = picture.now, picture.state.run
        passed = max(1.0, now - picture.begin)
        self._seconds = _fit(passed) if self._window is None else self._window
        self._from = max(picture.begin, now - self._seconds)
        self._seconds = max(1.0, self._seconds)
        self._bars = {}
        for each in picture.state.bars_between(self._from, now):
            self._bars.setdefault(each.row, []).append(each)
        slots = run.slots or 0
        self._count = max(picture.state.rows, min(slots, 64), 1)
        self.entitle(f"Timeline: {_named(self._seconds)}, a row for each slot")
        super().update()

    def line(self, number: int, width: int) -> Line:
        """The axis, or the attempts of a slot."""
        left = max(3, len(str(self._count)) + 1)
        room = width - left - 1
        if not number:
            return self._axis(left, room)
        number -= 1
        line = Line().cell(str(number + 1), left - 1, DIM, right=True).add(" │", QUIET)
        bars = self._bars.get(number)
        if not bars:
            slots = self._picture.state.run.slots
            told = " free" if slots is None or number < slots else ""
            return line.add(told, QUIET)
        scale = room / self._seconds
        at = 0
        for each in sorted(bars, key=lambda found: found.attempt.started):
            attempt = each.attempt
            ended = self._picture.now if attempt.ended is None else attempt.ended
            first = max(at, int((attempt.started - self._from) * scale))
            last = min(room, max(first + 1, round((ended - self._from) * scale)))
            if last <= first:
                continue
            line.add(" " * (first - at))
            _draw(line, each, last - first, ended)
            at = last
        return line

    def _axis(self, left: int, room: int) -> Line:
        """As many times as there is room for, in whole steps, counted from the begin of the run."""
        least = self._seconds / max(1, min(8, room // 14))
        step = next((each for each in _STEPS if each >= least), least)
        line = Line().add(" " * (left - 1)).add(" ┌", QUIET)
        begin = self._from - self._picture.begin
        for mark in range(ceil(self._seconds / step)):
            at = round(mark * step / self._seconds * room)
            label = f"╴{clock(begin + mark * step)} " if mark else f"{clock(begin)} "
            if at + len(label) > room:
                break
            line.add("─" * (at - (line.width - left - 1)), QUIET)
            line.add(label, DIM)
        return line.add("─" * max(0, room - (line.width - left - 1)), QUIET)


def _draw(line: Line, each: Bar, width: int, ended: float) -> None:
    """A bar: how the attempt ended as a sign, whose it is, and a filling, broken until the first token."""
    attempt = each.attempt
    state = attempt.outcome or "running"
    style = _GROUNDS.get(state, _GROUNDS["running"])
    sign = _SIGNS.get(state, "●")
    name = clipped(f"{sign} {safe(each.name)}", width) if width >= 5 else sign
    told = Line().add(name, style, most=width)
    told.add(" " if width > told.width else "", style)
    first = ended if attempt.first_token is None else attempt.first_token
    silent = round((first - attempt.started) / max(ended - attempt.started, 0.001) * width)
    if attempt.first_token is not None or attempt.ended is None:
        told.add("╌" * (min(silent, width) - told.width), style)
    told.add(_FILLS.get(state, "━") * (width - told.width), style)
    line.join(told)


def _fit(passed: float) -> float:
    """The window for a run of so many seconds: all of it while that is short."""
    return min(max(passed, _WINDOWS[0]), _AT_FIRST)


def _named(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.0f} h"
