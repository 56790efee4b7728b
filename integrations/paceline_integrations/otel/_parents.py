"""Where a job's spans belong: in its group's trace, its submitter's, or the run's."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from opentelemetry import propagate, trace
from opentelemetry.context import Context

from ._open import same_span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import SpanContext

    from ._open import OpenRun, OpenScope

__all__ = ["Place", "place", "span_of"]


class Place(NamedTuple):
    """The context that a span begins in; the group it is in, if that is open here."""

    context: Context
    group: OpenScope | None = None
    remote: bool = False
    """Whether the span above it is in another process."""


def span_of(context: Context | None) -> SpanContext | None:
    """The span that is current in a context, if there is one."""
    found = trace.get_current_span(context).get_span_context()
    return found if found.is_valid else None


def place(
    headers: Mapping[str, str], run: OpenRun | None, current: Context, job: tuple[str | None, str | None]
) -> Place:
    """Where something belongs whose job has these headers, group and parent, and that begins in this context.

    The headers were written in the submitter's context, maybe in another process, and so they decide. Here
    they mostly say what is known already: then nothing is parsed.
    """
    group, body, top = (None, None, None) if run is None else run.around_job(*job)
    told = headers.get("traceparent")
    here = span_of(current)
    if told is not None:
        if group is not None and group.carrier.get("traceparent") == told:
            return Place(group.entered(current), group)
        if here is not None and _says(told, here):
            return Place(current, group)
    if headers and (other := _continued(headers, current)) is not None:
        span = span_of(other)
        assert span is not None
        for known in (group, body, top):
            if known is not None and same_span(known.context, span):
                return Place(known.entered(other), group)
        if here is not None and same_span(here, span):
            return Place(trace.set_span_in_context(trace.get_current_span(current), other), group)
        return Place(other, group, remote=True)
    if group is not None:
        return Place(group.entered(current), group)
    if here is not None or top is None:
        return Place(current)
    return Place(top.entered(current))


def _continued(headers: Mapping[str, str], current: Context) -> Context | None:
    """The context that headers tell of, if they tell of a valid one; what else is current stays."""
    bare = trace.set_span_in_context(trace.INVALID_SPAN, current)
    told = propagate.extract(headers, bare)
    return told if span_of(told) is not None else None


def _says(traceparent: str, span: SpanContext) -> bool:
    """Whether a W3C `traceparent` ("00-<trace>-<span>-<flags>") tells of this span."""
    return traceparent[3:52] == f"{span.trace_id:032x}-{span.span_id:016x}"
