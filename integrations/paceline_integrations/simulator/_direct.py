"""The simulator without a network: asked by a call, on the clock of the event loop that it is asked in.

On a virtual loop hours of simulated work pass in a moment, and the same requests give the same times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from ._backend import Backend, Generation
from ._client import Client, Message
from ._errors import rate_limited
from ._settings import SimulatorSettings
from ._stats import SimulatorStats
from ._tokens import Prompt

__all__ = ["Answered", "DirectSimulator"]


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of one request: when it was worked on (seconds of the loop's clock), and its tokens.

    `headers` are the x-ratelimit ones that would have come with it.
    """

    began: float
    first_token: float
    ended: float
    prompt: int
    cached: int
    output: int
    headers: dict[str, str]

    @property
    def evaluated(self) -> int:
        """Prompt tokens that were not in the cache."""
        return self.prompt - self.cached


class DirectSimulator:
    """The machine behind the server: cache, places, limits and speed, but no HTTP, faults or made-up text.

    It belongs to the event loop in which it is made.
    """

    def __init__(self, settings: SimulatorSettings) -> None:
        self._loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._backend: Backend = Backend(settings, self._loop.time)

    def stats(self) -> SimulatorStats:
        """Count what was done so far."""
        return self._backend.stats()

    async def ask(
        self, prompt: Prompt, tokens: int, on_first_token: Callable[[], None] = lambda: None
    ) -> Answered:
        """Have a prompt read and so many tokens answered.

        Raises:
            ApiError: at once, with status 429, if a limit stands against it.
        """
        backend = self._backend
        backend.counters.requests += 1
        refusal = backend.limiter.admit(prompt.tokens + tokens, backend.clock())
        if refusal is not None:
            backend.counters.rejected += 1
            raise rate_limited(refusal)
        headers = backend.limiter.headers(backend.clock())
        client = Client(self._hangup, _drop, backend.clock)
        try:
            await client.sleep_until(backend.clock() + backend.settings.latency)
            async with Generation(backend, client, prompt, tokens) as generation:
                began = backend.clock()
                await generation.advance(1)
                first_token = backend.clock()
                on_first_token()
                await generation.advance(tokens)
                await generation.finish()
                usage = generation.usage
        finally:
            client.close()
        return Answered(
            began, first_token, backend.clock(), usage.prompt, usage.cached, usage.output, headers
        )

    def _hangup(self) -> asyncio.Future[Message]:
        """Who asks by a call hangs up by being cancelled: this never comes."""
        return self._loop.create_future()


async def _drop(message: Message) -> None:
    """Nothing is sent to anyone."""
