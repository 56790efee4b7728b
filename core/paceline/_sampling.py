"""How busy a run is and what holds its jobs, as an event: what no other event tells."""

from __future__ import annotations

import heapq
import math
from itertools import islice
from typing import TYPE_CHECKING, Final

from ._events import LaneLoad, QueueSampled, Waits
from ._scheduler import State, WaitKind

if TYPE_CHECKING:
    from ._run import Run
    from ._scheduler import WaitReason

__all__ = ["sample_queue"]

_LOOKED_AT: Final = 1_000
_LANES: Final = 100
_REASONS: Final = 50
_JOBS: Final = 20

_BUSY: Final = (State.RUNNING, State.BODY)

_TOLD: Final[frozenset[WaitKind]] = frozenset(
    {"dependency", "release", "settle", "backoff", "children", "reply", "rest"}
)
"""What other events tell: what a job comes after, its backoff, its questions."""


def sample_queue(run: Run) -> QueueSampled:
    """Look at the run as it is now; however many jobs wait, no more than a thousand are looked at."""
    scheduler = run.scheduler
    held: dict[WaitReason, list[str]] = {}
    idle = (record for record in run.records.values() if record.state not in _BUSY)
    looked_at = list(islice(idle, _LOOKED_AT))
    for record in looked_at:
        reason = scheduler.why(record)
        if reason is not None and reason.kind not in _TOLD:
            held.setdefault(reason, []).append(record.job.id)
    most = heapq.nlargest(_REASONS, held.items(), key=lambda item: len(item[1]))
    busy = sum(scheduler.states[state] for state in _BUSY)
    return QueueSampled(
        slots_used=scheduler.queues.used,
        waiting=scheduler.pending,
        lanes=_lanes(run),
        waits=tuple([_waits(run, reason, jobs) for reason, jobs in most]),
        unseen=len(run.records) - busy - len(looked_at),
    )


def _lanes(run: Run) -> dict[str, LaneLoad]:
    lanes = run.scheduler.lanes
    total = sum(lane.served for lane in lanes.values()) or 1.0
    used = [(name, lane) for name, lane in lanes.items() if lane.unfinished]
    return {
        name: LaneLoad(lane.ready, lane.used, lane.unfinished, lane.weight, lane.served / total)
        for name, lane in heapq.nlargest(_LANES, used, key=lambda item: item[1].unfinished)
    }


def _waits(run: Run, reason: WaitReason, jobs: list[str]) -> Waits:
    until = None
    if reason.until is not None and reason.until < math.inf:
        until = run.hooks.wall(reason.until)
    return Waits(reason.kind, reason.on, str(reason), len(jobs), tuple(jobs[:_JOBS]), until)
