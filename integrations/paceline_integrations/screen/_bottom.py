"""The lines around the panes: which parts there are where only one is shown, and the keys."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from textual.strip import Strip
from textual.widget import Widget

from ._ink import ACCENT, BOLD, DIM, KEY
from ._line import Line, clipped, safe

__all__ = ["Keys", "Parts"]


class Keys(Widget):
    """The keys that do something here."""

    DEFAULT_CSS: ClassVar[str] = "Keys { height: 1; padding: 0 1; background: $panel; }"

    def __init__(self, part: str) -> None:
        super().__init__(id=part)
        self.named: list[tuple[str, str]] = []

    def render_line(self, y: int) -> Strip:
        """One line."""
        line, named, width = Line(), list(self.named if y == 0 else ()), self.content_size.width
        roomy = _columns(named) + 2 * len(named) <= width
        # The last two, help and quit, tell of all others.
        while len(named) > 2 and _columns(named) > width:
            del named[-3]
        for key, word in named:
            line.add(f" {key} " if roomy else key, KEY if roomy else BOLD).add(f" {word}  ", DIM)
        return line.strip(self.content_size.width, self.rich_style)


def _columns(named: list[tuple[str, str]]) -> int:
    return sum(len(key) + len(word) + 3 for key, word in named) - 2


class Parts(Widget):
    """The parts of a small screen, by their numbers."""

    DEFAULT_CSS: ClassVar[str] = "Parts { height: 1; padding: 0 1; background: $background; }"

    def __init__(self, part: str) -> None:
        super().__init__(id=part)
        self.named: tuple[str, ...] = ()
        self.chosen: int = 0
        self.note: str = ""
        """What is said of the chosen one."""

    def render_line(self, y: int) -> Strip:
        """One line."""
        line = Line()
        for place, name in enumerate(self.named if y == 0 else ()):
            here = place == self.chosen
            line.add(f" {place + 1} ", ACCENT if here else DIM).add(f"{name}  ", BOLD if here else DIM)
        width = self.content_size.width
        note = clipped(safe(self.note), max(0, width - line.width))
        return line.to(width - cell_len(note)).add(note, DIM).strip(width, self.rich_style)
