"""How the jobs of a group or graph stand, in few columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from paceline_integrations.runstate import Counts, GroupView, JobView, Node

from ._ink import ACCENT, ALERT, GLYPHS, GOOD, INKS, PLAIN, QUIET, STATES, WARN
from ._line import Line
from ._telling import group_told

if TYPE_CHECKING:
    from ._picture import Picture

__all__ = ["add_bar", "add_counts"]

_BAR: Final = 10
_SHORT_BAR: Final = 5


def add_counts(line: Line, picture: Picture, node: Node, room: int) -> None:
    """Add a bar, how many have ended, how many of these not well, and what the others wait for."""
    counts = node.counts if isinstance(node, GroupView) else _below(node)
    start = line.width
    if counts.total:
        add_bar(line, counts, _BAR if room >= 40 else _SHORT_BAR)
        line.add(f" {counts.ended:,}/{counts.total:,} ", PLAIN)
        for state in ("failed", "suspended", "cancelled"):
            if counts.by[state]:
                line.add(f" {GLYPHS[state]}{counts.by[state]:,}", INKS[state])
    told, style = group_told(picture, node)
    left = room - (line.width - start) - 2
    if told and left > 6:
        line.add("  ").add(told, style, most=left)


def add_bar(line: Line, counts: Counts, width: int) -> None:
    """Add a bar of what became of the jobs; each end has a sign and a colour of its own.

    It is full where nothing is to come, and only there, whatever is rounded.
    """
    total = counts.total
    parts = (
        (counts.succeeded, "━", GOOD),
        (counts.failed, "▞", ALERT),
        (counts.cancelled + counts.skipped, "╌", WARN),
        (counts.suspended, "?", INKS["suspended"]),
        (counts.running, "╸", ACCENT),
    )
    to_come = 1 if counts.waiting and width else 0
    left = width - to_come
    seen = 0
    for number, sign, style in parts:
        seen += number
        columns = min(left, max(1, number * width // total)) if number else 0
        if number and seen == total:
            columns = left
        line.add(sign * columns, style)
        left -= columns
    line.add("─" * (left + to_come), QUIET)


def _below(job: JobView) -> Counts:
    """Count the jobs right below a graph, flow or map, as far as they are known."""
    counts = Counts()
    for child in job.children:
        if isinstance(child, JobView):
            counts.by[child.status] += 1
        else:
            for state in STATES:
                counts.by[state] += child.counts.by[state]
    return counts
