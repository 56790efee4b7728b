"""What went wrong, each cause once: how many jobs it befell, and the first of them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from paceline.events import ErrorText

from ._model import ErrorSummary, JobPlace

__all__ = ["ErrorTally"]

_MOST_CAUSES: Final = 1_000
"""So many different errors are told apart; of further ones, only types."""
_MOST_TYPES: Final = 2 * _MOST_CAUSES
_MOST_MESSAGE: Final = 2_000
_EXAMPLES: Final = 3
_JOBS: Final = 10_000
"""Of so many jobs that did not succeed, the last ones, it is known which error ended them."""


@dataclass(slots=True)
class _Cause:
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0
    retried: int = 0
    examples: dict[str, JobPlace] = field(default_factory=dict[str, JobPlace])
    """Jobs that ended so."""
    recovered: dict[str, JobPlace] = field(default_factory=dict[str, JobPlace])
    """Jobs that were tried again."""

    @property
    def weight(self) -> tuple[int, int, int, int]:
        """What is told first: what failed most jobs, then what kept most from running."""
        return self.failed, self.skipped, self.cancelled, self.retried


class ErrorTally:
    """Counts errors by type and message; however many different ones there are, it keeps a bounded number."""

    def __init__(self) -> None:
        self._causes: dict[tuple[str, str], _Cause] = {}
        self._others: int = 0
        self._ended: OrderedDict[str, tuple[_Cause, str, JobPlace]] = OrderedDict()

    def add(self, error: ErrorText, how: str, job: JobPlace) -> None:
        """Take in one error; `how` is "failed", "cancelled", "skipped" or "retried"."""
        key = error.type[:_MOST_MESSAGE], _shortened(error.message)
        cause = self._causes.get(key)
        if cause is None:
            if len(self._causes) >= _MOST_CAUSES:
                key = key[0], ""
            if key not in self._causes and len(self._causes) >= _MOST_TYPES:
                self._others += 1
                return
            cause = self._causes.setdefault(key, _Cause())
        setattr(cause, how, getattr(cause, how) + 1)
        examples = cause.recovered if how == "retried" else cause.examples
        if len(examples) < _EXAMPLES:
            examples.setdefault(job.id, job)
        if how != "retried":
            self._ended[job.id] = cause, how, job
            if len(self._ended) > _JOBS:
                self._ended.popitem(last=False)

    def tried_again(self, job_id: str) -> None:
        """A person has tried a job again that an error had ended: that befell an attempt, not a job."""
        cause, how, job = self._ended.pop(job_id, (None, "", None))
        if cause is None or job is None:
            return
        setattr(cause, how, getattr(cause, how) - 1)
        cause.retried += 1
        cause.examples.pop(job_id, None)
        if len(cause.recovered) < _EXAMPLES:
            cause.recovered[job_id] = job

    def summary(self, most: int) -> tuple[tuple[ErrorSummary, ...], int]:
        """The causes that befell most jobs, and how many jobs and attempts the others did."""
        found = sorted(self._causes.items(), key=lambda each: each[1].weight, reverse=True)
        told = tuple(
            ErrorSummary(
                type=kind,
                message=message,
                failed=cause.failed,
                cancelled=cause.cancelled,
                skipped=cause.skipped,
                retried=cause.retried,
                examples=tuple((cause.examples | cause.recovered).values())[:_EXAMPLES],
            )
            for (kind, message), cause in found[:most]
        )
        return told, self._others + sum(sum(cause.weight) for _, cause in found[most:])


def _shortened(message: str) -> str:
    return message if len(message) <= _MOST_MESSAGE else f"{message[:_MOST_MESSAGE]}…"
