"""What an engine was made with, checked when it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._checks import count, instance, number, text
from ._costs import Costs
from ._estimates import Estimator
from ._executors import Executors
from ._limits import Budget, Limits
from ._policies import Lane, RetryPolicy
from ._prices import Price

if TYPE_CHECKING:
    from ._sinks import Sink

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The engine's arguments, as the run uses them."""

    executors: Executors
    lanes: Sequence[Lane]
    slots: int
    costs: Costs
    retry: RetryPolicy | None
    sinks: Sequence[Sink]
    max_pending: int | None
    max_active_groups: int | None
    grace: float
    run_id: str | None
    limits: Mapping[str, Limits]
    budgets: Sequence[Budget]
    prices: Mapping[str, Price]
    estimator: Estimator
    lock_held_while_suspended: bool = True

    def __post_init__(self) -> None:
        count("Engine", "slots", self.slots)
        if self.max_pending is not None:
            count("Engine", "max_pending", self.max_pending)
        if self.max_active_groups is not None:
            count("Engine", "max_active_groups", self.max_active_groups)
        number("Engine", "grace", self.grace)
        if self.retry is not None:
            instance("Engine", "retry", self.retry, RetryPolicy)
        if self.run_id is not None:
            text("Engine", "run_id", self.run_id)
        for lane in self.lanes:
            instance("Engine", "each of lanes", lane, Lane, "write Lane(name, weight=...)")
        for budget in self.budgets:
            instance("Engine", "each budget", budget, Budget, "write Budget(tokens=...) or Budget(money=...)")
        named = [budget.name for budget in self.budgets]
        if len(set(named)) < len(named):
            raise ValueError(
                f"Engine: give each budget a name of its own, Budget(..., name=...), not {sorted(named)}"
            )
        for model, price in self.prices.items():
            instance("Engine", f"price of {model!r}", price, Price, "write Price(input=..., output=...)")
        names = [lane.name for lane in self.lanes]
        if len(set(names)) < len(names):
            raise ValueError(f"Engine: lanes must have distinct names, not {sorted(names)}")
