"""What is known of the run as a whole and of its lanes and limits: read it, change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ._counts import Counts

__all__ = ["LaneView", "LimitView", "RunView"]


@dataclass(slots=True, eq=False)
class RunView:
    """The run: times in epoch seconds, `None` where the log does not say.

    `outcome` is "completed", "cancelled" or "failed", and None while it goes on. `counts` is what the run
    itself said at its end.
    """

    id: str = ""
    slots: int | None = None
    started: float | None = None
    ended: float | None = None
    outcome: str | None = None
    error: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    counts: Mapping[str, int] | None = None


@dataclass(slots=True, eq=False)
class LaneView:
    """A lane: its weight against what it got.

    `served` is the cost charged so far, in the engine's unit; `share` its part of what all lanes were served
    (0 to 1), `due` its part by weight among the lanes that have unfinished jobs now.
    """

    name: str
    weight: float = 1.0
    max_running: int | None = None
    closed: bool = False
    counts: Counts = field(default_factory=Counts)
    served: float = 0.0
    share: float = 0.0
    due: float = 0.0
    sampled: float | None = None
    """Its share as the engine last said it, running jobs included."""


@dataclass(slots=True, eq=False)
class LimitView:
    """A limit at which jobs wait: why, since when, and until when if that is known (epoch seconds)."""

    name: str
    why: str
    since: float
    until: float | None = None
