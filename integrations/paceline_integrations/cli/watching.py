"""From the options of `paceline follow` and `paceline replay` to the screen."""

from __future__ import annotations

import asyncio
import re
from math import inf
from pathlib import Path

import typer

from paceline_integrations.runstate import LogReader, NotALog

from ._errors import CommandError

try:
    from paceline_integrations.screen import (
        Follow,
        NoTerminal,
        Replay,
        ScreenApp,
        Source,
        drawn,
        moment,
        show,
    )
except ImportError as _error:
    raise CommandError(str(_error)) from _error

__all__ = ["follow_log", "replay_log", "screenshot_log"]

_SIZES = (range(40, 401), range(12, 201))


def follow_log(path: Path) -> None:
    """Show a log that grows.

    Raises:
        CommandError: if there is no terminal, or the file is no log or cannot be read.
    """
    if path.is_dir():
        raise CommandError(f"{path} is a folder; name the event log in it")
    _watch(Follow(LogReader(path)), path)


def replay_log(path: Path, *, speed: float, start: str | None, last: float | None) -> None:
    """Play a log again.

    Raises:
        CommandError: if there is no terminal, an option is wrong, or the file is no log or cannot be read.
    """
    if not 0 < speed < inf:
        raise typer.BadParameter(f"--speed: expected a number above 0, not {speed:g}")
    _watch(_opened(path, speed=speed, start=start, last=last), path)


def screenshot_log(path: Path, out: Path, *, start: str | None, last: float | None, size: str) -> None:
    """Draw one moment of a log into a file.

    Raises:
        CommandError: if an option is wrong, the file is no log, or the picture cannot be written.
    """
    found = re.fullmatch(r"(\d+)x(\d+)", size)
    columns, rows = (int(found[1]), int(found[2])) if found else (0, 0)
    if columns not in _SIZES[0] or rows not in _SIZES[1]:
        raise typer.BadParameter(f"--size: expected from 40x12 to 400x200, not {size!r}")
    source = _opened(path, speed=1.0, start=start, last=0.0 if start is None and last is None else last)
    source.still = True
    try:
        out.write_text(asyncio.run(drawn(source, (columns, rows))), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"--screenshot {out}: {error.strerror or error}") from error


def _opened(path: Path, *, speed: float, start: str | None, last: float | None) -> Replay:
    if start is not None and last is not None:
        raise typer.BadParameter("--from and --last both say where to begin: give one of them")
    if last is not None and not 0 <= last < inf:
        raise typer.BadParameter(f"--last: expected seconds, 0 or more, not {last:g}")
    try:
        source = Replay(path, speed=speed, last=last)
    except (NotALog, OSError) as error:
        raise _unreadable(path, error) from error
    if start is not None:
        try:
            seconds = moment(start, source.begin)
        except ValueError as error:
            raise typer.BadParameter(f"--from: {error}") from error
        if seconds > source.end - source.begin:
            length = source.end - source.begin
            raise typer.BadParameter(f"--from: {start} is after the end: the log is of {length:.1f} seconds")
        source.jump(seconds)
    return source


def _watch(source: Source, path: Path) -> None:
    app = ScreenApp(source)
    try:
        left = asyncio.run(show(app))
    except NoTerminal as error:
        raise CommandError(f"{error}; to read the log as text: paceline show {path}") from error
    except (NotALog, OSError) as error:
        raise _unreadable(path, error) from error
    if left == "interrupted":
        raise typer.Abort
    raise typer.Exit(app.return_code or 0)


def _unreadable(path: Path, error: Exception) -> CommandError:
    if isinstance(error, OSError):
        return CommandError(f"{path}: {error.strerror or error}")
    return CommandError(str(error))
