"""What each job has to pass before it starts: the gates of its engine, lane, group, tags and resources.

Everything that is limited is a gate of the scheduler's, made here from `Limits` and `Budget`, by name. A job
passes the gate of the whole engine, those of its lane and group, of the budgets that its tags come under, and
of the *resources* that it uses: its executor, the models and keys that its executor names, and those that its
submitter names. Where nothing is limited there is no gate, and none of this costs anything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ._checks import instance, text
from ._errors import UnknownName
from ._limits import Budget, Limits
from ._policies import Lane
from ._prices import price_of
from ._scheduler import Allowance, Breaker, Gate, Pool, Rate, Sharing, Unit
from ._usage import Cost, Usage

if TYPE_CHECKING:
    from ._executors import Bound
    from ._job import Job
    from ._record import Record
    from ._scheduler import Scheduler
    from ._settings import Settings

_log = logging.getLogger("paceline")

__all__ = ["WHOLE", "Admission", "limits_by_name"]

WHOLE = "*"
"""The name under which limits hold for the whole engine."""

_RATES: tuple[tuple[Unit, str, str], ...] = (
    ("requests", "requests_per_minute", "requests per minute"),
    ("tokens", "tokens_per_minute", "tokens per minute"),
    ("input_tokens", "input_tokens_per_minute", "input tokens per minute"),
    ("output_tokens", "output_tokens_per_minute", "output tokens per minute"),
)


class Admission:
    """The gates of one run, and the way from a job to those that it passes."""

    def __init__(self, settings: Settings, scheduler: Scheduler, now: Callable[[], float]) -> None:
        self._settings = settings
        self._now = now
        self._scheduler = scheduler
        self._pools = scheduler.queues.pools
        self.gates: dict[str, Gate] = {}
        """By the name of the resource; `*` is the whole engine."""
        self.lanes: dict[str, Gate] = {}
        self.tags: dict[tuple[str, Any], Gate] = {}
        """Of budgets that hold for each value of a key in the metadata, by budget and value."""
        self._lane_settings: dict[str, Lane] = {}
        self.limits: dict[str, Limits | None] = dict(settings.limits)
        """By the name of the resource, as they are now."""
        self.budgets: dict[str, Budget] = {budget.name: budget for budget in settings.budgets}
        """The engine's, by name, as they are now."""
        self._tagged_by: bool = any(budget.by is not None for budget in settings.budgets)
        self._found: dict[tuple[str, tuple[str, ...], str | None], Pool] = {}
        self._in_money: bool = False
        """Whether a budget counts money."""
        self._unpriced: set[str | None] = set()
        """Models that have no price, as was said."""
        self._sharing: dict[str, Sharing] = {}
        self.estimates: bool = settings.costs.in_tokens
        """Whether what jobs will use is of interest."""
        self.counts_requests: bool = False
        """Whether at least the number of their requests is, if somebody can tell: else it is one."""
        if self._whole():
            self._gate(WHOLE)
        for name in settings.limits:
            if name not in self.gates:
                self._gate(name)
        self.estimates = self.estimates or self._tagged_by
        for lane in settings.lanes:
            self.set_lane(lane)

    # Making gates.

    def _whole(self) -> tuple[Budget, ...]:
        """The budgets that hold for the whole engine."""
        return tuple(budget for budget in self.budgets.values() if budget.by is None)

    def _gate(self, name: str) -> Gate:
        gate = self.gates[name] = Gate("the engine" if name == WHOLE else name, provider=name != WHOLE)
        self.set(gate, self._limits_of(name), self._whole() if name == WHOLE else ())
        return gate

    def _limits_of(self, name: str) -> Limits | None:
        """What limits a resource; without rates of its own it has those of the engine, to learn better ones.

        So that a provider that refuses slows down those who use it, and not the whole engine.
        """
        own, whole = self.limits.get(name), self.limits.get(WHOLE)
        if name == WHOLE or whole is None or (own is not None and any(_rates(own))):
            return own
        own = own or Limits()
        return replace(whole, concurrency=own.concurrency, breaker=own.breaker)

    def limit(self, name: str, limits: Limits | None) -> None:
        """Give a resource other limits."""
        self.limits[name] = limits
        for each, gate in self.gates.items() if name == WHOLE else ((name, self.gates[name]),):
            self.change(gate, self._limits_of(each), self._whole() if each == WHOLE else ())

    def change_budget(self, budget: Budget) -> None:
        """Give a budget of the engine other amounts."""
        self.budgets[budget.name] = budget
        if budget.by is None:
            self.change(self.gates[WHOLE], self.limits.get(WHOLE), self._whole())
        for (name, _), gate in self.tags.items():
            if name == budget.name:
                self.change(gate, None, (budget,))

    def unused(self) -> list[str]:
        """What has limits, and was used by no job of the run: a name that is misspelt, perhaps."""
        used = {gate for pool in self._found.values() for gate in pool.gates}
        return [name for name in self.limits if name != WHOLE and self.gates[name] not in used]

    def budget_gate(self, name: str, tag: Any) -> Gate | None:
        """The gate at which a budget of the engine is kept; None where a tag has not been met yet."""
        return self.gates[WHOLE] if self.budgets[name].by is None else self.tags.get((name, tag))

    def set(self, gate: Gate, limits: Limits | None, budgets: Sequence[Budget]) -> None:
        """Give a gate what limits it; what was there before and stays keeps its level."""
        before = {(meter.label, meter.unit): meter for meter in gate.meters}
        meters = [*_rates(limits), *_allowances(budgets)]
        self._in_money = self._in_money or any(budget.money is not None for budget in budgets)
        gate.meters = tuple(_carried(before.get((meter.label, meter.unit)), meter) for meter in meters)
        gate.capacity = None if limits is None else limits.concurrency
        gate.counts_cached = limits is None or limits.cached_tokens_count
        breaker = None if limits is None else limits.breaker
        if breaker is None:
            gate.breaker = None
        elif gate.breaker is None:
            gate.breaker = Breaker(breaker.failures, breaker.cooldown)
        else:
            gate.breaker.failures, gate.breaker.cooldown = breaker.failures, breaker.cooldown
        requests = limits is not None and limits.requests_per_minute is not None
        self.counts_requests = self.counts_requests or requests
        counts_tokens = limits is not None and limits.counts_tokens
        if budgets or counts_tokens or (requests and self._settings.estimator.asks):
            self.estimates = True

    def set_lane(self, lane: Lane) -> None:
        """Give a lane its limits and budget; without any it has no gate."""
        self._lane_settings[lane.name] = lane
        gate = self.lanes.get(lane.name)
        limits = lane.limits
        if limits is None and lane.budget is None:
            if gate is not None:
                self.change(gate, None, ())
            return
        if gate is None:
            gate = self.lanes[lane.name] = Gate(f"lane {lane.name}")
            self._found.clear()
        self.change(gate, limits, () if lane.budget is None else (lane.budget,))

    def forget_lane(self, name: str) -> None:
        """The lane is no more."""
        self._lane_settings.pop(name, None)
        if self.lanes.pop(name, None) is not None:
            self._found.clear()

    def lane_settings(self, name: str) -> Lane:
        """What was said of a lane."""
        return self._lane_settings.get(name) or Lane(name)

    def change(self, gate: Gate, limits: Limits | None, budgets: Sequence[Budget]) -> None:
        """Give a gate other limits; what waits at it is looked at again."""
        self.set(gate, limits, budgets)
        self._scheduler.gate_changed(gate, self._now())

    def group_gate(self, name: str, budget: Budget | None) -> Gate | None:
        """The gate of a group that has a budget."""
        if budget is None:
            return None
        gate = Gate(f"group {name}")
        self.set(gate, None, (budget,))
        return gate

    def sharing(self, resource: str) -> Sharing:
        """What its groups have learnt of a resource's cache."""
        return self._sharing.setdefault(resource, Sharing())

    # The way from a job to its gates.

    @property
    def limits_any(self) -> bool:
        """Whether anything is limited, by what was said so far."""
        return bool(self.gates or self.lanes or self._tagged_by)

    def pool(
        self,
        bound: Bound,
        resources: tuple[str, ...],
        lane: str,
        metadata: Mapping[str, Any],
        group: Gate | None = None,
    ) -> Pool | None:
        """Where a job queues that runs with this; None where nothing limits it.

        Raises:
            UnknownName: if a resource that the submitter names has no limits.
        """
        if not (group or self.limits_any or bound.resources or resources):
            return None
        key = (bound.name, bound.resources + resources, lane if lane in self.lanes else None)
        pool = self._found.get(key)
        if pool is None:
            pool = self._found[key] = self._pools.of(tuple(self._find(bound, resources, lane)))
        if self._tagged_by or group is not None:
            tagged = self._tagged(metadata) if self._tagged_by else ()
            pool = self._pools.of((*pool.gates, *tagged, *(() if group is None else (group,))))
        return pool if pool.gates else None

    def _find(self, bound: Bound, resources: tuple[str, ...], lane: str) -> Iterable[Gate]:
        for name in resources:
            if name not in self.gates:
                raise UnknownName(
                    "resource", name, self.gates, f"give it limits: Engine(limits={{{name!r}: Limits(...)}})"
                )
        if WHOLE in self.gates:
            yield self.gates[WHOLE]
        if lane in self.lanes:
            yield self.lanes[lane]
        names = [bound.name] if bound.name in self.gates else []
        for name in dict.fromkeys((*names, *bound.resources, *resources)):
            if name != WHOLE:
                yield self.gates.get(name) or self._gate(name)

    def _tagged(self, metadata: Mapping[str, Any]) -> Iterable[Gate]:
        for budget in self.budgets.values():
            value = None if budget.by is None else metadata.get(budget.by)
            if value is None:
                continue
            key = (budget.name, value)
            try:
                gate = self.tags.get(key)
            except TypeError:
                raise TypeError(
                    f"job: budget {budget.name!r} goes by {budget.by!r} of the metadata: that must be a "
                    f"text, or another value that can be a key, not {value!r}"
                ) from None
            if gate is None:
                gate = self.tags[key] = Gate(f"{budget.by} {value}")
                self.set(gate, None, (budget,))
            yield gate

    # What jobs use.

    def demand(self, job: Job, bound: Bound, resources: tuple[str, ...]) -> Cost | None:
        """What a job is expected to use, if anybody says; asked only where `estimates` says so."""
        cost = self._settings.estimator.cost(job, bound.estimate)
        if cost is None:
            return None
        if cost.money is None and self._settings.prices and cost.output_tokens is not None:
            usage = Usage(input_tokens=cost.input_tokens, output_tokens=cost.output_tokens)
            for name in (*bound.resources, *resources):
                price = price_of(self._settings.prices, name)
                if price is not None:
                    return replace(cost, money=price.money(usage))
        return cost

    def priced(self, usage: Usage, record: Record) -> Usage:
        """The same, with what it cost where a price is known and the provider did not say."""
        prices = self._settings.prices
        if usage.money is not None or not (prices or self._in_money):
            return usage
        bound = record.bound
        used = () if bound is None else (*bound.resources, *record.options.resources)
        names = used if usage.model is None else (usage.model,)
        for name in names:
            price = price_of(prices, name)
            if price is not None:
                return replace(usage, money=price.money(usage))
        if self._in_money and usage.model not in self._unpriced:
            self._unpriced.add(usage.model)
            _log.warning(
                "a budget counts money, and %s has no price: what it uses costs nothing there; give it one, "
                "Engine(prices={%r: Price(...)}), or report Usage.money (job %s, executor %r)",
                "a usage that names no model" if usage.model is None else f"model {usage.model!r}",
                usage.model or "model",
                record.job.id,
                record.job.executor,
            )
        return usage


def limits_by_name(limits: Limits | Mapping[str, Limits] | None) -> dict[str, Limits]:
    """What `Engine(limits=)` says, by name."""
    if limits is None:
        return {}
    if isinstance(limits, Limits):
        return {WHOLE: limits}
    if not isinstance(limits, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # user code, often untyped
        raise TypeError(f"Engine: limits must be Limits, or a mapping of names to Limits, not {limits!r}")
    for name, each in limits.items():
        text("Engine", "each name in limits", name)
        instance("Engine", f"limits of {name!r}", each, Limits, "write Limits(requests_per_minute=...)")
    return dict(limits)


def _rates(limits: Limits | None) -> Iterable[Rate]:
    for unit, field, label in _RATES if limits is not None else ():
        per_minute = getattr(limits, field)
        if per_minute is not None and limits is not None:
            yield Rate(unit, label, per_minute, limits.burst)


def _allowances(budgets: Iterable[Budget]) -> Iterable[Allowance]:
    for budget in budgets:
        units: tuple[tuple[Unit, float | None], ...] = (("tokens", budget.tokens), ("money", budget.money))
        for unit, size in units:
            if size is not None:
                yield Allowance(
                    unit,
                    budget.name,
                    size,
                    period=budget.period,
                    on_exhausted=budget.on_exhausted,
                )


def _carried(old: Any, new: Any) -> Any:
    """The old meter, set to what the new one says, if there was one of the kind."""
    if old is None:
        return new
    old.become(new)
    return old
