"""Spans as a backend keeps them, in one form for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["BackendEvent", "BackendLink", "BackendSpan", "SpanStatus"]

SpanStatus = Literal["unset", "ok", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendEvent:
    """Something that happened within a span, at a time in epoch seconds."""

    name: str
    time: float
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendLink:
    """A span that another one points to, besides its parent."""

    trace_id: str
    span_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSpan:
    """A span as it was read back: ids in hexadecimal, times in epoch seconds.

    What a backend does not keep is empty: Phoenix forgets links.
    """

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    started: float
    ended: float
    status: SpanStatus
    message: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    events: tuple[BackendEvent, ...] = ()
    links: tuple[BackendLink, ...] = ()
