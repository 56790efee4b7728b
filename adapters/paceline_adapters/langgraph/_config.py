"""The config of one attempt's run of a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config

from paceline import Job, JobContext
from paceline_adapters._langchain_core import Watch, run_config

__all__ = ["graph_config", "section", "without_place"]

# Where a run keeps its checkpoints: a graph that submits jobs does not lend them its own place.
_PLACE = frozenset({"checkpoint_id", "checkpoint_map", "checkpoint_ns", "run_id", "task_id", "thread_id"})
_OWN = ("__pregel_", "langgraph_")


def graph_config(
    job: Job, ctx: JobContext, watch: Watch, base: RunnableConfig | None, limit: int
) -> RunnableConfig:
    """What to run an attempt with: as `run_config` says, and the job's `recursion_limit`, else `limit`."""
    config = run_config(job, ctx, watch, base)
    # As given, not as merged: LangChain takes a limit of 25 for none.
    config["recursion_limit"] = section(job.config, "recursion_limit") or limit
    if var_child_runnable_config.get() is not None:
        for name in ("configurable", "metadata"):
            config[name] = {
                **without_place(section(config, name)),
                **(section(base, name) or {}),
                **(section(job.config, name) or {}),
            }
    return config


def section(config: object, name: str) -> Any:
    """What a config says under that name, if there is one."""
    return cast("Mapping[str, Any]", config).get(name) if isinstance(config, Mapping) else None


def without_place(section: Mapping[str, Any] | None) -> dict[str, Any]:
    """The rest of a section: without what says where a run keeps its checkpoints."""
    return {
        key: value for key, value in (section or {}).items() if key not in _PLACE and not key.startswith(_OWN)
    }
