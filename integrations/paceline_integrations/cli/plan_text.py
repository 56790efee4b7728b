"""A plan as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from paceline_integrations.figures import duration
from paceline_integrations.planning import Forecast, Holdup, PolicyName, Prediction, recommendation

from .prompts import Counting

__all__ = ["print_plan"]

_NAMES: Final[Mapping[PolicyName, str]] = {
    "no_cache": "no cache",
    "at_once": "all at once",
    "on_completion": "primer's end",
    "on_first_token": "first token",
    "one_at_a_time": "one by one",
}
_HELD: Final[Mapping[Holdup, str]] = {"chain": "longest chain"}


def print_plan(console: Console, name: str, plan: Forecast, counting: Counting) -> None:
    """Show what is foreseen for each order, what does not pay, and which order to take."""
    console.print(_opening(name, plan))
    console.print(_facts(plan))
    console.print()
    console.print(_table(plan))
    console.print()
    for note in _notes(plan):
        console.print(Text(note, style="yellow"))
    console.print(Text(recommendation(plan), style="bold green"))
    console.print()
    console.print(_assumed(plan, counting))


def _opening(name: str, plan: Forecast) -> Text:
    text = Text(f"{Path(name).name}: ", style="bold")
    text.append(f"{_many(plan.groups, 'group')}, {_many(plan.jobs, 'job')}, ")
    text.append(f"about {plan.prompt_tokens:,} prompt tokens")
    share = plan.shared_tokens / plan.prompt_tokens if plan.prompt_tokens else 0.0
    text.append(f", {share:.0%} of them in shared prefixes", style="not bold")
    return text


def _facts(plan: Forecast) -> Text:
    facts = plan.provider
    if facts.cache == "none":
        return Text(f"{facts.name}: no prefix cache", style="cyan")
    kind = "a prefix cache per slot" if facts.cache == "slot" else "a shared prefix cache"
    parts = [f"{facts.name}: {kind}"]
    if facts.min_prefix:
        parts.append(f"from {facts.min_prefix:,} tokens")
    if facts.step > 1:
        parts.append(f"in blocks of {facts.step:,}")
    parts.append(f"writing costs {facts.write:g}x, reading {facts.read:g}x")
    if facts.ttl is not None:
        parts.append(f"kept {_span(facts.ttl)} after its last use")
    if facts.settle:
        parts.append(f"readable {facts.settle:g} s after the first token")
    if facts.reads_exempt:
        parts.append("reads do not count toward input limits")
    return Text(", ".join(parts), style="cyan")


def _span(seconds: float) -> str:
    """Write a round duration shortly."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return duration(seconds)


def _rows(plan: Forecast, shown: Sequence[Prediction]) -> Iterator[tuple[str, ...]]:
    yield "tokens evaluated", *(f"{each.evaluated:,}" for each in shown)
    if plan.without_cache is not None:  # writing has a price of its own
        yield "  of them written", *(f"{each.written:,}" for each in shown)
    yield "read from the cache", *(f"{each.cached:,}" for each in shown)
    yield "cost, as plain input", *(f"{each.cost:,.0f}" for each in shown)
    if plan.price is not None:
        yield "money, with output", *(_money(each.money) for each in shown)
    yield "of all at once", *(_share(each, plan.at_once) for each in shown)
    yield "time", *(duration(each.seconds) for each in shown)
    yield "held up by", *(_HELD.get(each.held_up_by, each.held_up_by) for each in shown)


def _table(plan: Forecast) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    table.add_column("", no_wrap=True)
    shown = list(plan.predictions)
    best = plan.best
    if plan.recommended == "no_cache":
        shown.insert(0, best)
    names = [_NAMES[each.policy] for each in shown]
    if plan.if_primed is not None and plan.primer_pays:
        best = plan.if_primed
        shown.append(best)
        names.append("with primers")
    for name, each in zip(names, shown, strict=True):
        table.add_column(name, justify="right", style="bold green" if each is best else "", no_wrap=True)
    for row in _rows(plan, shown):
        table.add_row(*row)
    return table


def _share(each: Prediction, at_once: Prediction) -> str:
    paid, instead = (
        (each.cost, at_once.cost)
        if each.money is None or at_once.money is None
        else (each.money, at_once.money)
    )
    return f"{paid / instead:.2f}x" if instead else "-"


def _money(money: float | None) -> str:
    if money is None:
        return "-"
    return f"{money:,.2f}" if money >= 10 else f"{money:.4g}"


def _notes(plan: Forecast) -> list[str]:
    notes = [
        f"{_many(each.groups, 'group')} ({_many(each.jobs, 'job')}): priming does not pay: {each.why}."
        for each in plan.unpaid
    ]
    if plan.unprimed:
        notes.append(
            f"{_many(plan.unprimed, 'group')} without a primer: their jobs start at once in every order."
        )
    if plan.oversized:
        needs, it = ("needs", "it") if plan.oversized == 1 else ("each need", "them")
        notes.append(
            f"{_many(plan.oversized, 'job')} {needs} more than a limit lets through at once: a provider may "
            f"refuse {it} for good."
        )
    if plan.best.expired:
        notes.append(
            f"A prefix expires {plan.best.expired:,} times before it is used again: more slots, or an entry "
            "that lives longer, would save that."
        )
    return notes


def _assumed(plan: Forecast, counting: Counting) -> Text:
    rates = plan.rates
    parts = [
        f"{counting.characters:g} characters a token, {counting.output:,} tokens an answer",
        f"each request reads {rates.prefill:,g} and writes {rates.decode:,g} tokens a second",
        _many(plan.slots, "slot"),
    ]
    text = "Assumed: " + "; ".join(parts) + "."
    if plan.provider.leads:
        text += f" Not checked of {plan.provider.name}: {', '.join(plan.provider.leads)}."
    if plan.provider.notes:
        text += f"\n{plan.provider.name}: {plan.provider.notes}"
    return Text(text, style="dim")


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
