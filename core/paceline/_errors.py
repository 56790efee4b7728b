"""Every error that Paceline raises by itself.

PacelineError
 ├── JobError                   what awaiting a handle raises: the job did not succeed
 │    ├── JobFailed
 │    ├── JobCancelled
 │    ├── JobSkipped
 │    └── JobSuspended          it rests until its questions are answered
 ├── TimeLimitExceeded          why an attempt or a job was ended by its clock
 │    ├── AttemptTimeout        (also a TimeoutError)
 │    ├── IdleTimeout           (also a TimeoutError)
 │    ├── AnswerTimeout         (also a TimeoutError)
 │    └── DeadlineExceeded      (also a TimeoutError)
 ├── LimitExceeded              a job that needs more than a limit or a budget ever lets through
 ├── BudgetExhausted            too little of a budget is left for a job
 ├── EngineNotOpen              used before, or after, its `async with`
 ├── WrongLoop                  used from another event loop or thread
 ├── UnknownName                a lane, group, executor or job that is not there (also a LookupError)
 ├── NameTaken                  a group of that name is still unfinished
 ├── KeyConflict                one key, two payloads
 ├── Closed                     a lane or group that takes no more jobs
 ├── ReplyRefused               an answer that no open question asks for
 ├── CacheFailed                a group's prefix cache could not be made
 ├── StreamRestarted            the job is tried again after it had streamed
 ├── NoAdapter                  nothing here can run that object (also a TypeError)
 ├── BuildError                 a graph that cannot run as it is written
 ├── OutputError                a model's answer is not what was asked for: see `_output_errors`
 ├── CannotGoOn                 another attempt would not help
 ├── InputError                 a task's input cannot be made of what came before it
 └── RunAgain                   not an error: middleware raises it to send a job back
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "AnswerTimeout",
    "AttemptTimeout",
    "BudgetExhausted",
    "BuildError",
    "CacheFailed",
    "CannotGoOn",
    "Closed",
    "DeadlineExceeded",
    "EngineNotOpen",
    "IdleTimeout",
    "InputError",
    "JobCancelled",
    "JobError",
    "JobFailed",
    "JobSkipped",
    "JobSuspended",
    "KeyConflict",
    "LimitExceeded",
    "NameTaken",
    "NoAdapter",
    "PacelineError",
    "ReplyRefused",
    "RunAgain",
    "StreamRestarted",
    "TimeLimitExceeded",
    "UnknownName",
    "WrongLoop",
]


class PacelineError(Exception):
    """Base of every error that Paceline raises by itself."""


class JobError(PacelineError):
    """Raised when a handle is awaited whose job did not succeed.

    The job's own exception, where there is one, is the `__cause__`.
    """

    def __init__(self, job_id: str, name: str, message: str) -> None:
        super().__init__(message)
        self.job_id = job_id
        self.name = name


class JobFailed(JobError):
    """Raised when the awaited job ended `failed`: its attempts are used up or its error is not retryable."""


class JobCancelled(JobError):
    """Raised when the awaited job was cancelled."""


class JobSkipped(JobError):
    """Raised when the awaited job never ran, because something that it waited for did not succeed."""


class JobSuspended(JobError):
    """Raised when the awaited job rests on an open question: `engine.reply` answers it, then await again."""


class TimeLimitExceeded(PacelineError, TimeoutError):
    """Base of the time limits of a job."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class AttemptTimeout(TimeLimitExceeded):
    """Raised when one attempt took longer than the job's `timeout`."""


class IdleTimeout(TimeLimitExceeded):
    """Raised when an attempt showed no sign of life (emit, progress, usage) for `idle_timeout` seconds."""


class AnswerTimeout(TimeLimitExceeded):
    """Raised when a job had asked something, and not all answers came within the seconds that it gave."""


class DeadlineExceeded(TimeLimitExceeded):
    """Raised when a job had not ended `deadline` seconds after it was accepted, waits included."""


class LimitExceeded(PacelineError):
    """Raised when a job by itself needs more than a limit or a budget ever lets through.

    `limit` names it; `needed` and `most` are in its unit.
    """

    def __init__(self, limit: str, needed: float, most: float) -> None:
        super().__init__(
            f"it needs {needed:g} of {limit}, which never has more than {most:g} for one job: raise that, or "
            "make the job smaller"
        )
        self.limit: str = limit
        self.needed: float = needed
        self.most: float = most


class BudgetExhausted(PacelineError):
    """Raised when too little of a budget is left for a job, and jobs are not to wait for more.

    `budget` names it; `needed` and `left` are in its unit.
    """

    def __init__(self, budget: str, needed: float, left: float) -> None:
        super().__init__(
            f"it would need {needed:g} of {budget}, of which {max(left, 0.0):g} is left: raise the budget, "
            "or let jobs wait with on_exhausted='pause'"
        )
        self.budget: str = budget
        self.needed: float = needed
        self.left: float = left


class EngineNotOpen(PacelineError):
    """Raised when an engine is used outside its `async with` block.

    Probably you wrote:
        engine = Engine(executor)
        await engine.submit(payload)            # wrong: nobody opened it
    Instead:
        async with Engine(executor) as engine:
            await engine.submit(payload)
    """


class WrongLoop(PacelineError):
    """Raised when an engine is used from another event loop than the one that opened it."""

    def __init__(self, action: str) -> None:
        super().__init__(
            f"{action} was called outside the event loop that opened this engine; "
            "from other threads use engine.submit_threadsafe(payload, ...), and for all but submitting "
            "asyncio.run_coroutine_threadsafe(..., loop)"
        )


class UnknownName(PacelineError, LookupError):
    """Raised when a lane, group, executor or job is named that the engine does not have."""

    def __init__(self, kind: str, name: str, known: Iterable[str], remedy: str = "") -> None:
        self.kind = kind
        self.name = name
        self.known: tuple[str, ...] = tuple(sorted(known))
        listed = ", ".join(repr(each) for each in self.known[:20]) or "none"
        more = f" and {len(self.known) - 20} more" if len(self.known) > 20 else ""
        super().__init__(
            f"there is no {kind} named {name!r}; known: {listed}{more}" + (f"; {remedy}" if remedy else "")
        )


class NameTaken(PacelineError):
    """Raised when a new group takes the name of one that has not finished."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(
            f"a {kind} named {name!r} is still unfinished; wait for it, cancel it, or choose another name"
        )
        self.kind = kind
        self.name = name


class KeyConflict(PacelineError):
    """Raised when a key is submitted again with another payload."""

    def __init__(self, key: str, job_id: str) -> None:
        super().__init__(
            f"key {key!r} already belongs to job {job_id} with another payload; "
            "a key names one piece of work: use another key for other work"
        )
        self.key = key
        self.job_id = job_id


class Closed(PacelineError):
    """Raised when a job is submitted to a lane or group that takes no more."""

    def __init__(self, kind: str, name: str, remedy: str) -> None:
        super().__init__(f"{kind} {name!r} is closed and takes no more jobs; {remedy}")
        self.kind = kind
        self.name = name


class ReplyRefused(PacelineError):
    """Raised when a reply fits no open question: a second one, a stale one, or one of the wrong form.

    `misfit` says what of an answer does not fit its question, for who knows which that is.
    """

    def __init__(self, job_id: str, message: str, misfit: str | None = None) -> None:
        super().__init__(f"reply to job {job_id} refused: {message}")
        self.job_id: str = job_id
        self.misfit: str | None = misfit


class CacheFailed(PacelineError):
    """Raised when a prefix cache could not be made or named; the provider's own error is the `__cause__`."""


class StreamRestarted(PacelineError):
    """Raised out of `handle.stream()` when the job is tried again after chunks were heard.

    Throw away what was shown and call `handle.stream()` again to follow the new attempt.
    """

    def __init__(self, job_id: str, attempt: int) -> None:
        super().__init__(
            f"job {job_id} is tried again after attempt {attempt} had streamed; call stream() again"
        )
        self.job_id = job_id
        self.attempt = attempt


class NoAdapter(PacelineError, TypeError):
    """Raised when `as_executor` is given an object that no installed adapter can run."""


class BuildError(PacelineError):
    """Raised when a graph cannot run as it is written; the message names the graph, the task and the edge."""


class CannotGoOn(PacelineError):
    """Raised by an executor or task when another attempt would not help: the job fails without one.

    What it had done before must not be repeated, or what it needs to go on from is gone: it is for people to
    say whether the job is to be submitted anew.
    """


class InputError(PacelineError):
    """Raised when the input of a task cannot be made of what was given or of what came before it."""


class RunAgain(PacelineError):
    """Raised by middleware (or an executor) to send the job back for another attempt, with a new payload.

    It is not a failure: it uses up none of the attempts of the retry policy.
    """

    def __init__(self, payload: object) -> None:
        super().__init__("run this job again with another payload")
        self.payload = payload
