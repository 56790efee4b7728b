"""`paceline run`: run the groups of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["run"]

_INPUT, _WORK, _OUTPUT = "Input and results", "How it runs", "What it tells"


def run(
    groups: Annotated[
        Path,
        typer.Argument(
            metavar="GROUPS.jsonl", help="One group a line; - reads standard input.", show_default=False
        ),
    ],
    executor: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:ATTRIBUTE",
            help="What runs the jobs: an executor, a LangChain chain, or a function of the payload.",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where results go, one line a job. Default: standard output.",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where the event log goes.", rich_help_panel=_INPUT),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that exist.", rich_help_panel=_INPUT)
    ] = False,
    lane: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=WEIGHT",
            help="Weight of a lane; can be repeated. Lanes named only in the file weigh 1.",
            rich_help_panel=_WORK,
        ),
    ] = None,
    slots: Annotated[
        str | None,
        typer.Option(metavar="N", help="Jobs that run at once (default 8).", rich_help_panel=_WORK),
    ] = None,
    release: Annotated[
        str | None,
        typer.Option(
            metavar="first_token|complete",
            help="When a group's followers may start: at the primer's first token (default) or at its end.",
            rich_help_panel=_WORK,
        ),
    ] = None,
    in_flight: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Jobs of one group that run at once (default: no cap).",
            rich_help_panel=_WORK,
        ),
    ] = None,
    retries: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Further attempts at a job that failed, after growing random pauses (default 0).",
            rich_help_panel=_WORK,
        ),
    ] = None,
    savings_by: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Tell what was saved for each value of that key in the groups' metadata, too.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print the report, as JSON, alone on standard output.", rich_help_panel=_OUTPUT
        ),
    ] = False,
    log_level: Annotated[
        str | None,
        typer.Option(
            metavar="LEVEL",
            help="debug, info (every event), warning (default), error or critical; to standard error.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="Log as JSON lines.", rich_help_panel=_OUTPUT)
    ] = False,
) -> None:
    """Run the groups of a file and write their results.

    A line is [b]{"group": "a", "lane": "batch", "primer": ..., "followers": [...], "metadata": {...}}[/b]:
    lane and metadata may be left out, and the primer, without which the followers are independent jobs. A
    job is its payload, or [b]{"name": ..., "payload": ...}[/b].

    Results are appended as they come and put in input order at the end. Without --out they go to standard
    output, as they come. Ctrl-C stops within 5 seconds and keeps what is done.

    Every option can be given as an environment variable: --in-flight as PACELINE_IN_FLIGHT, and so on.

    Exit code: 0 all succeeded, 1 some did not, 2 bad usage or input (nothing was run), 130 interrupted.
    """
    # Imported late: `paceline --help` need not load the engine.
    from .running import run_file

    flags = {
        "executor": executor,
        "out": out,
        "events": events,
        "overwrite": overwrite or None,
        "lane": lane,
        "slots": slots,
        "release": release,
        "in_flight": in_flight,
        "retries": retries,
        "savings_by": savings_by,
        "PACELINE_JSON": json or None,
        "log_level": log_level,
        "log_json": log_json or None,
    }
    code = run_file(groups, flags)
    if code:
        raise typer.Exit(code)
