"""The one request of a job, whole or as a stream, in a form that both APIs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from openai import AsyncOpenAI, AsyncStream, BaseModel

from paceline import JobContext, OutputFailed

__all__ = ["checked", "follow", "received"]

M = TypeVar("M", bound=BaseModel)


async def received(resource: Any, arguments: dict[str, Any], kind: type[M], ctx: JobContext) -> M:
    """Ask, and wait for all of the answer; what its headers say of limits is told."""
    if "create" in vars(resource):  # replaced by somebody who wants to see the client's own object
        return checked(await resource.create(**arguments), kind)
    raw = await resource.with_raw_response.create(**arguments)
    ctx.rate_limits(raw.headers)
    return checked(raw.parse(), kind)


async def follow(
    client: AsyncOpenAI,
    resource: Any,
    arguments: dict[str, Any],
    ctx: JobContext,
    hear: Callable[[dict[str, Any]], None],
) -> None:
    """Ask, and have each piece of the answer heard, as plain data.

    Making objects of the pieces would take the client longer than all else that is done here; with many
    streams at once the first chunks would come late. A stream that somebody has wrapped is left as it is.
    """
    stream: Any = await resource.create(**arguments, stream=True)
    async with stream:
        headers: Any = getattr(getattr(stream, "response", None), "headers", None)
        if headers is not None:
            ctx.rate_limits(headers)
        if type(stream) is AsyncStream:
            stream = AsyncStream(cast_to=cast("Any", object), response=stream.response, client=client)
        # To its end, whatever comes: a loop that is left early would leave the client's generators open.
        async for piece in stream:
            data: Any = piece.to_dict() if isinstance(piece, BaseModel) else piece
            if isinstance(data, dict):
                hear(cast("Any", data))


def checked(answer: object, kind: type[M]) -> M:
    """The answer as the client's object; with a proxy in between it may be a page of text.

    Raises:
        OutputFailed: if it is none.
    """
    if not isinstance(answer, kind):
        raise OutputFailed(f"it answered {str(answer)[:200]!r} where JSON was due")
    return answer
