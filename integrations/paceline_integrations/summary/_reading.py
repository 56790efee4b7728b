"""A log, read once from its beginning to its end as it is now."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Final

from paceline.events import Event
from paceline_integrations.runstate import EmptyLog, JobView, LogReader, NotALog

from ._model import LogSummary, RunSummary
from ._tally import SummaryTally

__all__ = ["summarise"]

_AT_ONCE: Final = 4 << 20
"""Bytes of a log that are read before what is in them is let go."""
_FEW_GROUPS: Final = 512 << 20
"""Bytes of a log up to which it is kept what each group saved."""


def summarise(
    path: str | os.PathLike[str],
    *,
    by: str | None = None,
    keep: int = 1_000,
    seen: Callable[[SummaryTally, Event, JobView | None], object] | None = None,
    progress: Callable[[float], object] | None = None,
) -> RunSummary:
    """Sum up the run of a log, also while it is being written.

    `by` and `keep` are those of `SummaryTally`. `seen` is called after each event that counts, with the job
    that ended by it, for whoever wants to make more of it; `progress` now and then, with the part that is
    read (0 to 1).

    Raises:
        NotALog: if the file is no event log of Paceline's, or one of another version (EmptyLog: nothing is in
            it yet).
        OSError: if it cannot be read.
    """
    few = os.stat(path).st_size < _FEW_GROUPS  # noqa: PTH116 - any path
    tally = SummaryTally(by=by, keep_groups=few, keep=keep)
    with LogReader(path) as reader:
        for event in _read_all(reader, progress):
            version = tally.state.version
            ended = tally.apply(event)
            if seen is not None and tally.state.version != version:
                seen(tally, event, ended)
        if not tally.events and reader.unknown:
            raise NotALog(f"{reader.path} has only events of types that a later Paceline may write")
        if not tally.events:
            raise EmptyLog(f"{reader.path} has no event in it yet")
        return tally.summary(_told(reader))


def _read_all(reader: LogReader, progress: Callable[[float], object] | None) -> Iterator[Event]:
    """Yield the events that are in the log now, in bounded memory."""
    first = True
    while first or not reader.at_end:
        first = False
        yield from reader.read(_AT_ONCE)
        if progress is not None and reader.size:
            progress(min(1.0, reader.position / reader.size))


def _told(reader: LogReader) -> LogSummary:
    """What is wrong with a log that was read."""
    return LogSummary(
        file=str(reader.path),
        damaged=reader.damaged,
        reasons=tuple(reader.damages),
        unknown=reader.unknown,
        torn=reader.torn,
    )
