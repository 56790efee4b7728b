"""What is counted, added up over many events: each call of an instrument takes some microseconds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from paceline import Usage

    from ._metrics_instruments import Instruments, Labels

__all__ = ["Tally", "Where", "plus", "tokens_of"]

Where = tuple[str, str]
"""A lane and an executor."""

_TOKENS: Final = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


class Tally:
    """Changes since they were handed over the last time."""

    def __init__(self) -> None:
        self.depth: Counter[Where] = Counter()
        self.attempts: Counter[tuple[Where, str]] = Counter()
        """Attempts that ended, by outcome; `jobs`: the same of jobs."""
        self.jobs: Counter[tuple[Where, str]] = Counter()
        self._used: dict[Where, list[int]] = {}

    def use(self, where: Where, tokens: list[int]) -> None:
        """Count the tokens of some calls, in the order of `tokens_of`."""
        self._used[where] = plus(self._used.get(where), tokens)

    def hand_over(self, instruments: Instruments, labels: Labels) -> None:
        """Tell the instruments, and begin anew. What one of them refuses is not told again."""
        depth, self.depth = self.depth, Counter()
        attempts, self.attempts = self.attempts, Counter()
        jobs, self.jobs = self.jobs, Counter()
        used, self._used = self._used, {}
        for where, change in depth.items():
            if change:
                instruments.depth.add(change, labels.attributes(where))
        for counts, instrument in ((attempts, instruments.attempts), (jobs, instruments.jobs)):
            for (where, outcome), count in counts.items():
                instrument.add(count, labels.attributes(where, outcome=outcome))
        for where, tokens in used.items():
            for name, amount in zip(_TOKENS, tokens, strict=True):
                if amount:
                    kind = name.removesuffix("_tokens")
                    instruments.tokens.add(amount, labels.attributes(where, token_type=kind))


def tokens_of(usage: Usage) -> list[int]:
    """How many tokens there are of each type; what is not known is none."""
    return [getattr(usage, name) or 0 for name in _TOKENS]


def plus(some: list[int] | None, more: list[int]) -> list[int]:
    """Both together, type by type."""
    return more if some is None else [a + b for a, b in zip(some, more, strict=True)]
