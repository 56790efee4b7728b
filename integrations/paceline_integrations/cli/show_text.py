"""The summary of a run, as a person reads it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from rich.console import Console
from rich.text import Text

from paceline_integrations.figures import count, duration
from paceline_integrations.summary import RunSummary
from paceline_integrations.terminal import savings_table
from paceline_integrations.visible import plain_text

from .show_tables import (
    errors_table,
    held_table,
    questions_table,
    slowest_table,
    waited_table,
    waits_table,
)
from .summary import lanes_table, tokens_line

__all__ = ["print_run"]

_STATES: Final = {"running": "cyan", "completed": "green", "failed": "red", "cancelled": "yellow"}


def print_run(console: Console, summary: RunSummary) -> None:
    """Print what became of a run."""
    console.print(_headline(summary))
    console.print(_counts(summary))
    if summary.totals.input_tokens is not None or summary.totals.output_tokens is not None:
        console.print(tokens_line(summary.totals))
    if summary.error:
        console.print(Text(f"the run failed: {plain_text(summary.error, 500)}", style="red"))
    for note in summary.notes:
        console.print(Text(note, style="yellow"))
    for title, body in (
        ("What went wrong", errors_table(summary)),
        ("Open questions", questions_table(summary)),
        ("What waits, and why", waits_table(summary)),
        ("Why jobs waited", held_table(summary)),
        ("Longest waits, and what held the job the longest", waited_table(summary)),
        ("Slowest jobs", slowest_table(summary)),
        ("Lanes", lanes_table(summary.lanes) if len(summary.lanes) > 1 else None),
    ):
        if body is not None:
            console.print()
            console.print(Text(title, style="bold"))
            console.print(body)
    if summary.savings.totals.worth_telling:
        console.print()
        console.print(Text("Savings of prefix caches", style="bold"))
        console.print(savings_table(summary.savings))


def _headline(summary: RunSummary) -> Text:
    text = Text(plain_text(summary.run, 80) or "run", style="bold")
    if summary.state == "running":
        text.append(" still running", _STATES["running"])
        text.append(f", as of {_moment(summary.as_of)}", "not bold")
    else:
        text.append(f" {summary.state}", _STATES[summary.state])
    text.append(f" · {duration(summary.seconds)}", "not bold")
    if summary.kept_open:
        text.append(f", then open for {duration(summary.kept_open)} with nothing to do", "not bold dim")
    if summary.slots is not None:
        text.append(f" · {count(summary.slots, 'slot')}", "not bold dim")
    if summary.started is not None:
        text.append(f" · started {_moment(summary.started)}", "not bold dim")
    return text


def _counts(summary: RunSummary) -> Text:
    totals = summary.totals
    parts = [Text(f"{totals.succeeded:,} done", style="bold green" if totals.succeeded else "bold")]
    parts.append(Text(f"{totals.failed:,} failed", style="bold red" if totals.failed else "dim"))
    for number, word, style in (
        (totals.skipped, "skipped", "yellow"),
        (totals.cancelled, "cancelled", "yellow"),
        (totals.suspended, "suspended", "magenta"),
        (summary.running, "running" if summary.state == "running" else "not finished", "cyan"),
        (summary.waiting, "waiting" if summary.state == "running" else "not begun", "cyan"),
    ):
        if number:
            parts.append(Text(f"{number:,} {word}", style=style))
    line = Text(", ").join(parts).append(f", of {count(totals.jobs, 'job')}")
    if totals.attempts > totals.jobs - totals.skipped:
        line.append(f", in {totals.attempts:,} attempts", style="dim")
    return line


def _moment(time: float) -> str:
    """A time as the clock on the wall here shows it; as a number where no calendar has it."""
    try:
        return datetime.fromtimestamp(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return f"{time:g} s"
