"""What people have answered, as the tools of a run that goes on find it."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

__all__ = ["ANSWERS"]

ANSWERS: ContextVar[Mapping[str, object]] = ContextVar(
    "paceline_agents_answers", default=MappingProxyType({})
)
"""By the id of the tool call that asked. Set for the run that goes on, before its first tool is called."""
