"""What became of a run, summed up from its event log: for `paceline show`, and for programs as JSON.

from paceline_integrations.summary import summarise
summary = summarise("run.jsonl")
print(summary.totals.failed, summary.errors[0].message)
summary.model_dump_json()
"""

from ._model import (
    ErrorSummary as ErrorSummary,
    HeldSummary as HeldSummary,
    JobPlace as JobPlace,
    LaneSummary as LaneSummary,
    LogSummary as LogSummary,
    OpenQuestion as OpenQuestion,
    RunSummary as RunSummary,
    SlowJob as SlowJob,
    StuckSummary as StuckSummary,
    WaitedJob as WaitedJob,
)
from ._reading import summarise as summarise
from ._shares import ShareTally as ShareTally
from ._tally import SummaryTally as SummaryTally

__all__ = [
    "ErrorSummary",
    "HeldSummary",
    "JobPlace",
    "LaneSummary",
    "LogSummary",
    "OpenQuestion",
    "RunSummary",
    "ShareTally",
    "SlowJob",
    "StuckSummary",
    "SummaryTally",
    "WaitedJob",
    "summarise",
]
