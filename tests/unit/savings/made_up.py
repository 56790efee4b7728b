"""Results of jobs and groups that are made up by what their prompts found cached."""

from __future__ import annotations

import itertools
from typing import Any

from paceline import Attempt, JobResult, Role, Usage

__all__ = ["group", "ran"]

numbers = itertools.count()


def ran(
    prompt: int | None,
    cached: int | None,
    role: Role = "job",
    group: str | None = None,
    **fields: Any,
) -> JobResult:
    """Make up a job that ran once, and what it told of its prompt."""
    written, calls = fields.pop("written", None), fields.pop("calls", 1)
    usage = Usage(prompt, cached, written, output_tokens=fields.pop("output", 10), requests=calls)
    given: dict[str, Any] = {
        "id": f"job-{next(numbers)}",
        "name": "name",
        "status": "succeeded",
        "usage": fields.pop("usage", usage),
        "attempts": (Attempt(1, 0.0, 1.0),),
        "role": role,
        "group": group,
        **fields,
    }
    return JobResult(**given)


def group(primer: int, *followers: int, name: str = "book", **fields: Any) -> list[JobResult]:
    """Make up a group by what its jobs found in the cache."""
    return [
        ran(1000, primer, "primer", name, **fields),
        *(ran(1000, cached, "follower", name, **fields) for cached in followers),
    ]
