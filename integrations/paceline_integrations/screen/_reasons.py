"""What holds the run up, where a person looks first."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.style import Style

from ._ink import ACCENT, BOLD, CALM, DIM, GOOD, INKS, PLAIN, WARN
from ._line import Line
from ._lines import Lines
from ._telling import UNUSUAL
from ._words import count, span

if TYPE_CHECKING:
    from ._picture import Picture

__all__ = ["Reasons"]


class Reasons(Lines):
    """Why jobs wait: the most telling reasons, with how many jobs wait for each."""

    DEFAULT_CSS: ClassVar[str] = "Reasons { height: 2; padding: 0 1; background: $panel; }"

    def lines(self, width: int) -> list[Line]:
        """As many reasons as there is room for; one line if nothing waits."""
        picture = self._picture
        asking = len(picture.state.asking)
        found = picture.state.stuck(max(1, self.size.height))
        lines: list[Line] = []
        for each in found[: self.size.height]:
            line = Line().add("▌ ", _urgency(each.kind))
            line.add(f"{count(each.jobs, 'job')} ", BOLD)
            left = _left(picture, each.until)
            line.add(each.text, WARN if each.kind in UNUSUAL else PLAIN, most=width - line.width - len(left))
            lines.append(line.add(left, ACCENT))
        if not lines:
            lines.append(Line().add("▌ ", GOOD).add(f"{_all_well(picture, asking)}", DIM))
        return lines


def _left(picture: Picture, until: float | None) -> str:
    return "" if until is None or until <= picture.now else f"  {span(until - picture.now)} left"


def _urgency(kind: str) -> Style:
    return INKS["suspended"] if kind == "reply" else WARN if kind in UNUSUAL else CALM


def _all_well(picture: Picture, asking: int) -> str:
    state = picture.state
    if not state.version:
        return picture.nothing
    if state.run.ended is not None or not state.counts.unfinished:
        return f"{count(asking, 'job asks', 'jobs ask')} something." if asking else "Nothing is left to do."
    return "Nothing waits: every job that is left is at work."
