"""Numbers of jobs by status, and what they used."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from paceline import Status, Usage

__all__ = ["Counts", "Totals"]

STATUSES: Final[tuple[Status, ...]] = (
    "waiting",
    "running",
    "suspended",
    "succeeded",
    "failed",
    "cancelled",
    "skipped",
)


class Counts:  # noqa: PLW1641 - it changes, so it has no hash
    """How many jobs are in each status; exact, also for jobs whose details are gone."""

    __slots__ = ("by",)

    def __init__(self) -> None:
        self.by: dict[str, int] = dict.fromkeys(STATUSES, 0)
        """The numbers by status, in this order: on the way, suspended, ended."""

    @property
    def waiting(self) -> int:
        """Jobs that do not run yet, or not now: for their next attempt, too."""
        return self.by["waiting"]

    @property
    def running(self) -> int:
        """Jobs with an attempt at work."""
        return self.by["running"]

    @property
    def suspended(self) -> int:
        """Jobs that ask something, or look again later."""
        return self.by["suspended"]

    @property
    def succeeded(self) -> int:
        """Jobs that ended well."""
        return self.by["succeeded"]

    @property
    def failed(self) -> int:
        """Jobs that ended in an error."""
        return self.by["failed"]

    @property
    def cancelled(self) -> int:
        """Jobs that were stopped."""
        return self.by["cancelled"]

    @property
    def skipped(self) -> int:
        """Jobs that never had to run, or could not."""
        return self.by["skipped"]

    @property
    def ended(self) -> int:
        """Jobs that ended, in whichever way."""
        by = self.by
        return by["succeeded"] + by["failed"] + by["cancelled"] + by["skipped"]

    @property
    def unfinished(self) -> int:
        """Jobs that have not ended."""
        by = self.by
        return by["waiting"] + by["running"] + by["suspended"]

    @property
    def total(self) -> int:
        """All jobs seen so far."""
        return sum(self.by.values())

    def __eq__(self, other: object) -> bool:
        return self.by == other.by if isinstance(other, Counts) else NotImplemented

    def __repr__(self) -> str:
        told = ", ".join(f"{status}={count}" for status, count in self.by.items() if count)
        return f"Counts({told})"


@dataclass(slots=True)
class Totals:
    """What all jobs used so far; `None` means that nobody has said.

    `input_tokens` includes the cached ones. `money` is in the currency of the prices. `cost` is in the
    engine's unit (jobs, tokens), of jobs that ended.
    """

    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    requests: int | None = None
    money: float | None = None
    cost: float = 0.0

    @property
    def cached_share(self) -> float | None:
        """The part of the tokens read that came from a provider's cache (0 to 1); None where unknown."""
        if not self.input_tokens or self.cached_tokens is None:
            return None
        return self.cached_tokens / self.input_tokens

    def add(self, usage: Usage, less: Usage | None = None) -> None:
        """Take in what a job used, in place of what was known of it before."""
        befores = _UNKNOWN if less is None else _amounts(less)
        for name, new, before in zip(_AMOUNTS, _amounts(usage), befores, strict=True):
            # A damaged log may say anything: what cannot be an amount is not known.
            if new is None or not 0 <= new < _MOST:
                continue
            known = getattr(self, name) or 0
            if before is not None and 0 <= before < _MOST:
                known -= before
            setattr(self, name, max(0, known + new))


_AMOUNTS: Final = ("input_tokens", "cached_tokens", "output_tokens", "requests", "money")
_UNKNOWN: Final = (None,) * len(_AMOUNTS)
_amounts: Final = attrgetter(*_AMOUNTS)
_MOST: Final = 1e15
