"""What the demo says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from paceline import RunReport, RunTotals, SavingsOptions
from paceline_integrations.figures import duration
from paceline_integrations.terminal import savings_table

from .demo_run import QUESTIONS, Measure
from .documents import MOST_TOKENS, Selection
from .summary import amount

_AFTERWORD = """\
Measured by the usage that comes with each answer, and by the server's count.
Only the answers are made up.

Your own text:    paceline demo FOLDER
A real provider:  paceline demo FOLDER --real"""

__all__ = ["print_answers", "print_comparison", "print_opening", "print_troubles"]


def print_opening(console: Console, selection: Selection, provider: str) -> None:
    """Say what is about to be done."""
    count, found = len(selection.documents), selection.found
    files = f"{count} of {found} {selection.things}" if found > count else f"{count} {selection.things}"
    text = Text()
    text.append(f"{selection.source}: {files}, about {selection.tokens:,} tokens", style="bold")
    if any(document.cut for document in selection.documents):
        text.append(f" (of long ones the first {MOST_TOKENS:,})")
    asked = ", ".join(QUESTIONS)
    text.append(f"\nEach is a group of {len(QUESTIONS)} jobs: {asked}.")
    text.append(f"\nA LangChain chain (prompt | ChatOpenAI | parser) asks {provider}.")
    console.print(Panel(text, title="paceline demo", title_align="left", border_style="cyan"))


def print_troubles(console: Console, measures: Sequence[Measure]) -> None:
    """Show why jobs failed, if any did."""
    tasks = [task for measure in measures for task in measure.report.tasks.values()]
    troubled = [task for task in tasks if task.status != "succeeded"]
    for task in troubled[:5]:
        said = "" if task.error is None else f"{task.error.type}: {task.error.message}"
        console.print(Text(f"{task.status} {task.name} {' '.join(said.split())}", style="red"))
    if len(troubled) > 5:
        console.print(Text(f"… and {len(troubled) - 5} more", style="red"))


def print_answers(console: Console, selection: Selection, report: RunReport) -> None:
    """Show what the model said of each document."""
    for document in selection.documents:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="cyan", no_wrap=True)
        table.add_column()
        keys = [
            f"{document.name}/primer",
            *(f"{document.name}/follower/{n}" for n in range(len(QUESTIONS) - 1)),
        ]
        for question, key in zip(QUESTIONS, keys, strict=True):
            if key in report.outputs:
                table.add_row(question, Text(str(report.outputs[key]).strip()))
        if table.row_count:
            console.print(Panel(table, title=Text(document.name), title_align="left", border_style="dim"))


def print_comparison(
    console: Console,
    groups: Measure,
    at_once: Measure | None = None,
    *,
    savings_at: SavingsOptions | None = None,
) -> None:
    """Show what was measured, in groups and, if that was run too, with everything sent at once.

    `savings_at` is what cached tokens are worth at the provider.
    """
    console.print()
    console.print(_table(groups, at_once))
    console.print()
    if at_once is not None:
        console.print(_verdict(groups.report.totals, at_once.report.totals), highlight=False)
    savings = groups.report.savings(**(savings_at or {}))
    if savings.totals.worth_telling:
        console.print(Text("\nWhat the groups saved", style="bold"))
        console.print(savings_table(savings))
        console.print()
    if groups.server is not None:
        console.print(_AFTERWORD, style="dim", highlight=False)


def _verdict(groups: RunTotals, at_once: RunTotals) -> Text:
    tokens = _saved(groups.evaluated_tokens, at_once.evaluated_tokens)
    saved = 1 - groups.seconds / at_once.seconds if at_once.seconds else 0.0
    time = f"{abs(saved):.0%} {'less' if saved >= 0 else 'more'} time"
    why = "" if saved >= 0 else ": with so few groups their followers mostly wait for the primers"
    return Text(f"In groups {tokens} fewer tokens were evaluated, in {time}{why}.", style="bold")


Row = tuple[str, Callable[[Measure], float | None], Callable[[float], str], bool]


def _rows(measure: Measure) -> list[Row]:
    rows: list[Row] = [
        ("prompt tokens", lambda each: each.report.totals.input_tokens, _whole, False),
        ("read from the cache", lambda each: each.report.totals.cached_tokens, _whole, False),
        ("evaluated, to be paid in full", lambda each: each.report.totals.evaluated_tokens, _whole, True),
    ]
    if measure.server is not None:
        rows.append(("  by the server's own count", _server_evaluated, _whole, True))
    rows.append(("time", lambda each: each.report.totals.seconds, duration, True))
    return rows


def _server_evaluated(measure: Measure) -> float | None:
    return None if measure.server is None else measure.server.evaluated_tokens


def _whole(number: float) -> str:
    return amount(round(number))


def _table(groups: Measure, at_once: Measure | None) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="bold", show_edge=False)
    table.add_column("")
    table.add_column("in groups", justify="right", style="bold green")
    if at_once is not None:
        table.add_column("all at once", justify="right")
        table.add_column("saved", justify="right", style="bold cyan")
    for name, value, shown, compared in _rows(groups):
        cells = [name, _cell(value(groups), shown)]
        if at_once is not None:
            cells += [_cell(value(at_once), shown), _saved(value(groups), value(at_once)) if compared else ""]
        table.add_row(*cells)
    return table


def _cell(value: float | None, shown: Callable[[float], str]) -> str:
    return "-" if value is None else shown(value)


def _saved(value: float | None, other: float | None) -> str:
    return "-" if value is None or not other else f"{1 - value / other:.0%}"
