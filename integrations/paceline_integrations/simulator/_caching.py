"""What a request asks of the prefix cache: how much of its prompt is kept, for how long, and for whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["NO_CACHING", "PLAIN", "CacheTtl", "Caching"]

CacheTtl = Literal["30m", "12h"]

_SECONDS: dict[CacheTtl | None, float] = {None: 0.0, "30m": 1800.0, "12h": 43_200.0}


@dataclass(frozen=True, slots=True)
class Caching:
    """The wishes of one request.

    `marks` are its explicit breakpoints, each as the number of tokens before it; with `explicit` nothing
    beyond the last one is kept, and nothing at all where there is none. `ttl` is how long it is kept at
    least (None: as the server is set). Requests of one `scope` share nothing with those of another.
    `told`: the usage tells how many tokens were written, as it does for models that have these options.
    """

    explicit: bool = False
    marks: tuple[int, ...] = ()
    ttl: CacheTtl | None = None
    scope: str | None = None
    told: bool = False

    @property
    def lifetime(self) -> float:
        """Seconds that what is written is kept at least."""
        return _SECONDS[self.ttl]

    def kept(self, tokens: int) -> int:
        """How many first tokens of a prompt of so many are written, and may be read."""
        if not self.explicit:
            return tokens
        return self.marks[-1] if self.marks else 0


PLAIN = Caching()
"""No wishes: the cache does what it does for everyone."""

NO_CACHING = Caching(explicit=True)
"""Nothing is read, and nothing kept."""
