"""What events are made of: the stamp that each carries, and what several of them say in the same words."""

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["AskedQuestion", "ErrorText", "LaneLoad", "Recorded", "Waits"]


@dataclass(slots=True)
class ErrorText:
    """What went wrong, as text. `message` is empty where it was withheld: it often quotes the prompt."""

    type: str
    message: str = ""


@dataclass(slots=True)
class AskedQuestion:
    """One open question of a suspended job. `value` is None where content was withheld."""

    id: str
    value: Any = None


@dataclass(slots=True)
class LaneLoad:
    """What waits and runs in a lane at a moment; `share` is its part of all that was served so far."""

    ready: int
    running: int
    unfinished: int
    weight: float
    share: float


@dataclass(slots=True)
class Waits:
    """What holds some jobs, in the words of `WaitReason`; `until` is wall time, where it is known.

    `count` says how many jobs, `jobs` holds the ids of the first of them.
    """

    kind: str
    on: str | None = None  # what is None is not written
    text: str = ""
    count: int = 0
    jobs: tuple[str, ...] = ()
    until: float | None = None


# Not frozen: a frozen dataclass takes three times as long to make, and the recorder fills in the stamp below.
@dataclass(slots=True, kw_only=True)
class Recorded:
    """The stamp, put on by the recorder: `seq` counts from 1 in a run, `time` is wall time in epoch seconds.

    `v` is the version of the format: fields and types may be added under the same version, so a gap in `seq`
    or an unknown field is no damage.
    """

    v: Literal[1] = 1
    seq: int = 0
    time: float = 0.0
    run: str = ""
