"""From an event log to what is told of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from paceline_integrations.runstate import NotALog
from paceline_integrations.summary import RunSummary, summarise
from paceline_integrations.visible import visible

from ._errors import CommandError
from .outputs import check_outputs
from .results import unwritable
from .show_text import print_run

__all__ = ["show_file"]

_JOBS_OF_A_PAGE = 10_000
_LARGE = 32 << 20
"""Bytes of a log from which on a person is told how far it is read."""


def show_file(
    file: Path, *, as_json: bool = False, html: Path | None = None, overwrite: bool = False, by: str | None
) -> None:
    """Read a log, and tell what became of its run.

    Raises:
        CommandError: if it cannot be read, is no log, or the page cannot be written.
    """
    check_outputs({"log": file}, {"--html": html}, overwrite=overwrite)
    if by == "":
        raise CommandError("--savings-by: expected a key of the metadata, not an empty text")
    try:
        summary = _summary(file, html, by)
    except NotALog as error:
        raise CommandError(visible(str(error))) from error
    except OSError as error:
        raise CommandError(f"{file}: cannot be read: {error.strerror}") from error
    if as_json:
        # In ASCII: it may go to a terminal, and holds texts of jobs.
        print(json.dumps(json.loads(summary.model_dump_json()), indent=2), flush=True)
        return
    print_run(Console(file=sys.stdout), summary)
    if html is not None:
        print(f"page in {visible(str(html))}")


def _summary(file: Path, html: Path | None, by: str | None) -> RunSummary:
    with _progress(file) as progress:
        if html is None:
            return summarise(file, by=by, progress=progress)
        from paceline_integrations.page import Sketch, render_page

        sketch = Sketch()
        summary = summarise(file, by=by, keep=_JOBS_OF_A_PAGE, seen=sketch.look, progress=progress)
    page = render_page(summary, sketch)
    try:
        html.write_text(page, encoding="utf-8", errors="replace")
    except OSError as error:
        raise unwritable(html, error) from error
    return summary


@contextmanager
def _progress(file: Path) -> Generator[Callable[[float], object] | None]:
    """Show how much of a large log is read, to a person at a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal or file.stat().st_size < _LARGE:
        yield None
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("reading", total=1.0)
        yield lambda part: progress.update(task, completed=part)
