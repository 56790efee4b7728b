"""Responses that the provider works on in the background, while their job rests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from openai.resources.responses import AsyncResponses
from openai.types.responses import Response

from paceline import Job, JobContext, Suspend

from ._requests import Request
from ._wire import checked, received

__all__ = ["Polling", "look", "response_id"]

_UNDER_WAY = frozenset({"queued", "in_progress"})
# Of the request, what the later ones about the same response need as well.
_SAME = ("extra_headers", "extra_query", "timeout", "include")


@dataclass(frozen=True, slots=True)
class Polling:
    """How long to wait between two looks: `first` seconds, then twice as long each time, up to `most`."""

    first: float
    most: float

    def delay(self, looks: int) -> float:
        """Seconds until the next look, after so many."""
        return min(self.most, self.first * 2.0 ** min(looks, 32))


def response_id(job: Job) -> str | None:
    """The response that this job has begun already."""
    state: object = job.state
    found = cast("Mapping[str, Any]", state).get("response_id") if isinstance(state, Mapping) else None
    return found if isinstance(found, str) else None


async def look(
    resource: AsyncResponses, request: Request, job: Job, ctx: JobContext, polling: Polling
) -> Response | Suspend:
    """Begin the response, or look at the one that was begun; a rest until the next look, if it goes on."""
    ident = response_id(job)
    looks = 0
    if ident is None:
        request.arguments["background"] = True
        response = await received(resource, request.arguments, Response, ctx)
    else:
        looks = int(job.state.get("looks", 0)) + 1
        same = {name: request.arguments[name] for name in _SAME if name in request.arguments}
        retrieve: Any = resource.retrieve
        response = checked(await retrieve(ident, **same), Response)
    if response.status not in _UNDER_WAY:
        # Whatever becomes of this attempt, a later one is not to find an answer that was no good.
        ctx.checkpoint(None)
        return response
    ctx.progress(f"waiting for response {response.id}, which is {response.status}")
    return Suspend(
        None,
        state={"response_id": response.id, "looks": looks},
        timeout=polling.delay(looks),
        default=None,
    )
