"""Running a step where no graph or flow is: in the engine of the job that calls it, or in one of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paceline._edges import as_edge
from paceline._handles import Handle, until_end
from paceline._live import CURRENT
from paceline._stopping import cancel

if TYPE_CHECKING:
    from paceline._live import LiveAttempt
    from paceline._record import Record
    from paceline._run import Run

    from ._steps import Step

__all__ = ["in_engine"]

_SLOTS = 8
"""Of an engine that is opened for one call, unless it may have more jobs running."""


async def in_engine(step: Step[..., Any], payload: Any, mapped: tuple[str, ...] | None) -> Any:
    """Submit it, inside a job as its child, and wait for its output; or raise what awaiting a handle raises.

    Giving up the await ends it. Inside a job it is waited for until its end, however long it rests; an engine
    of its own, in which nobody could give an answer, is left when it rests.
    """
    from paceline._engine import Engine

    live = CURRENT.get()
    if live is None or not live.live:
        async with Engine(slots=max(_SLOTS, step.job_options.max_running or 0)) as engine:
            return await Handle(_submit(engine._open(f"running {step}"), step, payload, mapped, None))
    record = _submit(live.run, step, payload, mapped, live)
    await until_end(record, lambda: cancel(record.run, record, "whoever awaited it was cancelled"))
    return record.outcome()


def _submit(
    run: Run, step: Step[..., Any], payload: Any, mapped: tuple[str, ...] | None, parent: LiveAttempt | None
) -> Record:
    run.check(f"running {step}")
    record = step.submit(
        run, payload, mapped, parent, after=[as_edge(run, each) for each in step.jobs_before()]
    )
    run.dispatch()
    return record
