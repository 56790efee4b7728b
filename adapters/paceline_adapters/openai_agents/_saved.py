"""How far a job has come, as it is kept between its attempts, so that what was approved is done once.

A job's `state` is one of these, a dict of plain data. Its phases:

- `begun`: the run begins anew.
- `asked`: the run waits for answers.
- `acting`: they have come, tools that were approved act, and nobody knows yet how that ends. A retry that
  finds this can neither run them again nor leave them out: it fails.
- `going`: nothing acts; the run goes on from here, as often as need be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Required, TypeAlias, TypedDict, cast, get_args

from agents import Agent, RunContextWrapper, RunState
from agents.exceptions import UserError
from agents.version import __version__

from paceline import CannotGoOn, Job

__all__ = ["Phase", "Saved", "restored", "run_of", "saved_of"]

Phase: TypeAlias = Literal["begun", "asked", "acting", "going"]


class Saved(TypedDict, total=False):
    """What a job keeps; see the module."""

    phase: Required[Phase]
    sdk: str
    """The version of the SDK that saved it."""
    run: dict[str, Any]
    """The SDK's own state of the run."""
    said: dict[str, Any]
    """What people have answered to `ask_user`, by the calls that asked."""
    began: int | None
    """How many items the session held when the job began, where there is one."""
    items: int | None
    """And how many at this point, once answers have come."""


def saved_of(job: Job) -> Saved:
    """What the job has kept; its tools may have kept something else since."""
    state: object = job.state
    if isinstance(state, Mapping) and cast("Mapping[str, object]", state).get("phase") in get_args(Phase):
        return cast("Saved", state)
    return Saved(phase="begun")


def run_of(state: RunState[Any, Any]) -> dict[str, Any]:
    """The SDK's state of a run, without the user's context: the attempt that goes on brings that along."""
    return state.to_json(context_serializer=_left_out)  # without one the SDK warns that it leaves it out


async def restored(
    job: Job, saved: Saved, agent: Agent[Any], context: RunContextWrapper[Any]
) -> RunState[Any, Any]:
    """The run that a job has kept, in this context.

    Raises:
        CannotGoOn: if tools were cut off while they acted, or the SDK does not take its state.
    """
    if saved["phase"] == "acting":
        raise CannotGoOn(
            f"job {job.name!r} was cut off while tools that had been approved acted: running them again "
            "might do twice what they do. See what came of it, then submit the job anew"
        )
    try:
        return await RunState.from_json(
            agent, cast("dict[str, Any]", saved.get("run")), context_override=context
        )
    except (UserError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise CannotGoOn(
            f"job {job.name!r} cannot go on: openai-agents {__version__} does not take the state that "
            f"{saved.get('sdk')} saved of agent {agent.name!r} ({error}). Go on with that version, and with "
            "the same agents and tools, or submit the job anew"
        ) from error


def _left_out(context: object) -> Mapping[str, Any]:  # noqa: ARG001 - as the SDK calls it
    return {}
