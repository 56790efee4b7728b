"""The parts of a run's summary that are tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from paceline_integrations.figures import count, duration
from paceline_integrations.summary import ErrorSummary, JobPlace, RunSummary
from paceline_integrations.visible import plain_text

__all__ = [
    "errors_table",
    "held_table",
    "questions_table",
    "slowest_table",
    "waited_table",
    "waits_table",
]

_SLOW, _QUESTIONS = 5, 10


def errors_table(summary: RunSummary) -> Table | None:
    """What went wrong, each cause once."""
    if not summary.errors:
        return None
    table = _table()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for error in summary.errors:
        what = Text(error.called, style="bold")
        if error.message:
            what.append(f": {plain_text(error.message, 400)}", "not bold")
        what.append(f"\n{error.befell}", "not bold dim")
        table.add_row(_befell(error), what)
    if summary.other_errors:
        table.add_row(Text(f"{summary.other_errors:,}", style="dim"), Text("of other kinds", style="dim"))
    return table


def _befell(error: ErrorSummary) -> Text:
    parts = [
        Text(f"{number:,} {word}", style=style)
        for number, word, style in (
            (error.failed, "failed", "red"),
            (error.skipped, "skipped", "yellow"),
            (error.cancelled, "cancelled", "yellow"),
            (error.retried, "retried", "dim"),
        )
        if number
    ]
    return Text("\n").join(parts)


def questions_table(summary: RunSummary) -> Table | None:
    """What is asked, and by whom."""
    if not summary.questions:
        return None
    table = _table()
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for each in summary.questions[:_QUESTIONS]:
        asked = "" if each.value is None else plain_text(each.value, 300)
        table.add_row(Text(each.called, style="magenta"), Text(asked))
    left = summary.open_questions - min(len(summary.questions), _QUESTIONS)
    if left:
        table.add_row(Text(f"and {left:,} more", style="dim"), "")
    return table


def waits_table(summary: RunSummary) -> Table | None:
    """What jobs wait for where the log ends."""
    # What is asked is told by itself.
    stuck = [each for each in summary.stuck if each.kind != "reply"]
    if not stuck:
        return None
    table = _table()
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for each in stuck:
        text = Text(plain_text(each.text, 200))
        if each.until is not None and each.until > summary.as_of:
            text.append(f" ({duration(each.until - summary.as_of)} more)", style="yellow")
        if each.example is not None:
            text.append(f"  {each.example.called}", style="dim")
        table.add_row(Text(each.many, style="yellow"), text)
    return table


def held_table(summary: RunSummary) -> Table | None:
    """What held jobs, and for how long."""
    if not summary.held_longest:
        return None
    table = _table()
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for each in summary.held_longest:
        style = "dim" if each.usual else "yellow"
        table.add_row(
            Text(duration(each.seconds), style=style),
            Text(f"up to {count(each.jobs, 'job')}", style="dim"),
            Text(plain_text(each.text, 200)),
        )
    return table


def waited_table(summary: RunSummary) -> Table | None:
    """The jobs that waited the longest."""
    rows = [
        (duration(each.seconds), each, plain_text(each.why, 200)) for each in summary.waited_longest[:_SLOW]
    ]
    return _jobs(rows) if rows else None


def slowest_table(summary: RunSummary) -> Table | None:
    """The jobs that ran the longest."""
    rows = [
        (duration(each.seconds), each, f"{each.attempts:,} attempts" if each.attempts > 1 else "")
        for each in summary.slowest[:_SLOW]
    ]
    return _jobs(rows) if rows else None


def _jobs(rows: Sequence[tuple[str, JobPlace, str]]) -> Table:
    table = _table()
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold", style="dim")
    for seconds, job, said in rows:
        table.add_row(Text(seconds, style="cyan"), Text(job.called), Text(said))
    return table


def _table() -> Table:
    return Table(box=None, padding=(0, 2, 0, 2), show_header=False, show_edge=False, pad_edge=False)
