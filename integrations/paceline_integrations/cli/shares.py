"""Whether lanes get their due, found out from looks at the engine."""

from __future__ import annotations

from paceline import LaneReport, RunReport, Snapshot
from paceline_integrations.summary import ShareTally

__all__ = ["ShareMeter"]


class ShareMeter:
    """Compares snapshots: what each lane got while it and another had jobs waiting, and what was its due."""

    def __init__(self) -> None:
        self._tally: ShareTally = ShareTally()

    def look(self, snapshot: Snapshot) -> None:
        """Take in the time since the last look."""
        lanes = snapshot.lanes
        self._tally.look(
            {name: lane.weight for name, lane in lanes.items() if lane.ready},
            {name: lane.served for name, lane in lanes.items()},
        )

    def add_to(self, report: RunReport) -> RunReport:
        """Return the report with what was measured."""
        lanes = {name: self._measured(name, lane) for name, lane in report.lanes.items()}
        return report.model_copy(update={"lanes": lanes})

    def _measured(self, name: str, lane: LaneReport) -> LaneReport:
        share, due = self._tally.measured(name)
        if share is None:
            return lane
        return lane.model_copy(update={"share_while_waiting": share, "due_while_waiting": due})
