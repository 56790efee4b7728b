"""What prefix caches saved, as a table: a sentence first, then the groups, lanes and tags."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from paceline import Savings, SavingsTotals

from ._words import spoken

__all__ = ["SavingsTable", "savings_table"]

Row: TypeAlias = tuple[str, SavingsTotals | None, str]
"""A name, what is told of it, and the style of the name."""

_NAME: Final = 40
_ROOM: Final = 16
"""Columns of the terminal that names may have before numbers go."""


def savings_table(savings: Savings, *, most: int = 10) -> SavingsTable:
    """Show what came from caches, what could have, and what it cost against everything at once.

    At most `most` groups, lanes and tags are shown of each, then those that missed most. In a narrow terminal
    what can be worked out from the rest is left out.
    """
    return SavingsTable(savings, most)


class SavingsTable:
    """What `savings_table` gives: to be printed by rich."""

    def __init__(self, savings: Savings, most: int) -> None:
        self._savings = savings
        self._most = most

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(_ROOM, options.max_width), options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        totals = self._savings.totals
        yield Text(str(totals), style="bold")
        if totals.prompt_tokens is None:
            return
        rows = list(self._rows())
        if rows:
            yield self._table(rows, options.max_width)
            yield Text(_legend(self._savings), style="dim")

    def _table(self, rows: Sequence[Row], width: int) -> Table:
        columns = {
            heading: ["" if totals is None else cell(totals) for _, totals, _ in rows]
            for heading, cell in self._columns().items()
        }
        longest = max(cell_len(name) for name, _, _ in rows)
        for heading in _SPARED:
            if _room(columns, width) < min(longest, _ROOM):
                columns.pop(heading, None)
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
        table.add_column("", no_wrap=True)
        for heading in columns:
            table.add_column(heading, justify="right", no_wrap=True, style=_STYLES.get(heading, ""))
        for (name, _, style), *cells in zip(rows, *columns.values(), strict=True):
            shown = Text(name, style=style)
            shown.truncate(max(1, min(_NAME, _room(columns, width))), overflow="ellipsis")
            table.add_row(shown, *cells)
        return table

    def _columns(self) -> dict[str, Callable[[SavingsTotals], str]]:
        in_money = self._savings.totals.money is not None
        return {**_COLUMNS, "money": _money} if in_money else dict(_COLUMNS)

    def _rows(self) -> Iterator[Row]:
        savings, by = self._savings, spoken(self._savings.by or "")
        yield from self._section("group", savings.groups, savings.ungrouped, "in no group")
        if len(savings.lanes) > 1:  # one is all of them, and was told
            yield from self._section("lane", savings.lanes, None, "")
        yield from self._section(by, savings.tags, savings.untagged, f"no {by}")

    def _section(
        self, heading: str, named: Mapping[str, SavingsTotals], rest: SavingsTotals | None, without: str
    ) -> Iterator[Row]:
        if not named:
            return
        chosen = list(named.items())
        if len(named) > self._most:
            chosen = sorted(chosen, key=lambda each: -_missed(each[1]))[: self._most]
        yield heading, None, "dim"
        for name, totals in chosen:
            yield f"  {spoken(name)}", totals, ""
        if len(named) > len(chosen):
            yield f"  … and {len(named) - len(chosen):,} more", None, "dim"
        if rest is not None:
            yield f"  {without}", rest, "dim"


def _room(columns: Mapping[str, Sequence[str]], width: int) -> int:
    """How many columns of the terminal are left for the names."""
    return width - sum(max(map(len, [heading, *cells])) + 2 for heading, cells in columns.items())


def _missed(totals: SavingsTotals) -> int:
    return (totals.best_cached_tokens or 0) - (totals.cached_tokens or 0)


def _jobs(totals: SavingsTotals) -> str:
    jobs = f"{totals.jobs:,}"
    return f"{totals.jobs - totals.unreported:,} of {jobs}" if totals.unreported else jobs


def _best(totals: SavingsTotals) -> str:
    return ("≤ " if totals.assumed else "") + _share(totals.best_hit_ratio)


def _money(totals: SavingsTotals) -> str:
    return "-" if totals.money is None else f"{totals.money:,.4g}"


def _whole(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _share(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.0%}"


_COLUMNS: Final[Mapping[str, Callable[[SavingsTotals], str]]] = {
    "jobs": _jobs,
    "prompt": lambda totals: _whole(totals.prompt_tokens),
    "cached": lambda totals: _whole(totals.cached_tokens),
    "evaluated": lambda totals: _whole(totals.evaluated_tokens),
    "hit": lambda totals: _share(totals.hit_ratio),
    "best": _best,
    "cost": lambda totals: "-" if totals.cost_ratio is None else f"{totals.cost_ratio:.2f}",
}
_SPARED: Final = ("jobs", "cached", "evaluated", "money", "prompt")
"""What can be done without, that first which can be worked out from the rest."""
_STYLES: Final = {"hit": "green", "cost": "bold"}


def _legend(savings: Savings) -> str:
    counts = f"a token read from the cache counts {savings.read:g}, written {savings.write:g}"
    return f"best: with each group's prefix evaluated once\ncost: 1 with no cache; {counts}"
