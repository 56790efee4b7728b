"""What a simulated server has done so far."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

__all__ = ["Counters", "SimulatorStats"]


class SimulatorStats(BaseModel):
    """Counts since the start or the last reset, as `GET /_stats` gives them.

    `requests` is every POST to an answering endpoint, and `rejected` (429 by a limit), `errors` (refused as
    malformed, or failed or dropped on demand) and `cancelled` (the client hung up, or had work in the
    background stopped) are those of them that came to no end. Tokens of a prompt count when its prefill
    begins: prompt = cached + evaluated, always. `output_tokens` are those sent. Of this moment are
    `unfinished` (requests, to whatever path, that are not answered to their end), `running` (those worked
    on, in the background too) and `waiting` (for a place).
    """

    model_config = ConfigDict(frozen=True)

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    evaluated_tokens: int = 0
    output_tokens: int = 0
    rejected: int = 0
    errors: int = 0
    cancelled: int = 0
    unfinished: int = 0
    running: int = 0
    waiting: int = 0


@dataclass(slots=True)
class Counters:
    """The counts as they are made."""

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    rejected: int = 0
    errors: int = 0
    cancelled: int = 0

    def stats(self, *, unfinished: int, running: int, waiting: int) -> SimulatorStats:
        """Freeze them."""
        return SimulatorStats(
            requests=self.requests,
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            evaluated_tokens=self.prompt_tokens - self.cached_tokens,
            output_tokens=self.output_tokens,
            rejected=self.rejected,
            errors=self.errors,
            cancelled=self.cancelled,
            unfinished=unfinished,
            running=running,
            waiting=waiting,
        )
