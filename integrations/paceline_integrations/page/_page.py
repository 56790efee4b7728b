"""The page as a whole: one file, no script, nothing that is loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

from ._chart import timeline
from ._markup import Markup, joined, tag
from ._sections import held, lanes, sections, slowest, waited
from ._top import header, notes, tiles
from ._tree import Tree

if TYPE_CHECKING:
    from paceline_integrations.summary import RunSummary

    from ._sketch import Sketch

__all__ = ["render_page"]

_FRAME: Final = Markup("<!DOCTYPE html>\n")


def render_page(summary: RunSummary, sketch: Sketch) -> str:
    """Write the page of a run, of which `sketch` has seen every event.

    It is HTML in UTF-8 that can be opened from disk or sent to somebody: it has no script, loads nothing, and
    says so to the browser (a content security policy), so that no text of a job can do anything.
    """
    sketch.finish()
    body = tag(
        "main", header(summary), notes(summary), tiles(summary), *_middle(summary, sketch), _footer(summary)
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy()),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{summary.run or 'run'} · paceline"),
        tag("style", Markup(_style())),
    )
    return joined([_FRAME, tag("html", head, tag("body", body), lang="en"), Markup("\n")])


def _middle(summary: RunSummary, sketch: Sketch) -> list[Markup]:
    seconds = max(summary.as_of - summary.kept_open - sketch.begun, 0.0)
    found = [_section(title, inside) for title, inside in sections(summary)]
    if sketch.bars.rows:
        found.append(_section("Timeline", timeline(sketch.bars, sketch.queue, seconds), "timeline-section"))
    found += _beside(
        (("Lanes", lanes(summary)), ("Slowest jobs", slowest(summary))),
        (
            ("Why jobs waited", held(summary)),
            ("Longest waits, and what held the job the longest", waited(summary)),
        ),
    )
    if summary.totals.jobs:
        tree = Tree(summary, sketch.state, sketch.begun)
        found.append(_section("Jobs", tree.draw(), "tree-section"))
    return found


def _beside(*columns: Iterable[tuple[str, Markup | None]]) -> Iterator[Markup]:
    """Columns of sections, as far as there are any."""
    drawn = [[_section(title, inside) for title, inside in each if inside is not None] for each in columns]
    filled = [tag("div", *each) for each in drawn if each]
    if filled:
        yield tag("div", *filled, class_="beside")


def _section(title: str, inside: Markup, kind: str | None = None) -> Markup:
    return tag("section", tag("h2", title), inside, class_=f"card {kind}" if kind else "card")


def _footer(summary: RunSummary) -> Markup:
    log = summary.log
    source = "" if log.file is None else f" from {log.file}"
    return tag("footer", f"Written by paceline show{source}, {log.events:,} events. No script, no network.")


@cache
def _style() -> str:
    return resources.files(__package__ or "").joinpath("page.css").read_text("utf-8")


@cache
def _policy() -> str:
    """Nothing may be loaded or run; of styles, only this one."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
