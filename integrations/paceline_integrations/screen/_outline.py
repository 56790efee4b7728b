"""Which rows the tree of jobs has: what is at work is open, and of many jobs it shows those that matter."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, cast

from paceline_integrations.runstate import GroupView, JobView, Node

__all__ = ["Match", "More", "Outline", "Row", "Rows", "identity", "matcher"]

_FEW: Final = 8
"""So many children are shown as they are, or as many as there is room for; else those that tell something."""
_LOOKED_AT: Final = 400
_SHOWN: Final = {"running": 6, "suspended": 4, "failed": 3, "waiting": 2, "succeeded": 1}
_SORTED: Final = 50
_AT_WORK: Final = frozenset({"running", "suspended"})

Match = Callable[[JobView], bool]


@dataclass(frozen=True, slots=True)
class More:
    """The children that are not shown: Enter shows them."""

    parent: Node
    count: int


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the tree. `last`: it is the last one below its parent."""

    node: Node | More
    depth: int
    last: bool = False
    opens: bool | None = None
    """None: it has nothing below it. Else whether that is shown."""

    @property
    def id(self) -> str:
        """What names the row, however it moves."""
        node = self.node
        if isinstance(node, More):
            return f"more:{identity(node.parent)}"
        return identity(node)


def identity(node: Node) -> str:
    """What names a node among all: names of groups may come again."""
    return f"job:{node.id}" if isinstance(node, JobView) else f"group:{node.name}:{node.place}"


class Rows:
    """The lines of the tree, each made when it is looked at: most of a hundred thousand never are."""

    __slots__ = ("_count", "_parts", "_starts")

    def __init__(self) -> None:
        self._parts: list[Row | tuple[Sequence[Node], int, int, bool]] = []
        """A row; or nodes, the place of the first, their depth, and whether the last one ends them."""
        self._starts: list[int] = []
        self._count: int = 0

    def add(self, row: Row) -> None:
        """Add one row."""
        self._starts.append(self._count)
        self._parts.append(row)
        self._count += 1

    def extend(self, nodes: Sequence[Node], first: int, end: int, depth: int, *, last: bool) -> None:
        """Add the nodes from `first` to before `end`, none of which shows what is below it."""
        if end > first:
            self._starts.append(self._count)
            self._parts.append((nodes, first, depth, last and end == len(nodes)))
            self._count += end - first

    def cut(self, count: int) -> None:
        """Drop all but so many rows, which were added one by one."""
        del self._parts[count:], self._starts[count:]
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: int) -> Row:
        index = bisect_right(self._starts, place) - 1
        part = self._parts[index]
        if isinstance(part, Row):
            return part
        nodes, first, depth, last = part
        node = nodes[first + place - self._starts[index]]
        end = self._starts[index + 1] if index + 1 < len(self._starts) else self._count
        return Row(node, depth, last=last and place == end - 1, opens=False if node.branch else None)

    def find(self, row: Row) -> int | None:
        """Where a row is now, if it is anywhere."""
        wanted = row.id
        for index, part in enumerate(self._parts):
            if isinstance(part, Row):
                if part.id == wanted:
                    return self._starts[index]
                continue
            nodes, first, _, _ = part
            end = self._starts[index + 1] if index + 1 < len(self._starts) else self._count
            with suppress(ValueError):  # it is not among these
                place = cast("Sequence[object]", nodes).index(
                    row.node, first, first + end - self._starts[index]
                )
                return self._starts[index] + place - first
        return None


class Outline:
    """Remembers what a person has opened and closed, and lists the rows.

    What was not touched shows by itself what is at work: groups and graphs with running jobs are open, but
    of many jobs only a few are listed, and the others counted.
    """

    def __init__(self) -> None:
        self._wanted: dict[str, bool] = {}
        self._whole: set[str] = set()
        self._few: int = _FEW

    def rows(self, roots: Sequence[Node], match: Match | None = None, room: int = 0) -> Rows:
        """List the rows of the tree; with `match`, only the jobs that it takes, and what they lie in.

        `room`: so many rows are seen at once.
        """
        found = Rows()
        if match is not None:
            _matching(roots, match, 0, found)
            return found
        opened = self._opened(roots)
        self._few = max(_FEW, (room - len(roots)) // max(1, len(opened)))
        self._list(roots, opened, 0, found)
        return found

    def is_open(self, node: Node) -> bool:
        """Whether what is below a node is shown."""
        wanted = self._wanted.get(identity(node))
        return node.status in _AT_WORK if wanted is None else wanted

    def open(self, node: Node, *, wanted: bool) -> None:
        """Show what is below a node, or hide it."""
        self._wanted[identity(node)] = wanted
        if not wanted:
            self._whole.discard(identity(node))

    def show_all(self, node: Node) -> None:
        """Show all that is below a node, not just what tells something."""
        self._whole.add(identity(node))

    def _opened(self, nodes: Sequence[Node]) -> list[int]:
        """The places of those that show what is below them."""
        if self._wanted or len(nodes) <= _SORTED:
            return [place for place, node in enumerate(nodes) if node.branch and self.is_open(node)]
        # Many are sorted: those at work come first.
        found: list[int] = []
        for place, node in enumerate(nodes):
            if node.status not in _AT_WORK:
                break
            if node.branch:
                found.append(place)
        return found

    def _list(
        self, nodes: Sequence[Node], opened: Sequence[int], depth: int, found: Rows, hidden: int = 0
    ) -> None:
        done = 0
        for place in opened:
            found.extend(nodes, done, place, depth, last=False)
            last = bool(depth) and place == len(nodes) - 1 and not hidden
            found.add(Row(nodes[place], depth, last=last, opens=True))
            self._below(nodes[place], depth + 1, found)
            done = place + 1
        found.extend(nodes, done, len(nodes), depth, last=bool(depth) and not hidden)

    def _below(self, node: Node, depth: int, found: Rows) -> None:
        children = node.children
        chosen = children if identity(node) in self._whole else telling(children, self._few)
        hidden = len(children) - len(chosen)
        self._list(chosen, self._opened(chosen), depth, found, hidden)
        if hidden:
            found.add(Row(More(node, hidden), depth, last=True))


def telling(children: Sequence[Node], few: int) -> Sequence[Node]:
    """Choose of many jobs those that say most: the primer, what is at work, asks or failed, what is next."""
    if len(children) <= few:
        return children
    left = dict(_SHOWN)
    chosen: dict[int, Node] = {}
    others: list[int] = []
    for place, node in enumerate(children[:_LOOKED_AT]):
        if isinstance(node, GroupView) or node.role == "primer":
            chosen[place] = node
        elif left.get(node.status, 0):
            left[node.status] -= 1
            chosen[place] = node
        else:
            others.append(place)
    if few > _FEW:  # there is room to spare
        chosen |= {place: children[place] for place in others[: max(0, few - 1 - len(chosen))]}
    return [chosen[place] for place in sorted(chosen)] if len(chosen) < len(children) - 1 else children


def matcher(text: str, *, failed: bool) -> Match | None:
    """Make the test for a filter: each word is to be found in name, lane, group, key or status."""
    words = text.casefold().split()
    if not words and not failed:
        return None

    def match(job: JobView) -> bool:
        if failed and (job.status != "failed" or job.again):
            return False
        told = f"{job.name} {job.lane} {job.group or ''} {job.key or ''} {job.status}".casefold()
        return all(word in told for word in words)

    return match


def _matching(nodes: Iterable[Node], match: Match, depth: int, found: Rows) -> bool:
    """Add what matches, and what it lies in; say whether there was any."""
    any_match = False
    for node in nodes:
        own = isinstance(node, JobView) and match(node)
        if not node.branch:
            if own:
                found.add(Row(node, depth))
                any_match = True
            continue
        place = len(found)
        found.add(Row(node, depth, opens=True))
        if _matching(node.children, match, depth + 1, found) or own:
            any_match = True
        else:
            found.cut(place)
    return any_match
