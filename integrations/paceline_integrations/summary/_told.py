"""Small pieces of a summary, made of what the state of a run knows."""

from __future__ import annotations

from typing import Any, Literal, cast

from paceline import Attempt, ErrorInfo, JobResult
from paceline.events import JobEnded
from paceline_integrations.runstate import JobView, LaneView, RunState

__all__ = ["in_use", "place", "result_of", "state_of"]


def place(job: JobView) -> dict[str, Any]:
    """Where a job belongs, as the fields of a `JobPlace`."""
    return {"id": job.id, "name": job.name, "lane": job.lane, "group": job.group}


def state_of(outcome: str | None, *, ended: bool) -> Literal["running", "completed", "cancelled", "failed"]:
    """How a run stands."""
    if not ended:
        return "running"
    return cast('Literal["completed", "cancelled", "failed"]', outcome or "completed")


def in_use(lane: LaneView, state: RunState) -> bool:
    """Whether a lane is to be told of."""
    return bool(lane.counts.total or lane.served) or len(state.lanes) == 1


def result_of(ended: JobEnded, job: JobView) -> JobResult:
    """What is known of a job at its end, as far as savings need it."""
    error = ended.error
    return JobResult(
        id=job.id,
        name=job.name,
        status=ended.status,
        error=None if error is None else ErrorInfo(error.type, error.message, ""),
        attempts=(Attempt(ended.attempt, ended.time),) if ended.attempt else (),
        usage=ended.usage,
        lane=job.lane,
        group=job.group,
        role=job.role,
        key=job.key,
        metadata=job.metadata,
    )
