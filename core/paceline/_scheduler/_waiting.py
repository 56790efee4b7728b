"""Why a job is not running now."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ._entries import READY, RETURNING, Entry, State
from ._fair import FairQueues
from ._gates import Block
from ._meters import Allowance

__all__ = ["WaitKind", "WaitReason", "tightest", "why"]

WaitKind: TypeAlias = Literal[
    "dependency",
    "lock",
    "cache",
    "release",
    "settle",
    "active_groups",
    "group_in_flight",
    "max_running",
    "question",
    "prefix",
    "limit",
    "retry_after",
    "circuit",
    "budget",
    "lane_cap",
    "lane_share",
    "slot",
    "backoff",
    "children",
    "reply",
    "rest",
]

_TEXT: dict[WaitKind, str] = {
    "dependency": "waits for {on}",
    "lock": "waits for the lock {on}",
    "cache": "waits for the prefix cache {on}",
    "release": "waits for the release of group {on}",
    "settle": "waits for the prefix of group {on} to settle",
    "active_groups": "waits for a place among the active groups",
    "group_in_flight": "group {on} has as many jobs in flight as it may",
    "max_running": "as many jobs of {on} run as may",
    "question": "no more of {on} start before a question there is answered",
    "prefix": "waits for the prefix of group {on} to be there again",
    "limit": "waits for its limit, {on}",
    "retry_after": "{on} has asked to wait",
    "circuit": "{on} is broken: it is tried again later",
    "budget": "too little is left of {on}",
    "lane_cap": "lane {on} has as many jobs running as it may",
    "lane_share": "other lanes are served before lane {on}",
    "slot": "waits for a free slot",
    "backoff": "waits before the next attempt",
    "children": "waits for jobs of its own",
    "reply": "waits for an answer",
    "rest": "looks again later",
}


@dataclass(frozen=True, slots=True)
class WaitReason:
    """The one thing that holds a job now.

    `on` names what it waits for: a job id, a group or a lane, where there is one. `until` is the time at
    which the wait ends, where that is known, in seconds on the clock of the engine's event loop.

    dependency: something in `after` has not ended. lock: another job holds its lock. cache: the group's
    prefix cache is in the making. release, settle: the group's primer is not that far. active_groups:
    `max_active_groups` are active. group_in_flight: the group's `in_flight` is reached. max_running: a graph,
    flow or map has as many of its jobs running as it may. question: another job of the group or graph waits
    for an answer, and by its policy no more start meanwhile.
    prefix: the group's prefix had expired or was not found, and one of its jobs goes first.
    limit: a limit on a resource, a lane or the engine is used up. retry_after: the provider refused a job and
    asked to wait. circuit: the circuit breaker of a resource is open. budget: too little of it is left.
    lane_cap: the lane's `max_running` is reached. lane_share: every slot is taken and other lanes come
    first. slot: every slot is taken. backoff: the next attempt is not due. children: parked while it
    awaits its own jobs. reply: suspended; `until` is when it goes on, or fails, without an answer. rest: it
    looks again by itself, as jobs do that poll.
    """

    kind: WaitKind
    on: str | None = None
    until: float | None = None

    def __str__(self) -> str:
        return _TEXT[self.kind].format(on=self.on)


def why(entry: Entry, queues: FairQueues) -> WaitReason | None:
    """What holds this job now; None where nothing does: it runs or has ended."""
    match entry.state:
        case State.BLOCKED:
            return _why_blocked(entry)
        case State.READY | State.RETURNING:
            return None if entry.slotless else _why_queued(entry, queues)
        case State.PAUSED:
            return _why_paused(entry)
        case State.IDLE:
            return _why_looking(entry)
        case State.BACKOFF:
            return WaitReason("backoff", None, None if entry.timer is None else entry.timer.when)
        case State.PARKED:
            return WaitReason("children")
        case State.RESTING:
            return WaitReason("rest", None, entry.answer_by)
        case State.SUSPENDED | State.DOZING:
            return WaitReason("reply", None, entry.answer_by)
        case _:
            return None


def tightest(entry: Entry, queues: FairQueues) -> WaitKind | None:
    """What has no room left now that this job has just started: had it waited, then for that."""
    if entry.lane.full:
        return "lane_cap"
    for cap in entry.caps:
        if cap.full:
            return "max_running"
    return "slot" if queues.used >= queues.slots else None


def _why_blocked(entry: Entry) -> WaitReason | None:
    for node in entry.after:
        if node.status is None:
            return WaitReason("dependency", node.label)
    if not entry.blockers and entry.lock is not None:
        return WaitReason("lock", entry.lock)
    group = entry.group
    if group is None:
        return None
    if group.primer is not None and (looking := _why_looking(group.primer)) is not None:
        return looking
    if group.timer is not None:
        return WaitReason("settle", group.label, group.timer.when)
    return WaitReason("release", group.label)


def _why_looking(entry: Entry) -> WaitReason | None:
    fingerprint = None if entry.group is None else entry.group.looking.get(entry)
    return None if fingerprint is None else WaitReason("cache", fingerprint)


def _why_paused(entry: Entry) -> WaitReason:
    for gate in () if entry.pool is None else entry.pool.gates:
        block = gate.paused.get(entry)
        if block is not None:
            return _why_shut(block)
    return WaitReason("budget")


def _why_shut(block: Block) -> WaitReason:
    """What holds the jobs of a pool, as its head was found to lack it."""
    kind, meter, on = block.kind, block.meter, block.gate.label
    until = None if block.until == math.inf else block.until
    if kind in ("retry_after", "circuit"):
        return WaitReason("circuit" if kind == "circuit" else "retry_after", on, until)
    return WaitReason("budget" if isinstance(meter, Allowance) else "limit", block.what, until)


def _why_queued(entry: Entry, queues: FairQueues) -> WaitReason:
    lane, group = entry.lane, entry.group
    if lane.full:
        return WaitReason("lane_cap", lane.label)
    if group is not None and group.shut and entry.state is READY:
        return WaitReason("prefix", group.label, None if group.timer is None else group.timer.when)
    for cap in entry.caps:
        if cap.asking and entry.state is READY:
            return WaitReason("question", cap.label)
        if cap.crowded:
            own = group is not None and cap is group.cap
            return WaitReason("group_in_flight" if own else "max_running", cap.label)
    if (block := queues.pool_of(entry).block) is not None:
        return _why_shut(block)
    if group is not None:
        needs_place = not (group.active or group.exempt or entry.state is RETURNING)
        if needs_place and not queues.places_free(lane):
            return WaitReason("active_groups", group.label)
    first = queues.first_flow()
    own_turn = first is not None and first.branch.lane is lane
    return WaitReason("slot") if own_turn else WaitReason("lane_share", lane.label)
