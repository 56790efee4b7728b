"""The rows of a tree below one node, in the order in which a person wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from ._views import GroupView, JobView

    Node: TypeAlias = JobView | GroupView

__all__ = ["WAITING", "Branch"]

_FEW: Final = 50
"""So many rows keep the order in which they came: they are seen all at once, and should not jump."""
WAITING: Final = 2
_RANKS: Final = {"running": 0, "suspended": 1, "waiting": WAITING}
_ENDED: Final = 3


class Branch:
    """The nodes below one, or at the top.

    Few are listed in the order in which they came. Many: first those at work, then those that ask, then those
    that wait, then those that ended, the latest first.
    """

    __slots__ = ("_listed", "by_rank", "first")

    def __init__(self) -> None:
        self.by_rank: tuple[dict[int, Node], ...] = ({}, {}, {}, {})
        """By place: those at work, those that ask, those that wait, those that ended."""
        self._listed: list[Node] | None = None
        self.first: Node | None = None
        """One that is listed before all others: a primer."""

    def put(self, node: Node) -> None:
        """Add a node, or put it where its status belongs now."""
        rank = _RANKS.get(node.status, _ENDED)
        if node.rank != rank:
            if node.rank >= 0:
                self.by_rank[node.rank].pop(node.place, None)
            node.rank = rank
            self.by_rank[rank][node.place] = node
            self._listed = None

    def drop(self, node: Node) -> None:
        """Take a node out."""
        if self.first is node:
            self.first = None
        if node.rank >= 0:
            self.by_rank[node.rank].pop(node.place, None)
            node.rank = -1
            self._listed = None

    def __len__(self) -> int:
        return sum(map(len, self.by_rank))

    def rows(self) -> list[Node]:
        """List the nodes; the list is made once for as long as nothing changes: leave it as it is."""
        if self._listed is None:
            running, asking, waiting, ended = self.by_rank
            listed = [*running.values(), *asking.values(), *waiting.values(), *reversed(ended.values())]
            if len(listed) <= _FEW:
                listed.sort(key=_place)
            first = self.first
            if first is not None and first.rank >= 0 and listed[0] is not first:
                listed.remove(first)
                listed.insert(0, first)
            self._listed = listed
        return self._listed


def _place(node: Node) -> int:
    return node.place
