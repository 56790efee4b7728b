"""Jobs that did not succeed and may be tried again by hand, as long as somebody watches the run."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from paceline import JobResult, PacelineError

__all__ = ["Again", "Retries"]

_MOST: Final = 10_000
"""Jobs that are kept for that; of more, the first are given up."""


@dataclass(frozen=True, slots=True)
class Again:
    """A job that may be tried again: its number in the input, what became of it, and its payload."""

    place: int
    result: JobResult
    payload: Any

    def merged(self, new: JobResult) -> JobResult:
        """The result of another try as that of the same job: its names, and the attempts of both."""
        old = self.result
        tried = len(old.attempts)
        later = tuple(replace(each, number=each.number + tried) for each in new.attempts)
        used = [each for each in (old.usage, new.usage) if each is not None]
        return replace(
            new,
            name=old.name,
            lane=old.lane,
            group=old.group,
            role=old.role,
            key=old.key,
            attempts=(*old.attempts, *later),
            usage=used[0] + used[1] if len(used) == 2 else used[0] if used else None,
            metadata=old.metadata,
        )


class Retries:
    """Holds what did not succeed until `close`, and only then, or when there are too many, lets it count."""

    def __init__(self, count: Callable[[JobResult], object], *, most: int = _MOST) -> None:
        self.open: bool = True
        """Whether somebody may still try something again."""
        self._count: Callable[[JobResult], object] = count
        self._most: int = most
        self._held: OrderedDict[str, Again] = OrderedDict()

    def hold(self, again: Again) -> None:
        """Keep a result, which counts later; or let it count now, if nobody may try it again."""
        if not self.open:
            self._count(again.result)
            return
        self._held[again.result.id] = again
        while len(self._held) > self._most:
            self._count(self._held.popitem(last=False)[1].result)

    def find(self, job_id: str) -> Again:
        """The job of that id.

        Raises:
            PacelineError: if it cannot be tried again.
        """
        again = self._held.get(job_id)
        if again is None:
            raise PacelineError(
                "only a job of the file that failed, was cancelled or was skipped can be tried again, and "
                "only once: then choose the one that was tried again"
            )
        return again

    def take(self, job_id: str) -> None:
        """It is being tried again: what comes of that counts in its place."""
        self._held.pop(job_id, None)

    def close(self) -> None:
        """Nobody tries anything again: what is held counts."""
        self.open = False
        while self._held:
            self._count(self._held.popitem(last=False)[1].result)
