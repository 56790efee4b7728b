"""What failed jobs: each cause once, and how many it failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ._views import JobView

__all__ = ["FailureView", "Failures"]

_CAUSES: Final = 1_000
_EXAMPLES: Final = 5


@dataclass(slots=True, eq=False)
class FailureView:
    """One cause of failures: how many jobs it failed, and the first of them.

    Where there are very many causes, `error` is a type of errors for all others of that type.
    """

    error: str
    count: int = 0
    examples: list[JobView] = field(default_factory=list[JobView])


class Failures:
    """Counts failures by their cause; of more causes than can be kept, by the type of error."""

    def __init__(self) -> None:
        self._views: dict[str, FailureView] = {}

    def note(self, job: JobView) -> None:
        """A job has failed."""
        view = self._views.get(job.error) or self._new(job.error)
        view.count += 1
        if len(view.examples) < _EXAMPLES:
            view.examples.append(job)

    def _new(self, error: str) -> FailureView:
        if len(self._views) >= _CAUSES:
            error = error.partition(":")[0]
        if len(self._views) >= 2 * _CAUSES and error not in self._views:
            error = "other errors"
        return self._views.setdefault(error, FailureView(error))

    def most(self) -> list[FailureView]:
        """The causes, that of most failures first."""
        return sorted(self._views.values(), key=lambda each: -each.count)
