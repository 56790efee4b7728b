"""The comparison of policies, as a table on the screen and a picture in a file."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from paceline_integrations.comparison import SERVERS, Comparison, Workload, compare, draw

from ._errors import CommandError

__all__ = ["show_comparison"]


_AFTERWORD = (
    'Evaluated are the prompt tokens that no cache had; the least is each document once. "auto" learns from '
    "cached tokens which kind of server it talks to."
)


def show_comparison(numbers: tuple[int, int, int, int, int], save: Path | None) -> None:
    """Compare by a workload of so many groups, followers, and tokens of document, question and answer.

    Raises:
        CommandError: if the picture cannot be written.
    """
    groups, followers, document, question, answer = numbers
    workload = Workload(groups, followers, document, question, answer)
    comparisons = compare(workload, SERVERS.values())
    heading = (
        f"The same {workload.jobs:,} jobs by four policies: {groups:,} documents of {document:,} tokens, "
        f"{followers + 1:,} questions on each"
    )
    if save is not None:
        _write(save, draw(comparisons, heading))
    console = Console()
    console.print(Text(heading, style="bold"))
    for comparison in comparisons:
        console.print()
        server = comparison.server
        console.print(Text(f"{server.title}; {server.slots} requests at once", style="cyan"))
        console.print(_table(comparison))
    console.print()
    console.print(Text(_AFTERWORD, style="dim"))
    if save is not None:
        console.print(Text(f"drawn: {save}"), soft_wrap=True)


def _table(comparison: Comparison) -> Table:
    table = Table(box=None, padding=(0, 2), show_edge=False, header_style="dim")
    table.add_column("", no_wrap=True)
    for heading in ("evaluated", "of the least", "time"):
        table.add_column(heading, justify="right")
    best = min(comparison.outcomes, key=lambda each: (each.evaluated, each.seconds))
    for each in comparison.outcomes:
        table.add_row(
            each.policy.title,
            f"{each.evaluated:,}",
            f"{each.over_ideal:.2f}x",
            f"{each.seconds:,.1f} s",
            style="bold green" if each is best else "",
        )
    return table


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror or error}") from error
