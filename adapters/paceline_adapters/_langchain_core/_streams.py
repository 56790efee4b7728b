"""Closing what an error left open."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator
from typing import Any, cast

__all__ = ["close_streams"]


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
