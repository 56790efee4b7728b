"""Why a job is not running now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["WaitKind", "WaitReason"]

WaitKind: TypeAlias = Literal[
    "dependency",
    "release",
    "settle",
    "active_groups",
    "group_in_flight",
    "lane_cap",
    "lane_share",
    "slot",
    "backoff",
    "children",
    "reply",
]

_TEXT: dict[WaitKind, str] = {
    "dependency": "waits for {on}",
    "release": "waits for the release of group {on}",
    "settle": "waits for the prefix of group {on} to settle",
    "active_groups": "waits for a place among the active groups",
    "group_in_flight": "group {on} has as many jobs in flight as it may",
    "lane_cap": "lane {on} has as many jobs running as it may",
    "lane_share": "other lanes are served before lane {on}",
    "slot": "waits for a free slot",
    "backoff": "waits before the next attempt",
    "children": "waits for jobs of its own",
    "reply": "waits for an answer",
}


@dataclass(frozen=True, slots=True)
class WaitReason:
    """The one thing that holds a job now.

    `on` names what it waits for: a job id, a group or a lane, where there is one. `until` is the time at
    which the wait ends, where that is known, in seconds on the clock of the engine's event loop.

    dependency: something in `after` has not ended. release, settle: the group's primer is not that far.
    active_groups: `max_active_groups` are active. group_in_flight: the group's `in_flight` is reached.
    lane_cap: the lane's `max_running` is reached. lane_share: every slot is taken and other lanes come
    first. slot: every slot is taken. backoff: the next attempt is not due. children: parked while it
    awaits its own jobs. reply: suspended.
    """

    kind: WaitKind
    on: str | None = None
    until: float | None = None

    def __str__(self) -> str:
        text = _TEXT[self.kind].format(on=self.on)
        return text if self.until is None else f"{text} until {self.until:.3f}"
