"""A report as text, for `print`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from reprlib import Repr
from typing import TYPE_CHECKING, Final

from ._job import Status

if TYPE_CHECKING:
    from ._report import RunReport
    from ._report_parts import RunTotals, TaskReport

__all__ = ["STATUS_MARKS", "one_line", "path_line", "table", "write_report"]

STATUS_MARKS: Final[Mapping[Status, str]] = {
    "succeeded": "✔",
    "failed": "✘",
    "cancelled": "⊘",
    "skipped": "○",
    "suspended": "‖",
    "running": "▸",
    "waiting": "…",
}
"""One sign for each status, for pictures and terminals."""

_TROUBLES = 10
_TASKS = 20
_ENDS_OF_PATH = 4
_NAME = 40
_WIDTH = 100

# What moves the cursor or changes colours: names and outputs come from anywhere.
_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], "�")
_REPR = Repr()
_REPR.maxstring = _REPR.maxother = _WIDTH


def write_report(report: RunReport) -> str:
    """Say in a few lines what became of a run; of a graph or flow, also what each of its tasks did."""
    return "\n".join(_lines(report))


def one_line(text: str, width: int = _WIDTH) -> str:
    """Bring a text to one line that is not too long, and that a terminal may be shown."""
    line = " ".join(text.split()).translate(_CONTROLS)
    return line if len(line) <= width else f"{line[:width]}…"


def path_line(names: Sequence[str]) -> str:
    """A chain of tasks in one line; of a long one its beginning and its end."""
    if len(names) > 2 * _ENDS_OF_PATH + 1:
        left = f"… {len(names) - 2 * _ENDS_OF_PATH} more …"
        names = [*names[:_ENDS_OF_PATH], left, *names[-_ENDS_OF_PATH:]]
    return " → ".join(one_line(name, _NAME) for name in names)


def _lines(report: RunReport) -> Iterator[str]:
    totals = report.totals
    name = "" if report.name is None else f"{one_line(report.name)} "
    width = "" if report.name is None or report.width < 2 else f", at most {report.width} at once"
    yield f"{name}{report.state}: {_counts(totals)}, in {totals.seconds:.2f} s{width}"
    if report.name is not None and report.output is not None:
        yield one_line(f"output: {_shown(report.output)}")
    if totals.input_tokens is not None or totals.output_tokens is not None:
        yield f"tokens: {_tokens(totals)}"
    if totals.cached_tokens is not None:
        yield from _savings(report)
    if len(report.lanes) > 1:
        yield from _lanes(report)
    if report.name is not None:
        yield from _tasks(report)
        yield from _times(report)
    yield from _troubles(report)


def _shown(value: object) -> str:
    """A value as people know it, and never more than a line's worth of it."""
    return value[: 2 * _WIDTH] if isinstance(value, str) else _REPR.repr(value)


def _tasks(report: RunReport) -> Iterator[str]:
    rows: list[Sequence[str]] = [("task", "status", "seconds", "waited", "attempts")]
    for name, task in islice(report.tasks.items(), _TASKS):
        seconds = None if task.started is None or task.ended is None else task.ended - task.started
        rows.append(
            (
                one_line(name, _NAME),
                task.status,
                _seconds(seconds),
                _seconds(task.waited),
                str(len(task.attempts) or "-"),
            )
        )
    if len(rows) > 1:
        yield from table(rows, left=2)
    if len(report.tasks) > _TASKS:
        yield f"… and {len(report.tasks) - _TASKS:,} more"


def _times(report: RunReport) -> Iterator[str]:
    path, wait = report.critical_path, report.longest_wait
    if path is not None:
        tokens = None if path.usage is None else path.usage.tokens
        used = "" if tokens is None else f", {tokens:,} tokens"
        yield f"critical path: {path_line(path.tasks)}, {path.seconds:.2f} s{used}"
    if wait is not None:
        why = "" if wait.why is None else f": {wait.why}"
        yield one_line(f"longest wait: {wait.task}, {wait.seconds:.2f} s{why}", 2 * _WIDTH)


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f}"


def table(rows: Sequence[Sequence[str]], *, left: int = 1) -> Iterator[str]:
    """Rows in columns, the first ones flush left and the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells)


def _counts(totals: RunTotals) -> str:
    others = [
        f"{count} {status}"
        for status, count in (
            ("failed", totals.failed),
            ("cancelled", totals.cancelled),
            ("skipped", totals.skipped),
            ("suspended", totals.suspended),
        )
        if count
    ]
    attempts = [f"{totals.attempts} attempts"] if totals.attempts > totals.jobs else []
    return ", ".join([f"{totals.succeeded} of {totals.jobs} jobs succeeded", *others, *attempts])


def _tokens(totals: RunTotals) -> str:
    read = f"{totals.input_tokens or 0:,} read"
    if totals.cached_tokens is not None:
        read += f" ({totals.cached_tokens:,} from the cache, {totals.evaluated_tokens or 0:,} evaluated)"
    written = f"{totals.output_tokens or 0:,} written"
    requests = "" if totals.requests is None else f", {totals.requests:,} requests"
    return f"{read}, {written}{requests}"


def _savings(report: RunReport) -> Iterator[str]:
    """Say what prefix caches saved, if the report has the jobs that tell, and a cache had to do with any."""
    from ._savings import Savings
    from ._savings_text import savings_line

    totals = Savings.of(report.tasks.values()).totals
    if totals.worth_telling:
        yield f"savings: {savings_line(totals)}"


def _lanes(report: RunReport) -> Iterator[str]:
    rows: list[Sequence[str]] = [("lane", "weight", "jobs", "due", "share")]
    for name, lane in report.lanes.items():
        due = lane.due if lane.due_while_waiting is None else lane.due_while_waiting
        share = lane.share if lane.share_while_waiting is None else lane.share_while_waiting
        rows.append((name, f"{lane.weight:g}", str(lane.jobs), f"{due:.0%}", f"{share:.0%}"))
    yield from table(rows)


def _troubles(report: RunReport) -> Iterator[str]:
    error = report.untold_error
    if error is not None:
        yield one_line(f"error: {error.type}: {error.message}")
    troubled = [(name, task) for name, task in report.tasks.items() if _is_trouble(task)]
    for name, task in troubled[:_TROUBLES]:
        said = ""
        if task.questions:
            said = f"asks {', '.join(str(question.value) for question in task.questions)}"
        elif task.error is not None:
            said = f"{task.error.type}: {task.error.message}"
        yield one_line(f"{name} {task.status}: {said}")
    if len(troubled) > _TROUBLES:
        yield f"… and {len(troubled) - _TROUBLES} more"


def _is_trouble(task: TaskReport) -> bool:
    """Not where it was skipped because nobody wanted it."""
    return task.status != "succeeded" and (task.status != "skipped" or task.error is not None)
