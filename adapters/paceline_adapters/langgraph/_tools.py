"""Tools with which a model asks the person that it works for, and says how far it has come."""

from __future__ import annotations

from typing import Annotated, Any

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import Field

from paceline import current_job

from ._asking import ask, ask_from_thread, name_of

__all__ = ["ask_user", "report_status"]

_Question = Annotated[str, Field(description="One clear question, with all that is needed to answer it.")]
_Options = Annotated[
    list[str] | None, Field(description="The answers to choose from; leave it out for a free answer.")
]
_Message = Annotated[str, Field(description="A few words on what you are about to do.")]
_Fraction = Annotated[
    float | None, Field(description="How much of the whole task is done, from 0 to 1, where you know it.")
]


async def _ask_user(question: _Question, options: _Options = None) -> Any:
    return await ask(_name(question, options), question, _schema(options))


def _ask_user_from_thread(question: _Question, options: _Options = None) -> Any:
    return ask_from_thread(_name(question, options), question, _schema(options))


def _name(question: str, options: list[str] | None) -> str:
    return name_of("ask_user", question, *(options or ()))


def _schema(options: list[str] | None) -> dict[str, Any] | None:
    return {"type": "string", "enum": list(options)} if options else None


async def _report_status(message: _Message, fraction: _Fraction = None) -> str:
    return _report_status_from_thread(message, fraction)


def _report_status_from_thread(message: _Message, fraction: _Fraction = None) -> str:
    job = current_job()
    if job is not None:
        # Of a model that says 40 nobody knows what it means: the message is still of use.
        job.progress(message, fraction if fraction is not None and 0 <= fraction <= 1 else None)
    return "noted"


ask_user: BaseTool = StructuredTool.from_function(
    _ask_user_from_thread,
    _ask_user,
    name="ask_user",
    description=(
        "Asks the person you work for, and returns their answer. Use it for a decision or a fact that only "
        "they have; it may take long."
    ),
)
"""A tool for graphs, with which a model asks a person: the graph is interrupted, and its job suspends.

The question is the value of the interrupt, the answer the tool's output; where the model gives options, the
answer has to be one of them. Several calls at once each get their own answer: agents that run each tool call
as a task of its own (`langgraph.prebuilt.create_react_agent`) ask them all together, a plain `ToolNode` one
after the other. `paceline.instructions.ASK_USER` tells a model when to call it. The graph needs a
checkpointer; a node begins again with each answer, as LangGraph's nodes do.
"""

report_status: BaseTool = StructuredTool.from_function(
    _report_status_from_thread,
    _report_status,
    name="report_status",
    description="Tells the person you work for what you are about to do. It answers nothing: go on at once.",
)
"""A tool with which a model reports progress, as `ctx.progress` does; outside of a job it does nothing.

`paceline.instructions.REPORT_STATUS` tells a model when to call it.
"""
