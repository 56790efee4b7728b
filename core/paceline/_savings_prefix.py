"""What the jobs of a group shared, as far as their usage shows, and what each could have found cached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ._usage import Usage

__all__ = ["Call", "Prefix", "Share", "find_prefix"]


class Call(NamedTuple):
    """What a job reported: the tokens of its prompts, of those from the cache and into it, and its calls."""

    prompt: int
    cached: int
    written: int | None
    calls: int
    answered: int | None

    @classmethod
    def of(cls, usage: Usage | None) -> Call | None:
        """Read it from a usage; None where prompt or cache is unknown, or the numbers cannot be."""
        if usage is None:
            return None
        prompt, cached = _tokens(usage.input_tokens), _tokens(usage.cached_tokens)
        written, calls = _tokens(usage.cache_write_tokens), _tokens(usage.requests)
        if prompt is None or cached is None or cached + (written or 0) > prompt:
            return None
        return cls(prompt, cached, written, calls or 1, _tokens(usage.output_tokens))

    def reach(self, length: int, calls: int | None = None) -> int:
        """How many tokens of the prompts a prefix of that length covers, in all calls or in so many."""
        return min(self.prompt, length * (self.calls if calls is None else calls))


def _tokens(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


@dataclass(frozen=True, slots=True)
class Prefix:
    """What the calls of a group share.

    `length` is in tokens. `first` is the one whose call had to evaluate it, unless that was none of those
    that reported. `assumed`: it was never seen in the cache, so `length` is the most that it can be.
    """

    length: int = 0
    first: Call | None = None
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """A job's part: what it wrote into the cache, and what it would best have found there, in tokens."""

    written: int
    best: int

    @classmethod
    def of(cls, call: Call, prefix: Prefix) -> Share:
        """Work it out; the first call of a group could only have found what it did."""
        written = max(0, call.reach(prefix.length) - call.cached) if call.written is None else call.written
        able = call.calls - 1 if call is prefix.first else call.calls
        return cls(written, max(call.cached, call.reach(prefix.length, able)))


def find_prefix(
    primer: Call | None, others: Sequence[Call], *, evaluated: bool = False, min_prefix: int = 0
) -> Prefix:
    """Find out what a group's calls share; `Savings` says how.

    `primer` is what the primer reported, if it did. `evaluated`: it did not, but is known to have evaluated
    the prefix, or to have found it warm. One assumed to be shorter than `min_prefix` is none.
    """
    single = [call for call in others if call.calls == 1] or others
    seen = max((call.cached // call.calls for call in single), default=0)
    if primer is None:
        first = None if evaluated else min(others, default=None, key=lambda call: call[:2])
        return Prefix(seen, first)
    whole = primer.prompt // primer.calls
    if seen > primer.cached // primer.calls:
        return Prefix(min(seen, whole), primer)
    if not others or whole < min_prefix:
        return Prefix(0, primer)
    return Prefix(whole, primer, assumed=True)
