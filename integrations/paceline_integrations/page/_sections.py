"""The sections of the page that tell the summary: troubles, questions, lanes, waits, what was slow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from paceline_integrations.figures import count, duration
from paceline_integrations.summary import ErrorSummary, JobPlace, RunSummary, StuckSummary

from ._markup import Markup, joined, tag
from ._words import glyph, meter, percent

__all__ = ["held", "lanes", "sections", "slowest", "waited"]

_MOST_LANES: Final = 30
_MOST_QUESTIONS: Final = 20
_MOST_JOBS: Final = 6


def sections(summary: RunSummary) -> Iterator[tuple[str, Markup]]:
    """What is to be told first, each with its title."""
    # What is asked is told by itself.
    stuck = [each for each in summary.stuck if each.kind != "reply"]
    if stuck:
        yield "What waits, and why", tag("ul", *_stuck(stuck, summary.as_of), class_="list")
    if summary.questions:
        yield "Open questions", tag("ul", *_questions(summary), class_="list")
    if summary.errors:
        yield "What went wrong", tag("ul", *_errors(summary), class_="list")


def _stuck(stuck: Sequence[StuckSummary], now: float) -> Iterator[Markup]:
    for each in stuck:
        until = ""
        if each.until is not None and each.until > now:
            until = f" · {duration(each.until - now)} more"
        example = None if each.example is None else tag("small", each.example.called)
        yield tag(
            "li",
            tag("span", each.many, class_="many held"),
            tag("span", each.text, tag("em", until) if until else None, " ", example),
        )


def _questions(summary: RunSummary) -> Iterator[Markup]:
    for each in summary.questions[:_MOST_QUESTIONS]:
        asked = "asks something" if each.value is None else each.value
        yield tag(
            "li",
            tag("span", glyph("suspended"), " ", each.called, class_="many suspended"),
            tag("span", asked if isinstance(asked, str) else str(asked)),
        )
    left = summary.open_questions - min(len(summary.questions), _MOST_QUESTIONS)
    if left:
        yield tag("li", f"and {left:,} more", class_="more")


def _errors(summary: RunSummary) -> Iterator[Markup]:
    for each in summary.errors:
        kind = tag("b", each.called)
        message = tag("span", each.message, class_="message") if each.message else None
        yield tag(
            "li",
            tag("span", *_befell(each), class_="many"),
            tag("span", kind, " ", message, tag("small", each.befell, class_="examples")),
        )
    if summary.other_errors:
        yield tag("li", f"and {summary.other_errors:,} of other kinds", class_="more")


def _befell(error: ErrorSummary) -> Iterator[Markup]:
    for number, status, word in (
        (error.failed, "failed", "failed"),
        (error.skipped, "skipped", "skipped"),
        (error.cancelled, "cancelled", "cancelled"),
        (error.retried, "again", "retried"),
    ):
        if number:
            yield tag("span", glyph(status), f" {number:,} {word}", class_=f"befell {status}")


def lanes(summary: RunSummary) -> Markup | None:
    """Each lane's share against its due, as a pair of bars."""
    if len(summary.lanes) < 2:
        return None
    weights = sum(lane.weight for lane in summary.lanes.values()) or 1.0
    rows: list[Markup] = []
    measured = any(lane.share_while_waiting is not None for lane in summary.lanes.values())
    shown = list(summary.lanes.items())
    if len(shown) > _MOST_LANES:
        shown = sorted(shown, key=lambda each: -each[1].jobs)[:_MOST_LANES]
    for name, lane in shown:
        share = lane.share if not measured else lane.share_while_waiting
        due = lane.weight / weights if not measured else lane.due_while_waiting
        told = "never had to compete" if share is None or due is None else None
        rows.append(
            tag(
                "div",
                tag("b", name),
                tag("small", f"weight {lane.weight:g} · {count(lane.jobs, 'job')}"),
                tag("small", told) if told else None,
                *(() if share is None else _pair("got", share, "got")),
                *(() if due is None else _pair("due", due, "due")),
                class_="lane",
            )
        )
    left = len(summary.lanes) - _MOST_LANES
    rows += [tag("p", f"and {left:,} more lanes", class_="more")] if left > 0 else []
    said = (
        "while several lanes had jobs waiting" if measured else "over the whole run, whatever there was to do"
    )
    return joined([tag("p", said, class_="about"), *rows])


def _pair(word: str, share: float, kind: str) -> Iterator[Markup]:
    yield tag("span", word, class_="word")
    yield meter(share, kind)
    yield tag("span", percent(share), class_="number")


def held(summary: RunSummary) -> Markup | None:
    """What held jobs, for how long."""
    shown = summary.held_longest
    if not shown:
        return None
    rows = [
        tag(
            "div",
            tag("span", each.text, class_="what"),
            tag("span", duration(each.seconds), class_="number"),
            meter(each.seconds / max(summary.seconds, 1e-9), "usual" if each.usual else "held"),
            tag("small", f"up to {count(each.jobs, 'job')} at once"),
            class_="hold",
        )
        for each in shown
    ]
    return joined(rows)


def slowest(summary: RunSummary) -> Markup | None:
    """The jobs that ran the longest."""
    shown = summary.slowest[:_MOST_JOBS]
    if not shown:
        return None
    most = shown[0].seconds
    return joined(
        _ranked(job, job.seconds, most, job.status, f"{job.attempts} attempts" if job.attempts > 1 else "")
        for job in shown
    )


def waited(summary: RunSummary) -> Markup | None:
    """The jobs that waited the longest, and for what."""
    shown = summary.waited_longest[:_MOST_JOBS]
    if not shown:
        return None
    return joined(_ranked(job, job.seconds, shown[0].seconds, "waits", job.why) for job in shown)


def _ranked(job: JobPlace, seconds: float, most: float, kind: str, told: str) -> Markup:
    return tag(
        "div",
        tag("span", job.called, class_="what"),
        tag("span", duration(seconds), class_="number"),
        meter(seconds / max(most, 1e-9), kind),
        tag("small", told) if told else None,
        class_="hold",
    )
