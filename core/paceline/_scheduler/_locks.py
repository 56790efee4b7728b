"""Locks: of the jobs that name the same one, one at a time, in the order in which they were free to run.

A job holds its lock from before it queues for a slot until it has ended: across attempts, backoff, waiting
for jobs of its own and, unless the engine is told otherwise, for an answer. So no slot is ever spent on
waiting for a lock.
"""

from __future__ import annotations

from collections import OrderedDict

from ._entries import Entry

__all__ = ["Locks"]


class Locks:
    """By the name of each lock that is held: its holder, then those who wait for it."""

    __slots__ = ("_queues",)

    def __init__(self) -> None:
        self._queues: dict[str, OrderedDict[Entry, None]] = {}

    def take(self, entry: Entry) -> bool:
        """Queue for the lock of a job; whether it has it already."""
        assert entry.lock is not None
        queue = self._queues.setdefault(entry.lock, OrderedDict())
        queue[entry] = None
        return len(queue) == 1

    def has(self, entry: Entry) -> bool:
        """Whether a job holds its lock, or queues for it."""
        return entry.lock is not None and entry in self._queues.get(entry.lock, ())

    def leave(self, entry: Entry) -> Entry | None:
        """The job has ended: give back its lock, or its place in the queue; who holds the lock by that."""
        assert entry.lock is not None
        queue = self._queues.get(entry.lock)
        if queue is None or entry not in queue:
            return None
        held = next(iter(queue)) is entry
        del queue[entry]
        if not queue:
            del self._queues[entry.lock]
            return None
        return next(iter(queue)) if held else None
