"""Gates: what a job has to pass besides getting its turn.

A gate lets so many jobs through at once (`capacity`), counts what they use (`meters`), stops them while a
provider is broken (`breaker`), and for as long as a provider has asked to wait (`hold`). A model, an API key,
an executor, a lane with limits of its own and a budget are gates. A job passes all of its gates in one step,
and reserves from each, or it stays where it is and holds nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal, TypeAlias

from ._entries import RETURNING, Entry, GroupState
from ._lines import Line
from ._meters import Allowance, Earmark, Meter, Rate, Unit

if TYPE_CHECKING:
    from ._breaker import Breaker
    from ._entries import Timer
    from ._pools import Pool

__all__ = ["PATIENCE", "Block", "BlockKind", "Gate", "Need", "Note", "NoteKind", "Reservation", "amount_of"]

BlockKind: TypeAlias = Literal[
    "concurrency", "circuit", "retry_after", "meter", "exhausted", "exceeds"
]  # fmt: skip
NoteKind: TypeAlias = Literal[
    "rate_limited", "circuit_opened", "circuit_closed", "budget_exhausted", "cache_missed", "group_reprimed"
]
WIDE = 256.0
"""A window that has grown so far limits nothing any more."""
PATIENCE = 8
"""How often a pool may be passed over at gates that are full in turn, before the next room is kept for it."""


Need: TypeAlias = "tuple[Gate, Meter, float]"
"""How much a job needs of one meter of a gate."""


class Block:
    """What stands against a job's start: which gate, which of its meters, and until when, if known."""

    __slots__ = ("amount", "gate", "kind", "meter", "until")

    def __init__(
        self, gate: Gate, kind: BlockKind, until: float, meter: Meter | None = None, amount: float = 0.0
    ) -> None:
        self.gate: Gate = gate
        self.kind: BlockKind = kind
        self.until: float = until
        """Infinity where only the end of another job can tell."""
        self.meter: Meter | None = meter
        self.amount: float = amount
        """How much of the meter the job needs."""

    @property
    def what(self) -> str:
        """What is short, in words."""
        meter = self.meter
        if meter is None:
            return f"{self.gate.label}: jobs at once"
        if isinstance(meter, Allowance):
            name = "the budget" if meter.label == "budget" else f"the budget {meter.label!r}"
            return f"{name} of {self.gate.label} ({meter.unit})"
        return f"{self.gate.label}: {meter.label}"

    @property
    def final(self) -> bool:
        """Whether to wait in line does not help: the job needs more than there is or will be."""
        return self.kind in ("exhausted", "exceeds")


class Note:
    """Something that happened at a gate or in a group; `until` tells when it is over, where that is known."""

    __slots__ = ("at", "entry", "kind", "until")

    def __init__(
        self, kind: NoteKind, at: Gate | GroupState, until: float | None, entry: Entry | None = None
    ) -> None:
        self.kind: NoteKind = kind
        self.at: Gate | GroupState = at
        self.until: float | None = until
        self.entry: Entry | None = entry
        """The member of the group that it is about."""


class Reservation:
    """What an attempt has taken from its gates."""

    __slots__ = ("at", "items", "parked")

    def __init__(self, at: float, items: list[Need]) -> None:
        self.at: float = at
        self.items: list[Need] = items
        self.parked: bool = False

    def park(self, *, so: bool) -> None:
        """Its job waits for jobs of its own now, or no more: those are not to wait for what it gives back."""
        if self.parked != so:
            self.parked = so
            for _, meter, amount in self.items:
                if isinstance(meter, Allowance):
                    meter.resting += amount if so else -amount


class Gate:
    """One thing whose use is limited."""

    __slots__ = (
        "breaker",
        "capacity",
        "claim",
        "counts_cached",
        "hold",
        "label",
        "lines",
        "meters",
        "paused",
        "provider",
        "refused_at",
        "strikes",
        "timer",
        "used",
        "window",
    )

    def __init__(
        self,
        label: str,
        *,
        capacity: int | None = None,
        meters: Iterable[Meter] = (),
        breaker: Breaker | None = None,
        counts_cached: bool = True,
        provider: bool = False,
    ) -> None:
        self.label: str = label
        self.capacity: int | None = capacity
        self.meters: tuple[Meter, ...] = tuple(meters)
        self.breaker: Breaker | None = breaker
        self.counts_cached: bool = counts_cached
        """Whether cached input tokens count."""
        self.provider: bool = provider
        """Whether refusals by a provider concern it: it stands for an executor, a model or a key."""
        self.used: int = 0
        """How many run, those included that were given up and have not ended."""
        self.window: float = math.inf
        """How many may run of those that a provider has refused, where no rate is known to go by.

        Halved by a refusal, and one more for as many successes as it lets run, as TCP does (Jacobson, 1988).
        """
        self.hold: float = -math.inf
        """Nothing passes before this time: a provider asked for that."""
        self.refused_at: float = -math.inf
        self.strikes: int = 0
        """Refusals in a row that did not say how long to wait."""
        self.claim: Pool | None = None
        """Whom the next room is kept for: it was passed over too often."""
        self.lines: dict[Meter | bool, Line] = {}
        """Whose heads do not pass: for each meter, for room (True), and for the time to go on (False)."""
        self.paused: dict[Entry, Block] = {}
        """Jobs for which its budget has too little left: they stand in no queue until it has more."""
        self.timer: Timer | None = None

    @property
    def rates(self) -> list[Rate]:
        """Its limits per minute."""
        return [meter for meter in self.meters if isinstance(meter, Rate)]

    @property
    def allowances(self) -> list[Allowance]:
        """What its budgets have left."""
        return [meter for meter in self.meters if isinstance(meter, Allowance)]

    def line(self, block: Block) -> Line:
        """Where those wait that lack the same as this one."""
        key = block.kind == "concurrency" if block.meter is None else block.meter
        line = self.lines.get(key)
        if line is None:
            line = self.lines[key] = Line()
        return line

    def blocks(self, entry: Entry, pool: Pool, now: float) -> list[Block]:
        """What stands against the start of the head of a pool here."""
        if self.capacity is not None:
            free = self.capacity - self.used
            if free <= 0 or (free == 1 and self._kept_for_another(pool)):
                return [Block(self, "concurrency", math.inf)]
        if self.used >= self.window:
            return [Block(self, "concurrency", math.inf)]
        found: list[Block] = []
        if entry.state is RETURNING:  # it goes on with what it has reserved
            return found
        if self.breaker is not None and (when := self.breaker.when(now)) > now:
            found.append(Block(self, "circuit", when))
        if self.hold > now:
            found.append(Block(self, "retry_after", self.hold))
        for meter in self.meters:
            block = self._lacks(meter, entry, pool, now)
            if block is not None:
                found.append(block)
        return found

    def passes(self, entry: Entry, now: float, needs: list[Need]) -> bool:
        """Reserve what a job needs if it is plainly there, in the one quick look that nearly always does.

        What is reserved is added to `needs`. Where this says no, `blocks` looks again, and may find nothing.
        """
        if self.used >= self.window or (self.capacity is not None and self.used >= self.capacity):
            return False
        if self.hold > now or self.claim is not None or self.breaker is not None:
            return False
        for meter in self.meters:
            amount, known = amount_of(entry, meter.unit)
            if not known:
                amount = min(amount, meter.most)
                if self._goes_alone(meter):
                    return False
            if not meter.reserve(amount, now):
                return False
            needs.append((self, meter, amount))
        return True

    def _goes_alone(self, meter: Meter) -> bool:
        """Whether a job of which nothing is known waits for one that will tell what such jobs cost."""
        return isinstance(meter, Allowance) and not meter.known and self.used > 0

    def _kept_for_another(self, pool: Pool) -> bool:
        claim = self.claim
        return claim is not None and claim is not pool and not pool.before(claim)

    def _lacks(self, meter: Meter, entry: Entry, pool: Pool, now: float) -> Block | None:
        amount, known = amount_of(entry, meter.unit)
        if not known:
            amount = min(amount, meter.most)
            if self._goes_alone(meter):
                return Block(self, "meter", math.inf, meter)
        elif not amount:  # it does not use it
            return None
        elif meter.never(amount):
            return Block(self, "exceeds", math.inf, meter, amount)
        when = meter.when(amount, now)
        if when > now:
            if isinstance(meter, Allowance) and meter.exhausted(amount):
                return Block(self, "exhausted", when, meter, amount)
            return Block(self, "meter", when, meter, amount)
        kept = meter.earmark
        if kept is None or kept.pool is pool or pool.before(kept.pool):
            return None
        if meter.leaves(amount, kept, now):
            return None
        # Once its time has come, what it is kept for says itself when it has gone.
        return Block(self, "meter", kept.when if kept.when > now else math.inf, meter, amount)

    def keep(self, pool: Pool, block: Block, until: float) -> None:
        """What the head of a pool lacks is kept for it, unless one that comes before it has that already.

        Not before it can go: what fills up again until then is for others.
        """
        meter = block.meter
        if meter is None:
            return
        kept = meter.earmark
        if kept is None or kept.pool is pool or pool.before(kept.pool):
            meter.earmark = Earmark(pool, block.amount, until)
            pool.earmarks[meter] = self

    def needs(self, entry: Entry) -> Iterator[Need]:
        """How much a job needs of each of its meters."""
        for meter in self.meters:
            amount, known = amount_of(entry, meter.unit)
            yield self, meter, amount if known else min(amount, meter.most)

    def succeeded(self) -> bool:
        """A provider took a job; whether more may run by that."""
        self.strikes = 0
        if self.window == math.inf:
            return False
        self.window += 1.0 / self.window
        if self.window > WIDE:
            self.window = math.inf
        return True

    def refused(
        self, wait: float | None, since: float, amounts: list[tuple[Rate, float]], now: float
    ) -> None:
        """A provider refused an attempt that began at `since`, by these rates: it asks to wait."""
        if since > self.refused_at:  # not one of a volley of which another was refused already
            self.refused_at = now
            for rate, amount in amounts:
                rate.refused(amount, wait, now)
            if not amounts and self.used > 1:
                self.window = max(1.0, min(self.window, self.used) // 2)
            if wait is None:
                wait = min(2.0**self.strikes, 60.0)
                self.strikes += 1
        if wait is not None:
            self.hold = max(self.hold, now + wait)


def amount_of(entry: Entry, unit: Unit) -> tuple[float, bool]:
    """How much of a unit a job is expected to use, and whether that was said (else it is the lane's mean)."""
    demand = entry.demand
    if demand is not None:
        if unit == "requests":
            return demand.requests, True
        if unit == "tokens":
            if demand.input_tokens is not None and demand.output_tokens is not None:
                return demand.input_tokens + demand.output_tokens, True
        elif (said := getattr(demand, unit)) is not None:  # its fields have the names of units
            return said, True
    elif unit == "requests":
        return 1.0, True
    if unit == "input_tokens" and entry.rough and entry.lane.means is not None:
        return entry.lane.means.from_rough(entry.rough), False
    if unit != "tokens":
        return entry.lane.mean(unit), False
    return amount_of(entry, "input_tokens")[0] + amount_of(entry, "output_tokens")[0], False
