"""What a section hands back: one figure, what it must be, and whether it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Row", "Section"]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `target` None: it is for reading only. `drifts`: a miss may be the machine's."""

    what: str
    measured: float
    target: float | None = None
    bound: Literal["at most", "at least"] = "at most"
    unit: Literal["x", "%", "tokens", ""] = "x"
    drifts: bool = False

    @property
    def missed(self) -> bool:
        """Whether it is not what it must be."""
        if self.target is None:
            return False
        if self.bound == "at most":
            return not self.measured <= self.target + 1e-9
        return not self.measured >= self.target - 1e-9

    def written(self, value: float) -> str:
        """Write a value in the row's unit."""
        if self.unit == "x":
            return f"{value:.3f}x"
        if self.unit == "%":
            return f"{value:.1%}"
        return f"{value:,.0f} {self.unit}".rstrip()


Section: TypeAlias = Callable[[bool], list[Row]]
"""Measures one thing; given True it takes a few seconds at most."""
