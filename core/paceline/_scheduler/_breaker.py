"""A circuit breaker: after a row of failures nothing passes for a while, then one job as a probe."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._gates import Reservation

__all__ = ["Breaker"]


class Breaker:
    """Counts failures in a row; time is an argument."""

    __slots__ = ("_row", "cooldown", "failures", "probe", "until")

    def __init__(self, failures: int, cooldown: float) -> None:
        self.failures: int = failures
        self.cooldown: float = cooldown
        self._row: int = 0
        self.until: float | None = None
        """While it is open: when a probe may go."""
        self.probe: Reservation | None = None
        """Of the attempt that tries whether the provider has recovered."""

    def when(self, now: float) -> float:
        """When a job may pass: now, later, or infinity while a probe is on its way."""
        if self.until is None:
            return now
        return math.inf if self.probe is not None else max(now, self.until)

    def start(self, held: Reservation) -> None:
        """An attempt passes; the first after a cooldown is the probe."""
        if self.until is not None:
            self.probe = held

    def lost(self, held: Reservation) -> bool:
        """An attempt was given up; whether it was the probe, so that another may go."""
        if self.probe is not held:
            return False
        self.probe = None
        return True

    def end(self, held: Reservation, broken: bool | None, now: float) -> bool:
        """An attempt ended well, by the provider's fault (broken), or says nothing (None).

        Return whether the breaker opened or closed by that.
        """
        if broken is None or (self.until is not None and held is not self.probe):
            return False  # or it started before, and says nothing new
        self.probe = None
        if broken:
            self._row += 1
            if self._row < self.failures and self.until is None:
                return False
            self.until = now + self.cooldown
            return True
        opened, self.until = self.until, None
        self._row = 0
        return opened is not None
