"""Calls that wait for approval, as questions to people; and the answers, as decisions on them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

from agents import RunState, ToolApprovalItem

from paceline import Question

from ._tools import is_ask_user, question_of

__all__ = ["decide", "questions"]

# As data, not as a type: questions and answers outlive the process in a journal, and forms are made of them.
_DECISION: Final[Mapping[str, Any]] = {
    "title": "approve?",
    "anyOf": [
        {"type": "boolean"},
        {
            "type": "object",
            "properties": {
                "approve": {"type": "boolean"},
                "message": {"type": "string"},
                "always": {"type": "boolean"},
            },
            "required": ["approve"],
            "additionalProperties": False,
        },
    ],
}
_WORDS: Final[Mapping[str, Any]] = {"type": "string", "pattern": r"\S"}


def questions(items: Iterable[ToolApprovalItem]) -> tuple[Question, ...]:
    """One question for each call that waits: whether it may run, or, of `ask_user`, what it asks."""
    return tuple(
        Question(name, question_of(item), dict(_WORDS))
        if is_ask_user(item)
        else Question(name, _call(item), dict(_DECISION))
        for name, item in _named(items)
    )


def decide(state: RunState[Any, Any], reply: object) -> tuple[dict[str, object], bool]:
    """Approve and reject as the reply says.

    Returns what people have said to `ask_user`, by call; and whether anything else was approved: tools that
    act when the run goes on.

    Raises:
        TypeError: if an answer is no decision.
    """
    waiting = list(_named(state.get_interruptions()))
    answers = cast("Mapping[str, object]", reply) if len(waiting) > 1 else dict.fromkeys(dict(waiting), reply)
    said: dict[str, object] = {}
    acts = False
    for name, item in waiting:
        answer = answers[name]
        if is_ask_user(item):
            said[_call_id(item)] = answer
            state.approve(item)
            continue
        approve, message, always = _decision(name, answer)
        acts = acts or approve
        if approve:
            state.approve(item, always_approve=always)
        else:
            state.reject(item, always_reject=always, rejection_message=message)
    return said, acts


def _decision(name: str, answer: object) -> tuple[bool, str | None, bool]:
    if isinstance(answer, bool):
        return answer, None, False
    given: Mapping[str, Any] = cast("Mapping[str, Any]", answer) if isinstance(answer, Mapping) else {}
    approve = given.get("approve")
    if not isinstance(approve, bool):
        raise TypeError(
            f"question {name!r} is answered by true or false, or by "
            f'{{"approve": true, "message": "...", "always": false}}, not by {answer!r}'
        )
    return approve, given.get("message"), bool(given.get("always"))


def _named(items: Iterable[ToolApprovalItem]) -> Iterator[tuple[str, ToolApprovalItem]]:
    """Each under the id of its call; models of nested agents may give the same one twice."""
    seen: dict[str, int] = {}
    for item in items:
        call = _call_id(item)
        seen[call] = seen.get(call, 0) + 1
        yield (call if seen[call] == 1 else f"{call}#{seen[call]}"), item


def _call(item: ToolApprovalItem) -> dict[str, object]:
    return {
        "tool": item.qualified_name or item.name,
        "arguments": _arguments(item.arguments),
        "agent": item.agent.name,
    }


def _arguments(text: str | None) -> object:
    try:
        return json.loads(text or "")
    except ValueError:  # as the model wrote them
        return text


def _call_id(item: ToolApprovalItem) -> str:
    raw: Any = item.raw_item
    for name in ("call_id", "id"):  # hosted MCP servers ask by the request's own id
        found: object = (
            cast("Mapping[str, Any]", raw).get(name) if isinstance(raw, dict) else getattr(raw, name, None)
        )
        if isinstance(found, str) and found:
            return found
    return item.name or "approval"
