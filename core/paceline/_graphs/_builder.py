"""How nodes are put into a graph, by hand or by drawing: named, connected, and made conditional."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from paceline._errors import BuildError
from paceline._job import Ended

from ._checking import check_types
from ._conditions import Condition
from ._graph import Graph, GraphInput, Node
from ._signature import REQUIRED
from ._steps import Step
from ._symbols import Symbol
from ._values import Arguments, Input, Predicate, Value

__all__ = ["Builder"]

_NOTHING: Mapping[str, object] = {}


class Builder:
    """A graph that is being made."""

    def __init__(self, name: str) -> None:
        self.name: str = name
        self.nodes: list[Node] = []
        self.inputs: dict[str, GraphInput] = {}
        self._names: dict[str, int] = {}

    def add(
        self,
        step: Step[..., Any],
        payload: Value,
        mapped: tuple[str, ...] | None,
        after: Mapping[Node, bool],
        when: Value | None,
    ) -> Node:
        """Put in a node; one whose name is taken becomes `name#2`, and so on."""
        node = Node(self.new_name(step.name), step)
        node.connect(payload, mapped, after, when)
        self.nodes.append(node)
        return node

    def new_name(self, name: str) -> str:
        """The name of the next node of that step."""
        nth = self._names[name] = self._names.get(name, 0) + 1
        if nth == 1:
            return name
        numbered = f"{name}#{nth}"
        if numbered in self._names:  # somebody has called a task that
            return self.new_name(name)
        self._names[numbered] = 1
        return numbered

    def add_input(self, name: str, default: Any = REQUIRED, annotation: Any = None) -> GraphInput:
        """Know of an input; where several tasks take it, one default is enough."""
        known = self.inputs.get(name)
        if known is None:
            known = self.inputs[name] = GraphInput(name, default, annotation)
        return known

    def orders(
        self, afters: tuple[object, ...], find: Callable[[object], Iterable[Node]]
    ) -> dict[Node, bool]:
        """What `after` names, as nodes, and whether each must succeed."""
        orders: dict[Node, bool] = {}
        for each in afters:
            needs_success = not isinstance(each, Ended)
            target = each.of if isinstance(each, Ended) else each
            for node in find(target):
                orders[node] = orders.get(node, False) or needs_success
        return orders

    def condition(
        self, step: Step[..., Any], when: Any, payload: Value, value_of: Callable[[Any], Value]
    ) -> Value | None:
        """What `when` says: a value of the graph, or a function of some of the task's arguments."""
        if when is None or when is True:
            return None
        if not callable(when) or isinstance(when, Symbol):
            return value_of(when)
        try:
            condition = Condition(step, when)
            if not isinstance(payload, Arguments):
                return Predicate(condition.holds, payload)
            condition.check(payload.values)
        except TypeError as error:
            raise BuildError(f"graph {self.name!r}: {error}") from None
        asked = {name: each for name, each in payload.values.items() if name in condition.names}
        return Predicate(condition.holds, Arguments(asked))

    def graph(self, output: Value | None, names: Mapping[str, object] = _NOTHING) -> Graph:
        """The graph, in order and with its types compared; `names`: what its annotations may name.

        Raises:
            BuildError: if it cannot run as it is written, or a graph in it cannot.
        """
        for node in self.nodes:
            build = getattr(node.step, "build", None)
            if build is not None:
                build()
            for name, value in node.payload.values.items() if isinstance(node.payload, Arguments) else ():
                for part in value.parts():
                    if isinstance(part, Input):
                        self.inputs[part.name].takers.append((node.name, name))
        graph = Graph(self.name, self.nodes, self.inputs, output)
        graph.notes = tuple(check_types(graph, names))
        return graph
