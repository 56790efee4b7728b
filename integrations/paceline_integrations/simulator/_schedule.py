"""When the tokens of an answer are due. Pure: a schedule, so that late timers do not add up."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Schedule"]

_LEAST_INTERVAL = 0.005  # seconds between the chunks of a stream: timers and clients keep up with that
_INSTANT_BATCH = 16  # tokens a chunk where decoding takes no time
_EARLY = 1e-9  # a timer may fire that much before its time by rounding


@dataclass(frozen=True, slots=True)
class Schedule:
    """An answer of `tokens` tokens to a prompt of which `evaluated` must be computed, from `start` on.

    The first token is due when the prefill ends, each later one a decode step after the one before; the
    stream ends one step after the last (a real model then decodes its stop token), so that an answer takes
    evaluated/prefill_rate + tokens/decode_rate seconds. A rate of 0 takes no time.
    """

    start: float
    evaluated: int
    tokens: int
    prefill_rate: float
    decode_rate: float

    @property
    def step(self) -> float:
        """Seconds a token."""
        return 1.0 / self.decode_rate if self.decode_rate else 0.0

    def due(self, count: int) -> float:
        """When the first `count` tokens are there (1 or more; one more than `tokens` is the end)."""
        prefill = self.evaluated / self.prefill_rate if self.prefill_rate else 0.0
        return self.start + prefill + (count - 1) * self.step

    def ready(self, now: float) -> int:
        """How many tokens are there."""
        if now + _EARLY < self.due(1):
            return 0
        if not self.decode_rate:
            return self.tokens
        return min(self.tokens, 1 + math.floor((now + _EARLY - self.due(1)) * self.decode_rate))

    def next_chunk(self, sent: int, now: float) -> int:
        """How many tokens shall have been sent after the next chunk, which is to go at their `due` time.

        The first token goes alone. Later ones go together where they come faster than chunks can be sent,
        and where sending has fallen behind.
        """
        if sent == 0:
            return 1
        if not self.decode_rate:
            return min(self.tokens, sent + _INSTANT_BATCH)
        batch = max(1, math.ceil(_LEAST_INTERVAL * self.decode_rate))
        return min(self.tokens, max(sent + batch, self.ready(now)))
