"""The results of a run on their way into a file, and the first of those that are no success."""

from __future__ import annotations

from typing import Final

from paceline import JobResult, TaskReport

from .results import ResultsWriter

__all__ = ["Results"]

_TROUBLES: Final = 10


class Results:
    """Passes results on, and remembers the first that are no success, by their places."""

    def __init__(self, writer: ResultsWriter | None) -> None:
        self._writer = writer
        self.troubles: dict[int, TaskReport] = {}
        self._causes: set[str | None] = set()

    def add(self, place: int, result: JobResult) -> None:
        """Write a result; it replaces one of the same place."""
        self.troubles.pop(place, None)  # tried again
        if not result.ok and len(self.troubles) < _TROUBLES:
            self._remember(place, result)
        if self._writer is not None:
            self._writer.add(place, result)

    def _remember(self, place: int, result: JobResult) -> None:
        cause = _shared_cause(result)
        if cause is None or cause not in self._causes:
            self._causes.add(cause)
            self.troubles[place] = TaskReport.of(result)

    def finish(self) -> None:
        """No more results come."""
        if self._writer is not None:
            self._writer.finish()


def _shared_cause(result: JobResult) -> str | None:
    """What kept it from its work, and others as well: the first of them stands for all."""
    if result.error is None or result.status == "suspended":
        return None
    if result.status in ("cancelled", "skipped"):
        return f"{result.status}: {result.error.message}"
    return None if result.attempts else result.error.type
