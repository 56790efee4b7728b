"""What a run is doing, from its events alone: the one model from which screens, summaries and pages draw."""

from paceline_integrations.visible import plain_text as plain_text

from ._bars import Bar as Bar
from ._counts import Counts as Counts, Totals as Totals
from ._failures import FailureView as FailureView
from ._phrases import phrase as phrase
from ._reader import EmptyLog as EmptyLog, LogReader as LogReader, NotALog as NotALog, load as load
from ._reasons import Why as Why
from ._run_views import LaneView as LaneView, LimitView as LimitView, RunView as RunView
from ._state import RunState as RunState
from ._stuck import Stuck as Stuck
from ._views import (
    AttemptView as AttemptView,
    GroupView as GroupView,
    JobView as JobView,
    Node as Node,
    SpanView as SpanView,
)

__all__ = [
    "AttemptView",
    "Bar",
    "Counts",
    "EmptyLog",
    "FailureView",
    "GroupView",
    "JobView",
    "LaneView",
    "LimitView",
    "LogReader",
    "Node",
    "NotALog",
    "RunState",
    "RunView",
    "SpanView",
    "Stuck",
    "Totals",
    "Why",
    "load",
    "phrase",
    "plain_text",
]
