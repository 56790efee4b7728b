"""The pure scheduler: when a job may run, and which ready job goes next."""

from ._entries import (
    Edge as Edge,
    Entry as Entry,
    GroupState as GroupState,
    Leftover as Leftover,
    Node as Node,
    State as State,
)
from ._lanes import LaneState as LaneState
from ._scheduler import Scheduler as Scheduler
from ._waiting import WaitReason as WaitReason

__all__ = ["Edge", "Entry", "GroupState", "LaneState", "Leftover", "Node", "Scheduler", "State", "WaitReason"]
