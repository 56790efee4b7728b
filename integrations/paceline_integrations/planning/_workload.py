"""The nouns: groups as far as a plan has to know them, and how fast a model reads and writes."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["PlannedGroup", "PlannedJob", "Rates"]


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job of a group: `own` prompt tokens after the shared prefix, and `output` tokens of its answer.

    Raises:
        ValueError: if either is below 0.
    """

    own: int
    output: int

    def __post_init__(self) -> None:
        if self.own < 0 or self.output < 0:
            raise ValueError(f"a planned job has at least 0 tokens of either kind, not {self}")


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """Jobs whose prompts begin with the same `prefix` tokens. Without a primer its jobs are independent.

    Raises:
        ValueError: if the prefix is below 0, or there is no job.
    """

    name: str
    prefix: int
    primer: PlannedJob | None
    followers: tuple[PlannedJob, ...] = ()

    def __post_init__(self) -> None:
        if self.prefix < 0:
            raise ValueError(f"group {self.name!r}: a prefix has at least 0 tokens, not {self.prefix}")
        if not self.members:
            raise ValueError(f"group {self.name!r} has no jobs: give it a primer, followers or both")

    @property
    def members(self) -> tuple[PlannedJob, ...]:
        """All its jobs, the primer first."""
        return self.followers if self.primer is None else (self.primer, *self.followers)


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast each request is served, however many run: `prefill` prompt tokens read a second, `decode`
    answer tokens written a second (0: at once), and `latency` seconds before either.

    The defaults are a guess at a hosted model of middle size; measure your own.

    Raises:
        ValueError: if one is below 0 or not finite.
    """

    prefill: float = 5000.0
    decode: float = 50.0
    latency: float = 0.0

    def __post_init__(self) -> None:
        for name in ("prefill", "decode", "latency"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0:
                raise ValueError(f"Rates: {name} must be a finite number of at least 0, not {value!r}")

    def to_first_token(self, evaluated: int) -> float:
        """Seconds from the start of a request that has so many tokens to evaluate until its first token."""
        return self.latency + (evaluated / self.prefill if self.prefill else 0.0)

    def to_write(self, output: int) -> float:
        """Seconds from the first token of an answer to its end."""
        return output / self.decode if self.decode else 0.0
