"""What may be said of a job when it is submitted, checked once."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, cast

from ._checks import count, instance, number, text
from ._policies import RetryPolicy

if TYPE_CHECKING:
    from ._executor import ExecutorLike
    from ._groups import Group
    from ._handles import Handle
    from ._job import Ended

__all__ = ["GroupOptions", "JobOptions", "Options", "SubmitOptions"]


class JobOptions(TypedDict, total=False):
    """What may be said of every job: by itself, in a group or map, and as a task of a graph or flow.

    lane: must exist. executor: a registered name, or anything that `as_executor` takes. priority: larger
    first, in its lane. retry: None is one attempt. timeout: seconds for one attempt. idle_timeout:
    seconds without emit, progress or usage, while it does not wait for jobs of its own. deadline: seconds
    from acceptance to end. cost: in the engine's unit. lock: a name; of the jobs that name the same one, at
    most one is under way at a time, from before its first attempt until its end. resources: what it uses of
    that which the engine has limits for, besides its executor and what that names. stream: chunks are wanted
    even before anybody listens. config: handed to the executor.
    """

    lane: str
    executor: ExecutorLike | None
    priority: int
    retry: RetryPolicy | None
    timeout: float | None
    idle_timeout: float | None
    deadline: float | None
    cost: float | None
    lock: str | None
    resources: str | Sequence[str]
    stream: bool
    config: Any


class GroupOptions(JobOptions, total=False):
    """What may be said of a job that is submitted, an item of a map, or all members of a group.

    after: handles and groups whose success (or, in `Ended`, end) it waits for.
    """

    after: Handle | Group | Ended | Sequence[Handle | Group | Ended]


class SubmitOptions(GroupOptions, total=False):
    """What may be said of a single job, besides `GroupOptions`.

    name: for people; default: the key, else the id. key: the same key and payload give the same job.
    max_running: of a graph or flow, and of `engine.map`, how many jobs below it run at once; no other job
    takes it. metadata: yours, kept with the result.
    """

    name: str | None
    key: str | None
    max_running: int | None
    metadata: Mapping[str, Any] | None


_KNOWN = SubmitOptions.__optional_keys__
_NO_METADATA: Mapping[str, Any] = {}


class Options:
    """The same, with defaults and checks: one object serves all jobs that were submitted alike."""

    __slots__ = (
        "after",
        "config",
        "cost",
        "deadline",
        "executor",
        "idle_timeout",
        "key",
        "lane",
        "lock",
        "max_running",
        "metadata",
        "name",
        "own_retry",
        "priority",
        "resources",
        "retry",
        "stream",
        "timeout",
    )

    def __init__(self, given: Mapping[str, Any]) -> None:
        unknown = given.keys() - _KNOWN
        if unknown:
            raise TypeError(
                f"unknown option {', '.join(sorted(unknown))}; known: {', '.join(sorted(_KNOWN))}"
            )
        get = given.get
        self.name: str | None = get("name")
        self.lane: str = get("lane", "default")
        self.lock: str | None = get("lock")
        resources: Any = get("resources", ())
        self.resources: tuple[str, ...] = _names(resources) if resources else ()
        self.executor: Any = get("executor")
        self.priority: int = get("priority", 0)
        after: Any = get("after", ())
        several = isinstance(after, Sequence) and not isinstance(after, str)
        self.after: Sequence[Any] = (*after,) if several else (after,)
        self.retry: RetryPolicy | None = get("retry")
        self.own_retry: bool = "retry" in given
        """Whether that was said of this job; else what holds for all jobs of the engine does."""
        self.timeout: float | None = get("timeout")
        self.idle_timeout: float | None = get("idle_timeout")
        self.deadline: float | None = get("deadline")
        self.cost: float | None = get("cost")
        self.key: str | None = get("key")
        self.stream: bool = get("stream", False)
        self.config: Any = get("config")
        self.max_running: int | None = get("max_running")
        metadata = get("metadata")
        self.metadata: Mapping[str, Any] = _NO_METADATA if metadata is None else metadata
        if given:
            self._check()

    def _check(self) -> None:
        if isinstance(self.priority, bool) or not isinstance(cast("object", self.priority), int):
            raise TypeError(f"job: priority must be a whole number, not {self.priority!r}")
        for name in ("timeout", "idle_timeout", "deadline"):
            if getattr(self, name) is not None:
                number("job", name, getattr(self, name), above=True)
        if self.cost is not None:
            number("job", "cost", self.cost)
        if self.max_running is not None:
            count("job", "max_running", self.max_running)
        if self.retry is not None:
            instance("job", "retry", self.retry, RetryPolicy)
        for name in ("name", "key", "lane", "lock"):
            if getattr(self, name) is not None:
                text("job", name, getattr(self, name))
        if not isinstance(cast("object", self.metadata), Mapping):
            raise TypeError(f"job: metadata must be a mapping, not {self.metadata!r}")

    def named(self, name: str) -> Options:
        """The same, under another name."""
        other = copy.copy(self)
        other.name = name
        return other


def _names(resources: Any) -> tuple[str, ...]:
    names = (resources,) if isinstance(resources, str) else tuple(resources)
    for name in names:
        text("job", "each of resources", name)
    return names
