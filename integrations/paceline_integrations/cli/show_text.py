"""The summary of a run, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from rich.console import Console
from rich.text import Text

from paceline_integrations.runstate import plain_text
from paceline_integrations.summary import RunSummary
from paceline_integrations.terminal import savings_table

from .show_tables import (
    count,
    errors_table,
    held_table,
    lanes_table,
    questions_table,
    slowest_table,
    waited_table,
    waits_table,
)
from .summary import amount, duration

__all__ = ["print_run"]

_STATES: Final = {"running": "cyan", "completed": "green", "failed": "red", "cancelled": "yellow"}


def print_run(console: Console, summary: RunSummary) -> None:
    """Print what became of a run."""
    console.print(_headline(summary))
    console.print(_counts(summary))
    for line in (*_usage(summary), *_notes(summary)):
        console.print(line)
    for title, body in (
        ("What went wrong", errors_table(summary)),
        ("Open questions", questions_table(summary)),
        ("What waits, and why", waits_table(summary)),
        ("What held jobs", held_table(summary)),
        ("Longest waits", waited_table(summary)),
        ("Slowest jobs", slowest_table(summary)),
        ("Lanes", lanes_table(summary)),
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
    if summary.slots is not None:
        text.append(f" · {count(summary.slots, 'slot')}", "not bold dim")
    if summary.started is not None:
        text.append(f" · begun {_moment(summary.started)}", "not bold dim")
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
        line.append(f", {totals.attempts:,} attempts", style="dim")
    return line


def _usage(summary: RunSummary) -> Iterator[Text]:
    totals = summary.totals
    if totals.input_tokens is None and totals.output_tokens is None:
        return
    text = Text(f"prompt tokens {amount(totals.input_tokens)}")
    if totals.cached_tokens is not None and totals.input_tokens:
        text.append(
            f" · cached {amount(totals.cached_tokens)} ({totals.cached_tokens / totals.input_tokens:.0%})",
            style="green",
        )
        text.append(f" · evaluated {amount(totals.evaluated_tokens)}")
    if totals.output_tokens is not None:
        text.append(f" · answered {amount(totals.output_tokens)}")
    if totals.money is not None:
        text.append(f" · money {totals.money:,.4g}")
    yield text


def _notes(summary: RunSummary) -> Iterator[Text]:
    """What is wrong with the log, and so with what is told here."""
    log = summary.log
    if summary.error:
        yield Text(f"the run failed: {plain_text(summary.error, 500)}", style="red")
    if log.damaged:
        yield Text(f"{count(log.damaged, 'line')} of the log could not be read:", style="yellow")
        yield from (Text(f"  {plain_text(reason, 300)}", style="yellow") for reason in log.reasons)
    if log.dropped:
        yield Text(
            f"{count(log.dropped, 'event')} are missing: the log was written too slowly", style="yellow"
        )
    if log.torn and summary.state != "running":
        yield Text("the last line of the log is not finished", style="yellow")
    if summary.started is None:
        yield Text("the log lacks its beginning: what is told is of the rest", style="yellow")
    if log.earlier_runs:
        yield Text(f"{count(log.earlier_runs, 'earlier run')} in the same file, not told here", style="dim")


def _moment(time: float) -> str:
    """A time as the clock on the wall here shows it; as a number where no calendar has it."""
    try:
        return datetime.fromtimestamp(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return f"{time:g} s"
