"""How states, times and amounts are written on the page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from ._markup import Markup, tag

__all__ = [
    "GLYPHS",
    "STATES",
    "badge",
    "clock",
    "glyph",
    "meter",
    "moment",
    "percent",
    "states_bar",
    "words",
]

STATES: Final = ("succeeded", "running", "suspended", "failed", "cancelled", "skipped", "waiting")
GLYPHS: Final = {
    "succeeded": "✔",
    "completed": "✔",
    "running": "●",
    "suspended": "?",
    "failed": "✘",
    "cancelled": "⊘",
    "skipped": "○",
    "waiting": "·",
    "again": "↻",
}
_WORDS: Final = {"succeeded": "done", "again": "tried again"}


def words(status: str) -> str:
    """A state, as it is called on the page."""
    return _WORDS.get(status, status)


def glyph(status: str) -> Markup:
    """The sign of a state, in its colour."""
    return tag("span", GLYPHS.get(status, "·"), class_=f"glyph {status}", title=words(status))


def badge(status: str, said: str) -> Markup:
    """A state in a frame of its colour."""
    return tag("span", glyph(status), " ", said, class_=f"badge {status}")


def states_bar(counts: Iterable[tuple[str, int]]) -> Markup:
    """Show how many are in each state, as parts of one bar."""
    found = [(status, number) for status, number in counts if number]
    whole = sum(number for _, number in found)
    parts: list[Markup] = []
    at = 0.0
    for status, number in found:
        width = 100.0 * number / whole
        said = tag("title", f"{number:,} {words(status)}")
        parts.append(tag("rect", said, class_=status, x=f"{at:.3f}%", width=f"{width:.3f}%", height="100%"))
        at += width
    return tag("svg", *parts, class_="states", y=4, height=6, aria_hidden="true")


def meter(share: float, kind: str) -> Markup:
    """A bar that is so full."""
    width = f"{100 * min(1.0, max(0.0, share)):.2f}%"
    return tag(
        "svg", tag("rect", class_=kind, width=width, height="100%"), class_="meter", aria_hidden="true"
    )


def clock(seconds: float) -> str:
    """Write a time on an axis that begins at 0."""
    if seconds < 60:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    if days:
        return f"{days} d {hours_left:02}:{minutes:02}"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def moment(time: float) -> str:
    """Write a time of the world, in UTC: the page may be read anywhere."""
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, OSError, ValueError):
        return f"{time:g} s"


def percent(share: float) -> str:
    """Write a part of a whole."""
    return f"{share:.0%}"
