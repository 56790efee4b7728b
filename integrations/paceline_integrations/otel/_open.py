"""What is open: runs, groups, graphs and flows with their spans, and the jobs that have begun."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from opentelemetry import propagate, trace
from opentelemetry.context import Context, create_key, set_value

from ._watching import Watched

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext

    from paceline import Scope

__all__ = ["BODY_KEY", "RUN_KEY", "Attempt", "OpenRun", "OpenScope", "same_span"]

RUN_KEY = create_key("paceline-run")
"""In a context: the run in whose block, or in one of whose jobs, it is."""

BODY_KEY = create_key("paceline-body")
"""In a context: the graph or flow whose code it is."""


def same_span(one: SpanContext, other: SpanContext) -> bool:
    """Whether both mean the same span, whatever process it was told in."""
    return one.span_id == other.span_id and one.trace_id == other.trace_id


@final
class OpenScope:
    """The span of a run, group, graph or flow until that is over, and how it is passed on."""

    __slots__ = ("around", "carrier", "inside", "maps", "primer", "scope", "span")

    def __init__(self, scope: Scope, span: Span, around: Context) -> None:
        self.scope: Scope = scope
        self.span: Span = span
        self.around: Context = around
        """The context in which it was opened."""
        self.inside: Context = trace.set_span_in_context(span, around)
        """The context of what it holds."""
        self.carrier: dict[str, str] = {}
        """The same as text: what a job's headers are to hold."""
        self.primer: SpanContext | None = None
        """Of a group: the last attempt of its primer."""
        self.maps: list[str] = []
        """Of a graph or flow: jobs in it that have no span, and wait for others."""
        propagate.inject(self.carrier, self.inside)

    @property
    def context(self) -> SpanContext:
        """Where its span is to be found."""
        return self.span.get_span_context()

    def entered(self, current: Context) -> Context:
        """The same context, inside of this."""
        return trace.set_span_in_context(self.span, current)

    def hand_on(self, headers: dict[str, str], current: Context) -> None:
        """Write into a job's headers that it belongs here; baggage is that of whoever submits it."""
        if current is self.around or current is self.inside:
            headers.update(self.carrier)
        else:
            propagate.inject(headers, self.entered(current))


@final
class OpenRun:
    """A run until it is over. It has no span of its own where none is wanted."""

    __slots__ = ("around", "bodies", "groups", "inside", "scope", "top")

    def __init__(self, scope: Scope, top: OpenScope | None, around: Context) -> None:
        self.scope: Scope = scope
        self.top: OpenScope | None = top
        self.around: Context = around
        self.inside: Context = set_value(RUN_KEY, self, around if top is None else top.inside)
        self.groups: dict[str, OpenScope] = {}
        """By name: names of unfinished groups are unique in a run."""
        self.bodies: dict[str, OpenScope] = {}
        """Graphs and flows, by the id of their job."""
        if top is not None:
            top.inside = self.inside

    def around_job(
        self, group: str | None, parent: str | None
    ) -> tuple[OpenScope | None, OpenScope | None, OpenScope | None]:
        """What is open around a job: its group, the graph or flow that submits it, the run."""
        return (
            None if group is None else self.groups.get(group),
            None if parent is None else self.bodies.get(parent),
            self.top,
        )


@final
class Attempt(Watched):
    """An attempt, and after its end the last one of its job until that ends too."""

    __slots__ = ("after", "asked", "bridged", "first", "number", "outcome", "run", "span")

    def __init__(self, run: str, number: int) -> None:
        super().__init__()
        self.run: str = run
        self.number: int = number
        self.span: Span = trace.INVALID_SPAN
        self.after: tuple[SpanContext, ...] = ()
        """The spans of what its job waited for: each attempt points at them."""
        self.first: SpanContext = trace.INVALID_SPAN_CONTEXT
        """The span of the first attempt at its job."""
        self.outcome: str | None = None
        self.asked: tuple[object, ...] | None = None
        """What it has asked, if it returned questions."""
        self.bridged: dict[str, tuple[Span, Context, Context]] | None = None
        """Spans of its framework that have not ended, by their ids there: each with its context,
        and the one before."""

    @property
    def context(self) -> SpanContext:
        """Where its span is to be found."""
        return self.span.get_span_context()
