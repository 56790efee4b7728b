"""The jobs as a tree: a primer above its followers, a graph above its tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from rich.cells import cell_len
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message

from paceline_integrations.runstate import GroupView, JobView, Node

from ._gauge import add_counts
from ._ink import BOLD, DIM, GLYPHS, INKS, PLAIN, PRIMER, QUIET
from ._line import Line, safe
from ._outline import More, Outline, Row, Rows, matcher
from ._pane import Pane
from ._telling import job_told, short
from ._words import span

if TYPE_CHECKING:
    from ._picture import Picture

__all__ = ["JobTree"]

_TIME: Final = 9
_LOOKED_AT: Final = 400


class JobTree(Pane):
    """The tree. What is under the cursor is the selected job or group."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "open", show=False),
        Binding("left,h", "shut", show=False),
        Binding("enter", "enter", show=False),
    ]
    has_cursor: ClassVar[bool] = True

    class Selected(Message):
        """The cursor is on another row."""

    class Entered(Message):
        """Enter was pressed on a job: its details are wanted."""

    def __init__(self, picture: Picture, part: str) -> None:
        super().__init__(id=part)
        self._picture: Picture = picture
        self._outline: Outline = Outline()
        self._rows: Rows = Rows()
        self._names: int = 0
        """The columns that names take, with what is before them."""
        self._stamp: object = None
        self._chosen: Row | None = None
        self.text: str = ""
        """The filter."""
        self.failed: bool = False
        """Whether only failed jobs are shown."""

    @property
    def selected(self) -> Node | None:
        """What is under the cursor; of a row that counts others, what they lie in."""
        if not 0 <= self.cursor < len(self._rows):
            return None
        node = self._rows[self.cursor].node
        return node.parent if isinstance(node, More) else node

    @property
    def marked(self) -> int | None:
        """The row under the cursor; none where there are no rows."""
        return self.cursor if len(self._rows) else None

    def lines_in_all(self) -> int:
        """As many as there are rows."""
        return max(1, len(self._rows))

    def update(self) -> None:
        """List the rows anew if anything has changed."""
        stamp = (self._picture.state, self._picture.state.version, self.text, self.failed, self.rows)
        if stamp != self._stamp:
            self._stamp = stamp
            self._list()
        self._entitle()
        super().update()

    def _list(self) -> None:
        match = matcher(self.text, failed=self.failed)
        self._rows = self._outline.rows(self._picture.state.roots(), match, self.rows)
        first = (self._rows[place] for place in range(min(len(self._rows), _LOOKED_AT)))
        self._names = max((_columns(row) for row in first), default=0)
        if self._chosen is None:
            if match is None:
                self._look_on()
            return
        here = self._row()
        if here is None or here.id != self._chosen.id:
            found = self._rows.find(self._chosen)
            self._put(min(self.cursor, max(0, len(self._rows) - 1)) if found is None else found)

    def _look_on(self) -> None:
        """Nobody has chosen anything yet: the cursor is where something is at work, and the view with it."""
        found: dict[str, int] = {}
        for place in range(min(len(self._rows), _LOOKED_AT)):
            row = self._rows[place]
            if not row.depth and not isinstance(row.node, More):
                found.setdefault(row.node.status, place)
        there = (found[status] for status in ("running", "suspended", "waiting") if status in found)
        cursor = next(there, min(self.cursor, max(0, len(self._rows) - 1)))
        if cursor != self.cursor:
            self.set_reactive(JobTree.cursor, cursor)
            self.call_after_refresh(self._reveal, cursor)

    def _reveal(self, cursor: int) -> None:
        if not self.scroll_offset.y <= cursor < self.scroll_offset.y + self.rows - 3:
            self.scroll_to(y=max(0, cursor - 2), animate=False, force=True)

    def _put(self, cursor: int) -> None:
        """The row under the cursor has moved: the cursor goes with it, and the view too if it was there."""
        top, rows = self.scroll_offset.y, self.rows
        seen = top <= self.cursor < top + rows
        self.set_reactive(JobTree.cursor, cursor)
        if seen and not top <= cursor < top + rows:
            self.call_after_refresh(self.show_line, cursor)

    def moved(self) -> None:
        """The cursor is on another row."""
        self._chosen = self._row()
        self._picture.selected = self.selected
        super().moved()
        self.post_message(self.Selected())

    def action_open(self) -> None:
        """Show what is below, or go there."""
        row = self._row()
        if row is None:
            return
        if isinstance(row.node, More):
            self._outline.show_all(row.node.parent)
        elif row.opens is None:
            self.post_message(self.Entered())
            return
        elif row.opens:
            self._go(1)
            return
        else:
            self._outline.open(row.node, wanted=True)
        self._relist()

    def action_shut(self) -> None:
        """Hide what is below, or go to what this lies in."""
        row = self._row()
        if row is None:
            return
        if row.opens and not isinstance(row.node, More):
            self._outline.open(row.node, wanted=False)
            self._relist()
            return
        above = (place for place in range(self.cursor, -1, -1) if self._rows[place].depth < row.depth)
        self.cursor = next(above, self.cursor)
        self.moved()

    def action_enter(self) -> None:
        """Open or close what has something below it; of a job, show the details."""
        row = self._row()
        if row is None:
            return
        if isinstance(row.node, More) or row.opens is None:
            self.action_open()
        elif row.opens:
            self.action_shut()
        else:
            self.action_open()

    def on_click(self, event: object) -> None:
        """A click chooses a row."""
        y = getattr(event, "y", 0) - self.gutter.top + self.scroll_offset.y
        if 0 <= y < len(self._rows):
            self.cursor = y
            self.moved()

    def _row(self) -> Row | None:
        return self._rows[self.cursor] if self.cursor < len(self._rows) else None

    def _relist(self) -> None:
        if self._chosen is None:
            self._chosen = self._row()
        self._list()
        super().update()
        self.moved()

    def _entitle(self) -> None:
        told = [f"“{self.text}”"] if self.text else []
        if self.failed:
            told.append("failed")
        if not told:
            self.entitle("Jobs")
            return
        self.entitle(f"Jobs: {', '.join(told)}", "esc shows all")

    def line(self, number: int, width: int) -> Line:
        """A job, a group, or how many more there are."""
        line = Line()
        if not self._rows:
            return line.add(self._nothing(), DIM)
        row = self._rows[number]
        line.add("  " * (row.depth - 1) + ("└ " if row.last else "├ ") if row.depth else "", QUIET)
        if isinstance(row.node, More):
            return line.add(f"⋯ {row.node.count:,} more", DIM).add("   enter shows them", QUIET)
        mark = " " if row.opens is None else "▾" if row.opens else "▸"
        return self._node(line, row.node, mark, row, width)

    def _nothing(self) -> str:
        if self.text or self.failed:
            return "No job is like that."
        return self._picture.nothing

    def _node(self, line: Line, node: Node, mark: str, row: Row, width: int) -> Line:
        if row.opens is not None:
            line.add(f"{mark} ", DIM)
        line.add(f"{GLYPHS[node.status]} ", INKS[node.status])
        names = max(12, min(self._names, 44, int(width * 0.4)))
        is_whole = isinstance(node, GroupView) or node.is_body
        line.add(short(node), self._style(node), most=max(8, names - line.width))
        line.to(names + 1)
        room = width - line.width - _TIME
        if is_whole:
            add_counts(line, self._picture, node, room)
        else:
            assert isinstance(node, JobView)
            told, style = job_told(self._picture, node)
            line.add(told, style, most=room)
        seconds = self._seconds(node)
        line.to(width - _TIME)
        return line.cell("" if seconds is None else span(seconds), _TIME, DIM, right=True)

    def _style(self, node: Node) -> Style:
        if isinstance(node, GroupView) or node.is_body:
            return BOLD
        if node.role == "primer":
            return PRIMER
        return DIM if node.status in {"waiting", "skipped"} else PLAIN

    def _seconds(self, node: Node) -> float | None:
        if isinstance(node, GroupView):
            return None if node.started is None else (node.ended or self._picture.now) - node.started
        attempt = node.attempt
        if attempt is not None and node.status == "running":
            return self._picture.now - attempt.started
        if node.done and node.attempts:
            return node.ended - node.attempts[0].started if node.ended is not None else None
        return None if node.submitted is None or node.done else self._picture.now - node.submitted


def _columns(row: Row) -> int:
    """The columns of a row up to the end of its name."""
    if isinstance(row.node, More):
        return 0
    return 2 * row.depth + (2 if row.opens is None else 4) + min(44, cell_len(safe(short(row.node)[:44])))
