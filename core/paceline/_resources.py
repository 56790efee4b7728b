"""The caller's hold on what is limited: resources by name, and the engine's budgets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

from ._checks import instance
from ._errors import UnknownName
from ._limits import Budget, Limits

if TYPE_CHECKING:
    from ._run import Run
    from ._scheduler import Gate

__all__ = ["BudgetHandle", "ResourceHandle", "budget_handle", "resource_handle"]


@final
class ResourceHandle:
    """Something that is limited by name: what it is limited to, how it stands, and the way to change that."""

    __slots__ = ("_gate", "_name", "_run")

    def __init__(self, run: Run, name: str, gate: Gate) -> None:
        self._run = run
        self._name = name
        self._gate = gate

    @property
    def name(self) -> str:
        """Its name, as in `Engine(limits={name: ...})`."""
        return self._name

    @property
    def limits(self) -> Limits | None:
        """What was said of it; None: nothing."""
        return self._run.admission.limits.get(self._name)

    @property
    def running(self) -> int:
        """How many attempts use it now, those included that were given up and have not ended."""
        return self._gate.used

    @property
    def rates(self) -> Mapping[str, float]:
        """How much of each unit goes through a minute now: less than was told, where refusals say so."""
        return {rate.unit: rate.per_minute for rate in self._gate.rates}

    @property
    def available(self) -> Mapping[str, float]:
        """How much of each unit could be used at once; below zero where jobs used more than was expected."""
        now = self._run.loop.time()
        for rate in self._gate.rates:
            rate.refill(now)
        return {rate.unit: rate.level for rate in self._gate.rates}

    @property
    def held_until(self) -> float | None:
        """Until when a provider has asked to wait, or its circuit is open, in the time of the event loop."""
        gate, now = self._gate, self._run.loop.time()
        until = max(gate.hold, -math.inf if gate.breaker is None else gate.breaker.until or -math.inf)
        return until if until > now else None

    def update(self, limits: Limits | None) -> None:
        """Change its limits, from now on; None: it has none any more.

        Raises:
            TypeError: if it is not given Limits.
        """
        self._run.check("resource.update")
        if limits is not None:
            instance(f"resource {self._name!r}", "limits", limits, Limits)
        self._run.admission.limit(self._name, limits)
        self._run.dispatch()

    def __repr__(self) -> str:
        return f"<Resource {self._name!r} running={self.running}>"


@final
class BudgetHandle:
    """A budget of the engine: what is spent, what is left, and the way to raise it."""

    __slots__ = ("_name", "_run")

    def __init__(self, run: Run, name: str) -> None:
        self._run = run
        self._name = name

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    @property
    def settings(self) -> Budget:
        """What it was given."""
        return self._run.admission.budgets[self._name]

    def spent(self, tag: Any = None) -> Mapping[str, float]:
        """What ended jobs have spent, in tokens or money, in this period; of one tag, if it is by tags."""
        return {each.unit: each.spent for each in self._allowances(tag)}

    def left(self, tag: Any = None) -> Mapping[str, float]:
        """What is neither spent nor reserved by jobs that run; all of it, of a tag that no job had yet."""
        found = self._allowances(tag)
        if found:
            return {each.unit: each.level for each in found}
        sizes = {"tokens": self.settings.tokens, "money": self.settings.money}
        return {unit: size for unit, size in sizes.items() if size is not None}

    @property
    def tags(self) -> tuple[Any, ...]:
        """The values that jobs have had so far under the key that it goes by; none, if it goes by none."""
        return tuple(tag for name, tag in self._run.admission.tags if name == self._name)

    def update(self, *, tokens: float | None = None, money: float | None = None) -> None:
        """Give it other amounts; what waits for it goes on if there is enough by that.

        Raises:
            ValueError, TypeError: if an amount is not above 0.
        """
        self._run.check("budget.update")
        before = self.settings
        after = replace(
            before,
            tokens=before.tokens if tokens is None else tokens,
            money=before.money if money is None else money,
        )
        self._run.admission.change_budget(after)
        self._run.dispatch()

    def _allowances(self, tag: Any) -> list[Any]:
        gate = self._run.admission.budget_gate(self._name, tag)
        now = self._run.loop.time()
        found = [] if gate is None else [each for each in gate.allowances if each.label == self._name]
        for each in found:
            each.refill(now)
        return found

    def __repr__(self) -> str:
        by = self.settings.by
        return f"<Budget {self._name!r} " + (f"by {by!r}>" if by else f"left={dict(self.left())}>")


def resource_handle(run: Run, name: str) -> ResourceHandle:
    """Get a resource by its name."""
    run.check("engine.resource")
    gate = run.admission.gates.get(name)
    if gate is None:
        raise UnknownName(
            "resource", name, run.admission.gates, f"give it limits: Engine(limits={{{name!r}: Limits(...)}})"
        )
    return ResourceHandle(run, name, gate)


def budget_handle(run: Run, name: str) -> BudgetHandle:
    """Get a budget of the engine by its name."""
    run.check("engine.budget")
    if name not in run.admission.budgets:
        hint = f"give the engine one: Engine(budget=Budget(tokens=..., name={name!r}))"
        raise UnknownName("budget", name, run.admission.budgets, hint)
    return BudgetHandle(run, name)
