"""An attempt while it lives: the engine's side of a `JobContext`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, final

from ._job import Job
from ._usage import Usage

if TYPE_CHECKING:
    from ._record import Record
    from ._run import Run
    from ._scheduler import Leftover

__all__ = ["CURRENT", "LiveAttempt", "ThreadCall"]


@final
class ThreadCall:
    """One call on a thread: whether time may move on while it works (nobody waits for it any more)."""

    __slots__ = ("over", "parked")

    def __init__(self) -> None:
        self.over = False
        self.parked = False


@final
class LiveAttempt:
    """One attempt: its task, its clock, what it used, and whether it is still its job's."""

    __slots__ = (
        "active_at",
        "calls",
        "entered",
        "finished",
        "first_token_at",
        "given_up_at",
        "grants",
        "job",
        "late",
        "leftover",
        "live",
        "number",
        "record",
        "rested",
        "run",
        "started",
        "task",
        "timers",
        "usage",
        "waited",
        "waits",
    )

    def __init__(self, run: Run, record: Record, number: int, started: float) -> None:
        self.run: Run = run
        self.record: Record = record
        self.job: Job = record.job
        self.number: int = number
        self.started: float = started
        self.waited: float = started - (record.accepted if record.ended is None else record.ended)
        self.task: asyncio.Task[None] | None = None
        self.entered: bool = False
        """Its task has taken its first step."""
        self.live: bool = True
        """Not over, and not given up."""
        self.finished: bool = False
        """Its task is over (threads of its own may still work)."""
        self.leftover: Leftover | None = None
        """What it still counts for, once given up."""
        self.calls: set[ThreadCall] | None = None
        self.timers: list[asyncio.TimerHandle] | None = None
        self.usage: Usage | None = None
        self.late: Usage | None = None
        """What of it came after its job had ended."""
        self.active_at: float = started
        self.rested: float = 0.0
        """Seconds for which it has asked: they do not count in its timeout."""
        self.first_token_at: float | None = None
        self.given_up_at: float | None = None
        self.waits: int = 0
        """How many of its awaits wait for jobs of its own engine: parked while any does."""
        self.grants: list[asyncio.Future[None]] | None = None
        """Awaits that are over, and want what was given back before they return."""

    def handed_on(self, metadata: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is said of a job or group that this one submits: the same as of it, unless it says better."""
        above = self.job.metadata
        return {**above, **metadata} if above else metadata

    @property
    def cancelled(self) -> bool:
        """Whether it was given up."""
        return self.leftover is not None


CURRENT: ContextVar[LiveAttempt | None] = ContextVar("paceline_current_attempt", default=None)
"""The attempt that code runs in; threads and tasks that it starts inherit it."""
