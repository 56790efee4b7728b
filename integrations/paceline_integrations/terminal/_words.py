"""How statuses, names and times are written, so that they are understood without colours too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from rich.text import Text

from paceline import STATUS_MARKS, ErrorReport, RunReport, Status, TaskReport
from paceline_integrations.visible import visible

__all__ = ["STYLES", "failure", "headline", "seconds", "spoken", "trouble"]

STYLES: Final[Mapping[Status, str]] = {
    "succeeded": "green",
    "failed": "red",
    "cancelled": "yellow",
    "skipped": "bright_black",
    "suspended": "magenta",
    "running": "cyan",
    "waiting": "bright_black",
}

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def spoken(text: str) -> str:
    """A text from anywhere, on one line and without what moves a terminal's cursor."""
    return visible(_CONTROLS.sub(" ", text).strip())


def seconds(value: float | None) -> str:
    """Write a duration, as exactly as it matters."""
    if value is None:
        return "-"
    if value < 0.001:
        return f"{value * 1e6:.0f} µs"
    if value < 1:
        return f"{value * 1e3:.0f} ms"
    if value < 60:
        return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def trouble(task: TaskReport) -> str:
    """What went wrong, or what is asked."""
    if task.questions:
        return spoken("asks: " + ", ".join(str(question.value) for question in task.questions))
    return "" if task.error is None else failure(task.error)


def failure(error: ErrorReport) -> str:
    """An error in one line."""
    return spoken(f"{error.type}: {error.message}" if error.message else error.type)


def headline(report: RunReport) -> Text:
    """The run in one line."""
    totals = report.totals
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{STATUS_MARKS[report.state]} ", style=STYLES[report.state])
    line.append(spoken(report.name or report.run_id or "run"), style="bold")
    line.append(f" {report.state}", style=STYLES[report.state])
    line.append(f" · {totals.succeeded:,} of {totals.jobs:,} tasks · {seconds(totals.seconds)}")
    if report.width > 1:
        line.append(f" · {report.width:,} at once", style="dim")
    return line
