"""What is due at a time: a backoff, a group that settles, a gate that has something to let through."""

from __future__ import annotations

from ._entries import Due, Timer
from ._turns import Turns, leave

__all__ = ["Timers"]


class Timers:
    """One queue of all that is due; each has one timer at most."""

    __slots__ = ("_queue",)

    def __init__(self) -> None:
        self._queue: Turns[Timer] = Turns(_when)

    def __bool__(self) -> bool:
        return bool(self._queue)

    def set(self, when: float, target: Due) -> None:
        """Let the target be due at that time."""
        target.timer = Timer(when, target)
        self._queue.put(target.timer)

    def advance(self, when: float, target: Due) -> None:
        """Let the target be due at that time, if it is not before."""
        if target.timer is None or when < target.timer.when:
            self.cancel(target)
            self.set(when, target)

    @staticmethod
    def cancel(target: Due) -> None:
        """The target is not due any more, if it was."""
        if target.timer is not None:
            leave(target.timer)
            target.timer = None

    def first(self) -> float | None:
        """When the first is due, or None."""
        timer = self._queue.first()
        return None if timer is None else timer.when

    def pop(self, now: float) -> Due | None:
        """Take out the first that is due by now, or None."""
        timer = self._queue.first()
        if timer is None or timer.when > now:
            return None
        self.cancel(timer.target)
        return timer.target


def _when(timer: Timer) -> float:
    return timer.when
