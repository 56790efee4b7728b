"""What is open: runs, groups, graphs and flows with their spans, and attempts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, final

from opentelemetry import propagate, trace
from opentelemetry.context import Context, get_value, set_value

from ._watching import INSIDE, Watched

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext

    from paceline import Scope

__all__ = ["Attempt", "OpenScope", "present", "span_of"]


def span_of(context: Context) -> SpanContext | None:
    """The span that is current in a context, if there is one."""
    found = trace.get_current_span(context).get_span_context()
    return found if found.is_valid else None


@final
class OpenScope:
    """The span of a run, group, graph or flow until that is over, and how it is passed on."""

    __slots__ = ("_carrier", "around", "inside", "maps", "over", "primer", "scope", "span")

    def __init__(self, scope: Scope, span: Span, around: Context) -> None:
        self.scope: Scope = scope
        self.span: Span = span
        self.around: Context = around
        """The context in which it was opened."""
        self.inside: Context = set_value(INSIDE, self, trace.set_span_in_context(span, around))
        """The context of what it holds."""
        self.primer: SpanContext | None = None
        """Of a group: the last attempt that established its prefix."""
        self.maps: list[str] = []
        """Of a graph or flow: the ids of the maps in it, whose end nobody tells."""
        self.over: bool = False
        self._carrier: dict[str, str] | None = None

    def hand_on(self, headers: dict[str, str], current: Context) -> None:
        """Write into a job's headers that it belongs here; baggage is that of whoever submits it."""
        if current is not self.around and current is not self.inside:
            propagate.inject(headers, trace.set_span_in_context(self.span, current))
            return
        if self._carrier is None:
            self._carrier = {}
            propagate.inject(self._carrier, self.inside)
        headers.update(self._carrier)

    def left(self, current: Context) -> Context:
        """A context that is inside of this, as it were without it."""
        if current is self.inside:
            return self.around
        outside = trace.set_span_in_context(trace.get_current_span(self.around), current)
        return set_value(INSIDE, get_value(INSIDE, self.around), outside)

    def spans(self) -> Iterable[SpanContext]:
        """What those point at that wait for it."""
        yield self.span.get_span_context()


def present(current: Context) -> Context:
    """The context without what is over: a block may be left in another context than it was entered in."""
    inside = get_value(INSIDE, current)
    while isinstance(inside, OpenScope) and inside.over and trace.get_current_span(current) is inside.span:
        current = inside.left(current)
        inside = get_value(INSIDE, current)
    return current


@final
class Attempt(Watched):
    """An attempt, and after its end the last one of its job until that ends too."""

    __slots__ = ("asked", "bridged", "number", "outcome", "over", "span")

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number: int = number
        self.span: Span = trace.INVALID_SPAN
        self.over: bool = False
        """It has been settled, though its code may still run."""
        self.outcome: str | None = None
        self.asked: tuple[object, ...] = ()
        """What it has asked, if it returned questions."""
        self.bridged: dict[str, tuple[Span, Context, Context]] | None = None
        """Spans of its framework that have not ended, by their ids there: each with its context,
        and the one before."""

    def end(self) -> None:
        """End its span, and before it what is open inside: it may hang, and that would have no parent."""
        self.over = True
        self.asked = ()
        bridged, self.bridged = self.bridged, None
        try:
            for begun, _, _ in reversed((bridged or {}).values()):
                begun.end()
        finally:
            self.span.end()
