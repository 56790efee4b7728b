"""A report as text, for `print`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._report import RunReport, RunTotals

__all__ = ["write_report"]

_TROUBLES = 10
_WIDTH = 100


def write_report(report: RunReport) -> str:
    """Say in a few lines what became of a run."""
    return "\n".join(_lines(report))


def _lines(report: RunReport) -> Iterator[str]:
    totals = report.totals
    yield f"{report.state}: {_counts(totals)}, in {totals.seconds:.2f} s"
    if totals.input_tokens is not None or totals.output_tokens is not None:
        yield f"tokens: {_tokens(totals)}"
    if len(report.lanes) > 1:
        yield from _lanes(report)
    yield from _troubles(report)


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


def _lanes(report: RunReport) -> Iterator[str]:
    rows: list[Sequence[str]] = [("lane", "weight", "jobs", "due", "share")]
    for name, lane in report.lanes.items():
        due = lane.due if lane.due_while_waiting is None else lane.due_while_waiting
        share = lane.share if lane.share_while_waiting is None else lane.share_while_waiting
        rows.append((name, f"{lane.weight:g}", str(lane.jobs), f"{due:.0%}", f"{share:.0%}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *numbers in rows:
        cells = [name.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
        yield "  ".join(cells)


def _troubles(report: RunReport) -> Iterator[str]:
    troubled = [(name, task) for name, task in report.tasks.items() if task.status != "succeeded"]
    for name, task in troubled[:_TROUBLES]:
        said = ""
        if task.questions:
            said = f"asks {', '.join(str(question.value) for question in task.questions)}"
        elif task.error is not None:
            said = f"{task.error.type}: {task.error.message}"
        line = " ".join(f"{name} {task.status}: {said}".split())
        yield line if len(line) <= _WIDTH else f"{line[:_WIDTH]}…"
    if len(troubled) > _TROUBLES:
        yield f"… and {len(troubled) - _TROUBLES} more"
