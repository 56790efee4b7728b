"""A graph as a value: nodes in an order in which each comes after what it waits for. No run changes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, final

from paceline._errors import BuildError, UnknownName

from ._edge import Edge
from ._signature import REQUIRED
from ._values import Arguments, Given, Input, Output, Value, path_text

if TYPE_CHECKING:
    from ._steps import Step

__all__ = ["Graph", "GraphInput", "Node"]


@final
class Node:
    """One task in a graph: what runs, what it takes, and what it comes after."""

    __slots__ = (
        "after",
        "data",
        "index",
        "key",
        "mapped",
        "name",
        "needs",
        "payload",
        "piped",
        "step",
        "when",
    )

    def __init__(self, name: str, step: Step[..., Any]) -> None:
        self.name: str = name
        self.key: str = _key(name)
        """Its part of the positional key of its jobs."""
        self.step: Step[..., Any] = step
        self.payload: Value
        self.mapped: tuple[str, ...] | None = None
        """The arguments over whose items it fans out, if it does."""
        self.after: Mapping[Node, bool] = {}
        """What it is only ordered after, and whether that must succeed."""
        self.when: Value | None = None
        self.index: int = -1
        """Its place in the graph's order."""
        self.needs: tuple[int, ...] = ()
        """The places of those whose values it takes whole: it waits for their success."""
        self.data: tuple[Node, ...] = ()
        """What it takes values from."""
        self.piped: Mapping[str, Node] = {}
        """The arguments of it, a map, for which it takes the items of other maps one by one, as they come."""

    def connect(
        self, payload: Value, mapped: tuple[str, ...] | None, after: Mapping[Node, bool], when: Value | None
    ) -> None:
        """Say what it takes and what it comes after."""
        self.payload, self.mapped, self.after, self.when = payload, mapped, after, when
        self.data = tuple(dict.fromkeys(each.node for each in self.outputs()))
        self.piped = _piped(self)

    def outputs(self) -> Iterator[Output]:
        """All that it takes from other nodes."""
        for value in self._values():
            if isinstance(value, Output):
                yield value

    def inputs(self) -> Iterator[Input]:
        """All that it takes from the inputs of the graph."""
        for value in self._values():
            if isinstance(value, Input):
                yield value

    def _values(self) -> Iterator[Value]:
        yield from self.payload.parts()
        if self.when is not None:
            yield from self.when.parts()

    def upstream(self) -> Iterator[Node]:
        """What it comes after, for whatever reason."""
        yield from self.data
        yield from (node for node in self.after if node not in self.data)


def _piped(node: Node) -> Mapping[str, Node]:
    """The maps whose items this map takes one by one: it goes over their lists, and takes only these."""
    if node.mapped is None:
        return {}
    # A condition may look at what the map goes over, and then needs all of it.
    wholly: list[Value] = [] if node.when is None else [node.when]
    over: dict[str, Node] = {}
    for name, value in node.payload.by_name().items():
        source = value.node if isinstance(value, Output) and not value.path else None
        if source is not None and source.mapped is not None and name in (node.mapped or ("",)):
            over[name] = source
        else:
            wholly.append(value)
    needed = {part.node for value in wholly for part in value.parts() if isinstance(part, Output)}
    return {name: each for name, each in over.items() if each not in needed}


def _key(name: str) -> str:
    """A name as part of a key, in which `/` and `[` have a meaning of their own."""
    return name.replace("%", "%25").replace("/", "%2F").replace("[", "%5B")


class GraphInput:
    """Something that a run of the graph is given."""

    __slots__ = ("annotation", "default", "name", "takers")

    def __init__(self, name: str, default: Any, annotation: Any) -> None:
        self.name: str = name
        self.default: Any = default
        self.annotation: Any = annotation
        self.takers: list[tuple[str, str]] = []
        """Which tasks take it, and as which argument."""


@final
class Graph:
    """Nodes in order, what a run must be given, and what it gives.

    Raises:
        BuildError: if the nodes wait for each other in a circle; the message shows it.
    """

    __slots__ = ("by_name", "inputs", "name", "nodes", "notes", "output", "takes_all")

    def __init__(
        self, name: str, nodes: Sequence[Node], inputs: Mapping[str, GraphInput], output: Value | None
    ) -> None:
        self.name: str = name
        self.nodes: tuple[Node, ...] = tuple(_in_order(name, nodes))
        for index, node in enumerate(self.nodes):
            node.index = index
            node.needs = tuple(above.index for above in node.data if above not in node.piped.values())
        self.by_name: dict[str, Node] = {node.name: node for node in nodes}
        self.inputs: Mapping[str, GraphInput] = inputs
        self.output: Value | None = output
        self.takes_all: bool = any(isinstance(node.payload, Given) for node in nodes)
        """Whether some task takes all inputs, whatever they are."""
        self.notes: tuple[str, ...] = ()
        """What could not be said for certain about its types."""

    def node(self, name: str) -> Node:
        """Find a node by its name.

        Raises:
            UnknownName: if there is none.
        """
        found = self.by_name.get(name)
        if found is None:
            raise UnknownName(f"task of graph {self.name!r}", name, self.by_name)
        return found

    def up_to(self, targets: Iterable[Node]) -> list[Node]:
        """These nodes and all that they need, in order."""
        wanted: set[Node] = set()
        stack = list(targets)
        while stack:
            node = stack.pop()
            if node not in wanted:
                wanted.add(node)
                stack.extend(node.upstream())
        return [node for node in self.nodes if node in wanted]

    def given(self, inputs: Mapping[str, Any], nodes: Sequence[Node]) -> dict[str, Any]:
        """The inputs of a run, with defaults.

        Raises:
            TypeError: if one that these nodes need is missing, or one is given that the graph does not know.
        """
        values = {name: value for name, value in inputs.items() if name not in self.inputs}
        if values and not self.takes_all:
            known = ", ".join(map(repr, self.inputs)) or "none"
            raise TypeError(f"graph {self.name!r} has no input {next(iter(values))!r}; its inputs: {known}")
        for name, each in self.inputs.items():
            value = inputs.get(name, each.default)
            if value is not REQUIRED:
                values[name] = value
            elif not each.takers or any(name == value.name for node in nodes for value in node.inputs()):
                taken = [f"task {task!r} takes it as {as_!r}" for task, as_ in each.takers[:3]]
                why = f" ({'; '.join(taken)})" if taken else ""
                raise TypeError(
                    f"graph {self.name!r} needs the input {name!r}{why}: give it, inputs={{{name!r}: ...}}"
                )
        return values

    @property
    def edges(self) -> tuple[Edge, ...]:
        """What comes after what, and what is carried."""
        return tuple(edge for node in self.nodes for edge in _edges_to(node))


def _in_order(graph: str, nodes: Sequence[Node]) -> Iterator[Node]:
    """Each node after what it waits for, else as declared (Kahn, 1962)."""
    waiting = dict.fromkeys(nodes, 0)
    place = {node: number for number, node in enumerate(nodes)}
    below: dict[Node, list[Node]] = {}
    for node in nodes:
        for above in node.upstream():
            waiting[node] += 1
            below.setdefault(above, []).append(node)
    ready = [number for number, node in enumerate(nodes) if not waiting[node]]  # sorted, and so a heap
    while ready:
        node = nodes[heappop(ready)]
        del waiting[node]
        yield node
        for each in below.get(node, ()):
            waiting[each] -= 1
            if not waiting[each]:
                heappush(ready, place[each])
    if waiting:
        circle = " -> ".join(repr(node.name) for node in _circle(waiting))
        raise BuildError(f"graph {graph!r}: tasks wait for each other in a circle: {circle}")


def _circle(nodes: Mapping[Node, int]) -> list[Node]:
    """A way along which each node comes after the last, back to the first."""
    seen: dict[Node, int] = {}
    way: list[Node] = []
    node = next(iter(nodes))
    while node not in seen:
        seen[node] = len(way)
        way.append(node)
        node = next(above for above in node.upstream() if above in nodes)
    way.append(node)
    return way[seen[node] :][::-1]


def _edges_to(node: Node) -> list[Edge]:
    arguments = node.payload.values if isinstance(node.payload, Arguments) else {None: node.payload}
    carried: dict[tuple[str, str | None, str | None], Edge] = {}
    for parameter, value in arguments.items():
        for edge in _carried(node, parameter, value):
            carried.setdefault((edge.source, edge.key, parameter), edge)
    if node.when is not None:
        known = {(edge.source, edge.key) for edge in carried.values()}
        for edge in _carried(node, "when", node.when):
            if (edge.source, edge.key) not in known:  # a condition may look at what the task takes anyway
                carried.setdefault((edge.source, edge.key, "when"), edge)
    ordered = [above for above in node.after if above not in node.data]
    return [*carried.values(), *(Edge(above.name, node.name, None, data=False) for above in ordered)]


def _carried(node: Node, parameter: str | None, value: Value) -> Iterator[Edge]:
    for part in value.parts():
        if isinstance(part, Output):
            key = path_text(part.path) or None
            yield Edge(part.node.name, node.name, key, data=True, parameter=parameter)
