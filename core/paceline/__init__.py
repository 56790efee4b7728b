"""Run families of LLM jobs fairly, cheaply and visibly: groups, DAGs and lanes for the chains you have."""

from ._context import GroupContext as GroupContext
from ._context import JobContext as JobContext
from ._context import current_job as current_job
from ._costs import CostUnit as CostUnit
from ._crossing import JobFuture as JobFuture
from ._engine import Engine as Engine
from ._errors import AttemptTimeout as AttemptTimeout
from ._errors import Closed as Closed
from ._errors import DeadlineExceeded as DeadlineExceeded
from ._errors import EngineNotOpen as EngineNotOpen
from ._errors import IdleTimeout as IdleTimeout
from ._errors import JobCancelled as JobCancelled
from ._errors import JobError as JobError
from ._errors import JobFailed as JobFailed
from ._errors import JobSkipped as JobSkipped
from ._errors import JobSuspended as JobSuspended
from ._errors import KeyConflict as KeyConflict
from ._errors import NameTaken as NameTaken
from ._errors import NoAdapter as NoAdapter
from ._errors import PacelineError as PacelineError
from ._errors import ReplyRefused as ReplyRefused
from ._errors import RunAgain as RunAgain
from ._errors import StreamRestarted as StreamRestarted
from ._errors import TimeLimitExceeded as TimeLimitExceeded
from ._errors import UnknownName as UnknownName
from ._errors import WrongLoop as WrongLoop
from ._executor import Executor as Executor
from ._executor import ExecutorLike as ExecutorLike
from ._executor import as_executor as as_executor
from ._groups import Group as Group
from ._groups import OpenGroup as OpenGroup
from ._handles import Handle as Handle
from ._job import Attempt as Attempt
from ._job import Ended as Ended
from ._job import ErrorInfo as ErrorInfo
from ._job import Job as Job
from ._job import JobResult as JobResult
from ._job import Question as Question
from ._job import Role as Role
from ._job import Status as Status
from ._job import StreamLagged as StreamLagged
from ._job import Suspend as Suspend
from ._jsonl import JsonlSink as JsonlSink
from ._jsonl import read_events as read_events
from ._lane_handles import LaneHandle as LaneHandle
from ._middleware import CallNext as CallNext
from ._middleware import Middleware as Middleware
from ._middleware import Scope as Scope
from ._options import SubmitOptions as SubmitOptions
from ._policies import GroupPolicy as GroupPolicy
from ._policies import Lane as Lane
from ._policies import RetryPolicy as RetryPolicy
from ._scheduler import WaitReason as WaitReason
from ._sinks import CallbackSink as CallbackSink
from ._sinks import LoggingSink as LoggingSink
from ._sinks import MemorySink as MemorySink
from ._sinks import Sink as Sink
from ._snapshot import AbandonedAttempt as AbandonedAttempt
from ._snapshot import LaneSnapshot as LaneSnapshot
from ._snapshot import Snapshot as Snapshot
from ._streams import Stream as Stream
from ._usage import Cost as Cost
from ._usage import Failure as Failure
from ._usage import Usage as Usage
from ._usage import classify_http as classify_http

__all__ = [
    "AbandonedAttempt",
    "Attempt",
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
    "Executor",
    "ExecutorLike",
    "Failure",
    "Group",
    "GroupContext",
    "GroupPolicy",
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
    "LaneSnapshot",
    "LoggingSink",
    "MemorySink",
    "Middleware",
    "NameTaken",
    "NoAdapter",
    "OpenGroup",
    "PacelineError",
    "Question",
    "ReplyRefused",
    "RetryPolicy",
    "Role",
    "RunAgain",
    "Scope",
    "Sink",
    "Snapshot",
    "Status",
    "Stream",
    "StreamLagged",
    "StreamRestarted",
    "SubmitOptions",
    "Suspend",
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

# Tracebacks, logs and reprs show the public name.
for _name in __all__:
    _value = globals()[_name]
    if isinstance(_value, type):
        _value.__module__ = __name__
del _name, _value
