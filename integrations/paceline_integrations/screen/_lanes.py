"""The lanes: what each is due by its weight, and what it really got."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from paceline_integrations.runstate import LaneView

from ._ink import ACCENT, ALERT, BOLD, CALM, DIM, GLYPHS, INKS, QUIET
from ._line import Line, bar
from ._pane import Pane

if TYPE_CHECKING:
    from ._picture import Picture

__all__ = ["Lanes"]

_WORDS: Final = 12
_SMALL: Final = 0.25


class Lanes(Pane):
    """Two bars for each lane, one above the other: its due and its share."""

    def __init__(self, picture: Picture, part: str) -> None:
        super().__init__(id=part)
        self._picture: Picture = picture
        self._lanes: list[LaneView] = []
        self._full: float = 1.0
        """What a whole bar stands for: less than everything where there are many lanes."""
        self.entitle("Lanes: due by weight, and what each got")

    def lines_in_all(self) -> int:
        """Two a lane."""
        return max(1, 2 * len(self._lanes))

    def update(self) -> None:
        """List the lanes that have or had jobs, in the order in which the run has them."""
        lanes = list(self._picture.state.lanes.values())
        self._lanes = [lane for lane in lanes if lane.counts.total or lane.served] or lanes
        most = max((max(lane.due, lane.share) for lane in self._lanes), default=1.0)
        self._full = most if 0 < most < _SMALL else 1.0
        super().update()

    def line(self, number: int, width: int) -> Line:
        """The due of a lane, or its share."""
        line = Line()
        if not self._lanes:
            return line.add("No lanes yet.", DIM)
        lane = self._lanes[number // 2]
        names = max(8, min(24, width // 4))
        told = self._told(lane)
        bars = max(4, width - names - _WORDS - 1 - (22 if width >= 56 else 0))
        if number % 2 == 0:
            line.cell(lane.name, names, BOLD)
            line.cell("due", 6, DIM).cell(f"{lane.due:.0%}", 5, DIM, right=True).add(" ")
            bar(line, lane.due / self._full, bars, CALM)
            return line.add(f"  weight {lane.weight:g}", DIM) if width >= 56 else line
        line.cell(f" {_about(lane)}", names, DIM)
        line.cell("got", 6).cell(f"{lane.share:.0%}", 5, ACCENT, right=True).add(" ")
        bar(line, lane.share / self._full, bars, ACCENT)
        return line.add("  ").join(told) if width >= 56 else line

    def _told(self, lane: LaneView) -> Line:
        line = Line()
        for state in ("running", "waiting", "failed"):
            number = lane.counts.by[state]
            if number:
                line.add(f"{GLYPHS[state]}{number:,} ", INKS[state] if state != "failed" else ALERT)
        return line if line.width else line.add("idle", QUIET)


def _about(lane: LaneView) -> str:
    """What explains a share that is not the due: a lane that has nothing left to do takes no more."""
    if lane.counts.total and not lane.counts.unfinished:
        return "done"
    if lane.closed:
        return "closed"
    return "" if lane.max_running is None else f"at most {lane.max_running} at once"
