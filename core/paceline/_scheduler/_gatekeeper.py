"""What becomes of jobs that do not pass their gates, and of what attempts say at their end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ._entries import PAUSED, Entry
from ._gates import Block, Gate, Note, Reservation, amount_of
from ._means import Means
from ._meters import Allowance
from ._settlement import give_back, hear, settle

if TYPE_CHECKING:
    from paceline._rate_limits import RateLimits
    from paceline._usage import Cost, Failure, Usage

    from ._fair import FairQueues
    from ._timers import Timers

__all__ = ["Gatekeeper"]


class Gatekeeper:
    """Settles reservations, lets the next ones look, and keeps jobs that wait for their budget."""

    __slots__ = ("_paused", "_queues", "_timers", "means", "notes", "refused")

    def __init__(self, queues: FairQueues, timers: Timers) -> None:
        self._queues = queues
        self._timers = timers
        self.refused: list[tuple[Entry, Block]] = []
        """Jobs that need more than a limit ever lets through, or than their budget has left; to be ended."""
        self.notes: list[Note] = []
        """What happened, for whoever records it."""
        self.means: Means = Means()
        self._paused: dict[Gate, None] = {}
        """Gates whose budget has too little left for some job."""

    # Jobs that had their turn for nothing.

    def turn_away(self) -> Iterator[tuple[Entry, bool]]:
        """Each of them, and whether it waits for its budget, outside of all queues; else it is refused."""
        turned_away, self._queues.turned_away = self._queues.turned_away, []
        for entry, block in turned_away:
            waits = self._waits(entry, block)
            if not waits:
                self.refused.append((entry, block))
            yield entry, waits

    def _waits(self, entry: Entry, block: Block) -> bool:
        allowance, gate = block.meter, block.gate
        if block.kind != "exhausted" or not isinstance(allowance, Allowance):
            return False
        if not allowance.said:
            allowance.said = True
            self.notes.append(Note("budget_exhausted", gate, block.until))
        if allowance.on_exhausted != "pause":
            return False
        gate.paused[entry] = block
        self._paused[gate] = None
        if block.until < math.inf:
            self._timers.advance(block.until, gate)
        return True

    def resume(self, gate: Gate, now: float) -> list[Entry]:
        """A budget may have something again: who waits for it, in the order of before."""
        ready = [entry for entry in gate.paused if entry.state is PAUSED]
        gate.paused.clear()
        self._paused.pop(gate, None)
        for allowance in gate.allowances:
            allowance.refill(now)
            allowance.said = False
        return ready

    @staticmethod
    def leave_paused(entry: Entry) -> None:
        """The job waits for its budget no more."""
        for gate in () if entry.pool is None else entry.pool.gates:
            gate.paused.pop(entry, None)

    @property
    def some_resume(self) -> bool:
        """Whether time alone lets some of them go on."""
        return any(gate.timer is not None for gate in self._paused)

    @staticmethod
    def never(entry: Entry) -> Block | None:
        """What lets a job never through, whatever happens, as far as is known of what it needs."""
        for gate in () if entry.pool is None else entry.pool.gates:
            for meter in gate.meters:
                amount, known = amount_of(entry, meter.unit)
                if not known and meter.unit == "tokens":  # of its two parts one may be known, and too much
                    amount = _said(entry.demand)
                    known = True
                if known and amount > meter.most and meter.never(amount):
                    return Block(gate, "exceeds", math.inf, meter, amount)
        return None

    # Attempts that are over.

    def settle(
        self,
        entry: Entry,
        held: Reservation,
        usage: Usage | None,
        failure: Failure | None,
        now: float,
        *,
        given_up: bool = False,
    ) -> None:
        """Correct what it took from its gates; where something came back, others may pass."""
        if usage is not None:
            (entry.lane.means or self.means).learn(usage, entry.rough)
        changed, notes = settle(entry, held, usage, failure, now, given_up=given_up)
        self.notes += notes
        for gate in changed:
            self._queues.pools.stir(gate)
            if gate.paused and self._may_resume(gate):
                self._timers.advance(now, gate)

    @staticmethod
    def _may_resume(gate: Gate) -> bool:
        """Whether a job gave something back that was parked, and not reckoned with, before."""
        block = next(iter(gate.paused.values()))
        return block.meter is not None and block.amount <= block.meter.level

    def give_up(self, entry: Entry, held: Reservation, now: float, *, broken: bool = False) -> None:
        """It may never end: nobody is to wait for what it would say. Out of time is broken."""
        self._look_elsewhere(entry, held, now, broken=broken)
        for gate, meter, _ in held.items:
            if isinstance(meter, Allowance) and not meter.known:
                meter.known = True  # the one that went alone will not tell: others go by what is expected
                self._queues.pools.stir(gate)

    def _look_elsewhere(self, entry: Entry, held: Reservation, now: float, *, broken: bool = False) -> None:
        """If a circuit waits for what it says, another tries."""
        for gate in () if entry.pool is None else entry.pool.gates:
            breaker = gate.breaker
            if breaker is None:
                continue
            if broken and breaker.end(held, broken, now):
                self.notes.append(Note("circuit_opened", gate, breaker.until))
                self._queues.pools.stir(gate)
            elif breaker.lost(held):
                self._queues.pools.stir(gate)

    def park(self, entry: Entry) -> None:
        """It waits for jobs of its own, which are not to wait for what it holds."""
        held = entry.reserved
        if held is not None:
            self._look_elsewhere(entry, held, 0.0)
            held.park(so=True)
            for gate, meter, _ in held.items:
                if isinstance(meter, Allowance):
                    self._queues.pools.stir(gate)

    def give_back(self, entry: Entry, held: Reservation, now: float) -> None:
        """It has used nothing: all that it took is there again."""
        for gate in give_back(entry, held, now):
            self._queues.pools.stir(gate)

    def told(self, entry: Entry, limits: RateLimits, now: float) -> None:
        """What a response said of its provider's limits: who waits for them may wait until another time."""
        for gate in () if entry.pool is None else entry.pool.gates:
            if gate.provider:
                hear(gate, limits, now)
                self._queues.pools.stir(gate)


def _said(demand: Cost | None) -> float:
    """How many tokens a job needs at least."""
    return 0.0 if demand is None else float((demand.input_tokens or 0) + (demand.output_tokens or 0))
