"""Whose turn is next, among all lanes and all sets of gates.

The ready jobs that have the same gates to pass are a *pool*, over all lanes. Its lanes stand in it in their
fair order, and pools stand in the order of their first lanes; only the head of a pool is ever looked at. If
its head does not pass, the pool is *shut*: it stands at the gate that it lacks most, with the others that are
shut there, until that gate *stirs*: its time has come, or a job gave something back. Then the first pool
there is looked at again, and only if it starts or leaves, the next. So whatever waits at a gate waits in the
fair order of lanes, nobody behind a limit holds up whoever does not use it, and each start costs the
same however many lanes and jobs wait.

A pool that was shut comes back at the level of the others, all its lanes together: who was held by a limit
has no credit for it, and the lanes that were held together keep their distance.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ._gates import PATIENCE, Block, Gate, Need, Reservation
from ._turns import Turns, leave

if TYPE_CHECKING:
    from ._branches import Branch
    from ._entries import Entry
    from ._meters import Meter
    from ._timers import Timers

__all__ = ["Pool", "Pools", "Side", "admit"]


class Side:
    """The lanes of a pool that could use a slot at once, or those that need a place for a group first."""

    __slots__ = ("branches", "pool", "seat", "ticket")

    def __init__(self, pool: Pool) -> None:
        self.pool: Pool = pool
        self.branches: Turns[Branch] = Turns(_service)
        self.seat: Turns[Any] | None = None
        self.ticket: int = 0

    @property
    def key(self) -> float:
        """How far its first lane's turns have come; infinity without one."""
        branch = self.branches.first()
        return math.inf if branch is None else branch.service + self.pool.offset


class Pool:
    """The ready jobs of all lanes that pass the same gates."""

    __slots__ = (
        "__weakref__",
        "block",
        "cold",
        "earmarks",
        "frozen",
        "gates",
        "last",
        "offset",
        "passed",
        "seat",
        "ticket",
        "warm",
    )

    def __init__(self, gates: tuple[Gate, ...]) -> None:
        self.gates: tuple[Gate, ...] = gates
        self.warm: Side = Side(self)
        self.cold: Side = Side(self)
        self.offset: float = 0.0
        """By how much its lanes were brought up to the others, for the times when it was shut."""
        self.frozen: float = 0.0
        """Where the level was when it was shut."""
        self.block: Block | None = None
        """What its head lacks, while it is shut."""
        self.last: Gate | None = None
        """Where it was shut last: if it does not go on from there, the next one there is to be looked at."""
        self.earmarks: dict[Meter, None] = {}
        """Of which something is kept for its head."""
        self.passed: int = 0
        """How often it was first at a full gate, had room there, and none at another."""
        self.seat: Turns[Pool] | None = None
        self.ticket: int = 0

    @property
    def key(self) -> float:
        """Its place in the fair order."""
        return min(self.warm.key, self.cold.key)

    @property
    def empty(self) -> bool:
        """Whether no lane stands in it."""
        return not (self.warm.branches or self.cold.branches)

    def keep_nothing(self) -> None:
        """What was kept for its head is there for others."""
        for meter in self.earmarks:
            if meter.earmark is not None and meter.earmark.pool is self:
                meter.earmark = None
        self.earmarks.clear()


class Pools:
    """All pools, in their order; and the level to which who was away comes back."""

    __slots__ = ("_cold", "_known", "_timers", "_warm", "level", "plain")

    def __init__(self, timers: Timers) -> None:
        self.level: float = 0.0
        """How far the turns of the lane last chosen had come, or more: it never falls."""
        self.plain: Pool = Pool(())
        """For jobs that have no gate to pass."""
        self._known: WeakValueDictionary[tuple[Gate, ...], Pool] = WeakValueDictionary()
        self._warm: Turns[Side] = Turns(_side_key)
        self._cold: Turns[Side] = Turns(_side_key)
        self._timers: Timers = timers

    def of(self, gates: tuple[Gate, ...]) -> Pool:
        """The pool of jobs with these gates."""
        if not gates:
            return self.plain
        pool = self._known.get(gates)
        if pool is None:
            pool = self._known[gates] = Pool(gates)
        return pool

    def first(self, places: bool) -> Branch | None:
        """Whose turn it is. `places`: another group may become active."""
        side = self._warm.first()
        branch = None if side is None else side.branches.first()
        other = self._cold.first() if places and self._cold.live else None
        if other is not None and (side is None or other.key < side.key):
            return other.branches.first()
        return branch

    def only(self, branch: Branch) -> bool:
        """Whether nobody else has a turn, so that its key does not matter."""
        alone = self._warm.live == 1 and branch.pool.warm.branches.live == 1
        return alone and len(branch.lane.branches) == 1

    def put(self, branch: Branch, side: Side) -> None:
        """A lane stands there now, or its turns have come further."""
        left = None if branch.seat is None or branch.seat is side.branches else branch.seat
        side.branches.put(branch)
        self._rank(side)
        if left is not None:
            self._rank(side.pool.cold if side is side.pool.warm else side.pool.warm)

    def take_out(self, branch: Branch) -> None:
        """A lane has nothing there that could start."""
        if branch.seat is None:
            return
        pool = branch.pool
        leave(branch)
        branch.shift += pool.offset
        self._rank(pool.warm)
        if pool.cold.seat is not None:
            self._rank(pool.cold)

    def _rank(self, side: Side) -> None:
        pool = side.pool
        if pool.block is not None:
            self._rank_shut(pool)
            return
        if not side.branches:
            leave(side)
            if pool.gates and pool.empty:
                self.moved_on(pool)
            return
        turns = self._warm if side is pool.warm else self._cold
        if side.seat is not turns or turns.live > 1:
            turns.put(side)

    # Pools that are shut.

    def shut(self, pool: Pool, block: Block) -> None:
        """The head of a pool does not pass."""
        last, pool.last = pool.last, block.gate
        pool.block = block
        pool.frozen = self.level
        leave(pool.warm)
        leave(pool.cold)
        block.gate.closed.put(pool)
        if block.until < math.inf:
            self._timers.advance(block.until, block.gate)
        elif block.meter is not None and block.meter.earmark is not None:
            # It is kept for another whose time has come: if nobody looked at that, both would wait for ever.
            kept = block.meter.earmark.pool
            if kept is not pool and kept.block is not None and kept.block.until < math.inf:
                self._open(kept)
        if last is not None and last is not block.gate:
            if block.kind == "concurrency":
                self._passed_over(pool)
            self.stir(last)

    def look_again(self, pool: Pool) -> None:
        """The pool has another head: what was found of the old one may not hold for it."""
        if pool.block is not None and pool.block.gate.closed.first() is pool:
            self._open(pool)

    def leave(self, pool: Pool) -> None:
        """A job of the pool runs no more: the next may, where its gates were full."""
        for gate in pool.gates:
            gate.used -= 1
            if gate.capacity is not None and gate.closed:
                self.stir(gate)

    def stir(self, gate: Gate) -> None:
        """Something changed at a gate: look again at the first that stands there."""
        pool = gate.closed.first()
        if pool is not None:
            self._open(pool)

    def moved_on(self, pool: Pool) -> None:
        """The head of a pool has passed, or nobody is left: what was kept for it is the next one's."""
        self._let_go(pool)
        for gate in pool.gates:
            if gate.closed:
                self.stir(gate)

    def _open(self, pool: Pool) -> None:
        pool.block = None
        leave(pool)
        behind = self.level - pool.key
        if 0.0 < behind < math.inf:
            pool.offset += behind
        self._rank(pool.warm)
        if pool.cold.branches:
            self._rank(pool.cold)

    def _rank_shut(self, pool: Pool) -> None:
        """A pool that is shut has another first lane: what was found of the old one may not hold for it."""
        assert pool.block is not None
        gate = pool.block.gate
        if pool.empty:
            pool.block = None
            leave(pool)
            self.moved_on(pool)
            return
        gate.closed.put(pool)
        self.look_again(pool)

    def _passed_over(self, pool: Pool) -> None:
        pool.passed += 1
        if pool.passed >= PATIENCE:
            for gate in pool.gates:
                if gate.capacity is not None and (gate.claim is None or pool.key < gate.claim.key):
                    gate.claim = pool

    @staticmethod
    def _let_go(pool: Pool) -> None:
        """It needs nothing to be kept for it any more."""
        pool.last = None
        pool.keep_nothing()
        if pool.passed >= PATIENCE:
            for gate in pool.gates:
                if gate.claim is pool:
                    gate.claim = None
        pool.passed = 0


def admit(pool: Pool, entry: Entry, now: float) -> Block | None:
    """Let the head of a pool pass all its gates, and reserve from each; or say what stands against it."""
    if entry.reserved is not None:  # it has waited for jobs of its own, and goes on with what it has
        block = _blocked(pool, entry, now)
        if block is None:
            for gate in pool.gates:
                gate.used += 1
        return block
    needs: list[Need] = []
    for gate in pool.gates:
        if not gate.passes(entry, now, needs):
            for _, meter, amount in needs:  # together, or not at all
                meter.settle(amount, 0.0, now)
            block = _blocked(pool, entry, now)
            if block is not None:
                return block
            needs = _take(pool, entry, now)
            break
    entry.reserved = Reservation(now, needs)
    for gate in pool.gates:
        gate.used += 1
        if gate.breaker is not None:
            gate.breaker.start(entry.reserved)
    return None


def _take(pool: Pool, entry: Entry, now: float) -> list[Need]:
    """Reserve what a job needs, where a closer look has shown that it may go."""
    needs = [need for gate in pool.gates for need in gate.needs(entry)]
    for _, meter, amount in needs:
        meter.take(amount, now)
    return needs


def _blocked(pool: Pool, entry: Entry, now: float) -> Block | None:
    """What stands most against the head of a pool; what it lacks besides is kept for it too."""
    blocks = [block for gate in pool.gates for block in gate.blocks(entry, pool, now)]
    for block in blocks:
        if block.final:
            return block
    tightest = max(blocks, key=_until, default=None)
    if tightest is not None:
        pool.keep_nothing()
        for block in blocks:
            block.gate.keep(pool, block, tightest.until)
    return tightest


def _until(block: Block) -> float:
    return block.until


def _service(branch: Branch) -> float:
    return branch.service


def _side_key(side: Side) -> float:
    return side.key
