"""Running a step where no graph or flow is: in the engine of the job that calls it, or in one of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paceline._handles import Handle
from paceline._live import CURRENT

if TYPE_CHECKING:
    from ._steps import Step

__all__ = ["in_engine"]


async def in_engine(step: Step[..., Any], payload: Any, mapped: tuple[str, ...] | None) -> Any:
    """Submit it, inside a job as its child, and wait for what comes out; or raise what awaiting a handle raises."""
    from paceline._engine import Engine

    from ._maps import MapBody

    executor = step.executor if mapped is None else MapBody(step, mapped)
    options: Any = {**step.options, "executor": executor, "name": step.name}
    live = CURRENT.get()
    if live is not None and live.live:
        options.setdefault("lane", live.job.lane)
        return await Handle(await live.run.intake.submit(payload, options, live))
    async with Engine() as engine:
        return await (await engine.submit(payload, **options))
