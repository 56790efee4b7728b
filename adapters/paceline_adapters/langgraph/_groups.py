"""The groups that a node runs: each is found again by the task of LangGraph's that submitted it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast, final

from langchain_core.runnables.config import var_child_runnable_config
from langgraph.runtime import ExecutionInfo, Runtime, get_runtime

from paceline import CannotGoOn, Engine, GroupOptions, GroupPolicy, PrefixCache, UnknownName, current_job

from ._config import without_place
from ._members import Members

__all__ = ["Groups", "Plan", "execution"]

_KEPT = 1000
"""Of how many groups a node remembers what it has asked for them, while their graphs rest."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What all groups of a node have in common."""

    name: str
    policy: GroupPolicy
    cache: PrefixCache | None
    metadata: Mapping[str, Any] | None
    options: GroupOptions


@final
class Groups:
    """The groups of one node that are under way, by the task of LangGraph's that each belongs to."""

    def __init__(self, engine: Engine, plan: Plan) -> None:
        self._engine: Engine = engine
        self.plan: Plan = plan
        self._kept: dict[str, Members] = {}
        """Those whose graph rests, or may: they are found again under the same id of the task."""

    async def run(self, source: Callable[[], tuple[Any, list[Any]]]) -> Members:
        """Run the group of the task that this is called in, or go on with it, until all of it has ended."""
        info = execution()
        place = uuid.uuid4().hex if info is None else info.task_id
        members = self._known(place) or await self._submit(place, source)
        try:
            await members.end(resumable=info is not None and info.thread_id is not None)
        except (asyncio.CancelledError, CannotGoOn):
            self._kept.pop(place, None)
            members.cancel()
            raise
        # Anything else leaves it as it is: the graph asks, or was given an answer that it cannot take.
        self._kept.pop(place, None)
        return members

    def _known(self, place: str) -> Members | None:
        """The group that this task has submitted before, if it has."""
        submitter = _job_id()
        members = self._kept.get(place)
        if members is None:
            try:
                group = self._engine.group(self._label(place))
            except UnknownName:
                return None
            members = self._kept[place] = Members(self._engine, group, submitter)
        elif members.over and members.submitter != submitter:
            # It was cancelled with its job; another one has taken on the thread, and wants what is missing.
            del self._kept[place]
            return None
        return members

    async def _submit(self, place: str, source: Callable[[], tuple[Any, list[Any]]]) -> Members:
        primer, payloads = source()
        plan, inside = self.plan, current_job()
        options = GroupOptions(**plan.options)
        if inside is not None and inside.run_id == self._engine.run_id:
            options.setdefault("lane", inside.job.lane)
        with _without_place_of_node():
            group = await self._engine.submit_group(
                self._label(place),
                primer=primer,
                followers=payloads,
                policy=plan.policy,
                cache=plan.cache,
                metadata=plan.metadata,
                **options,
            )
        members = self._kept[place] = Members(self._engine, group, _job_id())
        if len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
        return members

    def _label(self, place: str) -> str:
        return f"{self.plan.name}-{place}"


def _job_id() -> str | None:
    job = current_job()
    return None if job is None else job.job.id


def execution() -> ExecutionInfo | None:
    """Which task of a graph this is; None outside of a graph."""
    try:
        runtime = cast("Runtime[Any] | None", get_runtime())
    except (KeyError, RuntimeError):
        return None
    return None if runtime is None else runtime.execution_info


@contextmanager
def _without_place_of_node() -> Generator[None]:
    """Submit in the node's run, but not in its place: a graph in a job would take that for its own."""
    config = var_child_runnable_config.get()
    if config is None:
        yield
        return
    lent = config.copy()
    lent["configurable"] = without_place(config.get("configurable"))
    token = var_child_runnable_config.set(lent)
    try:
        yield
    finally:
        var_child_runnable_config.reset(token)
