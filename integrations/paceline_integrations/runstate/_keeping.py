"""What is kept of what is over: of a run of millions of jobs, the last ones and those that failed."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast

from ._views import GroupView, JobView

if TYPE_CHECKING:
    from ._book import Book

__all__ = ["Keeping"]

_GROUPS: Final = 2_000
_AFTER: Final = 100
_PARTS: Final = 500
_SMALL: Final = 32
_VALUES: Final = 64_000_000
"""So many characters of payloads and outputs are kept in all."""


class Keeping:
    """Lets the details of the oldest go, when there are too many."""

    def __init__(self, book: Book, keep: int) -> None:
        self._book: Book = book
        self._keep: int = keep
        self._ended: deque[JobView] = deque()
        self._failed: deque[JobView] = deque()
        self._empty: deque[GroupView] = deque()
        self._values: deque[tuple[JobView, int]] = deque()
        self._size: int = 0

    def value(self, job: JobView, value: Any) -> None:
        """A payload or output was kept: all together must not become too large."""
        size = _size(value)
        self._values.append((job, size))
        self._size += size
        while self._size > _VALUES and self._values:
            old, size = self._values.popleft()
            self._size -= size
            old.payload = old.output = None

    def ended(self, job: JobView) -> None:
        """A job has ended."""
        if len(job.after) > _AFTER:
            job.after = tuple(job.after[:_AFTER])
        ended = self._failed if job.status == "failed" else self._ended
        ended.append(job)
        if len(ended) > self._keep:
            self._let_go(ended.popleft())

    def group_ended(self, group: GroupView) -> None:
        """A group has ended; it goes with the last of its jobs."""
        if not len(group.branch):
            self._empty.append(group)
            if len(self._empty) > _GROUPS:
                self._let_go(self._empty.popleft())

    def _let_go(self, node: JobView | GroupView) -> None:
        """Forget a node, and those above it that were kept for its sake only."""
        above: JobView | GroupView | None = node
        while above is not None:
            node = above
            if node.branch is not None and len(node.branch):
                node.stale = True
                return
            above = self._drop(node)

    def _drop(self, node: JobView | GroupView) -> JobView | GroupView | None:
        book = self._book
        rows = book.branch_of(node)
        group = None
        if isinstance(node, JobView):
            group = node.group_view
            book.jobs.pop(node.id, None)
        elif book.groups.get(node.name) is node:
            del book.groups[node.name]
        rows.drop(node)
        above = node.parent_view if group is None else group
        if above is None:
            return None
        over = above.stale or (isinstance(above, GroupView) and above.ended is not None)
        return above if over and not len(rows) else None


def _size(value: Any) -> int:
    """About how many characters a value takes; of large ones no more than some parts are looked at."""
    size = 0
    left: list[Any] = [value]
    for each in left:  # which grows meanwhile
        if type(each) is str:
            size += len(each)
            continue
        size += _SMALL
        if isinstance(each, dict | list | tuple):
            several = cast("dict[Any, Any] | list[Any]", each)
            size += _SMALL * len(several)
            if len(left) < _PARTS:
                left += islice(several.values() if isinstance(several, dict) else several, _PARTS)
        elif isinstance(each, bytes):
            size += len(each)
    return size
