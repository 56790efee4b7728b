"""The record of a run, typed: what sinks are given and what a log is read back into.

A log is read with `paceline.read_events(path)`; `v` is the version of the format, 1 so far.
"""

from ._event_lines import (
    Content as Content,
    UnreadableEvent as UnreadableEvent,
    dump_event as dump_event,
    parse_event as parse_event,
)
from ._events import (
    AskedQuestion as AskedQuestion,
    AttemptAbandoned as AttemptAbandoned,
    AttemptGone as AttemptGone,
    CacheMissed as CacheMissed,
    ErrorText as ErrorText,
    Event as Event,
    EventsDropped as EventsDropped,
    GroupEnded as GroupEnded,
    GroupReleased as GroupReleased,
    GroupReprimed as GroupReprimed,
    GroupStarted as GroupStarted,
    JobChunk as JobChunk,
    JobEnded as JobEnded,
    JobFirstToken as JobFirstToken,
    JobProgress as JobProgress,
    JobReplied as JobReplied,
    JobRetried as JobRetried,
    JobStarted as JobStarted,
    JobSubmitted as JobSubmitted,
    JobSuspended as JobSuspended,
    LaneChanged as LaneChanged,
    LaneLoad as LaneLoad,
    LimitLifted as LimitLifted,
    LimitReached as LimitReached,
    PrefixCached as PrefixCached,
    QueueSampled as QueueSampled,
    RunEnded as RunEnded,
    RunStarted as RunStarted,
    SpanEnded as SpanEnded,
    Waits as Waits,
)

__all__ = [
    "AskedQuestion",
    "AttemptAbandoned",
    "AttemptGone",
    "CacheMissed",
    "Content",
    "ErrorText",
    "Event",
    "EventsDropped",
    "GroupEnded",
    "GroupReleased",
    "GroupReprimed",
    "GroupStarted",
    "JobChunk",
    "JobEnded",
    "JobFirstToken",
    "JobProgress",
    "JobReplied",
    "JobRetried",
    "JobStarted",
    "JobSubmitted",
    "JobSuspended",
    "LaneChanged",
    "LaneLoad",
    "LimitLifted",
    "LimitReached",
    "PrefixCached",
    "QueueSampled",
    "RunEnded",
    "RunStarted",
    "SpanEnded",
    "UnreadableEvent",
    "Waits",
    "dump_event",
    "parse_event",
]

# Tracebacks, logs and reprs show the public name.
for _value in [globals()[_name] for _name in __all__]:
    if isinstance(_value, type):
        _value.__module__ = __name__
