"""Arithmetic over what ran when: how many at once, and which chain of tasks took the time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

__all__ = ["critical_path", "most_at_once"]


def most_at_once(intervals: Iterable[tuple[float, float]]) -> int:
    """The most intervals (start, end) that lie over one moment.

    One that ends when another starts does not overlap it. One without length overlaps what began before and
    ended after it, but no other of its kind: a clock that stood still does not tell which came first.
    """
    lasting: list[tuple[float, float]] = []
    moments: set[float] = set()
    for start, end in intervals:
        if start < end:
            lasting.append((start, end))
        else:
            moments.add(start)
    starts = sorted(start for start, _ in lasting)
    ends = sorted(end for _, end in lasting)
    most = ended = 0
    for started, start in enumerate(starts, 1):
        while ends[ended] <= start:
            ended += 1
        most = max(most, started - ended)
    return max(
        most,
        max((bisect_left(starts, each) - bisect_right(ends, each) + 1 for each in moments), default=0),
    )


def critical_path(
    after: Mapping[str, Sequence[str]],
    ended: Mapping[str, float],
    bodies: Collection[str] = (),
    body_of: Mapping[str, str | None] | None = None,
) -> list[str]:
    """The task that ended last, before it the last of what it waited for, and so on; the first one first.

    `after` and `ended` hold the tasks and bodies that ended, `body_of` the body that each lies in. A body
    stands for the last of the tasks in it, and a task that waits for nothing of its body's waits for what the
    body waited for. Of those that ended at the same time the last in `ended` counts.
    """
    return _Walk(after, ended, bodies, body_of or {}).path()


class _Walk:
    __slots__ = ("_after", "_bodies", "_body_of", "_last", "_rank")

    def __init__(
        self,
        after: Mapping[str, Sequence[str]],
        ended: Mapping[str, float],
        bodies: Collection[str],
        body_of: Mapping[str, str | None],
    ) -> None:
        self._after = after
        self._bodies = bodies
        self._body_of = body_of
        self._rank = {name: place for place, name in enumerate(sorted(ended, key=ended.__getitem__))}
        leaves = (name for name in self._rank if name not in bodies) if bodies else ()
        # Of the tasks in a body the one that ended last: they come in the order of their ends.
        self._last = {body: leaf for leaf in leaves for body in self._around(leaf)}

    def _around(self, name: str) -> Iterator[str]:
        body = self._body_of.get(name)
        while body is not None:
            yield body
            body = self._body_of.get(body)

    def path(self) -> list[str]:
        current = next((name for name in reversed(self._rank) if name not in self._bodies), None)
        seen: set[str] = set()
        found: list[str] = []
        while current is not None and current not in seen:
            seen.add(current)
            if current not in self._bodies:
                found.append(current)
            before = self._before(current)
            # A body without tasks (a map over nothing) is passed through.
            current = None if before is None else self._last.get(before, before)
        return found[::-1]

    def _before(self, name: str) -> str | None:
        if not self._bodies:
            return self._latest(self._after.get(name, ()))
        around = tuple(self._around(name))
        for waiter in (name, *around):
            found = self._latest([each for each in self._after.get(waiter, ()) if each not in around])
            if found is not None:
                return found
        return None

    def _latest(self, names: Sequence[str]) -> str | None:
        found, best = None, -1
        for name in names:
            rank = self._rank.get(name, -1)
            if rank > best:
                found, best = name, rank
        return found
