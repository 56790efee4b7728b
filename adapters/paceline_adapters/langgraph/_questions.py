"""What a graph at rest asks, as the questions of a suspended job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from langgraph.errors import is_invalid_resume
from langgraph.types import StateSnapshot
from pydantic import ValidationError

from paceline import Question, Suspend

from ._resuming import BREAKPOINT, Memory, checkpoint_of

__all__ = ["noted", "refusal_of", "suspend"]


def suspend(
    snapshot: StateSnapshot, thread_id: str, timeout: float | None, refused: Mapping[str, str] | None = None
) -> Suspend:
    """Ask all that the thread waits for. `refused`: why an answer to one of these questions was not taken."""
    notes = refused or {}
    asked = {
        each.id: Question(each.id, noted(each.value, notes.get(each.id)), each.response_schema)
        for each in snapshot.interrupts
    }
    if not asked:
        stopped = f"The graph has stopped before {', '.join(snapshot.next)}. Is it to go on?"
        asked[BREAKPOINT] = Question(BREAKPOINT, stopped, {"type": "boolean"})
    memory = Memory(thread_id, checkpoint_of(snapshot), tuple(asked))
    return Suspend(list(asked.values()), state=memory.state(), timeout=timeout)


def refusal_of(error: BaseException) -> str | None:
    """Why the graph would not take an answer, in a line; None if the error is about something else."""
    if not isinstance(error, ValidationError) or not is_invalid_resume(error):
        return None
    wrong = (
        ".".join(map(str, each["loc"])) + ": " * bool(each["loc"]) + each["msg"] for each in error.errors()
    )
    return "; ".join(wrong)


def noted(value: Any, note: str | None) -> Any:
    """The value of a question and, so that the person who is asked again sees why, the note."""
    if note is None:
        return value
    if isinstance(value, str):
        return f"{value}\n(the last answer was refused: {note})"
    if isinstance(value, Mapping):
        return {**cast("Mapping[str, Any]", value), "refused": note}
    return {"question": value, "refused": note}
