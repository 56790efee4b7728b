"""How jobs come in: checked, named, shown to the middleware, and handed to the scheduler."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextvars import Context, copy_context
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from ._bodies import Body, Inputs
from ._checks import text
from ._edges import as_edge
from ._errors import Closed, EngineNotOpen, KeyConflict, PacelineError, UnknownName
from ._estimates import rough_tokens
from ._job import Job, Role
from ._options import Options, SubmitOptions
from ._record import GroupRecord, Record
from ._refusals import refuse_at_once
from ._room import BREATH
from ._scheduler import UNCAPPED, Cap
from ._stopping import pass_deadline

if TYPE_CHECKING:
    from ._executors import Bound
    from ._live import LiveAttempt
    from ._run import Run
    from ._scheduler import Edge, Gate, LaneState, Pool
    from ._usage import Cost

__all__ = ["Intake", "look_at_inputs"]


class Intake:
    """Accepts jobs for one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._keys: WeakValueDictionary[str, Record] = WeakValueDictionary()
        """Jobs by the key that their submitter gave, while they are unfinished or somebody holds them."""
        self._keyed: WeakKeyDictionary[Record, Any] = WeakKeyDictionary()
        """The payload with which each was submitted: middleware may have sent the job back with another."""
        self._plain = Options({})
        self._number = 0
        self._tag = f"{run.hooks.random.getrandbits(32):08x}"
        self._stamp = ""
        self._stamp_until = float("-inf")

    async def submit(
        self, payload: Any, given: SubmitOptions, parent: LiveAttempt | None = None, *, key: str | None = None
    ) -> Record:
        """Accept a job that belongs to no group, once there is room; or find the one that its key names.

        `key`: the positional key, for a job that was given none.
        """
        run = self._run
        run.check("submit")
        if parent is None:
            parent = run.current()
            if parent is None and run.settings.max_pending is not None:
                await run.room.enter()
        if self._number % BREATH == BREATH - 1:
            await asyncio.sleep(0)
        options = Options(given) if given else self._plain
        if options.key is not None:
            known = self._keys.get(options.key)
            if known is not None:
                if not _same(self._keyed[known], payload):
                    raise KeyConflict(options.key, known.job.id)
                return known
        if options.max_running is not None:
            self._only_for_bodies(options)
        after = self.edges(options.after) if options.after else ()
        record = self.add(payload, options, parent, self.lane(options.lane), options.key or key, after=after)
        if options.key is not None:
            self._keys[options.key] = record
            self._keyed[record] = payload
        if run.scheduler.may_start:
            run.dispatch()
        return record

    def add(
        self,
        payload: Any,
        options: Options,
        parent: LiveAttempt | None,
        lane: LaneState,
        key: str | None,
        *,
        group: GroupRecord | None = None,
        role: Role = "job",
        bound: Bound | None = None,
        name: str | None = None,
        after: Sequence[Edge] = (),
        caps: tuple[Cap, ...] = (),
        context: Context | None = None,
    ) -> Record:
        """Hand a job to the scheduler; what may start is dispatched by the caller.

        `caps` are those of a set of jobs that it is submitted in, besides those above its parent.
        """
        run = self._run
        self._admit(parent)
        bound = bound or run.executors.bind(options.executor)
        if bound.body is not None and group is None:
            role = bound.body.kind
        now = run.loop.time()
        job = self._job(payload, options, parent, lane, key, group, role, bound, name, now)
        number = self._number
        job.run = run.id
        if after:
            job.after = tuple([node.label for node, _ in after])
        if run.executors.sees_submits:
            run.executors.middleware.submit(job)
        inputs = payload if isinstance(payload, Inputs) else None
        lock = options.lock if bound.lock is None or inputs is not None else _lock(bound, job, options.lock)
        if lock is not None:
            _refuse_lock_from_above(None if parent is None else parent.record, lock)
        pool, demand, rough = None, None, 0
        if bound.body is None:
            pool, demand = self._needs(job, bound, options, group)
            if demand is None and run.admission.estimates and inputs is None:
                rough = rough_tokens(payload)
        stated = run.settings.costs.reservation(job, options.cost)
        if bound.body is not None or (parent is not None and parent.record.caps):
            caps = _caps(parent, bound.body, options, job.name, caps)
        looked_at = inputs is not None and (bound.lock is not None or inputs.conditional())
        slotless = bound.body is not None or looked_at
        if context is None:
            context = copy_context()
        record = Record(
            run, job, lane, group, options, context, now, stated, number, bound, caps, slotless,
            pool, demand, rough,
        )  # fmt: skip
        record.lock = lock
        self._take_in(record, parent, after)
        return record

    def _job(
        self,
        payload: Any,
        options: Options,
        parent: LiveAttempt | None,
        lane: LaneState,
        key: str | None,
        group: GroupRecord | None,
        role: Role,
        bound: Bound,
        name: str | None,
        now: float,
    ) -> Job:
        """The job as data, under the next id. What is said of a job holds for those that it submits."""
        self._number = number = self._number + 1
        job_id = f"{self._stamp if now < self._stamp_until else self._new_stamp(now)}{number:08x}{self._tag}"
        return Job(
            job_id,
            name or options.name or key or job_id,
            bound.name,
            payload,
            lane.label,
            None if group is None else group.label,
            role,
            None if parent is None else parent.job.id,
            key,
            options.priority,
            options.config,
            options.metadata if parent is None else parent.handed_on(options.metadata),
            {},
        )

    def _take_in(self, record: Record, parent: LiveAttempt | None, after: Sequence[Edge]) -> None:
        """Know of the job in the run, its group and its family, and when it has to have ended; hand it on."""
        run, group = self._run, record.group_record
        run.records[record.label] = record
        if group is not None:
            group.unended[record] = None
            if record.job.role == "primer":
                group.primer = record
        if parent is not None:
            _adopt(parent.record, record)
        seconds = record.options.deadline
        if seconds is not None:
            due = record.accepted + seconds
            record.deadline = run.loop.call_at(due, pass_deadline, run, record, seconds, context=run.context)
        if run.history is not None:
            run.history.submitted(record)
        ended = run.scheduler.add(record, record.accepted, after)
        if ended:
            run.settling.settle(ended)
        elif record.demand is not None and record.pool is not None:
            refuse_at_once(run, record)

    def _admit(self, parent: LiveAttempt | None) -> None:
        """Refuse what comes from a job that was given up, or from outside while the engine closes."""
        if parent is not None and parent.cancelled:
            raise EngineNotOpen(f"job {parent.record.label} has been given up; it cannot submit another")
        if parent is None and self._run.draining:
            raise EngineNotOpen(self._run.draining)

    def _only_for_bodies(self, options: Options) -> None:
        """Refuse to cap what is below a job that is no graph or flow: it would do nothing."""
        bound = self._run.executors.bind(options.executor)
        if bound.body is None:
            raise ValueError(
                f"job: max_running is for graphs, flows and maps; {bound.name!r} is none: give its lane "
                "max_running, or submit it in a map or flow that has it"
            )

    def _needs(
        self,
        job: Job,
        bound: Bound,
        options: Options,
        group: GroupRecord | None,
    ) -> tuple[Pool | None, Cost | None]:
        """Where a job queues, if anything limits it, and what it is expected to use, if anybody asks."""
        admission, resources = self._run.admission, options.resources
        asks = admission.estimates or (admission.counts_requests and bound.estimate is not None)
        demand = admission.demand(job, bound, resources) if asks else None
        if group is not None:
            return group.pool, demand
        if not (admission.limits_any or bound.resources or resources):
            return None, demand
        return admission.pool(bound, resources, job.lane, job.metadata), demand

    def pool(
        self, options: Options, lane: LaneState, metadata: Mapping[str, Any], gate: Gate | None
    ) -> tuple[Pool | None, str]:
        """Where the members of a group queue, if anything limits them; and what they use first."""
        run = self._run
        try:
            bound = run.executors.bind(options.executor)
        except PacelineError:
            return None, ""  # it is said of each member
        resource = next(iter((*bound.resources, *options.resources)), bound.name)
        if bound.body is not None:
            return None, resource
        return run.admission.pool(bound, options.resources, lane.label, metadata, gate), resource

    def lane(self, name: str) -> LaneState:
        """The lane of that name, if it takes jobs."""
        lanes = self._run.scheduler.lanes
        lane = lanes.get(name)
        if lane is None:
            raise UnknownName("lane", name, lanes, f"create it with engine.lane({name!r}, weight=1.0)")
        if lane.closed:
            raise Closed("lane", name, f"open it again with engine.lane({name!r}, weight=...)")
        return lane

    def edges(self, after: Iterable[object]) -> list[Edge]:
        """What `after=` says, as edges."""
        return [as_edge(self._run, each) for each in after]

    def _new_stamp(self, now: float) -> str:
        """The part of an id by which ids sort: the wall time in milliseconds, kept while it is the same."""
        milliseconds = int(self._run.hooks.wall(now) * 1000)
        self._stamp = f"{milliseconds:012x}"
        self._stamp_until = now + 0.001
        return self._stamp


def _caps(
    parent: LiveAttempt | None, body: Body | None, options: Options, name: str, caps: tuple[Cap, ...]
) -> tuple[Cap, ...]:
    """What a job needs room in: those caps, and the ones above its parent; or what a body's children do."""
    if parent is not None:
        caps += parent.record.caps_below
    if body is None:
        return caps
    limit = options.max_running or body.max_running
    if limit is None and not body.waits_for_answers:
        return caps
    own = Cap(name, UNCAPPED if limit is None else limit)
    own.waits = body.waits_for_answers
    return (own, *caps)


def _lock(bound: Bound, job: Job, stated: str | None) -> str | None:
    """The lock that a job takes: what its submitter says, or what its executor needs."""
    needed: object = bound.lock(job)
    if needed is None:
        return stated
    if stated is not None and stated != needed:
        raise PacelineError(
            f"job {job.name!r}: its executor {bound.name!r} needs the lock {needed!r}, and a job takes one "
            f"lock: leave out lock={stated!r}"
        )
    text(f"executor {bound.name!r}", "what lock(job) returns", needed)
    return str(needed)


def look_at_inputs(record: Record) -> bool:
    """Whether the condition of a job that nothing blocks any more is met; then its lock is known too.

    Both go by its inputs, and may raise.
    """
    payload, bound = record.job.payload, record.bound
    if bound is None or not isinstance(payload, Inputs):
        return True
    if payload.conditional() and not payload.met():
        return False
    if bound.lock is not None:
        record.job = replace(record.job, payload=payload.resolve())
        record.lock = lock = _lock(bound, record.job, record.options.lock)
        if lock is not None:
            _refuse_lock_from_above(record.parent, lock)
    return True


def _refuse_lock_from_above(above: Record | None, lock: str) -> None:
    """Refuse what would wait for ever: for a lock that a job above it keeps until it has ended."""
    while above is not None:
        if above.lock == lock:
            raise PacelineError(
                f"job {above.job.name!r} holds the lock {lock!r}: a job of its own would never get it"
            )
        above = above.parent


def _adopt(parent: Record, child: Record) -> None:
    child.parent = parent
    if parent.children is None:
        parent.children = {}
    parent.children[child] = None


def _same(left: object, right: object) -> bool:
    try:
        return left is right or bool(left == right)
    except Exception:  # noqa: BLE001 - arrays and the like, whose == is not a yes or no: two objects, two payloads
        return False
