"""Handing the chunks of a stream on, and closing what an error left open."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator
from typing import Any, cast, final

from paceline import JobContext

__all__ = ["Chunks", "close_streams"]


@final
class Chunks:
    """Emits chunks: at once, or, of a primer, when its model has begun to answer.

    The first chunk releases the followers. What comes before the model's own says nothing of its prompt.
    """

    __slots__ = ("_ctx", "_held")

    def __init__(self, ctx: JobContext, *, holding: bool) -> None:
        self._ctx: JobContext = ctx
        self._held: list[object] | None = [] if holding else None

    def emit(self, chunk: object) -> None:
        """Hand a chunk on, if it is not to be held back."""
        if self._held is None:
            self._ctx.emit(chunk)
        else:
            self._held.append(chunk)

    def let_go(self) -> None:
        """Emit what was held back, and hold nothing any more."""
        held, self._held = self._held, None
        for chunk in held or ():
            self._ctx.emit(chunk)


async def close_streams(error: BaseException) -> None:
    """Close the streams of LangChain's that an error has left suspended.

    When a later part of a chain raises, the generators before it, and so the model's open response, live as
    long as the error's traceback refers to them: as long as somebody keeps the job's result.
    """
    traceback = error.__traceback__
    while traceback is not None:
        for value in tuple(traceback.tb_frame.f_locals.values()):
            if inspect.isasyncgen(value) and _is_suspended(value):
                await value.aclose()
        traceback = traceback.tb_next


def _is_suspended(stream: AsyncGenerator[Any, Any]) -> bool:
    frame = cast("Any", stream).ag_frame
    if frame is None or cast("Any", stream).ag_running:
        return False
    return str(frame.f_globals.get("__name__", "")).startswith("langchain_core.")
