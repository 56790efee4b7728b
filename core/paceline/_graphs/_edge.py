"""The shape of a graph: what leads to what, and which nodes may run side by side."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Edge", "Plan"]

_SHOWN = 12
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Edge:
    """What `target` waits for: the output of `source`, or only its end.

    `key` is what it takes of the output, as people write it: `users`, `[0]`, `users[0].name`; None for the
    whole of it. `data` is False where the target only comes after the source. `parameter` is the argument
    that gets the value.
    """

    source: str
    target: str
    key: str | None = None
    data: bool = True
    parameter: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How a graph would run: `print` it before it does.

    `levels` are its nodes by the longest way from a node that waits for nothing; each starts as soon as what
    it waits for has ended, whatever else its level does. `width` is the size of the widest level. `notes`
    tell which types could not be compared.
    """

    levels: tuple[tuple[str, ...], ...] = ()
    width: int = 0
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: Iterable[str], edges: Iterable[Edge], notes: Iterable[str] = ()) -> "Plan":
        """Put nodes into levels, in the order in which they are named; takes time linear in nodes and edges.

        Raises:
            ValueError: if an edge leads to or from a node that is not named, or edges lead in a circle.
        """
        levels = _levels(list(dict.fromkeys(names)), edges)
        return cls(levels, max(map(len, levels), default=0), tuple(notes))

    def __str__(self) -> str:
        count = sum(map(len, self.levels))
        levels = f"{len(self.levels)} {_word('level', len(self.levels))}"
        lines = [f"{count} {_word('task', count)} in {levels}, the widest of {self.width}"]
        digits = len(str(len(self.levels)))
        for number, level in enumerate(self.levels[:_SHOWN], 1):
            lines.append(f"{number:>{digits}}  {_listed(level)}")
        if len(self.levels) > _SHOWN:
            lines.append(
                f"… and {len(self.levels) - _SHOWN} more {_word('level', len(self.levels) - _SHOWN)}"
            )
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


def _levels(names: Sequence[str], edges: Iterable[Edge]) -> tuple[tuple[str, ...], ...]:
    targets: dict[str, list[str]] = {name: [] for name in names}
    missing = dict.fromkeys(names, 0)
    for edge in edges:
        for end in (edge.source, edge.target):
            if end not in targets:
                raise ValueError(
                    f"the edge from {edge.source!r} to {edge.target!r}: there is no node {end!r}"
                )
        targets[edge.source].append(edge.target)
        missing[edge.target] += 1
    level_of: dict[str, int] = {}
    ready = [name for name in names if not missing[name]]
    depth = 0
    while ready:
        freed: list[str] = []
        for name in ready:
            level_of[name] = depth
            for target in targets[name]:
                missing[target] -= 1
                if not missing[target]:
                    freed.append(target)
        ready = freed
        depth += 1
    if len(level_of) < len(names):
        left = [name for name in names if name not in level_of]
        raise ValueError(f"edges lead in a circle: {_listed(left)} wait for one another")
    levels: list[list[str]] = [[] for _ in range(depth)]
    for name in names:
        levels[level_of[name]].append(name)
    return tuple(map(tuple, levels))


def _word(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _listed(names: Sequence[str]) -> str:
    """Names in one line, as many as fit."""
    shown: list[str] = []
    room = _WIDTH
    for name in names:
        spoken = " ".join(name.split()) or repr(name)
        room -= len(spoken) + 2
        if shown and room < 0:
            break
        shown.append(spoken)
    more = f", … and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
    return ", ".join(shown) + more
