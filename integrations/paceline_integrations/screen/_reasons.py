"""What holds the run up, where a person looks first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from rich.style import Style

from ._ink import ACCENT, BOLD, CALM, DIM, GOOD, INKS, PLAIN, WARN
from ._line import Line, wrapped
from ._pane import Lines
from ._telling import UNUSUAL
from ._words import count, one_line, span

if TYPE_CHECKING:
    from paceline import Status
    from paceline_integrations.runstate import RunState, Stuck

    from ._picture import Picture

__all__ = ["Reasons"]

_BADLY: Final[Mapping[Status, str]] = {
    "failed": "failed",
    "skipped": "skipped",
    "cancelled": "cancelled",
}


class Reasons(Lines):
    """Why jobs wait: the most telling reasons, with how many jobs wait for each."""

    DEFAULT_CSS: ClassVar[str] = "Reasons { height: 2; padding: 0 1; background: $panel; }"

    def __init__(self, picture: Picture, part: str) -> None:
        super().__init__(picture, part)
        self._stamp: object = None
        self._badly: list[_Told] = []

    def lines(self, width: int) -> list[Line]:
        """As many reasons as there is room for; one line if nothing waits."""
        picture, height = self._picture, max(1, self.size.height)
        told = [_stuck(picture, each) for each in picture.state.stuck(height)]
        told += self._ended_badly()
        if not told:
            return [Line().add("▌ ", GOOD).add(_all_well(picture), DIM)]
        room = max(10, width - 2)
        # The first may take what the others leave.
        first = told[0].folded(room, max(1, height - len(told) + 1))
        lines = first + [each.folded(room, 1)[0] for each in told[1:]]
        return lines[:height]

    def _ended_badly(self) -> list[_Told]:
        """What went wrong, by its most frequent cause; looked for again only if more of it has."""
        state = self._picture.state
        stamp = (state, state.earlier_runs, *(state.counts.by[status] for status in _BADLY))
        if stamp != self._stamp:
            self._stamp = stamp
            self._badly = [_cause(state, status) for status in _BADLY if state.counts.by[status]]
        return self._badly


@dataclass(frozen=True, slots=True)
class _Told:
    """A number of jobs, what there is to say of them, and for how long yet."""

    mark: Style
    number: str
    text: str
    style: Style
    left: str = ""

    def folded(self, width: int, most: int) -> list[Line]:
        """Write it in at most so many lines, beside a mark."""
        parts = list(wrapped(f"{self.number} {self.text}", max(10, width - len(self.left))))
        if len(parts) > most:
            parts = [*parts[: most - 1], " ".join(parts[most - 1 :])]
        lines: list[Line] = []
        for place, part in enumerate(parts):
            line = Line().add("▌ ", self.mark)
            begin = 0 if place else len(self.number)
            last = place == len(parts) - 1
            line.add(part[:begin], BOLD)
            room = width + 2 - line.width - (len(self.left) if last else 0)
            line.add(part[begin:], self.style, most=room)
            lines.append(line.add(self.left, ACCENT) if last else line)
        return lines


def _stuck(picture: Picture, each: Stuck) -> _Told:
    number = f"{each.jobs:,} or more jobs" if each.at_least else count(each.jobs, "job")
    left = (
        "" if each.until is None or each.until <= picture.now else f"  {span(each.until - picture.now)} to go"
    )
    return _Told(_urgency(each.kind), number, each.text, WARN if each.kind in UNUSUAL else PLAIN, left)


def _cause(state: RunState, status: Status) -> _Told:
    causes = Counter(one_line(job.error) for job in state.jobs.values() if job.status == status and job.error)
    text, number = _BADLY[status], state.counts.by[status]
    if causes:
        cause, times = causes.most_common(1)[0]
        because = " because of " if status == "skipped" else ": "
        text += f"{because}{cause}" if times == number else f", {times:,} of them{because}{cause}"
    return _Told(INKS[status], count(number, "job"), text, INKS[status])


def _urgency(kind: str) -> Style:
    return INKS["suspended"] if kind == "reply" else WARN if kind in UNUSUAL else CALM


def _all_well(picture: Picture) -> str:
    state = picture.state
    if not state.version:
        return picture.nothing
    if state.run.ended is not None or not state.counts.unfinished:
        return "Nothing is left to do."
    return "Nothing waits: every job that is left is at work."
