"""The pure scheduler: when a job may run, and which ready job goes next."""

from ._entries import (
    Cap as Cap,
    Edge as Edge,
    Entry as Entry,
    GroupState as GroupState,
    Leftover as Leftover,
    Node as Node,
    State as State,
)
from ._lanes import LaneState as LaneState
from ._scheduler import Scheduler as Scheduler
from ._waiting import WaitKind as WaitKind, WaitReason as WaitReason, tightest as tightest

__all__ = [
    "Cap",
    "Edge",
    "Entry",
    "GroupState",
    "LaneState",
    "Leftover",
    "Node",
    "Scheduler",
    "State",
    "WaitKind",
    "WaitReason",
    "tightest",
]
