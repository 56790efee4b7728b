"""Run families of LLM jobs fairly, cheaply and visibly: groups, DAGs and lanes for the chains you have."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._context import GroupContext as GroupContext, JobContext as JobContext, current_job as current_job
from ._costs import CostUnit as CostUnit
from ._crossing import JobFuture as JobFuture
from ._engine import Engine as Engine
from ._errors import (
    AnswerTimeout as AnswerTimeout,
    AttemptTimeout as AttemptTimeout,
    BudgetExhausted as BudgetExhausted,
    BuildError as BuildError,
    CacheFailed as CacheFailed,
    CannotGoOn as CannotGoOn,
    Closed as Closed,
    DeadlineExceeded as DeadlineExceeded,
    EngineNotOpen as EngineNotOpen,
    IdleTimeout as IdleTimeout,
    InputError as InputError,
    JobCancelled as JobCancelled,
    JobError as JobError,
    JobFailed as JobFailed,
    JobSkipped as JobSkipped,
    JobSuspended as JobSuspended,
    KeyConflict as KeyConflict,
    LimitExceeded as LimitExceeded,
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
from ._http import (
    MISTAKES as MISTAKES,
    classify_error as classify_error,
    classify_http as classify_http,
)
from ._job import (
    NO_DEFAULT as NO_DEFAULT,
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
from ._limits import (
    Budget as Budget,
    CircuitBreaker as CircuitBreaker,
    Limits as Limits,
    OnExhausted as OnExhausted,
)
from ._middleware import (
    CallNext as CallNext,
    Middleware as Middleware,
    Scope as Scope,
    Settled as Settled,
)
from ._options import GroupOptions as GroupOptions, JobOptions as JobOptions, SubmitOptions as SubmitOptions
from ._output_errors import (
    OutputError as OutputError,
    OutputFailed as OutputFailed,
    OutputIncomplete as OutputIncomplete,
    OutputInvalid as OutputInvalid,
    OutputRefused as OutputRefused,
    ToolsCalled as ToolsCalled,
)
from ._policies import GroupPolicy as GroupPolicy, Lane as Lane, RetryPolicy as RetryPolicy
from ._rate_limits import (
    LimitKind as LimitKind,
    RateLimit as RateLimit,
    RateLimits as RateLimits,
    parse_rate_limits as parse_rate_limits,
)
from ._resources import BudgetHandle as BudgetHandle, ResourceHandle as ResourceHandle
from ._scheduler import WaitReason as WaitReason
from ._streams import Stream as Stream
from ._usage import Cost as Cost, Failure as Failure, Usage as Usage

if TYPE_CHECKING:
    from ._estimates import rough_tokens as rough_tokens
    from ._graphs._calls import Call as Call
    from ._graphs._dag import Dag as Dag, dag as dag
    from ._graphs._edge import Edge as Edge, Plan as Plan
    from ._graphs._flow import Flow as Flow, flow as flow
    from ._graphs._graph_body import OnFailure as OnFailure, OnSuspended as OnSuspended
    from ._graphs._registry import Registry as Registry
    from ._graphs._runs import GraphRun as GraphRun
    from ._graphs._steps import (
        CallOptions as CallOptions,
        GraphOptions as GraphOptions,
        NodeOptions as NodeOptions,
        TaskOptions as TaskOptions,
    )
    from ._graphs._symbols import From as From
    from ._graphs._tasks import Task as Task, task as task
    from ._graphs._together import as_completed as as_completed, gather as gather
    from ._jsonl import JsonlSink as JsonlSink, read_events as read_events
    from ._per_loop import PerLoop as PerLoop
    from ._prefix_cache import (
        CacheEntry as CacheEntry,
        CacheProvider as CacheProvider,
        PrefixCache as PrefixCache,
    )
    from ._prices import Price as Price, load_prices as load_prices, price_of as price_of
    from ._providers import Provider as Provider, load_providers as load_providers, provider as provider
    from ._report import RunReport as RunReport, RunTally as RunTally
    from ._report_parts import (
        AttemptReport as AttemptReport,
        CriticalPath as CriticalPath,
        ErrorReport as ErrorReport,
        GroupReport as GroupReport,
        LaneReport as LaneReport,
        LongestWait as LongestWait,
        QuestionReport as QuestionReport,
        RunTotals as RunTotals,
        TaskReport as TaskReport,
    )
    from ._report_text import STATUS_MARKS as STATUS_MARKS
    from ._savings import (
        Savings as Savings,
        SavingsOptions as SavingsOptions,
        SavingsTotals as SavingsTotals,
    )
    from ._savings_tally import SavingsTally as SavingsTally
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
    from ._span import Span as Span

__all__ = [
    "MISTAKES",
    "NO_DEFAULT",
    "STATUS_MARKS",
    "AbandonedAttempt",
    "AnswerTimeout",
    "Attempt",
    "AttemptReport",
    "AttemptTimeout",
    "Budget",
    "BudgetExhausted",
    "BudgetHandle",
    "BuildError",
    "CacheEntry",
    "CacheFailed",
    "CacheProvider",
    "Call",
    "CallNext",
    "CallOptions",
    "CallbackSink",
    "CannotGoOn",
    "CircuitBreaker",
    "Closed",
    "Cost",
    "CostUnit",
    "CriticalPath",
    "Dag",
    "DeadlineExceeded",
    "Edge",
    "Ended",
    "Engine",
    "EngineNotOpen",
    "ErrorInfo",
    "ErrorReport",
    "Executor",
    "ExecutorLike",
    "Failure",
    "Flow",
    "From",
    "GraphOptions",
    "GraphRun",
    "Group",
    "GroupContext",
    "GroupOptions",
    "GroupPolicy",
    "GroupReport",
    "Handle",
    "IdleTimeout",
    "InputError",
    "Job",
    "JobCancelled",
    "JobContext",
    "JobError",
    "JobFailed",
    "JobFuture",
    "JobOptions",
    "JobResult",
    "JobSkipped",
    "JobSuspended",
    "JsonlSink",
    "KeyConflict",
    "Lane",
    "LaneHandle",
    "LaneReport",
    "LaneSnapshot",
    "LimitExceeded",
    "LimitKind",
    "Limits",
    "LoggingSink",
    "LongestWait",
    "MemorySink",
    "Middleware",
    "NameTaken",
    "NoAdapter",
    "NodeOptions",
    "OnExhausted",
    "OnFailure",
    "OnSuspended",
    "OpenGroup",
    "OutputError",
    "OutputFailed",
    "OutputIncomplete",
    "OutputInvalid",
    "OutputRefused",
    "PacelineError",
    "PerLoop",
    "Plan",
    "PrefixCache",
    "Price",
    "Provider",
    "Question",
    "QuestionReport",
    "RateLimit",
    "RateLimits",
    "Registry",
    "ReplyRefused",
    "ResourceHandle",
    "RetryPolicy",
    "Role",
    "RunAgain",
    "RunReport",
    "RunTally",
    "RunTotals",
    "Savings",
    "SavingsOptions",
    "SavingsTally",
    "SavingsTotals",
    "Scope",
    "Settled",
    "Sink",
    "Snapshot",
    "Span",
    "Status",
    "Stream",
    "StreamLagged",
    "StreamRestarted",
    "SubmitOptions",
    "Suspend",
    "Task",
    "TaskOptions",
    "TaskReport",
    "TimeLimitExceeded",
    "ToolsCalled",
    "UnknownName",
    "Usage",
    "WaitReason",
    "WrongLoop",
    "as_completed",
    "as_executor",
    "classify_error",
    "classify_http",
    "current_job",
    "dag",
    "flow",
    "gather",
    "load_prices",
    "load_providers",
    "parse_rate_limits",
    "price_of",
    "provider",
    "read_events",
    "rough_tokens",
    "task",
]

# Loaded when first asked for: with them importing paceline would take half as long again.
_LATER = {
    "STATUS_MARKS": "_report_text",
    "AbandonedAttempt": "_snapshot",
    "AttemptReport": "_report_parts",
    "CacheEntry": "_prefix_cache",
    "CacheProvider": "_prefix_cache",
    "Call": "_graphs._calls",
    "CallOptions": "_graphs._steps",
    "CallbackSink": "_sinks",
    "CriticalPath": "_report_parts",
    "Dag": "_graphs._dag",
    "Edge": "_graphs._edge",
    "ErrorReport": "_report_parts",
    "Flow": "_graphs._flow",
    "From": "_graphs._symbols",
    "GraphOptions": "_graphs._steps",
    "GraphRun": "_graphs._runs",
    "GroupReport": "_report_parts",
    "JsonlSink": "_jsonl",
    "LaneReport": "_report_parts",
    "LaneSnapshot": "_snapshot",
    "LoggingSink": "_sinks",
    "LongestWait": "_report_parts",
    "MemorySink": "_sinks",
    "NodeOptions": "_graphs._steps",
    "OnFailure": "_graphs._graph_body",
    "OnSuspended": "_graphs._graph_body",
    "PerLoop": "_per_loop",
    "Plan": "_graphs._edge",
    "PrefixCache": "_prefix_cache",
    "Price": "_prices",
    "Provider": "_providers",
    "QuestionReport": "_report_parts",
    "Registry": "_graphs._registry",
    "RunReport": "_report",
    "RunTally": "_report",
    "RunTotals": "_report_parts",
    "Savings": "_savings",
    "SavingsOptions": "_savings",
    "SavingsTally": "_savings_tally",
    "SavingsTotals": "_savings",
    "Sink": "_sinks",
    "Snapshot": "_snapshot",
    "Span": "_span",
    "Task": "_graphs._tasks",
    "TaskOptions": "_graphs._steps",
    "TaskReport": "_report_parts",
    "as_completed": "_graphs._together",
    "dag": "_graphs._dag",
    "flow": "_graphs._flow",
    "gather": "_graphs._together",
    "load_prices": "_prices",
    "load_providers": "_providers",
    "price_of": "_prices",
    "provider": "_providers",
    "read_events": "_jsonl",
    "rough_tokens": "_estimates",
    "task": "_graphs._tasks",
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
