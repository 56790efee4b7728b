"""A priority queue whose items change their keys: the one structure behind every fair choice."""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from typing import Any, Generic, Protocol, TypeVar

__all__ = ["Turns", "leave"]


class Seated(Protocol):
    """What stands in a queue: it knows in which, and by which ticket."""

    seat: Turns[Any] | None
    ticket: int


T = TypeVar("T", bound=Seated)


class Turns(Generic[T]):
    """Items in the order of their keys, equal keys in the order of their last `put`: O(log n) each.

    An item stands in one queue at most; putting it into another takes it out of the first. Putting it again
    gives it a new ticket, and its entry with the old one is dropped when that comes up.
    """

    __slots__ = ("_heap", "_live", "_tickets")

    def __init__(self) -> None:
        self._heap: list[tuple[Any, int, T]] = []
        self._live = 0
        self._tickets = 0

    def __bool__(self) -> bool:
        return self._live > 0

    def put(self, item: T, key: Any) -> None:
        """Add the item, or move it to another key."""
        heap = self._heap
        self._tickets = ticket = self._tickets + 1
        if item.seat is self:
            if heap[0][1] == item.ticket:
                item.ticket = ticket
                heapreplace(heap, (key, ticket, item))
                return
            item.ticket = ticket
            heappush(heap, (key, ticket, item))
            self._sweep()
        else:
            leave(item)
            item.seat = self
            item.ticket = ticket
            self._live += 1
            heappush(heap, (key, ticket, item))

    def drop(self, item: T) -> None:
        """Take an item out that is in."""
        item.seat = None
        self._live -= 1
        self._sweep()

    def first(self) -> T | None:
        """The item whose turn it is; it stays in."""
        heap = self._heap
        while heap:
            _, ticket, item = heap[0]
            if item.ticket == ticket and item.seat is self:
                return item
            heappop(heap)
        return None

    def first_key(self) -> Any:
        """The key of `first()`; to be asked only where there is one."""
        self.first()
        return self._heap[0][0]

    def _sweep(self) -> None:
        """Keep the dead entries fewer than the live ones, so that memory follows what is in."""
        if len(self._heap) > 2 * self._live + 16:
            self._heap = [
                entry for entry in self._heap if entry[2].ticket == entry[1] and entry[2].seat is self
            ]
            heapify(self._heap)


def leave(item: Seated) -> None:
    """Take the item out of whatever queue it stands in."""
    if item.seat is not None:
        item.seat.drop(item)
