"""`paceline show`: what became of a run, from its event log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import option

__all__ = ["show"]

_TELLS = "What it tells"

Log = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="An event log: of paceline run --events, or of a JsonlSink.", show_default=False
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print the summary, as JSON, on standard output.", rich_help_panel=_TELLS),
]
Html = Annotated[
    Path | None,
    option("Write it as one page, with the timeline and the tree of groups.", panel=_TELLS, metavar="OUT"),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the page if it exists.", rich_help_panel=_TELLS)
]
SavingsBy = Annotated[
    str | None,
    option(
        "Tell what was saved for each value of that key in the metadata, too.", panel=_TELLS, metavar="KEY"
    ),
]


def show(
    file: Log,
    json: Json = False,
    html: Html = None,
    overwrite: Overwrite = False,
    savings_by: SavingsBy = None,
) -> None:
    """Say what became of a run: how its jobs ended, what failed and why, what took long, what was saved.

    FILE may still be written: then it is told how the run stands. It may be damaged, or lack its end: what is
    there is told, and what is wrong with it. Of several runs in it the last one counts.

    --html writes one page that needs no network: to be opened from disk, or sent to somebody.

    Exit code: 0, however the run ended; 2 if there is no such log, or nothing in it.
    """
    # Imported late: `paceline --help` need not load the engine.
    from .show_file import show_file

    show_file(file, as_json=json, html=html, overwrite=overwrite, by=savings_by)
