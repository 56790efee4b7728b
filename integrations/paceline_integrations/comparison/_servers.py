"""The two kinds of servers that there are, as far as their prefix caches go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from paceline_integrations.simulator import SimulatorSettings

__all__ = ["SERVERS", "Server"]


@dataclass(frozen=True, slots=True)
class Server:
    """A simulated server, and how many requests are sent to it at once."""

    title: str
    settings: SimulatorSettings
    slots: int

    @property
    def block(self) -> int:
        """Tokens that its cache keeps or drops together."""
        return self.settings.block if self.settings.cache == "shared" else 1


SERVERS: Final[Mapping[str, Server]] = {
    "hosted": Server(
        "a hosted provider: any request reads what another has cached",
        SimulatorSettings(cache="shared", prefill_rate=2000.0, decode_rate=50.0),
        slots=64,
    ),
    "own": Server(
        "a server of your own, llama.cpp say: each slot caches the prompt that it read last",
        SimulatorSettings(cache="slot", slots=8, prefill_rate=2000.0, decode_rate=50.0),
        slots=8,
    ),
}
"""What `paceline compare` asks, by the names that its output uses."""
