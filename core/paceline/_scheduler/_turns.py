"""A priority queue whose items change their keys: the one structure behind every fair choice."""

from __future__ import annotations

from collections.abc import Callable
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

    An item stands in one queue at most; putting it into another takes it out of the first. When its key has
    changed it is put again: that gives it a new ticket, and its entry with the old one is dropped when that
    comes up. An item that is alone needs no place in an order, so its key is looked at only when a second
    one comes.
    """

    __slots__ = ("_heap", "_key", "_tickets", "live")

    def __init__(self, key: Callable[[T], Any]) -> None:
        self._key = key
        self._heap: list[tuple[Any, int, T]] = []
        self._tickets = 0
        self.live: int = 0
        """How many items are in."""

    def __bool__(self) -> bool:
        return self.live > 0

    def put(self, item: T) -> None:
        """Add the item, or move it to where its key belongs now."""
        heap = self._heap
        if item.seat is self:
            if self.live == 1:
                return
            self._tickets = ticket = self._tickets + 1
            old, item.ticket = item.ticket, ticket
            if heap[0][1] == old:
                heapreplace(heap, (self._key(item), ticket, item))
            else:
                heappush(heap, (self._key(item), ticket, item))
                self._sweep()
            return
        if self.live == 1 and (alone := self.first()) is not None:
            heap[:] = [(self._key(alone), alone.ticket, alone)]
        leave(item)
        item.seat = self
        item.ticket = self._tickets = self._tickets + 1
        self.live += 1
        heappush(heap, (self._key(item), item.ticket, item))

    def drop(self, item: T) -> None:
        """Take an item out that is in."""
        item.seat = None
        self.live -= 1
        if self.live:
            self._sweep()
        else:
            self._heap.clear()

    def first(self) -> T | None:
        """The item whose turn it is; it stays in."""
        heap = self._heap
        while heap:
            _, ticket, item = heap[0]
            if item.ticket == ticket and item.seat is self:
                return item
            heappop(heap)
        return None

    def _sweep(self) -> None:
        """Keep the dead entries fewer than the live ones, so that memory follows what is in."""
        heap = self._heap
        if len(heap) > 2 * self.live + 16:
            heap[:] = [entry for entry in heap if entry[2].ticket == entry[1] and entry[2].seat is self]
            heapify(heap)


def leave(item: Seated) -> None:
    """Take the item out of whatever queue it stands in."""
    if item.seat is not None:
        item.seat.drop(item)
