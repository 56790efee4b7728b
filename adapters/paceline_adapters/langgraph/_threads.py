"""Which thread of checkpoints a job runs on, who else may use it, and what a forked one begins with."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from paceline import CannotGoOn, Job, JobContext

from ._config import section

__all__ = ["Thread", "ThreadOf", "Threads", "fork", "print_of"]

ThreadOf: TypeAlias = "Literal['job', 'group', 'fork'] | Callable[[Job], str]"
"""Where a job's thread comes from: its id, its group, a copy of the primer's, or a function of the job."""

_NAMES = ("job", "group", "fork")
_SERDE = JsonPlusSerializer()


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread of checkpoints; `own` if no other job ever uses it."""

    id: str
    own: bool = False


class Threads:
    """Says which thread a job runs on, and which lock goes with it."""

    def __init__(self, thread: ThreadOf, *configs: RunnableConfig | None, remote: bool) -> None:
        if thread not in _NAMES and not callable(thread):
            raise ValueError(
                f"GraphExecutor: thread must be one of {', '.join(map(repr, _NAMES))}, or a function of the "
                f"job, not {thread!r}"
            )
        self._thread: ThreadOf = thread
        self._fixed: str | None = next(filter(None, map(_thread_id, configs)), None)
        """What the first of these configs says that does."""
        self._remote: bool = remote
        self.forks: bool = thread == "fork"
        """Whether followers begin with a copy of what their primer has left."""

    def of(self, job: Job, ctx: JobContext) -> Thread:
        """The thread of a job."""
        named = self._named(job)
        if named is not None:
            return Thread(named)
        if self._thread == "group" and job.group is not None:
            return Thread(self._id(f"{ctx.run_id}/{_group_key(job)}"))
        return Thread(self._id(job.id), own=True)

    def lock(self, job: Job) -> str | None:
        """The lock under which runs on the job's thread take turns; None if the thread is its own."""
        named = self._named(job)
        if named is not None:
            return f"langgraph thread {named}"
        if self._thread == "group" and job.group is not None:
            return f"langgraph thread of group {_group_key(job)}"
        return None

    def _named(self, job: Job) -> str | None:
        """The thread id that a config gives, or else the function."""
        given = _thread_id(job.config) or self._fixed
        if given is not None or not callable(self._thread):
            return given
        found = self._thread(job)
        if not isinstance(cast("object", found), str) or not found:
            raise TypeError(f"GraphExecutor: thread(job) must return a text, and not an empty one: {found!r}")
        return found

    def _id(self, name: str) -> str:
        # A LangGraph server takes nothing but UUIDs.
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"paceline:{name}")) if self._remote else name


def _thread_id(config: object) -> str | None:
    """The thread that a config names, if it does."""
    given: object = section(section(config, "configurable"), "thread_id")
    return None if given is None or given == "" else str(given)


def _group_key(job: Job) -> str:
    """What names the job's group within its run, the second of a name too: its members' keys begin so."""
    key = job.key or ""
    if job.role == "primer":
        return key.removesuffix("/primer")
    return key.rpartition("/follower/")[0] or str(job.group)


def print_of(payload: object) -> str:
    """A fingerprint of a payload, by which a restarted program's job is known; "" if there is none."""
    try:
        kind, data = _SERDE.dumps_typed(payload)
    except Exception:  # noqa: BLE001 - whatever cannot be written down is not known again; nothing is lost by it
        return ""
    return hashlib.blake2b(kind.encode() + data, digest_size=12).hexdigest()


async def fork(saver: BaseCheckpointSaver[Any], ctx: JobContext, thread: Thread) -> None:
    """Begin a follower's thread with what its primer has left.

    Raises:
        CannotGoOn: if there is no primer that has ended.
    """
    group = ctx.group
    if group is None or ctx.job.role == "primer":
        return
    primer = group.primer
    if primer is None:
        raise CannotGoOn(
            f"thread='fork' copies what a primer has left, and no primer of group {group.name!r} has ended: "
            "submit it with a primer and GroupPolicy(release='complete'), or use thread='job'"
        )
    # One that failed or was skipped has left no final state: its followers, if they run at all, begin afresh.
    saved = await saver.aget_tuple(_head(primer.id)) if primer.ok else None
    if saved is None:
        return
    step = saved.metadata.get("step", -1)
    versions = saved.checkpoint["channel_versions"]
    await saver.aput(
        _head(thread.id), saved.checkpoint, {"source": "fork", "step": step, "parents": {}}, versions
    )


def _head(thread_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
