"""What an executor sees of the attempt that it runs, and the way back to the engine."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Callable, Mapping
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, final

from ._errors import EngineNotOpen, PacelineError
from ._handles import Handle
from ._job import NO_DEFAULT, Job, JobResult, Suspend
from ._live import CURRENT
from ._rate_limits import RateLimits, parse_rate_limits
from ._usage import Usage

if TYPE_CHECKING:
    from typing import Unpack

    from ._live import LiveAttempt
    from ._options import SubmitOptions
    from ._record import GroupRecord
    from ._span import Span

__all__ = ["GroupContext", "JobContext", "current_job"]


def current_job() -> JobContext | None:
    """Return the context of the job attempt that this code runs in, threads included; None outside of any."""
    live = CURRENT.get()
    return None if live is None else JobContext(live)


@final
class GroupContext:
    """What the jobs of a group know of it: its name and metadata, and what its primer hands on."""

    __slots__ = ("_group",)

    def __init__(self, group: GroupRecord) -> None:
        self._group = group

    @property
    def name(self) -> str:
        """The group's name."""
        return self._group.label

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The group's metadata, as submitted."""
        return self._group.metadata

    @property
    def primer(self) -> JobResult | None:
        """The primer's result, once it has ended."""
        primer = self._group.primer_record
        return None if primer is None or primer.status is None else primer.result()

    @property
    def shared(self) -> Any:
        """What the primer shared last; None before."""
        return self._group.shared

    def share(self, value: Any) -> None:
        """Hand a value to the group's followers (a session, a plan), from the primer, while it still runs."""
        self._group.shared = value

    @property
    def cache_key(self) -> str:
        """A short text for a provider to know the group's shared prefix by: a cache key, a session header.

        The same for all jobs of the group, and for a group of the same name in a later run. At most 64
        printable ASCII characters, as OpenAI's `prompt_cache_key` and HTTP headers take.
        """
        name = self._group.label
        if len(name) <= 64 and name.isascii() and name.isprintable():
            return name
        digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()
        return f"group-{digest[:48]}"


@final
class JobContext:
    """One attempt at a job, as its executor sees it; also what `current_job()` returns anywhere below.

    Everything here may be called from the job's threads too, and nothing here waits, but `spawn` and `ask`.
    After the attempt was given up (cancelled, timed out) only `usage`, `rate_limits` and `trace` still count.
    """

    __slots__ = ("_live",)

    def __init__(self, live: LiveAttempt) -> None:
        self._live = live

    def __repr__(self) -> str:
        return f"<JobContext {self.job.name!r} attempt {self.attempt}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JobContext) and other._live is self._live

    def __hash__(self) -> int:
        return hash(self._live)

    # What the executor says.

    def emit(self, chunk: object, *, first_token: bool = True) -> None:
        """Hand a chunk of output to whoever listens; the first one counts as the first token.

        Not so with `first_token=False`: for what comes before the provider has begun to answer, such as a
        document that is passed through.
        """
        attempts = self._live.run.attempts
        self._call(attempts.emit if first_token else attempts.hand_on, self._live, chunk)

    def first_token(self) -> None:
        """Say that the provider has begun to answer: a primer's followers may start."""
        self._call(self._live.run.attempts.first_token, self._live)

    def progress(self, message: str, fraction: float | None = None) -> None:
        """Report progress, for the events; `fraction` from 0 to 1 where it is known."""
        self._call(self._live.run.attempts.progress, self._live, message, fraction)

    def usage(self, usage: Usage) -> None:
        """Add what one provider call used (it counts as one request where it does not say)."""
        if not isinstance(usage, Usage):  # pyright: ignore[reportUnnecessaryIsInstance]  # user code, often untyped
            raise TypeError(f"ctx.usage takes a paceline.Usage, not {type(usage).__name__}")
        self._call(self._live.run.attempts.add_usage, self._live, usage)

    def rate_limits(self, told: RateLimits | Mapping[str, str]) -> None:
        """Say what a response told of its provider's limits: its headers, or what was read from them.

        Headers are read as `parse_rate_limits` does; where they tell nothing, nothing happens.

        Raises:
            TypeError: if `told` is neither a RateLimits nor a mapping.
        """
        run = self._live.run
        if isinstance(told, RateLimits):
            limits: RateLimits | None = told
        elif isinstance(told, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # user code, often untyped
            limits = parse_rate_limits(told, now=run.hooks.wall(run.loop.time()))
        else:
            raise TypeError(f"ctx.rate_limits takes headers or a RateLimits, not {type(told).__name__}")
        if limits is not None:
            self._call(run.attempts.rate_limits, self._live, limits)

    def checkpoint(self, state: Any) -> None:
        """Keep how far this attempt came: a later attempt at the job finds it as `job.state`.

        It takes the place of what a `Suspend` had saved and of the reply to it, so neither is used twice.
        """
        self._call(self._live.run.attempts.checkpoint, self._live, state)

    def trace(self, span: Span) -> None:
        """Hand on what a framework traces inside the attempt: once as it starts, once when it has ended.

        Middleware hears of it (`on_span`) in the caller's context; an ended span is also an event. Where
        `tracing` is false nobody does.
        """
        live = self._live
        live.run.executors.middleware.span(live.job, span)
        if span.ended is not None and live.run.history is not None:
            self._call(live.run.history.traced, live, span)

    # What it may ask.

    @property
    def job(self) -> Job:
        """The job, as data."""
        return self._live.job

    @property
    def run_id(self) -> str:
        """The id of the engine's run, as in its events."""
        return self._live.run.id

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self._live.number

    @property
    def waited(self) -> float:
        """Seconds for which this attempt waited: since its job was submitted, or the last attempt ended."""
        return self._live.waited

    @property
    def cancelled(self) -> bool:
        """Whether the attempt was given up; sync code should look now and then."""
        return self._live.cancelled

    @property
    def streaming(self) -> bool:
        """Whether chunks are of use: asked for, listened to, or needed to release followers early."""
        return self._live.run.wants_stream(self._live.record)

    @property
    def tracing(self) -> bool:
        """Whether anybody wants to see what a framework traces (`trace`)."""
        run = self._live.run
        return run.history is not None or run.executors.middleware.sees_spans

    @property
    def group(self) -> GroupContext | None:
        """The job's group, if it has one."""
        group = self._live.record.group_record
        return None if group is None else GroupContext(group)

    @property
    def primes(self) -> bool:
        """Whether it establishes its group's prefix: as its primer, or once that expired, as a follower."""
        group = self._live.record.group_record
        return group is not None and (self.job.role == "primer" or group.leads(self._live.record))

    @property
    def cache(self) -> Any:
        """The handle of the group's prefix cache (`submit_group(..., cache=)`); None where there is none."""
        group = self._live.record.group_record
        return None if group is None or group.prefix is None else group.prefix.handle

    async def spawn(self, payload: Any, **options: Unpack[SubmitOptions]) -> Handle:
        """Submit a child of this job, to its lane unless told otherwise; cancelled with its parent.

        Raises:
            EngineNotOpen: if this attempt is over or was given up.
        """
        if not self._live.live:
            raise EngineNotOpen(f"job {self.job.id} has ended or was given up; it cannot spawn another")
        options.setdefault("lane", self.job.lane)
        return Handle(await self._live.run.intake.submit(payload, options, self._live))

    async def ask(
        self,
        question: Any,
        *,
        schema: Any = None,
        timeout: float | None = None,
        default: Any = NO_DEFAULT,
    ) -> Any:
        """Ask a person, in a flow: it rests until `engine.reply(flow_id, answer)`, and goes on with that.

        `schema`: what the answer must fit, a type or a JSON Schema, as in `Suspend`. `timeout`: seconds after
        which the answer is `default`, if that is given.

        Raises:
            PacelineError: outside the body of a flow; a task asks by returning `Suspend`.
            AnswerTimeout: if there is no answer in time, and no default.
        """
        Suspend(question, timeout=timeout, default=default)  # checks both
        body = self._live.record.body
        if body is None or body.kind != "flow":
            raise PacelineError(
                f"ctx.ask works in flows only; job {self.job.name!r} asks by returning "
                f"Suspend({question!r}, schema={schema!r})"
            )
        return await body.ask(question, schema, timeout, default)

    # The core's own.

    def _call(self, function: Callable[..., object], *args: object) -> None:
        run = self._live.run
        if threading.get_ident() == run.thread:
            function(*args)
        else:
            run.from_thread(function, *args)

    async def on_thread(self, call: Callable[[], object]) -> object:
        """Run a blocking call on a thread of the engine's; the attempt has not ended before it has.

        Context variables are seen inside; so is `current_job()`.
        """
        live = self._live
        return await live.run.attempts.on_thread(live, functools.partial(copy_context().run, call))
