"""Whose turn is next, among all lanes and all sets of gates.

The ready jobs that have the same gates to pass are a *pool*, over all lanes. Its lanes stand in it in their
fair order, and pools stand in the order of their first lanes; only the head of a pool is ever looked at. If
its head does not pass, the pool is *shut*: it stands in the line for what it lacks most, with the others that
lack that, until it is called: the time has come, or a job gave something back. Then the first pool
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

from ._gates import PATIENCE, Block, Gate
from ._lines import Line
from ._turns import Turns, leave

if TYPE_CHECKING:
    from ._branches import Branch
    from ._entries import Entry
    from ._meters import Meter
    from ._timers import Timers

__all__ = ["Pool", "Pools", "Side"]


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
        "_back",
        "base",
        "block",
        "cold",
        "earmarks",
        "front",
        "frozen",
        "gates",
        "head",
        "home",
        "last",
        "let_go",
        "line",
        "offset",
        "passed",
        "seat",
        "since",
        "ticket",
        "warm",
    )

    def __init__(self, gates: tuple[Gate, ...]) -> None:
        self.gates: tuple[Gate, ...] = gates
        self._back: Pool | None = None
        self.warm: Side = Side(self)
        self.cold: Side = Side(self)
        self.offset: float = 0.0
        """By how much its lanes were brought up to the others, for the times when it was shut."""
        self.base: float = 0.0
        """By how much those in its line had been brought up when it came there."""
        self.home: Line | None = None
        """A line in which it keeps its distance from the others, though a job of it has passed since."""
        self.since: float = math.inf
        """Which of all it was, in their order, that were shut: among equals, who waits longest goes first."""
        self.frozen: float = 0.0
        """Where the level was when it was shut."""
        self.block: Block | None = None
        """What its head lacks, while it is shut."""
        self.head: Entry | None = None
        """Who was found to lack that."""
        self.front: Branch | None = None
        """In which lane that is."""
        self.line: Line | None = None
        """Where it stands, while it is shut."""
        self.last: Line | None = None
        """Where it stood last: if it does not go on from there, the next one there is to be looked at."""
        self.earmarks: dict[Meter, Gate] = {}
        """Of which something is kept for its head, and whose these are."""
        self.let_go: list[Line] = []
        """Where others wait for what was kept for it until it was looked at again."""
        self.passed: int = 0
        """How often it was first at a full gate, had room there, and none at another."""
        self.seat: Turns[Pool] | None = None
        self.ticket: int = 0

    @property
    def key(self) -> float:
        """Its place in the fair order."""
        key = min(self.warm.key, self.cold.key)
        return key if self.line is None else key + self.line.lift - self.base

    @property
    def back(self) -> Pool:
        """Where jobs stand that go on after they waited for their own: they need room, and nothing else."""
        if not self.gates:
            return self
        if self._back is None:
            self._back = Pool(self.gates)
            self._back._back = self._back
        return self._back

    @property
    def ahead(self) -> Branch | None:
        """The lane that comes first in it."""
        side = self.cold if self.cold.branches and self.cold.key < self.warm.key else self.warm
        return side.branches.first()

    @property
    def standing(self) -> tuple[float, float]:
        """Its place in its line."""
        return min(self.warm.key, self.cold.key) - self.base, self.since

    def before(self, other: Pool) -> bool:
        """Whether its turn comes before that of another one, which waits."""
        if other.line is not None and other.line is self.last:
            return True  # it was the first there
        return (self.key, self.since) < (other.key, other.since)

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

    __slots__ = ("_called", "_cold", "_known", "_shut", "_timers", "_warm", "level", "moved", "plain")

    def __init__(self, timers: Timers) -> None:
        self.level: float = 0.0
        """How far the turns of the lane last chosen had come, or more: it never falls."""
        self.plain: Pool = Pool(())
        """For jobs that have no gate to pass."""
        self._known: WeakValueDictionary[tuple[Gate, ...], Pool] = WeakValueDictionary()
        self._warm: Turns[Side] = Turns(_side_key)
        self._cold: Turns[Side] = Turns(_side_key)
        self._timers: Timers = timers
        self._called: list[Pool] = []
        """Pools that were called out of a line, and have groups only that need a place."""
        self.moved: dict[Line, None] = {}
        """Lines in which some have another place than before."""
        self._shut: int = 0
        """How many were shut that had passed before."""

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

    def shut(self, pool: Pool, block: Block, head: Entry) -> None:
        """The head of a pool does not pass."""
        line = block.gate.line(block)
        last, pool.last = pool.last, line
        if last is None:
            self._shut += 1
            pool.since = float(self._shut)
        if pool.home is not line:
            self._bring_up(line)
            pool.base = line.lift
        pool.home = line
        pool.block, pool.line, pool.head, pool.front = block, line, head, pool.ahead
        pool.frozen = self.level - line.lift + pool.base
        leave(pool.warm)
        leave(pool.cold)
        line.pools.put(pool)
        self._bring_up(line)
        if block.until < math.inf:
            self._timers.advance(block.until, line)
        elif block.meter is not None and block.meter.earmark is not None:
            # It is kept for another whose time has come: if nobody looked at that, both would wait for ever.
            kept = block.meter.earmark.pool
            if kept is not pool and kept.block is not None and kept.block.until < math.inf:
                self.look_again(kept, at_once=True)
        self._call_others(pool, line, last, block)

    def _call_others(self, pool: Pool, line: Line, last: Line | None, block: Block) -> None:
        """It does not go on from where it stood last: others there may, and where it keeps nothing now."""
        if last is not None and last is not line:
            if block.kind == "concurrency":
                self._passed_over(pool)
            self.call(last)
        if line.pools.first() is pool:
            line.seen = pool
        else:  # it has fallen behind, maybe
            self.moved[line] = None
        for other in pool.let_go:
            self.call(other)
        if pool.passed >= PATIENCE and block.kind in ("circuit", "retry_after"):
            self._give_up_claims(pool)

    def look_again(self, pool: Pool, *, at_once: bool = False) -> None:
        """The pool has another head, maybe: what was found of the old one may not hold for it."""
        line = pool.line
        if line is not None and (at_once or line.pools.first() is pool):
            self._bring_up(line)
            self._open(pool)

    def leave(self, pool: Pool) -> None:
        """A job of the pool runs no more: the next may, where its gates were full."""
        for gate in pool.gates:
            gate.used -= 1
            full = gate.capacity is not None or gate.window < math.inf
            if full and (line := gate.lines.get(True)) is not None:
                self.call(line)

    def stir(self, gate: Gate) -> None:
        """Something changed at a gate: look again at the first in each of its lines."""
        for line in gate.lines.values():
            self.call(line)

    def call(self, line: Line) -> None:
        """What those in a line lack may be there: look again at the first."""
        pool = self._bring_up(line)
        if pool is not None:
            self._open(pool)

    def moved_on(self, pool: Pool) -> None:
        """The head of a pool has passed, or nobody is left: what was kept for it is the next one's."""
        if pool.last is None:
            pool.home = None
        self._let_go(pool)
        for gate in pool.gates:
            if gate.lines:
                self.stir(gate)

    def _bring_up(self, line: Line) -> Pool | None:
        """Whoever stands there has no credit for it; the first of them."""
        pool = line.pools.first()
        if pool is not None:
            line.lift += max(0.0, self.level - pool.key)
        return pool

    def _open(self, pool: Pool) -> None:
        assert pool.line is not None
        pool.offset += pool.line.lift - pool.base
        pool.base = pool.line.lift
        pool.block = pool.line = pool.head = None
        leave(pool)
        self._rank(pool.warm)
        if pool.cold.branches:
            self._rank(pool.cold)
            if not pool.warm.branches:
                self._called.append(pool)

    def passed_by(self) -> bool:
        """Pools whose turn it was need a place for a group, and there is none: others may go before them."""
        called, self._called = self._called, []
        waiting = [pool for pool in called if pool.last is not None and pool.block is None]
        for pool in waiting:
            self.moved_on(pool)
        return bool(waiting)

    def _rank_shut(self, pool: Pool) -> None:
        """A pool that is shut has another first lane: what was found of the old one may not hold for it."""
        assert pool.line is not None
        if pool.empty:
            pool.block = pool.line = pool.head = None
            leave(pool)
            self.moved_on(pool)
            return
        pool.line.pools.put(pool)
        self.moved[pool.line] = None
        if pool.ahead is not pool.front:
            self.look_again(pool, at_once=True)

    def call_moved(self) -> None:
        """Look at those who have become the first in their lines, since the turns of others came further."""
        moved, self.moved = self.moved, {}
        for line in moved:
            if line.pools.first() is not line.seen:
                self.call(line)

    def _passed_over(self, pool: Pool) -> None:
        pool.passed += 1
        if pool.passed >= PATIENCE:
            for gate in pool.gates:
                if gate.capacity is not None and (gate.claim is None or pool.before(gate.claim)):
                    gate.claim = pool

    @staticmethod
    def _let_go(pool: Pool) -> None:
        """It needs nothing to be kept for it any more."""
        pool.last = None
        pool.since = math.inf
        pool.keep_nothing()
        if pool.passed >= PATIENCE:
            for gate in pool.gates:
                if gate.claim is pool:
                    gate.claim = None
        pool.passed = 0

    def _give_up_claims(self, pool: Pool) -> None:
        """A provider has asked it to wait: no room is kept for that long."""
        for gate in pool.gates:
            if gate.claim is pool:
                gate.claim = None
                if (line := gate.lines.get(True)) is not None:
                    self.call(line)


def _service(branch: Branch) -> float:
    return branch.service


def _side_key(side: Side) -> float:
    return side.key
