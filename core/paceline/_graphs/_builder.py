"""How nodes are put into a graph, by hand or by drawing: named, connected, and made conditional."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from paceline._errors import BuildError
from paceline._job import Ended

from ._graph import Graph, GraphInput, Node
from ._signature import REQUIRED
from ._steps import Step
from ._symbols import Symbol
from ._values import Arguments, Constant, Input, Predicate, Value

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
        where = f"graph {self.name!r}: `when` of task {step.name!r}"
        function = cast("Callable[..., Any]", when)
        if isinstance(when, Step) or inspect.iscoroutinefunction(when):
            raise BuildError(
                f"{where} is a task or async function: give it what such a call put out, or a plain function"
            )
        try:
            names = tuple(inspect.signature(function).parameters)
        except ValueError:
            raise BuildError(
                f"{where}: {when!r} does not tell its parameters; put a lambda around it"
            ) from None
        return Predicate(function, names, self._seen_by(where, names, step, payload))

    def _seen_by(self, where: str, names: tuple[str, ...], step: Step[..., Any], payload: Value) -> Value:
        """The arguments that a condition asks for, those with defaults included."""
        if step.signature is None or not isinstance(payload, Arguments):
            return payload
        values: dict[str, Value] = {}
        for name in names:
            default = step.signature.parameters.get(name, REQUIRED)
            if name in payload.values:
                values[name] = payload.values[name]
            elif default is not REQUIRED:
                values[name] = Constant(default)
            else:
                raise BuildError(f"{where} asks for {name!r}, which is not an argument of the task")
        return Arguments(values)

    def graph(self, output: Value | None, names: Mapping[str, object] = _NOTHING) -> Graph:
        """The graph, in order and with its types compared; `names`: what its annotations may name.

        Raises:
            BuildError: if it cannot run as it is written, or a graph in it cannot.
        """
        from ._checking import check_types

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
