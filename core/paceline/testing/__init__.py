"""What Paceline's own tests are made of, for yours: a virtual clock and executors that behave, or do not."""

from ._clock import VirtualClock as VirtualClock
from ._errors import ClockRefused as ClockRefused, ClockStalled as ClockStalled
from ._executors import (
    Block as Block,
    DelayExecutor as DelayExecutor,
    EchoExecutor as EchoExecutor,
    Fault as Fault,
    FaultExecutor as FaultExecutor,
    Hang as Hang,
    Nonsense as Nonsense,
    Raise as Raise,
)

__all__ = [
    "Block",
    "ClockRefused",
    "ClockStalled",
    "DelayExecutor",
    "EchoExecutor",
    "Fault",
    "FaultExecutor",
    "Hang",
    "Nonsense",
    "Raise",
    "VirtualClock",
]

for _name in __all__:  # tracebacks and reprs say where a name is to be imported from
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = __name__
