"""Whether lanes get their due: their shares while they compete, which sums over a run cannot show."""

from __future__ import annotations

from collections import defaultdict

from paceline import LaneReport, LaneSnapshot, RunReport, Snapshot

__all__ = ["ShareMeter"]


class ShareMeter:
    """Compares snapshots: what each lane got while it and another had jobs waiting, and what was its due."""

    def __init__(self) -> None:
        self._last: Snapshot | None = None
        self._got: defaultdict[str, float] = defaultdict(float)
        self._due: defaultdict[str, float] = defaultdict(float)
        self._all: defaultdict[str, float] = defaultdict(float)

    def look(self, snapshot: Snapshot) -> None:
        """Take in the time since the last look."""
        last, self._last = self._last, snapshot
        if last is None:
            return
        before, now = last.lanes, snapshot.lanes
        rivals = [name for name, lane in now.items() if lane.ready and _ready(before.get(name))]
        if len(rivals) < 2:
            return
        weights = sum(now[name].weight for name in rivals)
        got = {name: now[name].served - before[name].served for name in rivals}
        served = sum(got.values())
        for name in rivals:
            self._got[name] += got[name]
            self._due[name] += served * now[name].weight / weights
            self._all[name] += served

    def add_to(self, report: RunReport) -> RunReport:
        """Return the report with what was measured."""
        lanes = {name: self._measured(name, lane) for name, lane in report.lanes.items()}
        return report.model_copy(update={"lanes": lanes})

    def _measured(self, name: str, lane: LaneReport) -> LaneReport:
        served = self._all[name]
        if not served:
            return lane
        return lane.model_copy(
            update={
                "share_while_waiting": self._got[name] / served,
                "due_while_waiting": self._due[name] / served,
            }
        )


def _ready(lane: LaneSnapshot | None) -> bool:
    return lane is not None and lane.ready > 0
