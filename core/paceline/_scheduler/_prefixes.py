"""What follows for the queues from what a group's jobs say of its prefix: who waits, and how many go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._gates import Note

if TYPE_CHECKING:
    from paceline._usage import Failure, Usage

    from ._entries import Entry, GroupState
    from ._fair import FairQueues
    from ._gatekeeper import Gatekeeper
    from ._timers import Timers
    from ._warmth import Warmth

__all__ = ["Prefixes"]


class Prefixes:
    """Hears of each attempt in a group; one whose prefix is of no interest, and a body, are none of its."""

    __slots__ = ("_gates", "_queues", "_timers")

    def __init__(self, queues: FairQueues, timers: Timers, gates: Gatekeeper) -> None:
        self._queues = queues
        self._timers = timers
        self._gates = gates

    def chosen(self, entry: Entry) -> None:
        """A job starts, or goes on."""
        group = entry.group
        if group is not None and group.leads(entry):
            self._gates.notes.append(Note("group_reprimed", group, None, entry))

    def spoke(self, entry: Entry, now: float) -> bool:
        """The provider has begun to answer: whether it leads its group, and the others may follow."""
        group, warmth = entry.group, _warmth(entry)
        if group is None or warmth is None or not warmth.spoke(entry):
            return False
        self._hold(group, warmth, group.settle, now)
        self._queues.reopen(group)
        return True

    def ended(self, entry: Entry, usage: Usage | None, failure: Failure | None, now: float) -> None:
        """An attempt is over: its group may wait for what it missed, and others go on in another way."""
        group, warmth = entry.group, _warmth(entry)
        if group is None or warmth is None:
            return
        if failure is None:
            self.spoke(entry, now)
        missed, changed = warmth.ends(entry, group, usage)
        if missed:
            self._gates.notes.append(Note("cache_missed", group, None, entry))
            self._hold(group, warmth, warmth.miss_hold, now)
        if group.status is None:
            self._queues.reopen(group)
        for cap in changed:
            self._queues.resized(cap)

    def dropped(self, entry: Entry) -> None:
        """An attempt does not go on for now, or was given up: the others are not to wait for it."""
        group, warmth = entry.group, _warmth(entry)
        if group is not None and warmth is not None:
            led = warmth.lead is entry
            warmth.drop(entry)
            if led and group.status is None:
                self._queues.reopen(group)

    def gone(self, entry: Entry) -> None:
        """An attempt that was given up has ended, or one that was chosen has not begun."""
        warmth = _warmth(entry)
        if warmth is not None:
            warmth.left()

    def _hold(self, group: GroupState, warmth: Warmth, seconds: float, now: float) -> None:
        """Start no other of its jobs for that long; another group may have its place meanwhile."""
        if seconds > 0.0 and group.opened and group.timer is None and group.status is None:
            warmth.held = True
            self._timers.set(now + seconds, group)
            self._queues.set_aside(group)


def _warmth(entry: Entry) -> Warmth | None:
    return None if entry.group is None or entry.slotless else entry.group.warmth
