"""One line of the screen: pieces of text, each with a style, that fit a width."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Self

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from paceline_integrations.runstate import plain_text

from ._ink import PLAIN, QUIET

__all__ = ["EIGHTHS", "Line", "bar", "clipped", "safe", "wrapped"]

EIGHTHS: Final = " ▏▎▍▌▋▊▉"


def safe(text: str) -> str:
    """A text that cannot steer the terminal, whoever wrote it; the same where there is nothing to fear."""
    return text if text.isprintable() else plain_text(text)


@lru_cache(maxsize=8_192)
def clipped(text: str, width: int) -> str:
    """A text in at most so many columns; where it is longer, its end is an ellipsis."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)) + "…"[: max(0, width)]


def wrapped(text: str, width: int) -> Iterator[str]:
    """A text in lines of at most so many columns, broken between words where it can be."""
    for raw in text.replace("\r\n", "\n").split("\n"):
        rest = safe(raw)
        if cell_len(rest) <= width:
            yield rest
            continue
        line = ""
        for word in rest.split(" "):
            if cell_len(line) + 1 + cell_len(word) <= width:
                line = f"{line} {word}" if line else word
                continue
            if line:
                yield line
            *whole_lines, line = chop_cells(word, width) or [""]
            yield from whole_lines
        if line:
            yield line


class Line:
    """A line in the making. What is added is made safe: no text of a job reaches the terminal as it is."""

    __slots__ = ("_segments", "width")

    def __init__(self) -> None:
        self._segments: list[Segment] = []
        self.width: int = 0

    def add(self, text: str, style: Style = PLAIN, most: int | None = None) -> Self:
        """Add a text, of which at most `most` columns are shown."""
        text = safe(text)
        if most is not None:
            text = clipped(text, most)
        if text:
            self._segments.append(Segment(text, style))
            self.width += cell_len(text)
        return self

    def cell(self, text: str, width: int, style: Style = PLAIN, *, right: bool = False) -> Self:
        """Add a text in exactly so many columns."""
        text = clipped(safe(text), width)
        space = " " * (width - cell_len(text))
        return self.add(space + text if right else text + space, style)

    def to(self, column: int) -> Self:
        """Fill with spaces up to a column; nothing where the line is that long already."""
        return self.add(" " * (column - self.width)) if column > self.width else self

    def join(self, other: Line) -> Self:
        """Add the pieces of another line."""
        self._segments += other._segments
        self.width += other.width
        return self

    def strip(self, width: int, base: Style = PLAIN) -> Strip:
        """The line in exactly so many columns, upon a base style (which has the background)."""
        return Strip(self._segments, self.width).crop_extend(0, width, None).apply_style(base)

    @property
    def text(self) -> str:
        """What is written, without styles."""
        return "".join(segment.text for segment in self._segments)


def bar(line: Line, fraction: float, width: int, style: Style) -> Line:
    """Add a bar that is so full, to an eighth of a column."""
    eighths = round(min(1.0, max(0.0, fraction)) * width * 8)
    full, part = divmod(eighths, 8)
    if not eighths and fraction > 0 and width:
        part = 1
    line.add("█" * full + (EIGHTHS[part] if part else ""), style)
    return line.add("╌" * (width - full - bool(part)), QUIET)
