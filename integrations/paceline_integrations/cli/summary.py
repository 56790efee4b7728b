"""A report as a person reads it at the end of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from paceline import LaneReport, RunReport, RunTotals, Savings, TaskReport, WaitReason
from paceline_integrations.figures import duration
from paceline_integrations.summary import LaneSummary
from paceline_integrations.terminal import savings_table
from paceline_integrations.visible import plain_text, visible

from .budgets import BudgetState

__all__ = ["Held", "amount", "lanes_table", "print_held", "print_summary", "tokens_line"]

_WORTH_TELLING = 0.01
"""The part of a run's time for which something held its jobs, from which on that is told."""
_BUDGETS_TOLD = 8
_STYLES = {"succeeded": "green", "failed": "red", "skipped": "yellow", "suspended": "magenta"}


@dataclass(frozen=True, slots=True)
class Held:
    """What a run was held by: the reason that held jobs the longest, with its seconds; its budgets."""

    longest: tuple[WaitReason, float] | None = None
    budgets: tuple[BudgetState, ...] = ()


def amount(number: int | None) -> str:
    """Write a number of tokens, or a dash where it is unknown."""
    return "-" if number is None else f"{number:,}"


def lanes_table(lanes: Mapping[str, LaneReport | LaneSummary], *, most: int = 20) -> Table | Group:
    """Show each lane's share against its due: `most` of them, those with the most jobs."""
    table = Table(box=None, padding=(0, 2), header_style="dim", show_edge=False)
    for heading in ("lane", "weight", "jobs", "due", "share"):
        table.add_column(heading, justify="left" if heading == "lane" else "right")
    shown = list(lanes.items())
    if len(shown) > most:
        shown = sorted(shown, key=lambda each: -each[1].jobs)[:most]
    for name, lane in shown:
        due, share = lane.due_while_waiting, lane.share_while_waiting
        table.add_row(
            Text(plain_text(name, 40)),
            f"{lane.weight:g}",
            f"{lane.jobs:,}",
            "-" if due is None else f"{due:.0%}",
            "-" if share is None else f"{share:.0%}",
        )
    if len(lanes) > most:
        table.add_row(Text(f"and {len(lanes) - most:,} more", style="dim"))
    if any(lane.share_while_waiting is not None for _, lane in shown):
        return Group(table, Text("due and share: while other lanes had jobs waiting too", style="dim"))
    return table


def print_summary(
    console: Console,
    report: RunReport,
    troubles: list[TaskReport],
    *,
    missing: int,
    savings: Savings | None = None,
    held: Held | None = None,
) -> None:
    """Tell how a run ended: counts, time, tokens, shares, what held it, what caches saved, first troubles."""
    totals = report.totals
    for task in troubles:
        console.print(_trouble(task))
    left = totals.jobs - totals.succeeded - sum(1 for _ in troubles)
    if left > 0 and troubles:
        console.print(Text(f"… and {left:,} more that did not succeed", style="dim"))
    console.print(_headline(totals, missing))
    if totals.input_tokens is not None or totals.output_tokens is not None:
        console.print(tokens_line(totals))
    if held is not None:
        print_held(console, held, totals.seconds)
    if len(report.lanes) > 1:
        console.print(lanes_table(report.lanes))
    if savings is not None and savings.totals.worth_telling:
        console.print()
        console.print(savings_table(savings))
        console.print()


def print_held(console: Console, held: Held, whole: float) -> None:
    """Tell what held the jobs of a run of so many seconds, if that was long, and how its budgets stand."""
    if held.longest is not None and held.longest[1] > _WORTH_TELLING * whole:
        reason, seconds = held.longest
        line = Text(f"held for {duration(seconds)} of {duration(whole)}: ", style="yellow")
        console.print(line.append(str(reason)))
    # Of many the nearest to their end.
    shown = sorted(held.budgets, key=lambda each: each.left / each.size)
    for each in shown[:_BUDGETS_TOLD]:
        console.print(_budget(each))
    if len(shown) > _BUDGETS_TOLD:
        console.print(
            Text(f"and {len(shown) - _BUDGETS_TOLD:,} more budgets, of which more is left", style="dim")
        )


def _budget(state: BudgetState) -> Text:
    text = Text(state.name, style="bold")
    if state.by is not None:
        text.append(f" of {state.by} {state.tag}", style="not bold")
    unit = "" if state.unit == "money" else f" {state.unit}"
    text.append(f": {_number(state.spent)} of {_number(state.size)}{unit} spent, ", style="not bold")
    over = state.left < 0
    left = f"{_number(abs(state.left))} {'too much' if over else 'left'}"
    text.append(left, style="not bold red" if over else "not bold")
    if state.period is not None:
        text.append(f" in this period of {duration(state.period)}", style="not bold dim")
    return text


def _number(number: float) -> str:
    """Write tokens or money, which may be cents or thousands."""
    if number == int(number):
        return f"{number:,.0f}"
    return f"{number:,.2f}" if number >= 10 else f"{number:.4g}"


def _headline(totals: RunTotals, missing: int) -> Text:
    parts = [Text(f"{totals.succeeded:,} done", style="bold green" if totals.succeeded else "bold")]
    parts.append(Text(f"{totals.failed:,} failed", style="bold red" if totals.failed else "dim"))
    for count, word in (
        (totals.skipped, "skipped"),
        (totals.cancelled, "cancelled"),
        (totals.suspended, "suspended"),
    ):
        if count:
            parts.append(Text(f"{count:,} {word}", style=_STYLES.get(word, "yellow")))
    if missing:
        parts.append(Text(f"{missing:,} not finished", style="yellow"))
    line = Text(", ").join(parts)
    line.append(f" in {duration(totals.seconds)}")
    if totals.attempts > totals.jobs:
        line.append(f", {totals.attempts:,} attempts", style="dim")
    return line


def tokens_line(totals: RunTotals) -> Text:
    """How many tokens were read, from the cache or not, and written."""
    text = Text(f"prompt tokens {amount(totals.input_tokens)}")
    if totals.cached_tokens is not None:
        share = totals.cached_tokens / totals.input_tokens if totals.input_tokens else 0.0
        text.append(f" · cached {amount(totals.cached_tokens)} ({share:.0%})", style="green")
        text.append(f" · evaluated {amount(totals.evaluated_tokens)}")
    if totals.output_tokens is not None:
        text.append(f" · answered {amount(totals.output_tokens)}")
    if totals.requests is not None:
        text.append(f" · {totals.requests:,} requests", style="dim")
    if totals.money is not None:
        text.append(f" · money {totals.money:,.4g}")
    return text


def _trouble(task: TaskReport) -> Text:
    said = ""
    if task.questions:
        said = "asks: " + ", ".join(str(question.value) for question in task.questions)
    elif task.status == "suspended":
        said = "waits for jobs of its own that ask something"
    elif task.error is not None:
        said = f"{task.error.type}: {task.error.message}" if task.error.message else task.error.type
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(task.status, style=_STYLES.get(task.status, "yellow"))
    line.append(f" {visible(task.name)} ", style="bold")
    line.append(visible(" ".join(said.split())))
    return line
