"""What an engine was made with, checked when it is made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ._costs import Costs
from ._middleware import MiddlewareStack
from ._policies import Lane, RetryPolicy
from ._sinks import Sink

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The engine's arguments, as the run uses them."""

    executor: object
    lanes: Sequence[Lane]
    slots: int
    costs: Costs
    retry: RetryPolicy | None
    middleware: MiddlewareStack
    sinks: Sequence[Sink]
    max_pending: int | None
    max_active_groups: int | None
    grace: float
    run_id: str | None
    metadata: Mapping[str, object] = field(default_factory=dict[str, object])

    def __post_init__(self) -> None:
        for name in ("slots", "max_pending", "max_active_groups"):
            value = getattr(self, name)
            if (value is None and name != "slots") or (type(value) is int and value >= 1):
                continue
            raise ValueError(f"Engine: {name} must be a whole number of at least 1, not {value!r}")
        grace = self.grace
        if isinstance(grace, bool) or not isinstance(grace, int | float) or not 0 <= grace < math.inf:
            raise ValueError(f"Engine: grace must be a finite number of seconds, at least 0, not {grace!r}")
        if self.retry is not None and not isinstance(self.retry, RetryPolicy):
            raise TypeError(f"Engine: retry must be a RetryPolicy or None, not {self.retry!r}")
        if self.run_id is not None and (not isinstance(self.run_id, str) or not self.run_id):
            raise ValueError(f"Engine: run_id must be a text that is not empty, or None, not {self.run_id!r}")
        for lane in self.lanes:
            if not isinstance(lane, Lane):
                raise TypeError(
                    f"Engine: lanes must be Lane objects, not {lane!r}; write Lane({lane!r}, weight=...)"
                )
        names = [lane.name for lane in self.lanes]
        if len(set(names)) < len(names):
            raise ValueError(f"Engine: lanes have distinct names, not {sorted(names)}")
