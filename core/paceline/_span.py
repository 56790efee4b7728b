"""What a framework traces of its own inside an attempt, in words that any trace backend has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Span"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of work inside an attempt: a turn of an agent, a call of a tool or a model.

    `id` is unique in the attempt, `parent` the id of the span around it (None: the attempt itself). `kind`
    is the framework's word for it ("agent", "function"). Times are in epoch seconds; `ended` is None while it
    goes on. `attributes` hold nothing of prompts and outputs unless somebody asked for that.
    """

    id: str
    name: str
    kind: str
    started: float
    parent: str | None = None
    ended: float | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    error: str | None = None
