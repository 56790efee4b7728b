"""How the jobs of a group or graph stand, in few columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from paceline_integrations.runstate import Counts, GroupView, JobView, Node

from ._ink import ACCENT, ALERT, GLYPHS, GOOD, INKS, PLAIN, QUIET, STATES, WARN
from ._line import Line
from ._telling import group_told

if TYPE_CHECKING:
    from ._picture import Picture

__all__ = ["add_counts"]

_BAR: Final = 10
_SHORT_BAR: Final = 5


def add_counts(line: Line, picture: Picture, node: Node, room: int) -> None:
    """Add a bar, how many have ended, how many of these not well, and what the others wait for."""
    counts = node.counts if isinstance(node, GroupView) else _below(node)
    start = line.width
    if counts.total:
        _gauge(line, counts, _BAR if room >= 40 else _SHORT_BAR)
        line.add(f" {counts.ended:,}/{counts.total:,} ", PLAIN)
        for state in ("failed", "suspended", "cancelled"):
            if counts.by[state]:
                line.add(f" {GLYPHS[state]}{counts.by[state]:,}", INKS[state])
    told, style = group_told(picture, node)
    left = room - (line.width - start) - 2
    if told and left > 6:
        line.add("  ").add(told, style, most=left)


def _gauge(line: Line, counts: Counts, width: int) -> None:
    """A bar of what became of the jobs: done, failed, at work; the rest is yet to come."""
    total = counts.total
    parts = (
        (counts.succeeded, GOOD, "━"),
        (counts.failed, ALERT, "━"),
        (counts.cancelled + counts.skipped, WARN, "━"),
        (counts.running + counts.suspended, ACCENT, "╸"),
    )
    left = width
    for number, style, sign in parts:
        columns = min(left, max(1, round(number / total * width))) if number else 0
        line.add(sign * columns, style)
        left -= columns
    line.add("─" * left, QUIET)


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
