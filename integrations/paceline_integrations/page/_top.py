"""The top of the page: what run it is, what is wrong with its log, and the sums."""

from __future__ import annotations

from collections.abc import Iterator

from paceline_integrations.figures import amount, count, duration
from paceline_integrations.summary import RunSummary

from ._markup import Markup, tag
from ._words import STATES, badge, glyph, meter, moment, percent, states_bar, words

__all__ = ["header", "notes", "tiles"]


def header(summary: RunSummary) -> Markup:
    """What run it is, and how it stands."""
    running = summary.state == "running"
    state = "succeeded" if summary.state == "completed" else summary.state
    said = f"still running, as of {moment(summary.as_of)}" if running else summary.state
    about = [] if summary.started is None else [f"started {moment(summary.started)}"]
    about.append(f"took {duration(summary.seconds)}" if not running else f"for {duration(summary.seconds)}")
    if summary.kept_open:
        about.append(f"then open for {duration(summary.kept_open)} with nothing to do")
    if summary.slots is not None:
        about.append(count(summary.slots, "slot"))
    if summary.groups:
        about.append(count(summary.groups, "group"))
    labels = [
        tag("span", f"{key}: {value}", class_="chip") for key, value in list(summary.metadata.items())[:12]
    ]
    return tag(
        "header",
        tag("p", "paceline", class_="brand"),
        tag("h1", summary.run or "run", " ", badge(state, said)),
        tag("p", " · ".join(about), *labels, class_="about"),
        tag("p", summary.error, class_="fault") if summary.error else None,
    )


def notes(summary: RunSummary) -> Markup | None:
    """What is wrong with the log, and so with the page."""
    found = summary.notes
    return tag("ul", *(tag("li", each) for each in found), class_="notes") if found else None


def tiles(summary: RunSummary) -> Markup:
    """The sums."""
    totals = summary.totals
    found = [
        _jobs(summary),
        _tile("so far" if summary.state == "running" else "took", duration(summary.seconds), _pace(summary)),
    ]
    if totals.input_tokens is not None:
        share = (totals.cached_tokens or 0) / totals.input_tokens if totals.input_tokens else 0.0
        cached = "" if totals.cached_tokens is None else f"{percent(share)} from the cache"
        bar = None if totals.cached_tokens is None else meter(share, "cached")
        found.append(_tile("tokens read", amount(totals.input_tokens), cached, bar))
    if totals.output_tokens is not None:
        requests = "" if totals.requests is None else f"in {count(totals.requests, 'request')}"
        found.append(_tile("tokens answered", amount(totals.output_tokens), requests))
    found += _savings(summary)
    return tag("section", *found, class_="tiles")


def _jobs(summary: RunSummary) -> Markup:
    totals = summary.totals
    numbers = {
        "succeeded": totals.succeeded,
        "running": summary.running,
        "suspended": totals.suspended,
        "failed": totals.failed,
        "cancelled": totals.cancelled,
        "skipped": totals.skipped,
        "waiting": summary.waiting,
    }
    told = [
        tag("span", glyph(status), f" {numbers[status]:,} {words(status)}")
        for status in STATES
        if numbers[status]
    ]
    return tag(
        "div",
        tag("p", "jobs", class_="label"),
        tag("p", f"{totals.jobs:,}", class_="figure"),
        states_bar(numbers.items()),
        tag("p", *told, class_="told"),
        class_="tile wide",
    )


def _pace(summary: RunSummary) -> str:
    totals = summary.totals
    ended = totals.succeeded + totals.failed + totals.cancelled + totals.skipped
    if not ended or not summary.seconds:
        return ""
    rate = ended / summary.seconds
    return f"{rate:,.1f} jobs a second" if rate >= 1 else f"{60 * rate:,.1f} jobs a minute"


def _savings(summary: RunSummary) -> Iterator[Markup]:
    totals = summary.savings.totals
    money = summary.totals.money
    if money is not None:
        yield _tile("money", f"{money:,.4g}", "as reported by the jobs")
    if totals.worth_telling and totals.cost_ratio is not None:
        said = "of what they cost with no cache"
        if totals.best_hit_ratio is not None:
            said += f"; at best {percent(totals.best_hit_ratio)} would be cached"
        yield _tile("cost of prompts", percent(totals.cost_ratio), said)


def _tile(label: str, figure: str, told: str = "", bar: Markup | None = None) -> Markup:
    return tag(
        "div",
        tag("p", label, class_="label"),
        tag("p", figure, class_="figure"),
        bar,
        tag("p", told, class_="told") if told else None,
        class_="tile",
    )
