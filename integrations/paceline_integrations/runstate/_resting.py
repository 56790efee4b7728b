"""Whether what waits does so for others to end, and whether a graph, flow or map rests as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final

from ._branches import WAITING
from ._views import GroupView, JobView, Node

if TYPE_CHECKING:
    from ._book import Book

__all__ = ["rests", "unfinished"]

_LOOKED_AT: Final = 100


def rests(book: Book, body: JobView) -> bool:
    """Whether a job below a body asks something, and no other can go on before it is answered."""
    if not body.is_body or body.branch is None:
        return False
    running, asking, waiting, _ = body.branch.by_rank
    return (
        bool(asking)
        and not running
        and all(_asks(each) for each in islice(asking.values(), _LOOKED_AT))
        and all(_is_held(book, each) for each in islice(waiting.values(), _LOOKED_AT))
    )


def unfinished(book: Book, job: JobView) -> Iterator[Node]:
    """Those of the jobs and groups that a job comes after which have not ended."""
    for each in job.after:
        before = book.jobs.get(each) or book.groups.get(each)
        if before is not None and before.ended is None:
            yield before


def _asks(node: Node) -> bool:
    """Whether what is suspended goes on by an answer only."""
    return isinstance(node, GroupView) or node.is_body or bool(node.questions)


def _is_held(book: Book, node: Node) -> bool:
    """Whether what waits does so for others to end."""
    if isinstance(node, GroupView):
        first = next(iter(node.branch.by_rank[WAITING].values()), None)
        return not isinstance(first, JobView) or _is_held(book, first)
    return next(unfinished(book, node), None) is not None
