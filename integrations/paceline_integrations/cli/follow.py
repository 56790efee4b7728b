"""`paceline follow` and `paceline replay`: a run on the screen, from its event log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["follow", "replay"]

_Log = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="An event log, as JsonlSink or --events write it.", show_default=False
    ),
]


def follow(file: _Log) -> None:
    """Show a run on the screen while its event log is being written.

    What is in the log already is shown at once. The file may come later, and be replaced by another one. The
    keys are named at the bottom; ? tells of all, q leaves. Without a terminal, `paceline show FILE` tells the
    same as text.
    """
    # Imported late, here and below: `paceline --help` need not load a user interface.
    from .watching import follow_log

    follow_log(file)


def replay(
    file: _Log,
    speed: Annotated[float, typer.Option(metavar="X", help="2 is twice as fast as it was.")] = 1.0,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="T",
            help="Where to begin: seconds from the start (90), or a time on the clock (14:03:20).",
            show_default=False,
        ),
    ] = None,
    last: Annotated[
        float | None,
        typer.Option(metavar="N", help="Begin so many seconds before the end.", show_default=False),
    ] = None,
    screenshot: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT.svg",
            help="Draw the moment of --from (or the end) as a picture, and leave.",
            show_default=False,
        ),
    ] = None,
    size: Annotated[
        str, typer.Option(metavar="COLUMNSxROWS", help="Of the picture that --screenshot draws.")
    ] = "120x36",
) -> None:
    """Play a run on the screen again, from its event log, in the time that it took or faster.

    space stops the time, + and - change its speed, comma and full stop go back and on. ? tells of all keys.
    """
    from .watching import replay_log, screenshot_log

    if screenshot is not None:
        screenshot_log(file, screenshot, start=start, last=last, size=size)
    else:
        replay_log(file, speed=speed, start=start, last=last)
