"""What a run looks like while it runs, for a person at a terminal."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from paceline_integrations.figures import duration

from .holds import hold_of
from .summary import amount, lanes_table

if TYPE_CHECKING:
    from paceline import RunReport, RunTally, Snapshot

    from .asking import Person

__all__ = ["Watched", "show_progress"]

_BAR = 40


class Watched(Protocol):
    """A run as it can be seen from outside."""

    tally: RunTally
    snapshot: Snapshot | None

    @property
    def jobs(self) -> int:
        """How many jobs there are in all."""
        ...

    def report(self) -> RunReport:
        """Report on the results so far."""
        ...


@contextmanager
def show_progress(run: Watched, console: Console, person: Person | None = None) -> Generator[None]:
    """Show the run's progress below whatever else is printed, until the block is left.

    What the person is asked stands above it: of a picture that is too high, the lower part is cut off.
    """
    screen = _Screen(run, person)
    with Live(get_renderable=screen.render, console=console, refresh_per_second=8, transient=True) as live:
        if person is not None:
            person.screen = live
        yield


class _Screen:
    def __init__(self, run: Watched, person: Person | None) -> None:
        self._run = run
        self._person = person
        self._begun = time.monotonic()

    def render(self) -> RenderableType:
        question = None if self._person is None else self._person.render()
        rows: list[RenderableType] = [] if question is None else [question]
        rows += [self._bar(), self._counts()]
        if self._run.snapshot is not None:
            rows.append(_held(self._run.snapshot))
        report = self._run.report()
        if len(report.lanes) > 1:
            rows.append(lanes_table(report.lanes, most=8))
        return Group(*rows)

    def _bar(self) -> RenderableType:
        done, jobs = self._run.tally.totals.jobs, self._run.jobs
        passed = time.monotonic() - self._begun
        left = (
            f"about {duration(passed / done * (jobs - done))} left" if 0 < done < jobs and passed > 2 else ""
        )
        grid = Table.grid(padding=(0, 2))
        grid.add_row(
            ProgressBar(
                total=jobs, completed=done, width=_BAR, complete_style="cyan", finished_style="green"
            ),
            Text(f"{done:,}/{jobs:,} jobs", style="bold"),
            Text(duration(passed), style="cyan"),
            Text(left, style="dim"),
        )
        return grid

    def _counts(self) -> Text:
        totals = self._run.tally.totals
        snapshot = self._run.snapshot
        counts: Mapping[str, int] = {} if snapshot is None else snapshot.counts
        parts = [Text(f"{counts.get('running', 0)} running")]
        for count, word, style in (
            (totals.failed, "failed", "bold red"),
            (totals.skipped, "skipped", "yellow"),
            (counts.get("suspended", 0), "asking", "magenta"),
        ):
            if count:
                parts.append(Text(f"{count:,} {word}", style=style))
        if totals.input_tokens:
            share = 0.0 if totals.cached_tokens is None else totals.cached_tokens / totals.input_tokens
            parts.append(
                Text(f"{amount(totals.input_tokens)} tokens read, {share:.0%} of them from the cache")
            )
        return Text(" · ", style="dim").join(parts)


def _held(snapshot: Snapshot) -> Text:
    """The one thing that holds jobs now; an empty line where nothing does: what is below is to stay there."""
    hold = hold_of(snapshot)
    text = Text(no_wrap=True, overflow="ellipsis")
    if hold is None:
        return text
    text.append(str(hold.reason), style="yellow" if hold.unusual else "dim")
    if hold.left is not None:
        text.append(f" ({duration(hold.left)})", style="yellow")
    return text.append(f" · {hold.jobs:,} {'job' if hold.jobs == 1 else 'jobs'}", style="dim")
