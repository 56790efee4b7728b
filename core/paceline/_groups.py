"""The caller's hold on a group, closed or still open."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, final

from ._checks import instance, text
from ._errors import Closed, EngineNotOpen, NameTaken
from ._group_prefix import GroupPrefix
from ._handles import Handle, record_of, rest
from ._job import JobResult, Role, Status
from ._middleware import Scope
from ._options import GroupOptions, Options
from ._parking import come_back, wait, waiting
from ._policies import GroupPolicy
from ._record import GroupRecord, Record
from ._resting import stands_still
from ._room import BREATH
from ._stopping import cancel_group

if TYPE_CHECKING:
    from ._live import LiveAttempt
    from ._prefix_cache import PrefixCache
    from ._run import Run

__all__ = ["Group", "OpenGroup", "group_of", "open_group"]


_POLICY = GroupPolicy()
"""What holds where nothing is said."""


@final
class Group:
    """A group that was accepted: its primer, its followers, and the results of them all.

    Followers wait for the primer's release point (`GroupPolicy`); without a primer they are independent.
    """

    __slots__ = ("__weakref__", "_followers", "_group", "_keep", "_options", "_parent", "_primer")

    def __init__(
        self, group: GroupRecord, options: Options, parent: LiveAttempt | None, *, keep: bool
    ) -> None:
        self._group = group
        self._options = options
        self._parent = parent
        self._keep = keep
        self._primer: Handle | None = None
        self._followers: list[Handle] = []

    @property
    def name(self) -> str:
        """The group's name."""
        return self._group.label

    @property
    def status(self) -> Status:
        """How the group ended, by the worst that befell a member; before: "running", or "waiting"."""
        if self._group.status is not None:
            return self._group.status
        return "running" if self._group.begun else "waiting"

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What was said of the group when it was submitted."""
        return self._group.metadata

    @property
    def primer(self) -> Handle | None:
        """The primer, if there is one."""
        return self._primer

    @property
    def followers(self) -> Sequence[Handle]:
        """The followers, in submit order (none where the group was opened with `keep_results=False`)."""
        return tuple(self._followers)

    async def submit_primer(self, payload: Any, *, name: str | None = None) -> Handle:
        """Submit the job that establishes what the others share; a group has one, before or after followers.

        Raises:
            Closed: if the group has a primer, or takes no more jobs.
        """
        self._group.run.check("submit_primer")
        if self._group.primer is not None:
            raise Closed("primer of group", self.name, "a group has one: submit the others with add_follower")
        self._primer = self._add(payload, "primer", name)
        return self._primer

    async def add_follower(self, payload: Any, *, name: str | None = None) -> Handle:
        """Submit a job that uses what the primer established; where `max_pending` is set, wait for room.

        Raises:
            Closed: if the group takes no more jobs.
        """
        run = self._group.run
        run.check("add_follower")
        if self._parent is None and run.current() is None:
            await run.room.enter()
        handle = self._add(payload, "follower", name)
        if self._keep:
            self._followers.append(handle)
        return handle

    async def results(self) -> list[JobResult]:
        """Wait until all members so far have ended or are suspended; primer first, then in submit order.

        Where the others wait for what a suspended one is to be answered, they are given as they are: waiting.
        """
        members = [record_of(handle) for handle in self._members()]
        await rest(members, group=self._group)
        return [record.result() for record in members]

    async def as_completed(self) -> AsyncGenerator[JobResult, None]:
        """Yield each member's result as it ends or is suspended, until all do and the group is closed.

        Or until the others wait for what a suspended one is to be answered.
        """
        group = self._group
        ready: OrderedDict[Record, None] = (
            OrderedDict()
        )  # once each: one that was answered meanwhile may have ended by now
        ready.update((record, None) for record in map(record_of, self._members()) if record.resting)
        wake = asyncio.Event()
        live = waiting(group.run)

        def tell(record: Record | None = None) -> None:
            if record is not None:
                ready[record] = None
            wake.set()
            if live is not None:
                come_back(group.run, live)

        group.on_member.append(tell)
        group.on_end.append(tell)
        group.on_close.append(tell)
        try:
            while True:
                while ready:
                    record, _ = ready.popitem(last=False)
                    if record.resting:  # else it was answered meanwhile, and will rest again
                        yield record.result()
                if _is_over(group):
                    return
                wake.clear()
                await wait(group.run, wake.wait())
        finally:
            group.on_member.remove(tell)
            if tell in group.on_end:
                group.on_end.remove(tell)
            group.on_close.remove(tell)

    def cancel(self, reason: str = "its group was cancelled") -> None:
        """Cancel all members that have not ended; the group takes no more."""
        self._group.run.check("group.cancel")
        cancel_group(self._group.run, self._group, reason)

    def __repr__(self) -> str:
        return f"<Group {self.name!r} {self.status}>"

    def _members(self) -> list[Handle]:
        return ([] if self._primer is None else [self._primer]) + self._followers

    def _add(self, payload: Any, role: Role, name: str | None) -> Handle:
        group = self._group
        if group.closed or group.status is not None:
            raise Closed("group", self.name, "submit another group, or keep this one open longer")
        parent = self._parent
        run = group.run
        options = self._options if name is None else self._options.named(name)
        key = f"{group.key}/primer"
        if role == "follower":
            key = f"{group.key}/follower/{group.submitted}"
        record = run.intake.add(
            payload, options, parent, group.lane, key, group=group, role=role, after=group.after
        )
        if role == "follower":
            group.submitted += 1
        if run.scheduler.may_start:
            run.dispatch()
        return Handle(record)


def _is_over(group: GroupRecord) -> bool:
    """Whether it has no more to tell before somebody answers."""
    return group.closed and (all(record.resting for record in group.unended) or stands_still(group))


@final
class OpenGroup:
    """A group that followers join over time: `async with engine.open_group("name") as group`.

    Leaving the block closes the group; leaving it by an error cancels what has not ended.
    """

    __slots__ = ("_arguments", "_group", "_run")

    def __init__(self, run: Run, arguments: GroupArguments) -> None:
        self._run = run
        self._arguments = arguments
        self._group: Group | None = None

    async def __aenter__(self) -> Group:
        self._group = open_group(self._run, self._arguments)
        return self._group

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._group is not None
        if error is not None:
            self._group.cancel(f"its group was left by {error!r}")
        else:
            close_group(self._group)


@final
class GroupArguments:
    """What a group is opened with."""

    __slots__ = ("cache", "cache_context", "keep", "metadata", "name", "options", "policy")

    def __init__(
        self,
        name: str,
        policy: GroupPolicy | None,
        metadata: Mapping[str, Any] | None,
        given: GroupOptions,
        *,
        cache: PrefixCache | None = None,
        cache_context: Mapping[str, Any] | None = None,
        keep: bool = True,
    ) -> None:
        text("group", "name", name)
        if cache is not None:
            _check_cache(name, cache)
        elif cache_context is not None:
            raise ValueError(f"group {name!r}: cache_context is for a prefix cache: say cache=... too")
        if policy is not None:
            instance(f"group {name!r}", "policy", policy, GroupPolicy)
        self.name: str = name
        self.policy: GroupPolicy = policy or _POLICY
        self.metadata: Mapping[str, Any] = {} if metadata is None else metadata
        self.options: GroupOptions = given
        self.cache: PrefixCache | None = cache
        self.cache_context: Mapping[str, Any] = {} if cache_context is None else cache_context
        self.keep: bool = keep


def _check_cache(name: str, cache: object) -> None:
    from ._prefix_cache import PrefixCache  # who has made one has loaded it

    instance(f"group {name!r}", "cache", cache, PrefixCache, "give it the provider: PrefixCache(provider)")


def open_group(run: Run, arguments: GroupArguments) -> Group:
    """Accept a group that members can join."""
    run.check("opening a group")
    name = arguments.name
    if name in run.groups:
        raise NameTaken("group", name)
    options = Options(arguments.options)
    if options.key is not None:
        raise ValueError(f"group {name!r}: a key names one job; members are named by their position")
    if options.max_running is not None:
        raise ValueError(
            f"group {name!r}: max_running is for graphs, flows and maps; how many jobs of a group run at "
            "once is said by policy=GroupPolicy(in_flight=...)"
        )
    parent = run.current()
    if run.draining and parent is None:
        raise EngineNotOpen(run.draining)
    lane = run.intake.lane(options.lane)
    caps = () if parent is None else parent.record.caps_below
    policy = arguments.policy
    gate = run.admission.group_gate(name, policy.budget)
    # Tags of the group are its jobs' tags, and it has those of the job that opens it.
    options.metadata = arguments.metadata if parent is None else parent.handed_on(arguments.metadata)
    pool, resource = run.intake.pool(options, lane, options.metadata, gate)
    sharing = run.admission.sharing(resource) if policy.in_flight == "auto" else None
    group = GroupRecord(
        run, name, lane, policy, options.priority, parent is not None, caps, pool, sharing
    )  # fmt: skip
    group.metadata = arguments.metadata
    group.after = run.intake.edges(options.after)
    options.after = ()
    if arguments.cache is not None:
        group.prefix = GroupPrefix(group, arguments.cache, arguments.cache_context)
    parent_id = None if parent is None else parent.job.id
    run.groups_opened += 1
    scope_id = f"{run.id}/{run.groups_opened}/{name}"
    group.scope = Scope("group", scope_id, name, run.id, parent_id, lane.label, arguments.metadata)
    run.executors.middleware.begin(group.scope)
    run.enter_group(group)
    if run.history is not None:
        run.history.group_started(group, parent_id)
    group.public = Group(group, options, parent, keep=arguments.keep)
    return group.public


async def submit_members(group: Group, primer: Any, followers: Iterable[Any]) -> Group:
    """Submit a whole group: all of it, or, if one member is refused, nothing."""
    try:
        if primer is not None:
            group._primer = group._add(primer, "primer", None)
        for number, payload in enumerate(followers, 1):
            group._followers.append(group._add(payload, "follower", None))
            if not number % BREATH:
                await asyncio.sleep(0)
    except BaseException as error:
        group.cancel(f"its group could not be submitted: {error!r}")
        raise
    close_group(group)
    return group


def close_group(group: Group) -> None:
    """The group takes no more members."""
    inner = group._group
    run = inner.run
    if not inner.closed:
        run.close_group(inner)


def group_of(group: Group) -> GroupRecord:
    """The record behind a group."""
    return group._group
