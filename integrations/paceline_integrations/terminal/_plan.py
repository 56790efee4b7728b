"""The plan of a graph as a tree: what runs side by side, and what each task takes from whom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from rich.text import Text
from rich.tree import Tree

from paceline import Edge, Plan

from ._words import spoken

__all__ = ["plan_tree"]


class Planned(Protocol):
    """A graph, as far as it is shown."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def edges(self) -> tuple[Edge, ...]:
        """What leads to what."""
        ...

    def plan(self) -> Plan:
        """Which tasks may run side by side."""
        ...


def plan_tree(dag: Planned, *, most: int = 20) -> Tree:
    """Show the levels of a graph, and for each task whose output, or end, it waits for.

    At most `most` levels, and `most` tasks of each, are shown.
    """
    plan = dag.plan()
    sources: dict[str, dict[str, None]] = {}
    for edge in dag.edges:
        sources.setdefault(edge.target, {}).setdefault(_taken(edge))
    count = sum(map(len, plan.levels))
    head = Text(spoken(dag.name), style="bold", no_wrap=True, overflow="ellipsis")
    head.append(f" · {count:,} tasks · widest level {plan.width:,}", style="not bold")
    tree = Tree(head, guide_style="bright_black")
    for number, level in enumerate(plan.levels[:most], 1):
        branch = tree.add(Text(f"level {number}", style="cyan"))
        for name in level[:most]:
            label = Text(spoken(name), no_wrap=True, overflow="ellipsis")
            if name in sources:
                label.append(f"  ← {_listed(sources[name])}", style="dim")
            branch.add(label)
        if len(level) > most:
            branch.add(Text(f"… and {len(level) - most:,} more", style="dim"))
    if len(plan.levels) > most:
        tree.add(Text(f"… and {len(plan.levels) - most:,} more levels", style="dim"))
    for note in plan.notes:
        tree.add(Text(f"note: {spoken(note)}", style="yellow"))
    return tree


def _taken(edge: Edge) -> str:
    """What an edge carries: `load.users`, `load[0]`, or `(load)` where it is order only."""
    source = spoken(edge.source)
    if not edge.data:
        return f"({source})"
    if edge.key is None:
        return source
    return f"{source}{'' if edge.key.startswith('[') else '.'}{spoken(edge.key)}"


def _listed(names: Iterable[str], most: int = 4) -> str:
    known = list(names)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(known[:most]) + more
