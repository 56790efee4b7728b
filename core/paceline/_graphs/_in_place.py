"""Running a step where no graph or flow is: in the engine of the job that calls it, or in one of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from paceline._edges import as_edge
from paceline._errors import PacelineError
from paceline._handles import Handle, until_end
from paceline._live import CURRENT
from paceline._stopping import cancel

if TYPE_CHECKING:
    from paceline._live import LiveAttempt
    from paceline._record import Record
    from paceline._run import Run

    from ._steps import Step

__all__ = ["engine_here", "in_engine"]

_SLOTS = 8
"""Of an engine that is opened for one step, unless that may have more jobs running."""


@asynccontextmanager
async def engine_here(
    step: Step[..., Any],
    given: Run | None = None,
    *,
    max_running: int | None = None,
    run_id: str | None = None,
) -> AsyncGenerator[Run, None]:
    """The engine that is given, that of the job which asks, or one of its own, which is left with the block.

    Its own has room for the step's `max_running`, or what is said here in its place.

    Raises:
        PacelineError: if `run_id` is to name a run that has an id.
    """
    from paceline._engine import Engine

    live = CURRENT.get()
    if given is None and live is not None and live.live:
        given = live.run
    if given is not None:
        if run_id is not None:
            raise PacelineError(
                f"{step}: run_id= names the run of an engine of its own; this engine has an id"
            )
        yield given
        return
    at_once = max_running or step.job_options.max_running or 0
    async with Engine(slots=max(_SLOTS, at_once), run_id=run_id) as engine:
        yield engine._open(f"running {step}")


async def in_engine(step: Step[..., Any], payload: Any, mapped: tuple[str, ...] | None) -> Any:
    """Submit it, inside a job as its child, and wait for its output; or raise what awaiting a handle raises.

    Giving up the await ends it. Inside a job it is waited for until its end, however long it rests; an engine
    of its own, in which nobody could give an answer, is left when it rests.
    """
    async with engine_here(step) as run:
        run.check(f"running {step}")
        parent = run.current()
        record = _submit(run, step, payload, mapped, parent)
        if parent is None:
            return await Handle(record)
        await until_end(record, lambda: cancel(run, record, "whoever awaited it was cancelled"))
        return record.outcome()


def _submit(
    run: Run, step: Step[..., Any], payload: Any, mapped: tuple[str, ...] | None, parent: LiveAttempt | None
) -> Record:
    record = step.submit(
        run, payload, mapped, parent, after=[as_edge(run, each) for each in step.jobs_before()]
    )
    run.dispatch()
    return record
