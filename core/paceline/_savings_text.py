"""Savings as text, for `print`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ._report_text import one_line, table

if TYPE_CHECKING:
    from ._savings import Savings, SavingsTotals

__all__ = ["savings_line", "write_savings", "write_savings_totals"]

_MOST = 20
_NAME = 40


def write_savings(savings: Savings) -> str:
    """Say what was saved: a sentence, and a table of the groups, lanes and tags."""
    return "\n".join(_lines(savings))


def write_savings_totals(totals: SavingsTotals) -> str:
    """Say it in one sentence."""
    if totals.prompt_tokens is None:
        return _unreported(totals) if totals.jobs else "no job ran"
    begun = f"prompt {totals.prompt_tokens:,} tokens: {totals.cached_tokens or 0:,} from the cache"
    best = "" if totals.hit_ratio is None else f" ({_share(totals.hit_ratio)}; {_best(totals)})"
    return begun + best + _cost(totals) + _missing(totals)


def savings_line(totals: SavingsTotals) -> str:
    """Say it in one sentence, for where the tokens have been told."""
    begun = f"{_share(totals.hit_ratio)} of the prompts from the cache"
    return f"{begun} ({_best(totals)}){_cost(totals)}{_missing(totals)}"


def _best(totals: SavingsTotals) -> str:
    return f"best possible {'at most ' if totals.assumed else ''}{_share(totals.best_hit_ratio)}"


def _cost(totals: SavingsTotals) -> str:
    cost = "" if totals.cost_ratio is None else f", cost {totals.cost_ratio:.2f} of a cold fan-out"
    if totals.money is None:
        return cost
    cold = "" if totals.cold_money is None else f" instead of {totals.cold_money:,.4g}"
    left = f" without {totals.unpriced:,} jobs that have no price" if totals.unpriced else ""
    return f"{cost}, money {totals.money:,.4g}{cold}{left}"


def _missing(totals: SavingsTotals) -> str:
    return f"; {_unreported(totals)}" if totals.unreported else ""


def _unreported(totals: SavingsTotals) -> str:
    if totals.unreported == totals.jobs:
        return "no job reported what came from the cache"
    return f"of {totals.jobs:,} jobs {totals.unreported:,} did not report what came from the cache"


def _lines(savings: Savings) -> Iterator[str]:
    yield write_savings_totals(savings.totals)
    if savings.totals.prompt_tokens is None:
        return
    parts = (
        ("group", savings.groups, savings.ungrouped, "(in no group)"),
        ("lane", savings.lanes, None, ""),
        (savings.by or "", savings.tags, savings.untagged, f"(no {savings.by})"),
    )
    for heading, named, rest, without in parts:
        # One lane is all of them, and was told.
        if len(named) > (heading == "lane"):
            yield from _table(one_line(heading, _NAME), named, rest, without)


def _table(
    heading: str, named: Mapping[str, SavingsTotals], rest: SavingsTotals | None, without: str
) -> Iterator[str]:
    rows: list[Sequence[str]] = [(heading, "jobs", "prompt", "cached", "evaluated", "hit", "best", "cost")]
    shown = list(named.items())
    if len(shown) > _MOST:
        shown = sorted(shown, key=lambda each: -_missed(each[1]))[:_MOST]
    rows += [_row(name, totals) for name, totals in shown]
    if rest is not None:
        rows.append(_row(without, rest))
    yield from table(rows)
    if len(named) > _MOST:
        yield f"… and {len(named) - _MOST:,} more, which missed less"


def _missed(totals: SavingsTotals) -> int:
    return (totals.best_cached_tokens or 0) - (totals.cached_tokens or 0)


def _row(name: str, totals: SavingsTotals) -> tuple[str, ...]:
    jobs = f"{totals.jobs:,}"
    return (
        one_line(name, _NAME),
        f"{totals.jobs - totals.unreported:,} of {jobs}" if totals.unreported else jobs,
        _whole(totals.prompt_tokens),
        _whole(totals.cached_tokens),
        _whole(totals.evaluated_tokens),
        _share(totals.hit_ratio),
        ("≤" if totals.assumed else "") + _share(totals.best_hit_ratio),
        "-" if totals.cost_ratio is None else f"{totals.cost_ratio:.2f}",
    )


def _whole(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _share(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.0%}"
