"""Limits, budgets, breakers and lanes over long random lives: a plain scan checks every start and every stop.

What is checked at every step is said in `Road.check_start` (no limit is passed, and a job passes all its
gates together), `Road.check_stop` (work-conserving: nothing that could start stands still) and
`Road.check_books` (what is there of each meter is what a ledger says that was kept aside).
"""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from paceline._scheduler import (
    Allowance,
    Breaker,
    Entry,
    Gate,
    GroupState,
    LaneState,
    Leftover,
    Pool,
    Rate,
    Scheduler,
    State,
    Unit,
)
from paceline._scheduler._meters import Meter
from paceline._usage import Cost, Failure, Usage

WAITS = {State.READY, State.RETURNING}
SIZES: tuple[tuple[Unit, float], ...] = (("requests", 60.0), ("tokens", 6000.0), ("input_tokens", 4000.0))
"""A middling rate per minute of each."""
CLOSE = 1e-6
"""Of a meter's size: how far two ways of adding up may be apart."""


@dataclass
class Bucket:
    """A rate as a ledger keeps it: where nobody refuses, it never learns."""

    rate: float
    size: float
    level: float
    at: float | None = None

    def pass_time(self, now: float) -> None:
        if self.at is not None:
            self.level = min(self.size, self.level + max(0.0, now - self.at) * self.rate)
        self.at = now


@dataclass
class Purse:
    """An allowance as a ledger keeps it."""

    size: float
    period: float | None
    ends: float | None = None
    spent: float = 0.0
    out: float = 0.0
    """Reserved by attempts that are under way."""

    @property
    def level(self) -> float:
        return self.size - self.spent - self.out

    def pass_time(self, now: float) -> None:
        if self.period is not None and self.ends is not None and now >= self.ends:
            self.spent = 0.0
            while self.ends <= now:
                self.ends += self.period
            if self.out <= self.size * 1e-9:  # the next one begins with the next reservation
                self.ends = None


@dataclass
class Means:
    """What the jobs of a lane used, in lists."""

    used: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    def learn(self, usage: Usage) -> None:
        for unit in ("input_tokens", "output_tokens", "money"):
            if (value := getattr(usage, unit)) is not None:
                self.used.setdefault(unit, []).append(value)

    def mean(self, unit: str) -> float | None:
        values = self.used.get(unit)
        return sum(values) / len(values) if values else None


class Road:
    """A scheduler in which jobs behind gates come and go."""

    def __init__(self, seed: int, *, ask: bool = False) -> None:
        self.dice = dice = random.Random(seed)
        self.ask = ask
        self.scheduler = Scheduler(slots=dice.randint(1, 6), max_active_groups=dice.choice([None, 1, 2]))
        self.lanes = [
            self.scheduler.set_lane(f"lane-{n}", dice.choice([1.0, 1.0, 3.0]), dice.choice([None, None, 2]))
            for n in range(4)
        ]
        self.gates = [self.gate(n) for n in range(dice.randint(1, 5))]
        sets: list[tuple[Gate, ...]] = [(), *((gate,) for gate in self.gates)]
        for _ in range(4):
            some = [gate for gate in self.gates if dice.random() < 0.5]
            sets.append(tuple(some))
        self.sets = list(dict.fromkeys(sets))
        self.pools = [self.scheduler.queues.pools.of(gates) if gates else None for gates in self.sets]
        self.entries: list[Entry] = []
        self.left: list[Leftover] = []
        self.out: dict[int, list[tuple[Gate, Meter, float]]] = {}
        """Of each reservation: what it took, by the ledger."""
        self.means: dict[LaneState | None, Means] = {lane: Means() for lane in self.lanes}
        self.means[None] = Means()
        self.ledger: dict[Meter, Bucket | Purse] = {}
        for gate in self.gates:
            for rate in gate.rates:
                self.ledger[rate] = Bucket(rate.per_minute / 60.0, rate.size, rate.size)
            for allowance in gate.allowances:
                self.ledger[allowance] = Purse(allowance.size, allowance.period)
        self.told = {rate: rate.per_minute for gate in self.gates for rate in gate.rates}
        self.said: list[str] = []
        self.added = 0
        self.now = 0.0
        self.calm = False
        """Nothing comes in, nothing fails: all that is there is to end."""

    def gate(self, number: int) -> Gate:
        dice = self.dice
        meters: list[Rate | Allowance] = [
            Rate(
                unit,
                f"{unit} per minute",
                size * dice.choice([0.2, 1.0, 5.0]),
                dice.choice([0.05, 0.3, 1.0, 2.0]),
            )
            for unit, size in SIZES
            if dice.random() < 0.3
        ]
        if dice.random() < 0.3:
            meters.append(
                Allowance(
                    dice.choice(["tokens", "money"]),
                    "budget",
                    dice.choice([2000.0, 20000.0]),
                    period=dice.choice([30.0, 300.0]),
                    on_exhausted=dice.choice(["pause", "pause", "fail"]),
                )
            )
        return Gate(
            f"gate-{number}",
            capacity=dice.choice([None, None, 1, 2, 4]),
            meters=meters,
            breaker=Breaker(dice.randint(1, 3), 10.0) if dice.random() < 0.3 else None,
            counts_cached=dice.random() < 0.5,
            provider=dice.random() < 0.5,
        )

    # What the ledger says.

    def amount(self, entry: Entry, unit: str) -> tuple[float, bool]:
        demand = entry.demand
        if unit == "requests":
            return (1.0 if demand is None else float(demand.requests)), True
        if unit == "tokens":
            (a, known), (b, said) = self.amount(entry, "input_tokens"), self.amount(entry, "output_tokens")
            return a + b, known and said
        value = None if demand is None else getattr(demand, unit)
        if value is not None:
            return float(value), True
        mean = self.means[entry.lane].mean(unit)
        mean = self.means[None].mean(unit) if mean is None else mean
        return mean or 0.0, False

    def need(self, entry: Entry, meter: Meter) -> float:
        amount, known = self.amount(entry, meter.unit)
        return amount if known else min(amount, meter.most)

    @staticmethod
    def used(meter: Meter, reserved: float, usage: Usage | None, *, counts: bool) -> float:
        if usage is None:
            return reserved
        given = usage.input_tokens
        if given is not None and not counts:
            given = max(0, given - (usage.cached_tokens or 0))
        parts: dict[str, float | None] = {
            "requests": usage.requests,
            "input_tokens": given,
            "output_tokens": usage.output_tokens,
            "money": usage.money,
        }
        if meter.unit != "tokens":
            value = parts[meter.unit]
            return reserved if value is None else value
        some = [parts["input_tokens"], parts["output_tokens"]]
        total = sum(part or 0.0 for part in some)
        return max(reserved, total) if None in some else total

    def check_books(self) -> None:
        for gate in self.gates:
            for meter in gate.meters:
                meter.refill(self.now)
                assert meter.level <= meter.size * (1 + CLOSE)
                book = self.ledger[meter]
                book.pass_time(self.now)
                if isinstance(meter, Allowance):
                    assert isinstance(book, Purse)
                    assert meter.reserved == pytest.approx(book.out, abs=meter.size * CLOSE)
                    assert meter.spent == pytest.approx(book.spent, abs=meter.size * CLOSE)
                if isinstance(meter, Allowance) or not gate.provider:  # those of a provider learn
                    assert meter.level == pytest.approx(book.level, abs=meter.size * CLOSE), meter.label

    # What a scan says.

    def holding(self) -> list[Entry]:
        running = [entry for entry in self.entries if entry.state is State.RUNNING]
        return running + [leftover.entry for leftover in self.left if leftover.holds]

    def able(self) -> list[Entry]:
        """Whatever waits for nothing but a slot and its gates."""
        lanes = Counter(entry.lane for entry in self.holding())
        queues = self.scheduler.queues
        return [
            entry
            for entry in self.entries
            if entry.state in WAITS
            and (entry.lane.capacity is None or lanes[entry.lane] < entry.lane.capacity)
            and (entry.group is None or self.has_place(entry, queues.max_active_groups))
        ]

    def has_place(self, entry: Entry, places: int) -> bool:
        group, lane = entry.group, entry.lane
        assert group is not None
        inside = sum(one.group is group for one in self.holding())
        if group.cap is not None and inside >= group.cap.capacity:
            return False
        if group.exempt or group.active or entry.state is State.RETURNING:
            return True
        here = sum(one.lane is lane for one in self.scheduler.queues.active)
        return (not here or len(self.scheduler.queues.active) < places) and (
            lane.capacity is None or here < lane.capacity
        )

    def lacks(self, entry: Entry) -> list[str]:
        """What of its gates does not admit it, whoever else waits there."""
        found: list[str] = []
        held = self.holding()
        for gate in () if entry.pool is None else entry.pool.gates:
            here = sum(one.pool is not None and gate in one.pool.gates for one in held)
            if here >= (math.inf if gate.capacity is None else gate.capacity) or here >= gate.window:
                found.append(f"{gate.label}: full")
            if entry.state is State.RETURNING:
                continue
            if gate.hold > self.now:
                found.append(f"{gate.label}: held")
            if gate.breaker is not None and gate.breaker.when(self.now) > self.now:
                found.append(f"{gate.label}: broken")
            found += [f"{gate.label}: {m.label} has {m.level}" for m in gate.meters if self.short(entry, m)]
        return found

    # Life.

    def start_all(self) -> None:
        while True:
            if self.ask:
                for one in self.entries:
                    self.scheduler.why(one)
            able = {one: self.lacks(one) for one in self.able()}
            paused = self.scheduler.states[State.PAUSED]
            entry = self.scheduler.next(self.now)
            refused, self.scheduler.gates.refused = self.scheduler.gates.refused, []
            for one, block in refused:
                self.check_refused(one, block)
                self.said.append(f"refused {one.label} {block.kind}")
                self.end(one, "failed")
            self.scheduler.gates.notes.clear()
            turned_away = bool(refused) or paused != self.scheduler.states[State.PAUSED]
            if entry is None:
                if turned_away:  # others may have their turn by that
                    continue
                when = self.scheduler.wake_at()
                if when is not None and when <= self.now + 1e-6:
                    self.now = max(self.now, when)
                    self.scheduler.due(self.now)
                    continue
                self.check_stop()
                return
            if not turned_away:
                assert entry in able, f"{entry.label} may not run"
                assert not able[entry], f"{entry.label} lacks {able[entry]}"
            self.said.append(f"{entry.label} at {self.now}")
            if entry.reserved is not None and id(entry.reserved) not in self.out:
                self.enter(entry)
            self.check_start()

    def enter(self, entry: Entry) -> None:
        """What it took, into the ledger: from all of its gates, or it had not started."""
        meters = [(gate, meter) for gate in (entry.pool.gates if entry.pool else ()) for meter in gate.meters]
        if entry.pool is None:
            assert entry.reserved is None
            return
        assert entry.reserved is not None
        assert [(gate, meter) for gate, meter, _ in entry.reserved.items] == meters
        self.out[id(entry.reserved)] = list(entry.reserved.items)
        for _, meter, amount in entry.reserved.items:
            assert amount == pytest.approx(self.need(entry, meter), rel=1e-9)
            book = self.ledger[meter]
            book.pass_time(self.now)
            if isinstance(book, Purse):
                book.out += amount
                if amount and book.ends is None and book.period is not None:
                    book.ends = self.now + book.period
            else:
                book.level -= amount

    def leave(self, reserved: object, usage: Usage | None, *, nothing: bool = False) -> None:
        """What an attempt used, into the ledger."""
        for gate, meter, amount in self.out.pop(id(reserved), ()):
            used = 0.0 if nothing else self.used(meter, amount, usage, counts=gate.counts_cached)
            book = self.ledger[meter]
            book.pass_time(self.now)
            if isinstance(book, Purse):
                book.out -= amount
                book.spent += used
                if not book.spent and book.out <= book.size * 1e-9:
                    book.ends = None
                elif book.ends is None and book.period is not None:
                    book.ends = self.now + book.period
            else:
                book.level = min(book.size, book.level + amount - used)

    def check_start(self) -> None:
        held = self.holding()
        for gate in self.gates:
            here = sum(one.pool is not None and gate in one.pool.gates for one in held)
            assert gate.used == here
            assert gate.capacity is None or here <= gate.capacity
        self.check_books()

    def check_refused(self, entry: Entry, block: Any) -> None:
        assert block.meter is not None
        if block.kind == "exceeds":
            assert block.amount > block.meter.most
        else:
            assert isinstance(block.meter, Allowance)
            assert block.amount > block.meter.level

    def check_stop(self) -> None:
        """A slot is free, and nothing started: each pool's first job lacks something, or leaves it to others.

        It leaves it to a pool that comes before its own in the order, whose first job waits for that.
        """
        self.check_books()
        queues = self.scheduler.queues
        running = sum(one.state is State.RUNNING for one in self.entries)
        assert queues.used == running
        if running == queues.slots:
            return
        by_pool: dict[Pool, list[Entry]] = {}
        for entry in self.able():
            by_pool.setdefault(queues.pool_of(entry), []).append(entry)
        assert queues.pools.plain not in by_pool, "a job without gates could run"
        heads = {pool: self.head(pool, able) for pool, able in by_pool.items()}
        for pool, head in heads.items():
            assert head in by_pool[pool], f"{head} is first in its pool, and could not start"
            if self.slowed(pool) or self.guessed_less(pool, head):
                continue
            if not self.lacks(head) and not self.left_to_others(pool, head, heads):
                raise AssertionError(f"{head.label} could start at {self.now}")
        for entry in self.entries:
            if entry.state is State.PAUSED and entry.demand is not None and entry.demand.money is not None:
                assert self.lacks(entry), f"{entry.label} is paused for nothing"

    def head(self, pool: Pool, able: list[Entry]) -> Entry:
        """Who was first in a pool when it was last looked at; if that is gone, who is first now."""
        if pool.head in able:
            return pool.head
        queues = self.scheduler.queues
        branch = pool.warm.branches.first()
        if len(queues.active) < queues.max_active_groups:
            other = pool.cold.branches.first()
            if other is not None and (branch is None or pool.cold.key < pool.warm.key):
                branch = other
        assert branch is not None, "a job could start, and its lane stands nowhere"
        standing: Any = branch.choose(queues.places_free(branch.lane))
        while not hasattr(standing, "head"):
            standing = standing.turns.first()
        first: Entry = standing.head()
        return first

    def slowed(self, pool: Pool) -> bool:
        """Whether it waits for a rate that was lowered and grows again: it was told too late a time."""
        block = pool.block
        if block is None or not isinstance(block.meter, Rate) or block.until <= self.now:
            return False
        return block.meter.per_minute < self.told[block.meter]

    def guessed_less(self, pool: Pool, head: Entry) -> bool:
        """Whether it is expected to use less than when it was looked at, by the mean of others."""
        block = pool.block
        if block is None or block.meter is None or block.until <= self.now:
            return False
        return self.need(head, block.meter) < block.amount

    def left_to_others(
        self, pool: Pool, head: Entry, heads: dict[Pool, Entry], seen: tuple[Pool, ...] = ()
    ) -> bool:
        """Whether a pool that comes before this one waits for something that this head would take away."""
        level = self.scheduler.queues.pools.level  # to which whoever waits is brought up when it goes on
        for other, first in heads.items():
            if other is pool or other in seen:
                continue
            if max(other.key, level) > max(pool.key, level) + 1e-6 and not self.kept_for(other, pool):
                continue
            takes = any(self.takes_away(other, first, head, gate) for gate in pool.gates)
            if takes and (
                self.lacks(first)
                or self.slowed(other)
                or self.left_to_others(other, first, heads, (*seen, pool))
            ):
                return True
        return False

    @staticmethod
    def kept_for(other: Pool, pool: Pool) -> bool:
        """Whether something that this pool needs is kept for the other one, which came before it once."""
        marks = [meter.earmark for gate in pool.gates for meter in gate.meters]
        return any(gate.claim is other for gate in pool.gates) or any(m and m.pool is other for m in marks)

    def takes_away(self, other: Pool, first: Entry, head: Entry, gate: Gate) -> bool:
        if gate.claim is other:
            return True
        if head.state is State.RETURNING or gate not in other.gates:
            return False
        return any(self.delays(other, first, head, meter) for meter in gate.meters)

    def delays(self, other: Pool, first: Entry, head: Entry, meter: Meter) -> bool:
        """Whether a start of this head takes from a meter what the first job of the other pool waits for."""
        need = self.need(head, meter)
        stands_for_it = other.block is not None and other.block.meter is meter
        if not need or stands_for_it or self.short(first, meter):
            return need > 0
        kept = meter.earmark
        if kept is None or kept.pool is not other:
            return False
        rate = meter.per_minute / 60.0 if isinstance(meter, Rate) else 0.0
        return meter.level - need + rate * max(0.0, kept.when - self.now) < kept.amount

    def short(self, entry: Entry, meter: Meter) -> bool:
        """Whether less is there of a meter than a job needs."""
        amount = self.amount(entry, meter.unit)
        if entry.state is State.RETURNING or amount == (0.0, True):
            return False
        if isinstance(meter, Allowance) and not amount[1] and not meter.known:
            gates = () if entry.pool is None else entry.pool.gates
            if any(meter in gate.meters and gate.used for gate in gates):
                return True  # until one has told
        meter.refill(self.now)
        need = self.need(entry, meter)
        if isinstance(meter, Rate):
            need = min(need, meter.size)
        return need > meter.level + meter.size * 1e-9

    def end(self, entry: Entry, status: Any) -> None:
        for node in self.scheduler.end(entry, status, self.now):
            if isinstance(node, Entry):
                self.entries.remove(node)

    def step(self) -> None:
        dice, scheduler = self.dice, self.scheduler
        self.now += dice.choice([0.0, 0.1, 1.0, 1.0, 7.0])
        scheduler.due(self.now)
        if not self.calm and len(self.entries) < 40 and dice.random() < 0.6:
            self.add()
        at_work = [entry for entry in self.entries if entry.state not in {State.READY, State.BLOCKED}]
        for some in (at_work, self.entries):
            if some:
                self.happen(dice.choice(some), dice.randrange(40))
        if self.left and dice.random() < 0.3:
            self.gone(self.left.pop(dice.randrange(len(self.left))))

    def gone(self, leftover: Leftover) -> None:
        usage = self.usage(leftover.entry)
        begun = self.dice.random() < 0.8
        if usage is not None and leftover.reserved is not None and begun:
            self.learn(leftover.entry, usage)
        self.leave(leftover.reserved, usage, nothing=not begun)
        self.scheduler.gone(leftover, None, self.now, usage, begun=begun)

    def learn(self, entry: Entry, usage: Usage) -> None:
        self.means[entry.lane].learn(usage)
        self.means[None].learn(usage)

    def demand(self) -> Cost | None:
        dice = self.dice
        if dice.random() < 0.1:
            return None
        size = dice.choice([10, 50, 300, 300, 1500])
        return Cost(
            input_tokens=dice.choice([None, 0, size, size, size]),
            output_tokens=dice.choice([None, 0, 20, 200]),
            requests=dice.choice([1, 1, 1, 2]),
            money=dice.choice([None, 0.0, float(size)]),
        )

    def usage(self, entry: Entry) -> Usage | None:
        dice = self.dice
        if dice.random() < 0.2:
            return None
        wrong = dice.choice([0.1, 0.5, 1.0, 1.0, 10.0 if not self.calm else 1.0])
        given = int(self.amount(entry, "input_tokens")[0] * wrong) + 1
        return Usage(
            input_tokens=dice.choice([None, given, given]),
            cached_tokens=dice.choice([None, given // 2]),
            output_tokens=dice.choice([None, 5, 200]),
            requests=dice.choice([None, 1, 1, 2]),
            money=dice.choice([None, self.amount(entry, "money")[0] * wrong]),
        )

    def add(self) -> None:
        dice = self.dice
        lane, pool = dice.choice(self.lanes), dice.choice(self.pools)
        priority = dice.choice([0.0, 0.0, 0.0, 1.0, 5.0])
        group = None
        if dice.random() < 0.3:
            group = GroupState(
                "group", lane, capacity=dice.choice([None, 1, 2]), pool=pool, exempt=dice.random() < 0.3
            )
            self.scheduler.open_group(group, priority)
        for _ in range(dice.randint(1, 4)):
            self.added += 1
            entry = Entry(
                f"job-{self.added}",
                lane,
                group,
                priority,
                dice.choice([None, 0.0, 1.0, 9.0]),
                pool=pool,
                demand=self.demand(),
            )
            entry.lock = dice.choice([None, None, None, None, "a lock"])
            self.entries.append(entry)
            self.scheduler.add(entry, self.now)
            if (block := self.scheduler.gates.never(entry)) is not None:
                assert block.final
                self.end(entry, "failed")
        if group is not None:
            self.scheduler.close_group(group, self.now)

    def happen(self, entry: Entry, what: int) -> None:
        scheduler, state = self.scheduler, entry.state
        if state is State.RUNNING and what < 5 and not self.calm:
            scheduler.park(entry)
        elif state is State.PARKED and what < 25:
            scheduler.unpark(entry)
        elif state is State.SUSPENDED:
            scheduler.again(entry)
        elif state is State.RUNNING and what < 10 and not self.calm:
            self.left.append(scheduler.abandon(entry))
            self.becomes(entry)
        elif state is State.RUNNING and what < 13 and not self.calm:
            self.leave(entry.reserved, None, nothing=True)
            scheduler.send_back(entry, self.now)
            self.becomes(entry)
        elif state in {State.RUNNING, State.PARKED, State.RETURNING}:
            self.finish(entry)
        elif what == 0 and not self.calm:
            self.end(entry, "cancelled")

    def finish(self, entry: Entry) -> None:
        dice = self.dice
        fault = (
            None if self.calm else dice.choice([None, None, None, "limit", "provider", "request", "unknown"])
        )
        failure = None
        if fault is not None:
            failure = Failure(True, dice.choice([None, 0.5, 4.0, 30.0]), fault)  # type: ignore[arg-type]
        usage = self.usage(entry)
        if fault == "limit" and dice.random() < 0.7:
            usage = None
        if usage is not None and entry.reserved is not None:
            self.learn(entry, usage)
        self.leave(entry.reserved, usage, nothing=fault == "limit" and usage is None)
        self.scheduler.finish(entry, dice.choice([None, 0.0, 5.0]), self.now, usage, failure)
        if self.calm:
            self.end(entry, "succeeded")
        else:
            self.becomes(entry)

    def becomes(self, entry: Entry) -> None:
        match self.dice.randrange(8):
            case 0:
                self.scheduler.retry(entry, self.now + 3.0)
            case 1:
                self.scheduler.again(entry)
            case 2:
                self.scheduler.suspend(entry)
            case _:
                self.end(entry, self.dice.choice(["succeeded", "failed"]))

    def live(self, steps: int) -> None:
        for _ in range(steps):
            self.step()
            self.start_all()

    def run_dry(self) -> None:
        """Nothing comes in any more: time goes on, and everything ends."""
        self.calm = True
        for leftover in self.left:
            self.gone(leftover)
        self.left.clear()
        for _ in range(5000):
            if not self.entries:
                return
            self.start_all()
            working = [
                e for e in self.entries if e.state not in {*WAITS, State.BLOCKED, State.BACKOFF, State.PAUSED}
            ]
            for entry in working:
                self.happen(entry, 20)
            if not working and self.entries:
                when = self.scheduler.wake_at()
                assert when is not None, self.stuck()
                self.now = max(self.now, when)
                self.scheduler.due(self.now)
        raise AssertionError(self.stuck())

    def stuck(self) -> str:
        lines = [f"{e.label} {e.state!r} {self.scheduler.why(e)} {self.lacks(e)}" for e in self.entries]
        return f"at {self.now} wait for ever: " + "; ".join(lines[:8])

    def check_empty(self) -> None:
        scheduler = self.scheduler
        assert scheduler.at_rest(lambda: 0)
        assert scheduler.unfinished == scheduler.unfinished_groups == 0
        assert not scheduler.queues.ready
        assert not scheduler.queues.used
        assert not scheduler.queues.active
        assert scheduler.queues.pools.first(True) is None
        for gate in self.gates:
            assert not any(line.pools for line in gate.lines.values())
            assert not gate.paused
            assert gate.claim is None
            assert gate.used == 0
            assert all(meter.earmark is None for meter in gate.meters)
            assert all(allowance.reserved == pytest.approx(0.0, abs=1e-6) for allowance in gate.allowances)
            assert gate.breaker is None or gate.breaker.probe is None
        for pool in self.pools:
            if pool is not None:
                assert pool.empty
                assert pool.block is None
                assert not pool.earmarks
        for lane in self.lanes:
            assert lane.used == lane.ready == lane.unfinished == lane.active == 0
            assert not any(branch.open or branch.cold for branch in lane.branches.values())


@pytest.mark.parametrize("seed", range(24))
def test_over_a_long_life_no_limit_is_passed_and_nothing_that_could_start_stands_still(seed: int) -> None:
    road = Road(seed)
    road.live(400)
    road.run_dry()
    road.check_empty()
    assert len(road.said) > 50


@pytest.mark.parametrize("seed", range(10))
def test_the_same_seed_gives_the_same_starts_and_looking_on_changes_nothing(seed: int) -> None:
    silent, again, watched = Road(seed), Road(seed), Road(seed, ask=True)
    for road in (silent, again, watched):
        road.live(150)
    assert silent.said == again.said == watched.said
    assert math.isfinite(silent.now)
