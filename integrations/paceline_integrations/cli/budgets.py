"""How the budgets of a run stand: what is spent, and what is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from paceline import Budget, Engine

__all__ = ["BudgetMeter", "BudgetState"]

Tag: TypeAlias = str | int | float | bool


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget at one moment, in one unit ("tokens" or "money"); of one tag, if it is one for each value."""

    name: str
    unit: str
    size: float
    spent: float
    left: float
    by: str | None = None
    tag: Tag | None = None
    period: float | None = None


class BudgetMeter:
    """Looks at an engine's budgets while it is open; `states` is what was seen last."""

    def __init__(self, budgets: Sequence[Budget]) -> None:
        self._budgets = budgets
        self._tags: dict[str, dict[Tag, None]] = {each.by: {} for each in budgets if each.by is not None}
        self.states: tuple[BudgetState, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is a budget."""
        return bool(self._budgets)

    def heard(self, metadata: Mapping[str, Any]) -> None:
        """Remember what a group's metadata say under the keys that budgets go by."""
        for by, tags in self._tags.items():
            if metadata.get(by) is not None:
                tags[metadata[by]] = None

    def look(self, engine: Engine) -> None:
        """See how they stand."""
        self.states = tuple(self._look(engine))

    def _look(self, engine: Engine) -> Iterator[BudgetState]:
        for budget in self._budgets:
            handle = engine.budget(budget.name)
            tags: Sequence[Tag | None] = (None,) if budget.by is None else tuple(self._tags[budget.by])
            for tag in tags:
                spent, left = handle.spent(tag), handle.left(tag)
                for unit, amount in spent.items():
                    yield BudgetState(
                        budget.name,
                        unit,
                        getattr(budget, unit),
                        amount,
                        left[unit],
                        budget.by,
                        tag,
                        budget.period,
                    )
