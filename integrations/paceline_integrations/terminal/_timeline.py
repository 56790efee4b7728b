"""A report as a timeline: one bar per task, all on the same axis of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

from paceline import STATUS_MARKS, RunReport, TaskReport

from ._words import STYLES, headline, seconds, spoken, trouble

__all__ = ["Timeline", "report_timeline"]

_RUNS, _WAITS, _HOLDS = "█", "░", "─"
_LEGEND: Final = {_RUNS: "runs", _WAITS: "waits", _HOLDS: "holds others"}
_NARROWEST, _WIDEST_NAME = 24, 40


def report_timeline(report: RunReport, width: int | None = None, *, most: int = 40) -> Timeline:
    """Show when each task waited (shaded) and when it ran (solid), on a common axis.

    `width` is in columns; without it the whole width of the terminal is used. At most `most` tasks are shown,
    those that did not succeed and those on the critical path first.
    """
    return Timeline(report, width, most)


class Timeline:
    """What `report_timeline` gives: to be printed by rich."""

    def __init__(self, report: RunReport, width: int | None, most: int) -> None:
        self._report = report
        self._width = width
        self._names = _chosen(report, most)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        width = self._columns(options)
        return Measurement(min(_NARROWEST, width), width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield headline(self._report)
        tasks = {name: self._report.tasks[name] for name in self._names}
        if tasks:
            yield from _Chart(tasks, self._columns(options)).lines()
        left = len(self._report.tasks) - len(tasks)
        if left:
            yield Text(f"… and {left:,} more", style="dim")

    def _columns(self, options: ConsoleOptions) -> int:
        return min(options.max_width, options.max_width if self._width is None else self._width)


class _Chart:
    """Names on the left, bars in the middle, durations on the right."""

    def __init__(self, tasks: dict[str, TaskReport], width: int) -> None:
        self._tasks = tasks
        self._spoken = {name: spoken(name) for name in tasks}
        self._times = {name: _duration(task) for name, task in tasks.items()}
        known = [
            at for task in tasks.values() for at in (task.ready, task.started, task.ended) if at is not None
        ]
        self._begun = min(known, default=0.0)
        self._seconds = max(known, default=0.0) - self._begun
        self._right = max(map(len, [*self._times.values(), "-"]))
        longest = max(map(cell_len, self._spoken.values()))
        self._left = max(4, min(longest, _WIDEST_NAME, (width - self._right) // 2 - 5))
        # Around the bars: a mark and a space, a space and a border on each side.
        self._bars = max(8, width - self._left - self._right - 6)
        self._used: set[str] = set()

    def lines(self) -> Iterator[Text]:
        for name, task in self._tasks.items():
            line = Text(no_wrap=True, overflow="crop")
            line.append(f"{STATUS_MARKS[task.status]} ", style=STYLES[task.status])
            line.append(_fitted(self._spoken[name], self._left), style="" if task.started else "dim")
            line.append(" │", style="bright_black")
            line.append_text(self._row(task))
            line.append("│", style="bright_black")
            line.append(f" {self._times[name]:>{self._right}}", style="cyan")
            yield line
        yield Text(f"{' ' * (self._left + 3)}└{'─' * self._bars}┘", style="bright_black", no_wrap=True)
        begin, end = "0", seconds(self._seconds)
        gap = " " * max(1, self._bars + 2 - len(begin) - len(end))
        yield Text(f"{' ' * (self._left + 3)}{begin}{gap}{end}", style="bright_black", no_wrap=True)
        legend = [f"{sign} {word}" for sign, word in _LEGEND.items() if sign in self._used]
        if legend:
            yield Text(
                f"{' ' * (self._left + 4)}{'   '.join(legend)}",
                style="dim",
                no_wrap=True,
                overflow="ellipsis",
            )

    def _row(self, task: TaskReport) -> Text:
        if task.started is None:
            said = trouble(task)
            return Text(_fitted(f"{task.status}: {said}" if said else task.status, self._bars), style="dim")
        cells = [" "] * self._bars
        styles = [""] * self._bars
        if task.ready is not None:
            self._paint(cells, task.ready, task.started, _WAITS)
        runs = _HOLDS if task.is_body else _RUNS
        before = task.started
        for attempt in task.attempts:
            self._paint(cells, before, attempt.started, _WAITS)
            ended = self._begun + self._seconds if attempt.ended is None else attempt.ended
            first, last = self._paint(cells, attempt.started, ended, runs)
            style = STYLES["failed" if attempt.error is not None else task.status]
            styles[first:last] = [style] * (last - first)
            before = ended
        row = Text()
        for cell, style in zip(cells, styles, strict=True):
            row.append(cell, style=style or "bright_black")
        self._used.update(cells)
        return row

    def _paint(self, cells: list[str], start: float, end: float, sign: str) -> tuple[int, int]:
        """Fill the cells of a span of time: a run is seen however short it was, a wait only if it is long."""
        scale = self._bars / self._seconds if self._seconds else 0.0
        first = min(int((start - self._begun) * scale), self._bars - 1)
        last = min(round((end - self._begun) * scale), self._bars)
        if sign != _WAITS:
            last = max(last, first + 1)
        if last > first:
            cells[first:last] = sign * (last - first)
        return first, max(first, last)


def _chosen(report: RunReport, most: int) -> Sequence[str]:
    """Which tasks are shown, by the time at which they began; those that never did come last."""
    tasks = report.tasks
    path = set(() if report.critical_path is None else report.critical_path.tasks)

    def begun(name: str) -> tuple[float, float, int]:
        task = tasks[name]
        started = float("inf") if task.started is None else task.started
        return (started if task.ready is None else task.ready, started, places[name])

    places = {name: place for place, name in enumerate(tasks)}
    names = list(tasks)
    if len(names) > most:
        names = sorted(names, key=lambda name: tasks[name].status == "succeeded" and name not in path)[:most]
    return sorted(names, key=begun)


def _duration(task: TaskReport) -> str:
    return seconds(None if task.started is None or task.ended is None else task.ended - task.started)


def _fitted(text: str, width: int) -> str:
    """A text in exactly so many columns."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…"
