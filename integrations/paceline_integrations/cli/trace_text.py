"""A trace as a tree of text: what a backend keeps of a run, for those who have no browser open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from rich.text import Text
from rich.tree import Tree

from paceline import STATUS_MARKS, Status
from paceline_integrations.backends import BackendSpan
from paceline_integrations.otel import _names as names
from paceline_integrations.terminal._words import STYLES, seconds
from paceline_integrations.visible import plain_text

__all__ = ["trace_trees"]

_LONG: Final = 60
_NOTICED: Final = 0.001
"""Seconds; shorter waits are not worth a word."""


def trace_trees(spans: Sequence[BackendSpan], *, most: Sequence[int] = (20,)) -> list[Tree]:
    """Draw each trace, the first to begin first.

    Of the spans below another so many are shown: `most[0]` below the top, `most[1]` below these, and so on
    with the last number; the others are counted. A span whose parent is not among them stands at the top.
    """
    known = {span.span_id for span in spans}
    below: dict[str | None, list[BackendSpan]] = {}
    for span in sorted(spans, key=lambda each: each.started):
        below.setdefault(span.parent_id if span.parent_id in known else None, []).append(span)
    trees: list[Tree] = []
    for root in below.get(None, ()):
        tree = Tree(_line(root), guide_style="bright_black")
        trees.append(tree)
        left = [(root, tree, 0)]
        while left:
            span, branch, depth = left.pop()
            inside, shown = below.get(span.span_id, []), most[min(depth, len(most) - 1)]
            left += [(each, branch.add(_line(each)), depth + 1) for each in inside[:shown]]
            if len(inside) > shown:
                branch.add(Text(f"… and {len(inside) - shown:,} more", style="dim"))
    return trees


def _line(span: BackendSpan) -> Text:
    said = span.attributes
    outcome = str(said.get(names.OUTCOME, "failed" if span.status == "error" else ""))
    style = STYLES.get(cast("Status", outcome), "")
    line = Text(no_wrap=True, overflow="ellipsis")
    mark = STATUS_MARKS.get(cast("Status", outcome))
    if mark is not None:
        line.append(f"{mark} ", style=style)
    line.append(plain_text(span.name, _LONG), style="" if outcome == "succeeded" else style)
    attempt = said.get(names.ATTEMPT, 1)
    if attempt != 1:
        line.append(f"  attempt {plain_text(str(attempt), _LONG)}", style="yellow")
    line.append(f"  {seconds(span.ended - span.started)}", style="cyan")
    line.append(_waited(said), style="dim")
    line.append(_tokens(said), style="green")
    if names.ERROR_TYPE in said:
        line.append(f"  {plain_text(str(said[names.ERROR_TYPE]), _LONG)}", style=style)
    return line


def _waited(said: Mapping[str, Any]) -> str:
    waited = said.get(names.WAITED)
    return f"  waited {seconds(waited)}" if isinstance(waited, float) and waited >= _NOTICED else ""


def _tokens(said: Mapping[str, Any]) -> str:
    taken, given = said.get(names.INPUT_TOKENS), said.get(names.OUTPUT_TOKENS)
    if not isinstance(taken, int):
        return ""
    cached = said.get(names.CACHE_READ_TOKENS)
    share = f", {cached:,} cached" if isinstance(cached, int) and cached else ""
    return f"  {taken:,} in{share}" + (f", {given:,} out" if isinstance(given, int) else "")
