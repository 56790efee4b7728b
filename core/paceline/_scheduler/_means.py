"""What jobs use on average: the guess for the next one, where nobody says better."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._meters import Unit

if TYPE_CHECKING:
    from paceline._usage import Usage

__all__ = ["Means"]


class Means:
    """Means of a lane's jobs, and, until one has ended, of those of all lanes."""

    __slots__ = (
        "_above",
        "_input",
        "_inputs",
        "_money",
        "_moneys",
        "_output",
        "_outputs",
        "_rough",
        "_roughs",
    )

    def __init__(self, above: Means | None = None) -> None:
        self._above: Means | None = above
        self._input: float = 0.0
        self._inputs: int = 0
        self._output: float = 0.0
        self._outputs: int = 0
        self._rough: float = 0.0
        """The rough counts of jobs whose input is known, and in `_roughs` that input."""
        self._roughs: float = 0.0
        self._money: float = 0.0
        self._moneys: int = 0

    def mean(self, unit: Unit) -> float:
        """The mean of what was used; 0 where nothing is known."""
        if unit == "input_tokens":
            used, count = self._input, self._inputs
        elif unit == "output_tokens":
            used, count = self._output, self._outputs
        else:
            used, count = self._money, self._moneys
        if count:
            return used / count
        return 0.0 if self._above is None else self._above.mean(unit)

    def from_rough(self, rough: int) -> float:
        """How much input a job needs whose payload has about so many tokens: by what others needed.

        A prompt may hold much that the payload only names, as a document by its number.
        """
        if self._rough:
            return rough * self._roughs / self._rough
        return float(rough) if self._above is None else self._above.from_rough(rough)

    def learn(self, usage: Usage, rough: int = 0) -> None:
        """An attempt has used so much; parts that were not reported change nothing."""
        if usage.input_tokens is not None:
            self._input += usage.input_tokens
            self._inputs += 1
            if rough:
                self._rough += rough
                self._roughs += usage.input_tokens
        if usage.output_tokens is not None:
            self._output += usage.output_tokens
            self._outputs += 1
        if usage.money is not None:
            self._money += usage.money
            self._moneys += 1
        if self._above is not None:
            self._above.learn(usage, rough)
