"""Parts of the screen: some show all their lines, others scroll and make only those that are seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from ._ink import CURSOR, CURSOR_AWAY
from ._line import Line, safe

if TYPE_CHECKING:
    from ._picture import Picture

__all__ = ["Lines", "Pane"]

_FRAME: Final = """
Pane {
    background: $surface;
    border: round $panel-lighten-2;
    border-title-color: $text-muted;
    border-title-style: bold;
    border-subtitle-color: $text-muted;
    padding: 0 0 0 1;
    overflow-x: hidden;
    overflow-y: auto;
    scrollbar-size-vertical: 1;
    scrollbar-color: $panel-lighten-3;
    scrollbar-color-hover: $primary;
    scrollbar-color-active: $primary;
    scrollbar-background: $surface;
    scrollbar-background-hover: $surface;
    scrollbar-background-active: $surface;
}
Pane:focus {
    border: round $primary;
    border-title-color: $primary;
}
"""


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


class Pane(ScrollView, can_focus=True):
    """Shows `lines_in_all` lines, each made by `line` when it comes into view.

    A pane with `has_cursor` marks one line, which the arrows move; the others only scroll.
    """

    DEFAULT_CSS: ClassVar[str] = _FRAME
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "up", show=False),
        Binding("down,j", "down", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "end(-1)", show=False),
        Binding("end", "end(1)", show=False),
    ]
    has_cursor: ClassVar[bool] = False
    cursor: reactive[int] = reactive(0, repaint=False)

    heading: str = ""
    note: str = ""

    def entitle(self, heading: str, note: str = "") -> None:
        """Write into the frame: what this is, and what there is to say of it."""
        if (heading, note) != (self.heading, self.note):
            self.heading, self.note = heading, note
            # As content, which is not read as markup: names of jobs are in it.
            self.border_title, self.border_subtitle = Content(safe(heading)), Content(safe(note))

    def lines_in_all(self) -> int:
        """How many lines there are."""
        return 0

    def line(self, number: int, width: int) -> Line:
        """Make a line; `number` counts from 0."""
        del number, width
        return Line()

    def update(self) -> None:
        """Draw anew what is in view: the data has changed."""
        size = Size(self.room, max(1, self.lines_in_all()))
        if size != self.virtual_size:
            self.virtual_size = size
        self.refresh()

    @property
    def marked(self) -> int | None:
        """The line with the cursor, if there is one."""
        return self.cursor if self.has_cursor else None

    @property
    def room(self) -> int:
        """The columns that a line has."""
        return max(1, self.scrollable_content_region.width - 1)

    @property
    def rows(self) -> int:
        """The lines that are in view at once."""
        return max(1, self.scrollable_content_region.height)

    def render_line(self, y: int) -> Strip:
        """Make the line that is in view at `y`."""
        number = self.scroll_offset.y + y
        base = self.rich_style
        if number >= self.lines_in_all():
            return Strip.blank(self.room + 1, base)
        if number == self.marked:
            base += CURSOR if self.has_focus else CURSOR_AWAY
        return self.line(number, self.room).strip(self.room + 1, base)

    def on_resize(self) -> None:
        """Another width: other lines."""
        self.update()

    def watch_has_focus(self, focused: bool) -> None:
        """The cursor looks different without the focus."""
        super().watch_has_focus(focused)
        self.refresh()

    def action_up(self) -> None:
        """Go up by a line."""
        self._go(-1)

    def action_down(self) -> None:
        """Go down by a line."""
        self._go(1)

    def action_page(self, way: int) -> None:
        """Go by as many lines as are in view."""
        self._go(way * max(1, self.rows - 1))

    def action_end(self, way: int) -> None:
        """Go to the first or the last line."""
        self._go(way * max(1, self.lines_in_all()))

    def _go(self, by: int) -> None:
        if not self.has_cursor:
            self.scroll_to(y=self.scroll_offset.y + by, animate=False)
            return
        self.cursor = max(0, min(self.lines_in_all() - 1, self.cursor + by))
        self.moved()

    def moved(self) -> None:
        """The cursor is on another line: bring it into view."""
        self.show_line(self.cursor)
        self.refresh()

    def show_line(self, number: int) -> None:
        """Scroll so that a line is in view."""
        self.scroll_to_region(Region(0, number, 1, 1), animate=False, force=True)
