"""Tools that any agent can be given: asking a person, and saying how far it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Annotated, Any, cast

from agents import FunctionTool, ToolApprovalItem, UserError, function_tool
from agents.tool_context import ToolContext
from pydantic import Field
from pydantic_core import to_json

from paceline import current_job

__all__ = ["ANSWERS", "ask_user", "is_ask_user", "question_of", "report_status"]

ANSWERS: ContextVar[Mapping[str, object]] = ContextVar(
    "paceline_agents_answers", default=MappingProxyType({})
)
"""What people have answered, by the id of the call that asked; set before a run goes on with its tools."""


@function_tool(needs_approval=True, failure_error_function=None)
async def ask_user(
    context: ToolContext[Any],
    question: Annotated[str, Field(description="The question, complete in itself: the person sees only it.")],
) -> str:
    """Ask a person a question, and get their answer.

    Use it when something is missing or undecided that only a person can know, rather than to guess. It may
    take long. The answer is what they wrote.
    """
    answers = ANSWERS.get()
    if context.tool_call_id not in answers:
        raise UserError(
            f"nobody has answered {question!r}: ask_user gets its answers where the agent runs as a job "
            "(AgentExecutor), from engine.reply; approving the call by hand gives it none"
        )
    answer = answers[context.tool_call_id]
    return answer if isinstance(answer, str) else to_json(answer, fallback=str).decode()


@function_tool
async def report_status(
    message: Annotated[str, Field(description="What you are doing now, in one short sentence.")],
    fraction: Annotated[
        float | None, Field(description="How much of the whole is done, from 0 to 1; null if unknown.")
    ] = None,
) -> str:
    """Tell the people who wait for you what you are doing. They see it at once; nothing else comes of it."""
    ctx = current_job()
    if ctx is not None:
        ctx.progress(message, fraction if fraction is not None and 0 <= fraction <= 1 else None)
    return "noted"


def is_ask_user(item: ToolApprovalItem) -> bool:
    """Whether what waits for approval is a call of `ask_user`, and not of a tool that is only called so."""
    return any(
        isinstance(tool, FunctionTool)
        and tool.name == item.name
        and getattr(tool, "__wrapped__", None) is ask_user.__wrapped__
        for tool in item.agent.tools
    )


def question_of(item: ToolApprovalItem) -> str:
    """What a call of `ask_user` asks; the arguments as they are where the model has not kept to the form."""
    try:
        return str(cast("dict[str, Any]", json.loads(item.arguments or ""))["question"])
    except (ValueError, TypeError, KeyError):
        return item.arguments or ""
