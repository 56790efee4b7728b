"""The SDK's own tracing, inside of attempts: handed to the traces of the run, and posted nowhere.

    with traced():                      # around the run, in the attempt's own task
        result = await Runner.run(...)

The SDK traces by one provider for the whole process, whose default processor posts to OpenAI. Here that
provider gets one processor more, which hands spans to `ctx.trace` of the job that they happen in; and the
default processor passes over what happens inside of `traced()`. A context variable tells inside from outside,
so attempts do not mix, and what a user runs by himself is traced as before. Whatever other processors there
are, set before or later, see everything. Where tracing is disabled there are no spans, and nothing happens.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, final
from weakref import WeakKeyDictionary

from agents.tracing import (
    ResponseSpanData,
    Span as AgentsSpan,
    SpanData,
    Trace,
    TracingProcessor,
    get_trace_provider,
)
from agents.tracing.processors import BatchTraceProcessor, default_processor
from agents.tracing.provider import TraceProvider

from paceline import JobContext, Span, current_job

__all__ = ["traced"]


@contextmanager
def traced(*, content: bool = False, export: bool = False) -> Generator[None]:
    """Hand the spans of the SDK that begin in here, tasks and threads included, to the jobs they happen in.

    `content`: with what went in and came out, prompts included. `export`: the SDK's default processor gets
    them as well, and posts them. A span that is still open at the end is ended there.
    """
    _prepare(get_trace_provider())
    route = _Route(content, export)
    token = _ROUTE.set(route)
    try:
        yield
    finally:
        _ROUTE.reset(token)
        route.close()


@final
class _Route:
    """Where the spans of an attempt go, and those of jobs that it starts; of these, agents have their own."""

    __slots__ = ("_content", "_open", "export")

    def __init__(self, content: bool, export: bool) -> None:
        self.export: bool = export
        self._content: bool = content
        self._open: dict[str, tuple[JobContext, AgentsSpan[Any], str | None]] = {}

    def started(self, span: AgentsSpan[Any]) -> None:
        _ROUTES[span] = self
        ctx = current_job()
        if ctx is None or not ctx.tracing or span.span_id in self._open:
            return
        # The id of a span in another job, or outside of all, would lead nowhere in this one's trace.
        around = self._open.get(span.parent_id or "")
        parent = span.parent_id if around is not None and around[0] == ctx else None
        self._open[span.span_id] = (ctx, span, parent)
        ctx.trace(self._told(span, parent, None, None))

    def ended(self, span: AgentsSpan[Any]) -> None:
        found = self._open.pop(span.span_id, None)
        if found is None:
            return
        error = None
        if span.error is not None:
            detail = (span.error.get("data") or {}).get("error") if self._content else None
            error = span.error["message"] if detail is None else f"{span.error['message']}: {detail}"
        ctx, _, parent = found
        ctx.trace(self._told(span, parent, _seconds(span.ended_at), error))

    def close(self) -> None:
        """End what the run has left open, as it does when it is cancelled in some places."""
        while self._open:
            ctx, span, parent = self._open.popitem()[1]
            ctx.trace(self._told(span, parent, _seconds(None), "still open when the attempt ended"))

    def _told(
        self, span: AgentsSpan[Any], parent: str | None, ended: float | None, error: str | None
    ) -> Span:
        return Span(
            id=span.span_id,
            name=_name(span.span_data),
            kind=span.span_data.type,
            parent=parent,
            started=_seconds(span.started_at),
            ended=ended,
            attributes=self._attributes(span),
            error=error,
        )

    def _attributes(self, span: AgentsSpan[Any]) -> Mapping[str, Any]:
        data: SpanData = span.span_data
        shown = {"trace_id": span.trace_id}
        for name in _SHOWN.get(data.type, ()):
            value = getattr(data, name, None)
            if value is not None:
                shown[name] = value
        if isinstance(data, ResponseSpanData) and data.response is not None:
            shown |= {"model": data.response.model, "response_id": data.response.id}
        return shown | _content(data) if self._content else shown


_ROUTE: ContextVar[_Route | None] = ContextVar("paceline_agents_route", default=None)

_ROUTES: WeakKeyDictionary[AgentsSpan[Any], _Route] = WeakKeyDictionary()
"""Of each span that began in an attempt. It may end elsewhere: the loop closes generators that were left."""

_SHOWN: Mapping[str, tuple[str, ...]] = {
    "agent": ("handoffs", "tools", "output_type"),
    "task": ("usage",),
    "turn": ("turn", "agent_name", "usage"),
    "generation": ("model", "usage"),  # not model_config: it holds headers, and with them keys
    "response": ("usage",),
    "handoff": ("from_agent", "to_agent"),
    "guardrail": ("triggered",),
    "mcp_tools": ("server",),
    "transcription": ("model",),
    "speech": ("model",),
}
"""Of each kind of span, what is no prompt and no output."""


def _content(data: SpanData) -> dict[str, Any]:
    """What went in and came out, and what the user's own spans say."""
    if isinstance(data, ResponseSpanData):
        output: Any = None if data.response is None else data.response.model_dump(mode="json")["output"]
        said = {"input": data.input, "output": output}
    else:
        said = {name: getattr(data, name, None) for name in ("input", "output", "data", "result")}
    return {name: value for name, value in said.items() if value is not None}


def _name(data: SpanData) -> str:
    if data.type == "turn":
        return f"turn {getattr(data, 'turn', '?')}"
    if data.type == "handoff":
        return f"{getattr(data, 'from_agent', None)} -> {getattr(data, 'to_agent', None)}"
    return str(getattr(data, "name", None) or data.type)


def _seconds(iso: str | None) -> float:
    """The SDK's time as epoch seconds; now, by its clock, where it does not say."""
    return datetime.fromisoformat(iso or get_trace_provider().time_iso()).timestamp()


# What stands in the SDK's way, once in each process.


@final
class _HandingOn(TracingProcessor):
    """Hands spans to the attempts that they happen in, and no others."""

    def on_trace_start(self, trace: Trace) -> None:
        """Nothing: the run has a span of its own too, the task."""

    def on_trace_end(self, trace: Trace) -> None:
        """Nothing, likewise."""

    def on_span_start(self, span: AgentsSpan[Any]) -> None:
        route = _ROUTE.get()
        if route is not None:
            route.started(span)

    def on_span_end(self, span: AgentsSpan[Any]) -> None:
        route = _ROUTES.get(span)
        if route is not None:
            route.ended(span)

    def shutdown(self) -> None:
        """Nothing is kept."""

    def force_flush(self) -> None:
        """Nothing is kept."""


class _PostingOutside(BatchTraceProcessor):
    """What the SDK's default processor becomes: it passes over attempts that do not export."""

    def on_trace_start(self, trace: Trace) -> None:
        if _posts(_ROUTE.get()):
            super().on_trace_start(trace)

    def on_span_end(self, span: AgentsSpan[Any]) -> None:
        if _posts(_ROUTES.get(span)):
            super().on_span_end(span)


def _posts(route: _Route | None) -> bool:
    return route is None or route.export


@final
class _KeepingOurs:
    """A provider's `set_processors`, which replaces all of the user's and keeps ours."""

    __slots__ = ("_replace",)

    def __init__(self, provider: TraceProvider) -> None:
        self._replace = provider.set_processors

    def __call__(self, processors: list[TracingProcessor]) -> None:
        self._replace([*processors, _HANDING_ON])


_HANDING_ON = _HandingOn()


def _prepare(provider: TraceProvider) -> None:
    """Do what has to be done to this provider once; a user may exchange it at any time.

    The provider stays the object that it was: others look for its type, or wrap it. Were it to be prepared
    twice (by two threads, or once inside a wrapper), each span would still be handed on once.
    """
    if isinstance(getattr(provider, "set_processors"), _KeepingOurs):  # noqa: B009 - a method, to a checker
        return
    provider.register_processor(_HANDING_ON)
    setattr(provider, "set_processors", _KeepingOurs(provider))  # noqa: B010
    processor = default_processor()
    if type(processor) is BatchTraceProcessor:
        processor.__class__ = _PostingOutside
