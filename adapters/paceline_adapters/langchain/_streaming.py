"""From the chunks of a stream to its output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from langchain_core.messages import BaseMessageChunk, message_chunk_to_message
from langchain_core.output_parsers import BaseCumulativeTransformOutputParser
from langchain_core.runnables import (
    RunnableAssign,
    RunnableParallel,
    RunnableSequence,
    RunnableWithFallbacks,
)
from langchain_core.runnables.base import RunnableBindingBase

from ._composition import WholeAnswer

__all__ = ["Latest", "Output", "latest_of"]

Latest: TypeAlias = "bool | Mapping[str, Latest]"
"""Whether a chunk is all so far, so that the latest one replaces the others; or for which keys."""

_NOTHING: Any = object()


def latest_of(runnable: object) -> Latest:
    """Say how the chunks of a Runnable become its output, from what its last part is."""
    last: Any = runnable
    match runnable:
        case WholeAnswer() | BaseCumulativeTransformOutputParser():
            return True
        case RunnableSequence():
            return latest_of(last.last)
        case RunnableBindingBase():
            return latest_of(last.bound)
        case RunnableWithFallbacks():
            return latest_of(last.runnable)
        case RunnableAssign():
            return latest_of(last.mapper)
        case RunnableParallel():
            return {key: latest_of(step) for key, step in last.steps__.items()}
        case _:
            return False


class Output:
    """Adds chunks up to what `ainvoke` would have given."""

    def __init__(self, latest: Latest) -> None:
        self._latest: Latest = latest
        self._sum: Any = _NOTHING

    def add(self, chunk: Any) -> None:
        """Take in the next chunk."""
        self._sum = chunk if self._sum is _NOTHING else _joined(self._sum, chunk, self._latest)

    def whole(self) -> Any:
        """The output; None if no chunk came."""
        return None if self._sum is _NOTHING else _settled(self._sum)


def _joined(left: Any, right: Any, latest: Latest) -> Any:
    if latest is True:
        return right
    if isinstance(latest, Mapping) and isinstance(left, Mapping) and isinstance(right, Mapping):
        joined = dict(cast("Mapping[str, Any]", left))
        for key, value in cast("Mapping[str, Any]", right).items():
            joined[key] = _joined(joined[key], value, latest.get(key, False)) if key in joined else value
        return joined
    try:
        return left + right
    except TypeError:  # as LangChain does: what cannot be added is followed by what replaces it
        return right


def _settled(value: Any) -> Any:
    """Chunks of messages, added up, as messages; and plain dicts for LangChain's addable ones."""
    kind: object = value
    if isinstance(kind, BaseMessageChunk):
        return message_chunk_to_message(kind)
    if isinstance(kind, dict):
        return {key: _settled(each) for key, each in value.items()}
    return value
