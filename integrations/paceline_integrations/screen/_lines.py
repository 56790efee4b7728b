"""A part of the screen that does not scroll: a few lines, all of which are seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.strip import Strip
from textual.widget import Widget

from ._line import Line

if TYPE_CHECKING:
    from ._picture import Picture

__all__ = ["Lines"]


class Lines(Widget):
    """Shows what `lines` makes, each time that it is told to draw anew."""

    def __init__(self, picture: Picture, part: str) -> None:
        super().__init__(id=part)
        self._picture: Picture = picture
        self._lines: list[Line] = []

    def lines(self, width: int) -> list[Line]:
        """Make all lines."""
        del width
        return []

    def update(self) -> None:
        """Draw anew."""
        self._lines = self.lines(self.content_size.width)
        self.refresh()

    def on_resize(self) -> None:
        """Another width: other lines."""
        self.update()

    def render_line(self, y: int) -> Strip:
        """The line at `y`."""
        width, base = self.content_size.width, self.rich_style
        if y < len(self._lines):
            return self._lines[y].strip(width, base)
        return Strip.blank(width, base)
