"""What is known of a job from its submission to its end: where its spans belong, and what they point at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias, final

from opentelemetry import propagate, trace
from opentelemetry.trace import Link

from . import _names as names
from ._open import OpenScope, span_of

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanContext

    from paceline import Job

    from ._open import Attempt

__all__ = ["TracedJob", "link"]

_ITEMS = 100
"""Links to the items of a map, at most; SDKs keep 128 links of a span."""


@final
class TracedJob:
    """A job from its submission to its end: where its spans belong, and what they point at.

    One that waits for it keeps it a little longer: until that one begins.
    """

    __slots__ = (
        "above",
        "after",
        "attempt",
        "group",
        "items",
        "links",
        "run",
        "scope",
        "span",
        "told",
        "wanted",
    )

    def __init__(self, run: str) -> None:
        self.run: str = run
        self.above: Span = trace.INVALID_SPAN
        """The span that it is below, unless its headers were changed to tell of another one."""
        self.told: tuple[str, ...] = ()
        """What its headers held when its place was written into them; empty if somebody else had done so."""
        self.group: OpenScope | None = None
        self.scope: OpenScope | None = None
        """Of a graph or flow: its own, once it has begun; of a map: the one that its items are in."""
        self.after: tuple[Upstream, ...] = ()
        """What it waits for, until it begins."""
        self.wanted: bool = False
        """Others may wait for it."""
        self.links: tuple[Link, ...] = ()
        """What each of its attempts points at."""
        self.attempt: Attempt | None = None
        """The last one."""
        self.span: SpanContext | None = None
        """Where to find the span of the last attempt, or of the graph or flow that it is."""
        self.items: list[TracedJob] | None = None
        """Of a map: its first ones."""

    def spans(self) -> Iterable[SpanContext]:
        """What those point at that wait for it; of a map, which has no span, those of its items."""
        if self.span is not None:
            yield self.span
        for item in self.items or ():
            yield from item.spans()

    def began(self, span: Span, *, primes: bool) -> None:
        """A span of it has begun: others point at that one now; the group's followers, if it primes those."""
        self.span = span.get_span_context()
        if primes and self.group is not None:
            self.group.primer = self.span

    @property
    def plain(self) -> bool:
        """Whether nothing is known of it but what can be found again by its headers, once it begins."""
        kept = self.attempt is not None or self.scope is not None or self.items is not None
        return not (kept or self.after or self.wanted)

    def add_item(self, item: TracedJob) -> None:
        """Take in an item of this map: it came after what the map came after, too."""
        assert self.items is not None
        item.after += self.after
        if len(self.items) < _ITEMS:
            self.items.append(item)
            item.wanted = True

    def place(self, job: Job, current: Context) -> tuple[Context, bool]:
        """The context in which a span of it begins; whether what is above that is in another process."""
        here = trace.get_current_span(current)
        if tuple(job.headers.values()) != self.told:
            bare = trace.set_span_in_context(trace.INVALID_SPAN, current)
            elsewhere = propagate.extract(job.headers, bare)
            told = span_of(elsewhere)
            if told is not None and not any(_same(told, known) for known in (here, self.above)):
                return elsewhere, True
        return (current if here is self.above else trace.set_span_in_context(self.above, current)), False

    def pointed(self, role: str) -> list[Link]:
        """What its next span points at; what says most comes last: SDKs drop the first of too many."""
        if self.after:
            # An item of a map may be waited for, and its map too.
            found = {span.span_id: span for each in self.after for span in each.spans()}
            self.links = (*(link(span, "dependency") for span in found.values()), *self.links)
            self.after = ()
        links, before = list(self.links), self.attempt
        if role == "follower" and self.group is not None and self.group.primer is not None:
            links.append(link(self.group.primer, "primer"))
        if before is not None:
            kind = "resumed" if before.outcome == "suspended" else "retry"
            links.append(link(before.span.get_span_context(), kind))
        return [each for each in links if each.context.trace_flags.sampled]  # the others lead nowhere


def link(context: SpanContext, kind: str) -> Link:
    """A link that says what it is."""
    return Link(context, {names.LINK_TYPE: kind})


def _same(one: SpanContext, other: Span) -> bool:
    """Whether both mean the same span, whatever process it was told in."""
    known = other.get_span_context()
    return one.span_id == known.span_id and one.trace_id == known.trace_id


Upstream: TypeAlias = TracedJob | OpenScope
"""What a job waits for: another one, or a group."""
