"""What an engine is doing, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ._scheduler import State, WaitReason

if TYPE_CHECKING:
    from ._job import Question
    from ._run import Run

_RESTS = (State.SUSPENDED, State.DOZING, State.RESTING)

__all__ = ["AbandonedAttempt", "LaneSnapshot", "Snapshot", "take_snapshot"]


@dataclass(frozen=True, slots=True)
class LaneSnapshot:
    """A lane: its weight and cap, what waits and runs in it, and its share.

    `served` is the cost charged so far, in the engine's unit, running reservations included; `share` is its
    part of what all lanes were served (0 before anything was).
    """

    name: str
    weight: float
    max_running: int | None
    closed: bool
    ready: int
    running: int
    unfinished: int
    served: float
    share: float


@dataclass(frozen=True, slots=True)
class AbandonedAttempt:
    """An attempt that was given up but whose code has not ended."""

    job: str
    name: str
    attempt: int
    since: float
    """When it was given up, on the clock of the event loop."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An engine at one moment. Taking one costs time in proportion to the jobs that wait.

    `counts`: jobs by status ("waiting", "running" with the parked ones, "suspended", and how many have ended
    in each way so far). `waiting`: why each job that does not run does not, by job id; `questions`: what
    those ask that wait for an answer. `time` is on the clock
    of the event loop.
    """

    run_id: str
    time: float
    slots: int
    slots_used: int
    counts: Mapping[str, int]
    lanes: Mapping[str, LaneSnapshot]
    waiting: Mapping[str, WaitReason]
    groups: tuple[str, ...]
    abandoned: tuple[AbandonedAttempt, ...]
    parked: int
    questions: Mapping[str, tuple[Question, ...]] = field(default_factory=dict[str, "tuple[Question, ...]"])


def take_snapshot(run: Run) -> Snapshot:
    """Look at a run."""
    scheduler = run.scheduler
    states = scheduler.states
    total = sum(lane.served for lane in scheduler.lanes.values()) or 1.0
    waiting: dict[str, WaitReason] = {}
    resting = 0
    for record in run.records.values():
        reason = scheduler.why(record)
        if reason is not None:
            waiting[record.job.id] = reason
            resting += record.state is State.PARKED and record.resting
    parked = states[State.PARKED] + states[State.RETURNING]
    return Snapshot(
        run_id=run.id,
        time=run.loop.time(),
        slots=run.slots,
        slots_used=scheduler.queues.used,
        counts={
            "waiting": scheduler.pending,
            "running": states[State.RUNNING] + states[State.BODY] + parked - resting,
            "suspended": sum(states[each] for each in _RESTS) + resting,
            **run.counts,
        },
        lanes={
            name: LaneSnapshot(
                name,
                lane.weight,
                lane.capacity,
                lane.closed,
                lane.ready,
                lane.used,
                lane.unfinished,
                lane.served,
                lane.served / total,
            )
            for name, lane in scheduler.lanes.items()
        },
        waiting=waiting,
        questions={record.job.id: record.questions for record in run.records.values() if record.questions},
        groups=tuple(run.groups),
        abandoned=tuple(
            AbandonedAttempt(live.job.id, live.job.name, live.number, live.given_up_at or 0.0)
            for live in run.attempts.abandoned
        ),
        parked=parked,
    )
