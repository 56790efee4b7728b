"""What held the jobs of a run, and whether its lanes got their due: found out from samples of the queue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from paceline.events import QueueSampled, Waits
from paceline_integrations.runstate import LaneView, phrase

from ._model import HeldSummary

__all__ = ["HeldTally", "ShareTally"]

_TOGETHER: Final = {
    "dependency": "waits for other jobs to end",
    "lock": "waits until another job lets go of a lock",
    "release": "waits for the primer of its group to answer",
    "settle": "waits a moment until the provider has stored what the primer of its group read",
    "group_in_flight": "waits because its group has as many jobs at work as it may",
    "max_running": "waits because its graph, flow or map has as many jobs at work as it may",
    "question": "waits until a question of another job is answered",
    "reply": "waits for the answer to its question",
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
    return waits.kind, _TOGETHER.get(waits.kind) or phrase(waits.kind, waits.on)


class ShareTally:
    """What each lane got while it and another one had jobs waiting, and what was its due."""

    def __init__(self) -> None:
        self._waiting: set[str] = set()
        self._served: dict[str, float] = {}
        self._got: defaultdict[str, float] = defaultdict(float)
        self._due: defaultdict[str, float] = defaultdict(float)
        self._all: defaultdict[str, float] = defaultdict(float)

    def look(self, sample: QueueSampled, lanes: Mapping[str, LaneView]) -> None:
        """Take in the time since the last sample."""
        before, waited = self._served, self._waiting
        self._served = {name: lane.served for name, lane in lanes.items()}
        self._waiting = {name for name, load in sample.lanes.items() if load.ready}
        rivals = self._waiting & waited & before.keys() & self._served.keys()
        if len(rivals) < 2:
            return
        weights = sum(sample.lanes[name].weight for name in rivals)
        got = {name: max(0.0, self._served[name] - before[name]) for name in rivals}
        served = sum(got.values())
        for name in rivals:
            self._got[name] += got[name]
            self._due[name] += served * sample.lanes[name].weight / weights
            self._all[name] += served

    def measured(self, name: str) -> tuple[float | None, float | None]:
        """Share and due of a lane, as parts of what it and its rivals got; None where it had no rivals."""
        served = self._all.get(name)
        return (self._got[name] / served, self._due[name] / served) if served else (None, None)
