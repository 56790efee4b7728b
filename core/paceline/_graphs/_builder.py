"""How nodes are put into a graph, by hand or by drawing: named, connected, and made conditional."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from paceline._errors import BuildError
from paceline._job import Ended

from ._graph import Graph, GraphInput, Node
from ._signature import REQUIRED
from ._symbols import Symbol
from ._values import Arguments, Constant, Input, Predicate, Value

if TYPE_CHECKING:
    from ._steps import Step

__all__ = ["Builder"]


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
        return name if nth == 1 else f"{name}#{nth}"

    def add_input(self, name: str, default: Any = REQUIRED, annotation: Any = None) -> GraphInput:
        """Know of an input; where several tasks take it, one default is enough."""
        known = self.inputs.get(name)
        if known is None:
            known = self.inputs[name] = GraphInput(name, default, annotation)
        return known

    def orders(
        self, owner: str, afters: tuple[object, ...], find: Callable[[object], list[Node]]
    ) -> dict[Node, bool]:
        """What `after` names, as nodes, and whether each must succeed."""
        orders: dict[Node, bool] = {}
        for each in afters:
            needs_success = not isinstance(each, Ended)
            target = each.of if isinstance(each, Ended) else each
            for node in find(target):
                orders[node] = orders.get(node, False) or needs_success
        if any(not isinstance(node, Node) for node in orders):
            raise BuildError(f"graph {self.name!r}: {owner} comes after something that is no task")
        return orders

    def condition(
        self, step: Step[..., Any], when: Any, payload: Value, value_of: Callable[[Any], Value]
    ) -> Value | None:
        """What `when` says: a value of the graph, or a function of some of the task's arguments."""
        if when is None or when is True:
            return None
        if callable(when) and not isinstance(when, Symbol):
            names = tuple(inspect.signature(cast("Callable[..., Any]", when)).parameters)
            known = payload.values if isinstance(payload, Arguments) else {}
            missing = [name for name in names if name not in known]
            if missing and step.signature is not None:
                defaults = step.signature.parameters
                absent = [name for name in missing if defaults.get(name, REQUIRED) is REQUIRED]
                if absent:
                    raise BuildError(
                        f"graph {self.name!r}: `when` of task {step.name!r} asks for {absent[0]!r}, "
                        "which is not an argument of the task"
                    )
                filled = {**known, **{name: Constant(defaults[name]) for name in missing}}
                payload = Arguments(filled)
            return Predicate(when, names, payload)
        return value_of(when)

    def graph(self, output: Value | None) -> Graph:
        """The graph, in order and with its types compared.

        Raises:
            BuildError: if it cannot run as it is written.
        """
        from ._checking import check_types

        for node in self.nodes:
            for name, value in node.payload.values.items() if isinstance(node.payload, Arguments) else ():
                for part in value.parts():
                    if isinstance(part, Input):
                        self.inputs[part.name].takers.append((node.name, name))
        graph = Graph(self.name, self.nodes, self.inputs, output)
        graph.notes = tuple(check_types(graph))
        return graph
