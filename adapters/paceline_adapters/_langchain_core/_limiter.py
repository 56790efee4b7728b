"""An engine's limits as LangChain's rate limiter, for models that no executor can see."""

from __future__ import annotations

from typing import cast, final

from langchain_core.rate_limiters import BaseRateLimiter

from paceline import Cost, Engine, Handle, Job, JobContext, JobFailed, SubmitOptions, current_job

from ._waiting import cancelling, output_from_thread

__all__ = ["EngineRateLimiter"]

_BEFORE_JOBS = 1 << 40
"""The priority of calls: a job that has begun goes on before another one of its lane begins."""

_USED_UP = frozenset({"limit", "retry_after", "circuit", "budget"})
"""What holds a call that may not be made now; other waits of a job's are over once it is parked."""


@final
class EngineRateLimiter(BaseRateLimiter):
    """Makes each call of a model wait for an engine's limits, inside graphs, agents and functions too.

        engine = Engine(limits={"gpt-5": Limits(requests_per_minute=300)})
        model = ChatOpenAI(model="gpt-5", rate_limiter=EngineRateLimiter(engine, "gpt-5"))
        async with engine:
            handle = await engine.submit({"question": "..."}, executor=graph_with(model))

    Each call is a request of `resource`, and `tokens` tokens: as many input tokens, or what a `Cost` says.
    They stand, whatever the call then uses: its real usage is counted with the job, for its budgets. So
    leave `tokens` out where the budget of a lane or the engine is in tokens or money, and where its tokens
    are limited too (`"*"`): there both would count. Rates hold; `concurrency` and `breaker` do not, as
    LangChain does not say when, nor how, a call is over.

    Each call is a job of its own in the record, named as the resource. A job that waits for it is parked, so
    that every nesting works with one slot, and goes on before new jobs of its lane begin; as others begin
    while it waits, bound how many do: `engine.map(window=)`. It is for models out of the engine's sight; of
    a chain that shows a model with such a limiter the calls are counted, and not the job as well.

    Raises:
        TypeError, ValueError: if `tokens` is no whole number of at least 0, nor a Cost.
    """

    def __init__(self, engine: Engine, resource: str, *, tokens: int | Cost | None = None) -> None:
        self._engine: Engine = engine
        self._call: _Call = _Call(_cost(tokens))
        self._attempt: _Attempt = _Attempt(self)
        self._resource: str = resource

    def acquire(self, *, blocking: bool = True) -> bool:
        """Wait in another thread than the engine's until a call may be made.

        Raises:
            WrongLoop: in the engine's own thread: there `await limiter.aacquire()`.
            UnknownName: if the engine has no limits of that name.
        """
        if not blocking:
            options = self._placed(SubmitOptions(executor=self._attempt, name="look for room"))
            try:
                return bool(output_from_thread(self._engine.submit_threadsafe(None, **options)))
            except JobFailed as error:
                raise error.__cause__ or error from None
        output_from_thread(self._engine.submit_threadsafe(None, **self._options()))
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        """Wait until a call may be made; with `blocking=False` only say whether one may, and then count it.

        Raises:
            UnknownName: if the engine has no limits of that name.
        """
        if not blocking and not self._has_room():
            return False
        handle = await self._engine.submit(None, **self._options())
        if not blocking and self._must_wait(handle):
            handle.cancel("nobody waits for it")
            return False
        with cancelling(handle):
            await handle
        return True

    def _has_room(self) -> bool:
        """Whether the resource has it now: while every slot is taken, no job is told that it has not."""
        resource, cost = self._engine.resource(self._resource), self._call.cost
        read, written = cost.input_tokens or 0, cost.output_tokens or 0
        needs = {"requests": cost.requests, "input_tokens": read, "output_tokens": written}
        needs["tokens"] = read + written
        enough = all(level >= needs[unit] for unit, level in resource.available.items())
        return enough and resource.held_until is None

    def _must_wait(self, handle: Handle) -> bool:
        reason = handle.waiting
        return reason is not None and (reason.kind in _USED_UP or self._inside() is None)

    def _options(self) -> SubmitOptions:
        return self._placed(SubmitOptions(executor=self._call, name=self._resource, resources=self._resource))

    def _placed(self, options: SubmitOptions) -> SubmitOptions:
        """Where it queues: in the lane of the job that calls, ahead of others, and at no cost to it."""
        inside = self._inside()
        options["cost"] = 0
        options["retry"] = None
        options["priority"] = _BEFORE_JOBS + (0 if inside is None else inside.job.priority)
        if inside is not None:
            options["lane"] = inside.job.lane
        return options

    def _inside(self) -> JobContext | None:
        """The job of this engine that calls, if one does."""
        ctx = current_job()
        return ctx if ctx is not None and ctx.run_id == self._engine.run_id else None


@final
class _Call:
    """Stands for a call of a model: expected to use what that does, and done at once."""

    def __init__(self, cost: Cost) -> None:
        self.cost: Cost = cost

    async def execute(self, job: Job, ctx: JobContext, /) -> None:
        """Nothing is left to do."""

    def estimate(self, job: Job, /) -> Cost:  # noqa: ARG002
        """What the call counts; as nothing else is told, that stands."""
        return self.cost


@final
class _Attempt:
    """Looks, in the engine's loop, whether a call may be made at once: there the limits stand still."""

    def __init__(self, limiter: EngineRateLimiter) -> None:
        self._limiter: EngineRateLimiter = limiter

    async def execute(self, job: Job, ctx: JobContext, /) -> bool:  # noqa: ARG002
        return await self._limiter.aacquire(blocking=False)


def _cost(tokens: int | Cost | None) -> Cost:
    if isinstance(tokens, Cost):
        return tokens
    if tokens is None:
        return Cost(0, 0, 1)
    if isinstance(tokens, bool) or not isinstance(cast("object", tokens), int):
        raise TypeError(f"EngineRateLimiter: tokens must be a whole number or a Cost, not {tokens!r}")
    if tokens < 0:
        raise ValueError(f"EngineRateLimiter: tokens must be at least 0, not {tokens}")
    return Cost(tokens, 0, 1)
