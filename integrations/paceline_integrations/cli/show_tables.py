"""The parts of a run's summary that are tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from paceline_integrations.runstate import plain_text
from paceline_integrations.summary import ErrorSummary, JobPlace, RunSummary

from .summary import duration

__all__ = [
    "count",
    "errors_table",
    "held_table",
    "lanes_table",
    "questions_table",
    "slowest_table",
    "waited_table",
    "waits_table",
]

_USUAL: Final = frozenset(
    {"slot", "lane_share", "dependency", "release", "active_groups", "children", "rest"}
)
"""Reasons to wait that are the course of things."""
_SLOW, _QUESTIONS, _LANES = 5, 10, 20
_WORTH_TELLING: Final = 0.01
"""The part of a run's time for which something held its jobs, from which on that is told."""


def errors_table(summary: RunSummary) -> Table | None:
    """What went wrong, each cause once."""
    if not summary.errors:
        return None
    table = _table()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for error in summary.errors:
        what = Text(plain_text(error.type, 100), style="bold")
        if error.message:
            what.append(f": {plain_text(error.message, 400)}", "not bold")
        what.append(f"\n{_examples(error)}", "not bold dim")
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


def _examples(error: ErrorSummary) -> str:
    told = ", ".join(_called(each) for each in error.examples)
    more = error.failed + error.skipped + error.cancelled + error.retried - len(error.examples)
    return f"{told} and {more:,} more" if more > 0 else told


def questions_table(summary: RunSummary) -> Table | None:
    """What is asked, and by whom."""
    if not summary.questions:
        return None
    table = _table()
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for each in summary.questions[:_QUESTIONS]:
        asked = "" if each.value is None else plain_text(each.value, 300)
        table.add_row(Text(_called(each), style="magenta"), Text(asked))
    left = summary.open_questions - min(len(summary.questions), _QUESTIONS)
    if left:
        table.add_row(Text(f"and {left:,} more", style="dim"), "")
    return table


def waits_table(summary: RunSummary) -> Table | None:
    """What jobs wait for where the log ends."""
    if not summary.stuck:
        return None
    table = _table()
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for each in summary.stuck:
        text = Text(plain_text(each.text, 200))
        if each.until is not None and each.until > summary.as_of:
            text.append(f" ({duration(each.until - summary.as_of)} more)", style="yellow")
        if each.example is not None:
            text.append(f"  {_called(each.example)}", style="dim")
        table.add_row(Text(count(each.jobs, "job"), style="yellow"), text)
    return table


def held_table(summary: RunSummary) -> Table | None:
    """What held jobs, and for how long."""
    shown = [each for each in summary.held if each.seconds >= _WORTH_TELLING * summary.seconds]
    if not shown:
        return None
    table = _table()
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for each in shown:
        style = "dim" if each.kind in _USUAL else "yellow"
        table.add_row(
            Text(duration(each.seconds), style=style),
            Text(f"up to {count(each.jobs, 'job')}", style="dim"),
            Text(plain_text(each.text, 200)),
        )
    return table


def waited_table(summary: RunSummary) -> Table | None:
    """The jobs that waited the longest."""
    rows = [
        (duration(each.seconds), each, plain_text(each.why, 200))
        for each in summary.waited[:_SLOW]
        if each.seconds >= _WORTH_TELLING * summary.seconds
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
        table.add_row(Text(seconds, style="cyan"), Text(_called(job)), Text(said))
    return table


def lanes_table(summary: RunSummary) -> Table | None:
    """Each lane's share, and its due."""
    if len(summary.lanes) < 2:
        return None
    table = Table(box=None, padding=(0, 2), header_style="dim", show_edge=False)
    for heading in ("lane", "weight", "jobs", "share", "share while waiting", "due"):
        table.add_column(heading, justify="left" if heading == "lane" else "right")
    for name, lane in list(summary.lanes.items())[:_LANES]:
        table.add_row(
            Text(plain_text(name, 40)),
            f"{lane.weight:g}",
            f"{lane.jobs:,}",
            f"{lane.share:.0%}",
            "-" if lane.share_while_waiting is None else f"{lane.share_while_waiting:.0%}",
            "-" if lane.due_while_waiting is None else f"{lane.due_while_waiting:.0%}",
        )
    if len(summary.lanes) > _LANES:
        table.add_row(Text(f"and {len(summary.lanes) - _LANES:,} more", style="dim"))
    return table


def _table() -> Table:
    return Table(box=None, padding=(0, 2, 0, 2), show_header=False, show_edge=False, pad_edge=False)


def _called(job: JobPlace) -> str:
    """A job by its name, and its group, where the name does not tell that."""
    name = plain_text(job.name, 80)
    if job.group is None or job.name.startswith(f"{job.group}/"):
        return name
    return f"{plain_text(job.group, 40)}/{name}"


def count(number: int, one: str) -> str:
    """Write how many there are: "1 job", "12 jobs"."""
    return f"{number:,} {one if number == 1 else one + 's'}"
