"""What a run is doing, from its events alone: the one model from which screens, summaries and pages draw."""

from paceline_integrations.visible import plain_text as plain_text

from ._again import RETRY_OF as RETRY_OF
from ._bars import Bar as Bar
from ._counts import Counts as Counts, Totals as Totals
from ._phrases import phrase as phrase
from ._reader import EmptyLog as EmptyLog, LogReader as LogReader, NotALog as NotALog, load as load
from ._reasons import Why as Why
from ._state import RunState as RunState
from ._stuck import Stuck as Stuck
from ._views import (
    AttemptView as AttemptView,
    GroupView as GroupView,
    JobView as JobView,
    LaneView as LaneView,
    Node as Node,
    RunView as RunView,
)

__all__ = [
    "RETRY_OF",
    "AttemptView",
    "Bar",
    "Counts",
    "EmptyLog",
    "GroupView",
    "JobView",
    "LaneView",
    "LogReader",
    "Node",
    "NotALog",
    "RunState",
    "RunView",
    "Stuck",
    "Totals",
    "Why",
    "load",
    "phrase",
    "plain_text",
]
