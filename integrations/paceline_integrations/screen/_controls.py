"""What a person may do to a run from the screen, and how that is done to an engine in the same process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from paceline import Engine, PacelineError, Question
from paceline_integrations.runstate import RETRY_OF

if TYPE_CHECKING:
    from paceline_integrations.runstate import JobView, RunState

__all__ = ["Controls", "EngineControls"]


class Controls(Protocol):
    """What `r`, `c` and `a` do. Each may raise a `PacelineError`, whose text is shown to the person."""

    async def cancel(self, job_id: str) -> None:
        """End a job and its children."""
        ...

    async def retry(self, job_id: str) -> None:
        """Run the work of a failed job again."""
        ...

    async def answer(self, job_id: str, question_id: str, value: Any) -> None:
        """Answer an open question; one that does not fit is refused, and the question stays open."""
        ...

    def questions(self, job_id: str) -> Sequence[Question]:
        """The open questions of a job, with the schemas that answers must fit; none if it asks nothing."""
        ...


class EngineControls:
    """Acts on an engine in the same event loop. `state` is the screen's: `screen.state`.

    A retried job is submitted anew, as one by itself: same payload, name, lane, executor, priority and
    metadata, with the old job's id under the key "paceline.retry_of": who reads the events counts the new one
    in the place of the old one. What its caller awaits is still the failed one; `config`, limits of time and
    the like are not known here, and are the engine's own.
    """

    def __init__(self, engine: Engine, state: RunState) -> None:
        self._engine: Engine = engine
        self._state: RunState = state

    async def cancel(self, job_id: str) -> None:
        """End a job and its children.

        Raises:
            UnknownName: if it has ended meanwhile.
        """
        self._engine.handle(job_id).cancel("cancelled by a person at the screen")

    async def retry(self, job_id: str) -> None:
        """Submit the work of a failed job again.

        Raises:
            PacelineError: if it did not end without success, was tried again before, is part of a graph, flow
                or map, or is not known any more; or what `engine.submit` raises.
        """
        job = self._failed(job_id)
        await self._engine.submit(
            job.payload,
            name=job.name,
            lane=job.lane,
            executor=job.executor or None,
            priority=job.priority,
            metadata={**job.metadata, RETRY_OF: job.id},
        )

    async def answer(self, job_id: str, question_id: str, value: Any) -> None:
        """Answer a question.

        Raises:
            UnknownName, ReplyRefused: as `engine.reply`.
        """
        await self._engine.reply(job_id, value, question=question_id)

    def questions(self, job_id: str) -> Sequence[Question]:
        """What the engine has of them."""
        return self._engine.handle(job_id).questions

    def _failed(self, job_id: str) -> JobView:
        job = self._state.jobs.get(job_id)
        if job is None:
            raise PacelineError(f"job {job_id} is not known any more: it ended long ago")
        if job.submitted is None:
            raise PacelineError(
                f"job {job.name!r} was submitted before the screen was told: its work is not known"
            )
        if job.status not in {"failed", "cancelled", "skipped"}:
            raise PacelineError(f"job {job.name!r} is {job.status}: only what did not succeed is retried")
        if job.again:
            raise PacelineError(f"job {job.name!r} was tried again already: choose the one that was")
        if job.is_body or job.parent is not None:
            what = f"a {job.role}" if job.is_body else "part of a graph, flow or map"
            raise PacelineError(
                f"job {job.name!r} is {what}, which cannot be retried alone: run the whole again"
            )
        return job
