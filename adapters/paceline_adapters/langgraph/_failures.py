"""What an error of a graph means for its job."""

from __future__ import annotations

from langgraph.errors import (
    EmptyInputError,
    GraphBubbleUp,
    GraphRecursionError,
    InvalidUpdateError,
    NodeCancelledError,
    NodeTimeoutError,
    UnknownInterruptError,
)

from paceline import Failure
from paceline_adapters import _langchain_core

__all__ = ["classify"]


# The same steps, the same writes, the same question: another attempt ends as this one.
_FINAL = (EmptyInputError, GraphRecursionError, InvalidUpdateError, UnknownInterruptError)
# Another attempt goes on from the last checkpoint: a node that was drained, timed out or cancelled itself.
_GOES_ON = (GraphBubbleUp, NodeCancelledError, NodeTimeoutError)


def classify(error: Exception) -> Failure:
    """Say whether another attempt may succeed: LangGraph's own errors, else as of any LangChain run."""
    if isinstance(error, _FINAL):
        return Failure(False, fault="request")
    if isinstance(error, _GOES_ON):
        return Failure(True)
    return _langchain_core.classify(error)
