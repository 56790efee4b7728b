"""Which spans a job's attempts point at: those of what it came after.

A span's context is a few hundred bytes, and there are many jobs: what an ended job leaves is kept only while
a job that waits for it has not started.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

from opentelemetry.trace import Link, SpanContext

from . import _names as names

__all__ = ["Upstreams", "link"]

_ITEMS = 100
"""Links to the items of a map, at most; SDKs keep 128 links of a span."""


def link(context: SpanContext, kind: str) -> Link:
    """A link that says what it is."""
    return Link(context, {names.LINK_TYPE: kind})


@final
class _Upstream:
    """A job or group that others wait for, and its span so far; of a map, those of its items."""

    __slots__ = ("spans", "wanted")

    def __init__(self) -> None:
        self.wanted: int = 0
        """By how many jobs that have not started."""
        self.spans: dict[str, SpanContext] = {}
        """By the id of what began it: another attempt takes the place of the one before."""


@final
class Upstreams:
    """What the jobs that have not started wait for, by the ids of jobs and the names of groups."""

    __slots__ = ("_upstreams", "_waiting")

    def __init__(self) -> None:
        self._upstreams: dict[str, _Upstream] = {}
        self._waiting: dict[str, tuple[tuple[str, ...], str | None]] = {}

    def __len__(self) -> int:
        return len(self._upstreams) + len(self._waiting)

    def want(self, job_id: str, after: tuple[str, ...], run: str | None) -> Iterable[str]:
        """A job of this run waits for these; returned are those that no other does: they may have begun."""
        if job_id in self._waiting:
            return ()
        self._waiting[job_id] = after, run
        new: list[str] = []
        for each in after:
            found = self._upstreams.get(each)
            if found is None:
                self._upstreams[each] = found = _Upstream()
                new.append(each)
            found.wanted += 1
        return new

    def wanted_by(self, job_id: str | None) -> tuple[str, ...]:
        """What this job waits for."""
        found = None if job_id is None else self._waiting.get(job_id)
        return () if found is None else found[0]

    def began(self, label: str, span: SpanContext, parent: str | None = None) -> None:
        """A span of this job or group has begun; `parent`: of the job it belongs to, which may be a map."""
        if not self._upstreams:
            return
        found = self._upstreams.get(label)
        if found is not None:
            found.spans[label] = span
        items = None if parent is None else self._upstreams.get(parent)
        if items is None or parent in items.spans:  # a graph or flow has a span of its own
            return
        if label in items.spans or len(items.spans) < _ITEMS:
            items.spans[label] = span

    def take(self, job_id: str) -> tuple[SpanContext, ...]:
        """The spans of what this job waited for; from now on it wants them no more."""
        after, _ = self._waiting.pop(job_id, _NOTHING)
        taken: dict[int, SpanContext] = {}  # an item of a map may be waited for, and its map too
        for each in after:
            found = self._upstreams.get(each)
            if found is None:
                continue
            taken.update((span.span_id, span) for span in found.spans.values())
            found.wanted -= 1
            if not found.wanted:
                del self._upstreams[each]
        return tuple(taken.values())

    def forget(self, run: str) -> None:
        """A run is over: what waits in it will wait for ever."""
        for job_id, (_, where) in tuple(self._waiting.items()):
            if where == run:
                self.take(job_id)


_NOTHING: tuple[tuple[str, ...], str | None] = ((), None)
