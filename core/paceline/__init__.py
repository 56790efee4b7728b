"""Run families of LLM jobs fairly, cheaply and visibly: groups, DAGs and lanes for the chains you have."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._context import GroupContext as GroupContext, JobContext as JobContext, current_job as current_job
from ._costs import CostUnit as CostUnit
from ._crossing import JobFuture as JobFuture
from ._engine import Engine as Engine
from ._errors import (
    AttemptTimeout as AttemptTimeout,
    Closed as Closed,
    DeadlineExceeded as DeadlineExceeded,
    EngineNotOpen as EngineNotOpen,
    IdleTimeout as IdleTimeout,
    JobCancelled as JobCancelled,
    JobError as JobError,
    JobFailed as JobFailed,
    JobSkipped as JobSkipped,
    JobSuspended as JobSuspended,
    KeyConflict as KeyConflict,
    NameTaken as NameTaken,
    NoAdapter as NoAdapter,
    PacelineError as PacelineError,
    ReplyRefused as ReplyRefused,
    RunAgain as RunAgain,
    StreamRestarted as StreamRestarted,
    TimeLimitExceeded as TimeLimitExceeded,
    UnknownName as UnknownName,
    WrongLoop as WrongLoop,
)
from ._executor import Executor as Executor, ExecutorLike as ExecutorLike, as_executor as as_executor
from ._groups import Group as Group, OpenGroup as OpenGroup
from ._handles import Handle as Handle
from ._job import (
    Attempt as Attempt,
    Ended as Ended,
    ErrorInfo as ErrorInfo,
    Job as Job,
    JobResult as JobResult,
    Question as Question,
    Role as Role,
    Status as Status,
    StreamLagged as StreamLagged,
    Suspend as Suspend,
)
from ._lane_handles import LaneHandle as LaneHandle
from ._middleware import CallNext as CallNext, Middleware as Middleware, Scope as Scope
from ._options import GroupOptions as GroupOptions, SubmitOptions as SubmitOptions
from ._policies import GroupPolicy as GroupPolicy, Lane as Lane, RetryPolicy as RetryPolicy
from ._scheduler import WaitReason as WaitReason
from ._streams import Stream as Stream
from ._usage import Cost as Cost, Failure as Failure, Usage as Usage, classify_http as classify_http

if TYPE_CHECKING:
    from ._jsonl import JsonlSink as JsonlSink, read_events as read_events
    from ._report import (
        AttemptReport as AttemptReport,
        ErrorReport as ErrorReport,
        GroupReport as GroupReport,
        LaneReport as LaneReport,
        QuestionReport as QuestionReport,
        RunReport as RunReport,
        RunTally as RunTally,
        RunTotals as RunTotals,
        TaskReport as TaskReport,
    )
    from ._sinks import (
        CallbackSink as CallbackSink,
        LoggingSink as LoggingSink,
        MemorySink as MemorySink,
        Sink as Sink,
    )
    from ._snapshot import (
        AbandonedAttempt as AbandonedAttempt,
        LaneSnapshot as LaneSnapshot,
        Snapshot as Snapshot,
    )

__all__ = [
    "AbandonedAttempt",
    "Attempt",
    "AttemptReport",
    "AttemptTimeout",
    "CallNext",
    "CallbackSink",
    "Closed",
    "Cost",
    "CostUnit",
    "DeadlineExceeded",
    "Ended",
    "Engine",
    "EngineNotOpen",
    "ErrorInfo",
    "ErrorReport",
    "Executor",
    "ExecutorLike",
    "Failure",
    "Group",
    "GroupContext",
    "GroupOptions",
    "GroupPolicy",
    "GroupReport",
    "Handle",
    "IdleTimeout",
    "Job",
    "JobCancelled",
    "JobContext",
    "JobError",
    "JobFailed",
    "JobFuture",
    "JobResult",
    "JobSkipped",
    "JobSuspended",
    "JsonlSink",
    "KeyConflict",
    "Lane",
    "LaneHandle",
    "LaneReport",
    "LaneSnapshot",
    "LoggingSink",
    "MemorySink",
    "Middleware",
    "NameTaken",
    "NoAdapter",
    "OpenGroup",
    "PacelineError",
    "Question",
    "QuestionReport",
    "ReplyRefused",
    "RetryPolicy",
    "Role",
    "RunAgain",
    "RunReport",
    "RunTally",
    "RunTotals",
    "Scope",
    "Sink",
    "Snapshot",
    "Status",
    "Stream",
    "StreamLagged",
    "StreamRestarted",
    "SubmitOptions",
    "Suspend",
    "TaskReport",
    "TimeLimitExceeded",
    "UnknownName",
    "Usage",
    "WaitReason",
    "WrongLoop",
    "as_executor",
    "classify_http",
    "current_job",
    "read_events",
]

# Loaded when first asked for: with them importing paceline would take half as long again.
_LATER = {
    "AbandonedAttempt": "_snapshot",
    "AttemptReport": "_report",
    "CallbackSink": "_sinks",
    "ErrorReport": "_report",
    "GroupReport": "_report",
    "JsonlSink": "_jsonl",
    "LaneReport": "_report",
    "LaneSnapshot": "_snapshot",
    "LoggingSink": "_sinks",
    "MemorySink": "_sinks",
    "QuestionReport": "_report",
    "RunReport": "_report",
    "RunTally": "_report",
    "RunTotals": "_report",
    "Sink": "_sinks",
    "Snapshot": "_snapshot",
    "TaskReport": "_report",
    "read_events": "_jsonl",
}

# Tracebacks, logs and reprs show the public name.
for _value in [globals()[_name] for _name in __all__ if _name not in _LATER]:
    if isinstance(_value, type):
        _value.__module__ = __name__


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_LATER[name]}", __name__), name)
    if isinstance(value, type):
        value.__module__ = __name__
    globals()[name] = value
    return value
