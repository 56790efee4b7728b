"""Sending an answer, whole or as a stream of events, with what was asked to go wrong on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from ._ask import Ask
from ._backend import Generation
from ._client import Client, Dropped
from ._faults import Fault
from ._reply import Reply, Usage

__all__ = ["Answer", "deliver_stream", "deliver_whole"]


class Answer(Protocol):
    """Writes one reply in the format of an API."""

    def __init__(self, ask: Ask, reply: Reply, created: int) -> None: ...

    def whole(self, usage: Usage) -> bytes:
        """The body of an answer that is not streamed."""
        ...

    def opening(self) -> bytes:
        """What is streamed before the first token."""
        ...

    def chunk(self, start: int, stop: int) -> bytes:
        """The tokens from `start` up to `stop`. Called once for each part of the stream, in order."""
        ...

    def closing(self, usage: Usage) -> bytes:
        """The end of the stream."""
        ...


async def deliver_whole(
    answer: Answer, generation: Generation, client: Client, fault: Fault, headers: Mapping[str, str]
) -> None:
    """Wait for every token, then send the answer as one body."""
    await generation.advance(fault.cut(generation.tokens))
    if fault.hangs:
        await client.hang()
    body = answer.whole(generation.usage)
    start = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    if fault.drop is not None:
        await client.start(200, start)
        await client.write(body[: len(body) // 2], more=True)
        raise Dropped
    await generation.finish()
    await client.start(200, start)
    await client.write(body, more=False)


async def deliver_stream(
    answer: Answer, generation: Generation, client: Client, fault: Fault, headers: Mapping[str, str]
) -> None:
    """Send tokens as they come."""
    client.watch()
    await client.start(200, {"content-type": "text/event-stream", "cache-control": "no-cache", **headers})
    if opening := answer.opening():
        await client.write(opening, more=True)
    end = fault.cut(generation.tokens)
    while generation.sent < end:
        start, stop = await generation.next_chunk(end)
        await client.write(answer.chunk(start, stop), more=True)
        await asyncio.sleep(0)  # an answer that takes no time must not keep others from theirs
    if fault.hangs:
        await client.hang()
    if fault.drop is not None:
        raise Dropped
    await generation.finish()
    await client.write(answer.closing(generation.usage), more=False)
