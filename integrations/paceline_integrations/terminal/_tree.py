"""A report as a tree: what lies in what, how it ended, how long it took and what it waited for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.text import Text
from rich.tree import Tree

from paceline import STATUS_MARKS, RunReport, TaskReport

from ._words import STYLES, failure, headline, seconds, spoken, trouble

__all__ = ["report_tree"]


def report_tree(report: RunReport, *, most: int = 20) -> Tree:
    """Show each task in the graph, map or flow that it belongs to.

    At most `most` tasks of each are shown, those that did not succeed first; the others are counted.
    """
    tree = Tree(headline(report), guide_style="bright_black")
    error = report.untold_error
    if error is not None:
        tree.add(Text(failure(error), style=STYLES["failed"], no_wrap=True, overflow="ellipsis"))
    inside: dict[str | None, list[str]] = {}
    for name, task in report.tasks.items():
        inside.setdefault(task.body if task.body in report.tasks else None, []).append(name)
    left: list[tuple[str | None, Tree]] = [(None, tree)]
    while left:
        body, branch = left.pop()
        names = inside.get(body, ())
        shown = _chosen(names, report.tasks, most)
        left += [(name, branch.add(_label(name, body, report))) for name in names if name in shown]
        if len(shown) < len(names):
            branch.add(_rest([report.tasks[name] for name in names if name not in shown]))
    return tree


def _chosen(names: Sequence[str], tasks: Mapping[str, TaskReport], most: int) -> set[str]:
    if len(names) <= most:
        return set(names)
    return set(sorted(names, key=lambda name: tasks[name].status == "succeeded")[:most])


def _label(name: str, body: str | None, report: RunReport) -> Text:
    task = report.tasks[name]
    label = Text(no_wrap=True, overflow="ellipsis")
    label.append(f"{STATUS_MARKS[task.status]} ", style=STYLES[task.status])
    own = name if body is None else name.removeprefix(f"{body}/")
    label.append(spoken(own), style="" if task.status == "succeeded" else STYLES[task.status])
    if task.status != "succeeded":
        label.append(f" {task.status}", style=STYLES[task.status])
    if task.started is not None and task.ended is not None:
        label.append(f"  {seconds(task.ended - task.started)}", style="cyan")
    if len(task.attempts) > 1:
        label.append(f"  {len(task.attempts)} attempts", style="yellow")
    said = trouble(task)
    if said:
        label.append(f"  {said}", style=STYLES[task.status])
        return label
    if task.waited and task.waited >= 0.001:
        label.append(f"  waited {seconds(task.waited)}", style="dim")
    # What the items of a map came after is what the map came after.
    if task.after and (body is None or task.after != report.tasks[body].after):
        label.append(f"  ← {_listed(task.after)}", style="dim")
    return label


def _listed(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(spoken, names[:most])) + more


def _rest(tasks: Sequence[TaskReport]) -> Text:
    counts = Counter(task.status for task in tasks)
    told = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    return Text(f"… and {len(tasks):,} more: {told}", style="dim", no_wrap=True, overflow="ellipsis")
