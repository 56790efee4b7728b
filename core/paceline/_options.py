"""What may be said of a job when it is submitted, checked once."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from ._policies import RetryPolicy

if TYPE_CHECKING:
    from ._executor import ExecutorLike
    from ._groups import Group
    from ._handles import Handle
    from ._job import Ended

__all__ = ["Options", "SubmitOptions"]


class SubmitOptions(TypedDict, total=False):
    """The options of `engine.submit` and of everything that submits.

    name: for people; default: the key, else the id. lane: must exist. executor: a registered name, or
    anything that `as_executor` takes. priority: larger first, in its lane. after: handles and groups whose
    success (or, in `Ended`, end) the job waits for. retry: None is one attempt. timeout: seconds for one
    attempt. idle_timeout: seconds without emit, progress or usage. deadline: seconds from acceptance to end.
    cost: in the engine's unit. key: the same key and payload give the same job. stream: chunks are wanted
    even before anybody listens. config: handed to the executor. metadata: yours, kept with the result.
    """

    name: str | None
    lane: str
    executor: ExecutorLike | None
    priority: int
    after: Handle | Group | Ended | Sequence[Handle | Group | Ended]
    retry: RetryPolicy | None
    timeout: float | None
    idle_timeout: float | None
    deadline: float | None
    cost: float | None
    key: str | None
    stream: bool
    config: Any
    metadata: Mapping[str, Any] | None


_KNOWN = frozenset(SubmitOptions.__annotations__)
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
        "metadata",
        "name",
        "priority",
        "retry",
        "stream",
        "timeout",
    )

    def __init__(self, given: SubmitOptions, retry: RetryPolicy | None = None) -> None:
        unknown = given.keys() - _KNOWN
        if unknown:
            raise TypeError(
                f"unknown option {', '.join(sorted(unknown))}; known: {', '.join(sorted(_KNOWN))}"
            )
        get = given.get
        self.name: str | None = get("name")
        self.lane: str = get("lane", "default")
        self.executor: Any = get("executor")
        self.priority: int = get("priority", 0)
        after: Any = get("after", ())
        self.after: Sequence[Any] = tuple(after) if isinstance(after, Sequence) else (after,)
        self.retry: RetryPolicy | None = given["retry"] if "retry" in given else retry
        self.timeout: float | None = get("timeout")
        self.idle_timeout: float | None = get("idle_timeout")
        self.deadline: float | None = get("deadline")
        self.cost: float | None = get("cost")
        self.key: str | None = get("key")
        self.stream: bool = get("stream", False)
        self.config: Any = get("config")
        metadata = get("metadata")
        self.metadata: Mapping[str, Any] = _NO_METADATA if metadata is None else metadata
        if given:
            self._check()

    def named(self, name: str) -> Options:
        """The same, under another name."""
        other = copy.copy(self)
        other.name = name
        return other

    def _check(self) -> None:
        if isinstance(self.priority, bool) or not isinstance(self.priority, int):
            raise TypeError(f"priority must be a whole number, not {self.priority!r}")
        for name, least in (("timeout", 0.0), ("idle_timeout", 0.0), ("deadline", 0.0), ("cost", 0.0)):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"{name} must be a number or None, not {value!r}")
            if math.isnan(value) or value < least or (value == 0 and name != "cost") or math.isinf(value):
                raise ValueError(f"{name} must be a finite number above 0, or None, not {value!r}")
        if self.retry is not None and not isinstance(self.retry, RetryPolicy):
            raise TypeError(f"retry must be a RetryPolicy or None (one attempt), not {self.retry!r}")
        for name in ("name", "key", "lane"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise TypeError(f"{name} must be text, not {value!r}")
        if not isinstance(self.metadata, Mapping):
            raise TypeError(f"metadata must be a mapping, not {self.metadata!r}")
