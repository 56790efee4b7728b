"""What waits for what: each job or group knows its dependents, and whether they need its success."""

from __future__ import annotations

from collections.abc import Iterable

from ._entries import Edge, Entry, Node

__all__ = ["connect", "disconnect"]


def connect(entry: Entry, after: Iterable[Edge]) -> Node | None:
    """Add the edges; if one can never be satisfied, return what it comes from."""
    doomed = None
    waits: list[Node] = []
    for node, needs_success in after:
        if node.status is None:
            dependents = node.dependents
            if dependents is None:
                dependents = node.dependents = {}
            if entry not in dependents:
                waits.append(node)
            dependents[entry] = needs_success or dependents.get(entry, False)
        elif needs_success and node.status != "succeeded":
            doomed = doomed or node
    entry.after = tuple(waits)
    entry.blockers = len(waits)
    return doomed


def disconnect(entry: Entry) -> None:
    """It waits for nothing any more: it will not run."""
    for node in entry.after:
        if node.dependents is not None:
            node.dependents.pop(entry, None)
    if entry.group is not None:
        entry.group.held.pop(entry, None)
    entry.after = ()
