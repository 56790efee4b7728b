"""What a job costs, in the one unit of its engine."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal, TypeAlias

from ._job import Job
from ._usage import Failure, Usage

__all__ = ["CostUnit", "Costs"]

CostUnit: TypeAlias = Literal["jobs", "tokens"] | Callable[[Job, Usage | None], float | None]
"""The unit in which lanes are fair; a function is called as `cost(job, usage)`, with None at submit."""

_log = logging.getLogger("paceline")


class Costs:
    """Reserves before an attempt and states the real cost after it."""

    __slots__ = ("_function", "_unit")

    def __init__(self, unit: CostUnit) -> None:
        if unit not in ("jobs", "tokens") and not callable(unit):
            raise ValueError(f'cost must be "jobs", "tokens" or a function of (job, usage), not {unit!r}')
        self._unit = unit
        self._function = unit if callable(unit) else None

    @property
    def in_tokens(self) -> bool:
        """Whether a cost is a number of tokens."""
        return self._unit == "tokens"

    def reservation(self, job: Job, stated: float | None) -> float | None:
        """What to reserve, or None for what is expected. A cost function's errors are raised."""
        if stated is not None:
            return stated
        if self._unit == "jobs":
            return 1.0
        return None if self._function is None else _checked(self._function(job, None))

    def real(self, job: Job, usage: Usage | None, failure: Failure | None) -> float | None:
        """What an attempt cost; None where the reservation stands."""
        if usage is None and failure is not None and failure.fault == "limit":
            return 0.0  # refused before any work was done
        if self._unit == "jobs" or usage is None:
            return None
        try:
            return _checked(usage.tokens if self._function is None else self._function(job, usage))
        except BaseException:  # noqa: BLE001 - logged
            # The work is done and its result is good: only its share in fairness is guessed.
            _log.exception("the cost of job %s cannot be told from %r; its reservation stands", job.id, usage)
            return None


def _checked(cost: float | None) -> float | None:
    if cost is not None and not 0 <= cost < float("inf"):
        raise ValueError(f"a cost must be a finite number of at least 0, not {cost!r}")
    return cost
