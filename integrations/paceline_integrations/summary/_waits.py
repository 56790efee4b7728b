"""What held the jobs of a run, and for how long: found out from samples of the queue."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from paceline.events import QueueSampled, Waits
from paceline_integrations.runstate import phrase

from ._model import HeldSummary

__all__ = ["HeldTally"]

_TOGETHER: Final = {
    "dependency": "wait for other jobs to end",
    "lock": "wait until another job lets go of a lock",
    "release": "wait for the primers of their groups to answer",
    "settle": "wait a moment until the provider has stored what the primers of their groups read",
    "group_in_flight": "wait because their groups have as many jobs at work as they may",
    "max_running": "wait because their graph, flow or map has as many jobs at work as it may",
    "question": "wait until a question of another job is answered",
    "reply": "wait for the answers to their questions",
}
"""Reasons that name one of many groups or jobs, in words for all of them."""
_MOST: Final = 1_000


@dataclass(slots=True)
class _Hold:
    text: str
    seconds: float = 0.0
    jobs: int = 0


class HeldTally:
    """Sums up for how long jobs waited for what."""

    def __init__(self) -> None:
        self._holds: dict[tuple[str, str], _Hold] = {}
        self._since: float = 0.0
        self._now: set[tuple[str, str]] = set()
        """What holds jobs since the last sample."""

    def look(self, sample: QueueSampled) -> None:
        """Take in a sample."""
        self.end(sample.time)
        counts: defaultdict[tuple[str, str], int] = defaultdict(int)
        for each in sample.waits:
            counts[_key(each)] += each.count
        for key, count in counts.items():
            hold = self._holds.get(key)
            if hold is None:
                if len(self._holds) >= _MOST:
                    continue
                hold = self._holds[key] = _Hold(key[1])
            hold.jobs = max(hold.jobs, count)
            self._now.add(key)

    def end(self, time: float) -> None:
        """Nothing is known to hold a job from now on."""
        for key in self._now:
            self._holds[key].seconds += max(0.0, time - self._since)
        self._now = set()
        self._since = time

    def summary(self, most: int) -> tuple[HeldSummary, ...]:
        """What held jobs the longest."""
        found = sorted(self._holds.items(), key=lambda each: each[1].seconds, reverse=True)
        return tuple(
            HeldSummary(kind=kind, text=hold.text, seconds=hold.seconds, jobs=hold.jobs)
            for (kind, _), hold in found[:most]
            if hold.seconds > 0
        )


def _key(waits: Waits) -> tuple[str, str]:
    return waits.kind, _TOGETHER.get(waits.kind) or phrase(waits.kind, waits.on, several=True)
