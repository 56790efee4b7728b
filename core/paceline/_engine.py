"""The engine: what users open, submit to and leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, final

from ._admission import limits_by_name
from ._asking import reply
from ._checks import count
from ._closing import abort, drain, finish
from ._costs import Costs, CostUnit
from ._crossing import JobFuture, submit_threadsafe
from ._errors import EngineNotOpen, PacelineError, UnknownName
from ._estimates import Estimator
from ._executor import ExecutorLike
from ._executors import Executors
from ._groups import Group, GroupArguments, OpenGroup, open_group, submit_members
from ._handles import Handle
from ._lane_handles import UNSET, LaneHandle, Unset, lane_handle
from ._limits import Budget, Limits
from ._mapping import map_payloads
from ._middleware import Middleware, MiddlewareStack, Scope
from ._options import GroupOptions, Options, SubmitOptions
from ._policies import GroupPolicy, Lane, RetryPolicy
from ._resources import BudgetHandle, ResourceHandle, budget_handle, resource_handle
from ._run import Run
from ._settings import Settings
from ._watchdog import Watchdog

if TYPE_CHECKING:
    from typing import Unpack

    from ._job import Job, JobResult
    from ._prefix_cache import PrefixCache
    from ._prices import Price
    from ._sinks import Sink
    from ._snapshot import Snapshot
    from ._usage import Cost

__all__ = ["Engine"]


@final
class Engine:
    """Runs jobs, groups of jobs and streams of jobs, fairly and within its slots.

        async with Engine(chain, slots=16) as engine:
            handle = await engine.submit({"question": "..."})
            print(await handle)

    `executor`: an Executor, a callable of the payload, anything `as_executor` knows, or a mapping of names to
    these. `lanes`: shares of the slots besides "default". `slots`: how many attempts run at once. `cost`: the
    unit in which lanes are fair. `limits`: of the whole engine, or by name, as told below. `budget`: what
    may be spent, one or several. `prices`: by model, to count in money what executors report in tokens.
    `estimate`: what a job will use, where its executor cannot tell. `retry`: for jobs that say nothing of
    their own (None: one attempt, also where a provider refuses it). `middleware`: around each attempt, the
    first outermost. `sinks`: where events go. `max_pending`: submit waits while that many jobs wait to run.
    `max_active_groups`: how many groups' followers run interleaved (default: slots). `grace`: seconds to
    wait at the end for attempts that were cancelled. `run_id`: names the run in its events.
    `lock_held_while_suspended`: whether a job keeps its `lock=` while it waits for an answer; if not, it
    queues for it again with the answer.

    Names in `limits` are those of executors, of models or keys that an executor names (`resources`: a
    LangChain chain names its models), and what jobs say with `resources=`; `"*"` is the whole engine. An
    executor's name is its key in the mapping, else its `name` or `__name__`: `Engine(ask)` makes it "ask";
    of a chain it is what LangChain calls it ("RunnableSequence"), so that the model is the better name.
    Those that no job used are logged at the end.

    What a job is expected to use is reserved before its call, and stands where it reports no usage. It is
    what the executor's own `estimate` says (adapters have one), else what the engine's does. Where neither
    says anything, input is the payload by a rough count, corrected by what such payloads have used; parts
    that are unknown are the mean of the lane.

    Leaving the block normally waits for all jobs; leaving it by an error or Ctrl-C cancels them. An engine
    runs once, under asyncio or uvloop, and belongs to the loop in which it was entered.

    Raises:
        ValueError, TypeError: if an argument is out of range or of the wrong kind.
        NoAdapter: if nothing can run the executor.
    """

    def __init__(
        self,
        executor: ExecutorLike | Mapping[str, ExecutorLike] | None = None,
        *,
        lanes: Sequence[Lane] | Lane = (),
        slots: int = 8,
        cost: CostUnit = "jobs",
        limits: Limits | Mapping[str, Limits] | None = None,
        budget: Budget | Sequence[Budget] | None = None,
        prices: Mapping[str, Price] | None = None,
        estimate: Callable[[Job], Cost | None] | None = None,
        retry: RetryPolicy | None = None,
        middleware: Sequence[Middleware | object] = (),
        sinks: Sequence[Sink] = (),
        max_pending: int | None = None,
        max_active_groups: int | None = None,
        grace: float = 5.0,
        run_id: str | None = None,
        lock_held_while_suspended: bool = True,
    ) -> None:
        if isinstance(lanes, Lane):
            lanes = (lanes,)
        names = [getattr(lane, "name", None) for lane in lanes]
        default = () if "default" in names else (Lane("default"),)
        self._settings = Settings(
            Executors(executor, MiddlewareStack(middleware)),
            (*default, *lanes),
            slots,
            Costs(cost),
            retry,
            sinks,
            max_pending,
            max_active_groups,
            grace,
            run_id,
            limits_by_name(limits),
            () if budget is None else tuple(budget) if isinstance(budget, Sequence) else (budget,),
            prices or {},
            Estimator(estimate),
            lock_held_while_suspended,
        )
        self._run: Run | None = None
        self._scope: Scope | None = None
        self._watchdog: Watchdog | None = None
        self._host: asyncio.Task[Any] | None = None
        self._interrupt: KeyboardInterrupt | None = None

    # Opening and leaving.

    async def __aenter__(self) -> Self:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise PacelineError(
                "an Engine runs under asyncio or uvloop; under trio there is no loop to run "
                "attempts on: start the program with asyncio.run(...) or anyio.run(..., backend='asyncio')"
            ) from None
        if self._run is not None:
            raise PacelineError("an Engine is opened once; make another one for another run")
        run = Run(self._settings, loop)
        self._scope = Scope("run", run.id, run.id, run.id)
        run.executors.middleware.begin(self._scope)
        self._run = run
        run.on_interrupt = self._interrupted
        self._host = asyncio.current_task()
        if not run.hooks.virtual:
            self._watchdog = Watchdog(loop, run.describe)
        if run.history is not None:
            run.history.run_started(run.slots, run.scheduler.lanes)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        run, scope = self._open("leaving"), self._scope
        assert scope is not None
        raised: BaseException | None = error
        try:
            if error is None:
                await drain(run)
            else:
                await abort(run, f"the engine was left by {type(error).__name__}")
        except BaseException as stopped:  # cancelled while it drained, or a second Ctrl-C
            raised = stopped
            if error is None:
                await abort(run, "the engine was cancelled while it drained")
            raise
        finally:
            if self._watchdog is not None:
                self._watchdog.stop()
            await finish(run, scope, self._interrupt or raised)
            if self._interrupt is not None:
                if self._host is not None:
                    self._host.uncancel()
                raise self._interrupt

    def _interrupted(self, error: KeyboardInterrupt) -> None:
        """A job raised KeyboardInterrupt: the block ends, and raises it again."""
        self._interrupt = error
        if self._host is not None and not self._host.done():
            self._host.cancel("a job raised KeyboardInterrupt")

    def _open(self, action: str) -> Run:
        if self._run is None:
            raise EngineNotOpen(f"{action}: the engine is not open; use it inside `async with engine:`")
        return self._run

    # Jobs.

    async def submit(self, payload: Any, **options: Unpack[SubmitOptions]) -> Handle:
        """Hand in a job; `SubmitOptions` tells what may be said of it. Waits only where `max_pending` is set.

        Inside a job of this engine the new one becomes its child: it is cancelled with it.

        Raises:
            UnknownName: if the lane or the executor is not there; the message lists those that are.
            Closed: if the lane takes no more jobs.
            KeyConflict: if the key belongs to a job with another payload.
            NoAdapter: if nothing can run the executor; PacelineError: if there is none, or `after` names a
                job of another engine.
            ValueError, TypeError: if an option is out of range or of the wrong kind.
            EngineNotOpen, WrongLoop: if the engine is not open, is closing, or is open in another event loop,
                or if the job that submits has been given up.
        """
        return Handle(await self._open("submit").intake.submit(payload, options))

    def submit_threadsafe(self, payload: Any, **options: Unpack[SubmitOptions]) -> JobFuture:
        """Hand in a job from another thread; the future gives its JobResult, or the error of submitting."""
        run = self._open("submit_threadsafe")
        if run.closed:
            raise EngineNotOpen("submit_threadsafe: the engine is closed")
        return submit_threadsafe(run, payload, options)

    def map(
        self,
        payloads: Iterable[Any] | AsyncIterable[Any],
        *,
        ordered: bool = False,
        window: int | None = None,
        **options: Unpack[SubmitOptions],
    ) -> AsyncGenerator[JobResult, None]:
        """Run one job for each payload and yield the results, as they come or in order.

        Payloads are taken lazily: at most `window` jobs (default: twice the slots) are submitted and not yet
        yielded, so memory stays constant over any number. If taking a payload raises, the results of those
        before it are yielded first. Leaving the loop cancels what is unfinished (close it with `aclose`).
        `max_running`: how many of them run at once, with what they start.

        Raises:
            ValueError, TypeError: if an option is out of range or of the wrong kind.
            UnknownName, Closed, NoAdapter, EngineNotOpen, WrongLoop: as for `submit`.
        """
        run = self._open("map")
        run.check("map")
        size = 2 * run.slots if window is None else window
        count("map", "window", size)
        given = Options(options)
        if given.key is not None:
            raise ValueError("map: a key names one job; the items of a map are named by their position")
        name = given.name or "map"
        given.name = None
        return map_payloads(run, payloads, given, name=name, ordered=ordered, window=size)

    # Groups.

    async def submit_group(
        self,
        name: str,
        *,
        primer: Any = None,
        followers: Iterable[Any] = (),
        policy: GroupPolicy | None = None,
        cache: PrefixCache | None = None,
        cache_context: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        **options: Unpack[GroupOptions],
    ) -> Group:
        """Hand in a whole group: followers wait until the primer has established what they share.

        `primer` None: the followers are independent jobs. `cache`: where the handle to the prefix comes from
        that every member gets as `ctx.cache`; `cache_context` goes to its provider (a tenant, say). The other
        options hold for every member.

        Raises:
            NameTaken: if a group of that name is unfinished.
            ValueError: if there is a cache but no primer, whose payload names the prefix.
            UnknownName, Closed, EngineNotOpen, WrongLoop: as for `submit`.
        """
        run = self._open("submit_group")
        run.check("submit_group")
        if isinstance(followers, str | bytes):
            raise TypeError(
                f"group {name!r}: followers are payloads, a list of them; not the one text {followers!r}"
            )
        if primer is None and cache is not None:
            raise ValueError(f"group {name!r}: a prefix cache needs a primer: its payload names the prefix")
        payloads = list(followers)
        if run.current() is None:
            await run.room.enter()
        given = GroupArguments(name, policy, metadata, options, cache=cache, cache_context=cache_context)
        return await submit_members(open_group(run, given), primer, payloads)

    def open_group(
        self,
        name: str,
        *,
        policy: GroupPolicy | None = None,
        cache: PrefixCache | None = None,
        cache_context: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        keep_results: bool = True,
        **options: Unpack[GroupOptions],
    ) -> OpenGroup:
        """Open a group whose members arrive over time: `async with engine.open_group("name") as group`.

        With `keep_results=False` the group forgets followers as they end, so that it may take any number.
        `cache`, `cache_context`: as for `submit_group`; a group that gets no primer has no handle.

        Raises:
            NameTaken, UnknownName, Closed, EngineNotOpen, WrongLoop: as for `submit_group`, on entering.
        """
        given = GroupArguments(
            name, policy, metadata, options, cache=cache, cache_context=cache_context, keep=keep_results
        )
        return OpenGroup(self._open("open_group"), given)

    # Lanes, questions, and looking.

    def lane(
        self,
        name: str,
        *,
        weight: float | Unset = UNSET,
        max_running: int | Unset | None = UNSET,
        limits: Limits | Unset | None = UNSET,
        budget: Budget | Unset | None = UNSET,
    ) -> LaneHandle:
        """Get a lane; with settings, create it or change it.

        Raises:
            UnknownName: without settings, if there is no such lane.
            ValueError, TypeError: if a setting is out of range or of the wrong kind.
        """
        return lane_handle(self._open("lane"), name, weight, max_running, limits, budget)

    def resource(self, name: str) -> ResourceHandle:
        """Get what is limited by name (a model, an executor; `"*"`: the engine), to look at or to change.

        Raises:
            UnknownName: if nothing of that name has limits or was used.
        """
        return resource_handle(self._open("resource"), name)

    def budget(self, name: str = "budget") -> BudgetHandle:
        """Get a budget of the engine, to look at or to change.

        Raises:
            UnknownName: if the engine has no budget of that name.
        """
        return budget_handle(self._open("budget"), name)

    def group(self, name: str) -> Group:
        """Get an unfinished group by its name, to look at or to cancel.

        Raises:
            UnknownName: if no unfinished group has that name.
        """
        run = self._open("group")
        found = run.groups.get(name)
        if found is None:
            raise UnknownName("unfinished group", name, run.groups)
        assert found.public is not None
        return found.public

    def handle(self, job_id: str) -> Handle:
        """Get an unfinished job by its id, as events and snapshots name it: to look at, await or cancel.

        Raises:
            UnknownName: if no unfinished job has that id.
        """
        found = self._open("handle").records.get(job_id)
        if found is None:
            raise UnknownName("unfinished job", job_id, (), "it has ended, or its id is wrong")
        return Handle(found)

    async def reply(self, job_id: str, answer: Any, *, question: str | None = None) -> None:
        """Answer a question of a suspended job; with its last answer the job is queued again.

        Raises:
            UnknownName: if no unfinished job has that id.
            ReplyRefused: if the question is not open, or the answer does not fit its schema; it stays open.
        """
        run = self._open("reply")
        run.check("reply")
        reply(run, job_id, answer, question)

    def snapshot(self) -> Snapshot:
        """Look at the engine: counts, lanes and shares, why each waiting job waits, what was abandoned."""
        from ._snapshot import take_snapshot

        return take_snapshot(self._open("snapshot"))

    @property
    def run_id(self) -> str:
        """The id of the run, as in its events."""
        return self._open("run_id").id
