"""The pure scheduler: when a job may run, and which ready job goes next."""

from ._breaker import Breaker as Breaker
from ._entries import (
    Cap as Cap,
    Edge as Edge,
    Entry as Entry,
    GroupState as GroupState,
    Leftover as Leftover,
    Node as Node,
    State as State,
)
from ._gates import Block as Block, Gate as Gate, Note as Note
from ._lanes import LaneState as LaneState
from ._meters import Allowance as Allowance, Rate as Rate, Unit as Unit
from ._pools import Pool as Pool
from ._scheduler import Scheduler as Scheduler
from ._sharing import UNCAPPED as UNCAPPED, Sharing as Sharing
from ._waiting import WaitKind as WaitKind, WaitReason as WaitReason, tightest as tightest
from ._warmth import Warmth as Warmth

__all__ = [
    "UNCAPPED",
    "Allowance",
    "Block",
    "Breaker",
    "Cap",
    "Edge",
    "Entry",
    "Gate",
    "GroupState",
    "LaneState",
    "Leftover",
    "Node",
    "Note",
    "Pool",
    "Rate",
    "Scheduler",
    "Sharing",
    "State",
    "Unit",
    "WaitKind",
    "WaitReason",
    "tightest",
]
