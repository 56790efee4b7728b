"""The config of one attempt's run: of the submitter, the executor and the job, and what watches it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, cast

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.callbacks.base import BaseCallbackManager
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs, var_child_runnable_config

from paceline import Job, JobContext

from ._watch import Watch

__all__ = ["refuse_run_id", "run_config"]


def refuse_run_id(config: RunnableConfig | None) -> None:
    """Refuse a config for all jobs that says what only one run may be called.

    Raises:
        ValueError: if it does.
    """
    if config is not None and config.get("run_id") is not None:
        raise ValueError("a run_id names one run: give it to submit(..., config={'run_id': ...})")


def run_config(job: Job, ctx: JobContext, watch: Watch, base: RunnableConfig | None) -> RunnableConfig:
    """What to run an attempt with: `base` and over it the job's `config`, as LangChain merges them.

    Each attempt is a run of its own, with a `run_id` made from job and attempt, the names of job, group and
    engine run in its metadata, and as its parent the submitter's run, if it was submitted inside of one.

    Raises:
        TypeError: if the job's config is no mapping.
    """
    given = cast("RunnableConfig | None", job.config)
    if given is not None and not isinstance(cast("object", given), Mapping):
        raise TypeError(
            f"job {job.name!r}: config= must be a RunnableConfig (a mapping), not {type(given).__name__}"
        )
    own = RunnableConfig(callbacks=[watch], metadata=_metadata(job, ctx), run_id=_run_id(job, ctx))
    # merge_configs would mix the submitter's run into each of them, and again into their sum.
    outer = var_child_runnable_config.get()
    token = var_child_runnable_config.set(None)
    try:
        return merge_configs(_without_watches(outer), base, given, own)
    finally:
        var_child_runnable_config.reset(token)


def _run_id(job: Job, ctx: JobContext) -> uuid.UUID:
    """The run's id: as given for the first attempt, else made from what names the attempt."""
    config: Mapping[str, Any] = job.config or {}
    given = config.get("run_id")
    if given is not None and ctx.attempt == 1:
        return uuid.UUID(str(given))
    return uuid.uuid5(uuid.NAMESPACE_URL, f"paceline:{given or job.id}/{ctx.attempt}")


def _metadata(job: Job, ctx: JobContext) -> dict[str, Any]:
    found: dict[str, Any] = {
        "paceline.run.id": ctx.run_id,
        "paceline.job.id": job.id,
        "paceline.job.name": job.name,
        "paceline.attempt": ctx.attempt,
        "paceline.lane": job.lane,
    }
    if job.group is not None:
        found["paceline.group.id"] = job.group
        found["paceline.role"] = job.role
    return found


def _without_watches(outer: RunnableConfig | None) -> RunnableConfig | None:
    """The submitter's config, without the watch of the job that it may be: each counts its own calls."""
    callbacks = None if outer is None else outer.get("callbacks")
    if outer is None or callbacks is None:
        return outer
    if isinstance(callbacks, BaseCallbackManager):
        callbacks = callbacks.copy()
        callbacks.handlers = _others(callbacks.handlers)
        callbacks.inheritable_handlers = _others(callbacks.inheritable_handlers)
        return {**outer, "callbacks": callbacks}
    return {**outer, "callbacks": _others(callbacks)}


def _others(handlers: list[BaseCallbackHandler]) -> list[BaseCallbackHandler]:
    return [handler for handler in handlers if not isinstance(handler, Watch)]
