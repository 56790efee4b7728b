"""The pure scheduler: when a job may run, and which ready job goes next."""

from ._entries import Edge as Edge
from ._entries import Entry as Entry
from ._entries import GroupState as GroupState
from ._entries import Leftover as Leftover
from ._entries import Node as Node
from ._entries import State as State
from ._lanes import LaneState as LaneState
from ._scheduler import Scheduler as Scheduler
from ._waiting import WaitReason as WaitReason

__all__ = ["Edge", "Entry", "GroupState", "LaneState", "Leftover", "Node", "Scheduler", "State", "WaitReason"]
