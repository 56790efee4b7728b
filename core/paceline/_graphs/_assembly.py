"""A graph written by hand: declared task by task, with `From` and `after`, and put together when it is first used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, cast, get_args, get_origin

from paceline._errors import BuildError, UnknownName

from ._builder import Builder
from ._graph import Graph, Node
from ._signature import REQUIRED
from ._steps import Step
from ._symbols import From
from ._types import hints_of
from ._values import Arguments, Constant, Given, Input, Output, Value

__all__ = ["Declared", "assemble", "same_step"]


class Declared:
    """A task as it was declared; `made_of` is what it was made of, by which others may call it."""

    __slots__ = ("after", "bind", "made_of", "step")

    def __init__(self, step: Step[..., Any], made_of: object, after: tuple[object, ...], bind: Any) -> None:
        self.step: Step[..., Any] = step
        self.made_of: object = made_of
        self.after: tuple[object, ...] = after
        self.bind: Any = bind


def same_step(step: Step[..., Any], target: object) -> bool:
    """Whether a caller who says `target` means that step."""
    if isinstance(target, Step):
        return step is target or step.origin is cast("Step[..., Any]", target).origin
    function = getattr(step, "fn", None)
    return function is not None and (function is target or function == target)


def assemble(name: str, declared: Mapping[str, Declared]) -> Graph:
    """Put it together.

    Raises:
        BuildError: if a task names one that is not there, several answer to a name, or they wait in a circle.
    """
    return _Assembly(name, declared).graph()


class _Assembly:
    def __init__(self, name: str, declared: Mapping[str, Declared]) -> None:
        self._name = name
        self._declared = declared
        self._builder = Builder(name)
        self._nodes: dict[str, Node] = {}
        self._found: dict[object, str] = {}
        for task, each in declared.items():
            for alias in (each.step, each.made_of, getattr(each.step, "fn", None)):
                if alias is not None:
                    self._known_as(alias, task)

    def _known_as(self, alias: object, task: str) -> None:
        try:
            taken = self._found.setdefault(alias, task)
        except TypeError:
            return  # not hashable: an executor that can be called by its name or its task
        if taken != task:
            self._found[alias] = ""  # several tasks are made of it

    def graph(self) -> Graph:
        # Nodes know each other, and may be declared in any order: first all of them, then what they take.
        for task, each in self._declared.items():
            self._nodes[task] = Node(task, each.step)
        for task, each in self._declared.items():
            node = self._nodes[task]
            payload = self._payload(task, each)
            when = self._builder.condition(
                each.step, each.step.when, payload, lambda value: self._value(task, "when", value)
            )
            after = self._builder.orders(
                repr(each.step), each.after, lambda target: [self._node(task, "after", target)]
            )
            node.connect(payload, None, after, when)
            self._builder.nodes.append(node)
        return self._builder.graph(None)

    def _payload(self, task: str, declared: Declared) -> Value:
        step, bind = declared.step, declared.bind
        bound: Mapping[str, Any] = bind if isinstance(bind, Mapping) else {}
        if step.signature is None:
            return self._whole_payload(task, bind)
        if bind is not None and not isinstance(bind, Mapping):
            raise BuildError(
                f"graph {self._name!r}: bind= of task {task!r} maps its arguments to values, it is {bind!r}"
            )
        unknown = [name for name in bound if name not in step.signature.parameters]
        if unknown:
            known = ", ".join(map(repr, step.signature.parameters)) or "none"
            raise BuildError(
                f"graph {self._name!r}: bind= of task {task!r} names {unknown[0]!r}, which is no argument of it: {known}"
            )
        # `From(load)` in an annotation that is text: `load` may be a local of the function that writes the graph.
        names = {**{each.step.name: each.step for each in self._declared.values()}, "From": From}
        hints = hints_of(cast("Any", step).fn, names).parameters if hasattr(step, "fn") else {}
        values: dict[str, Value] = {}
        for name, default in step.signature.parameters.items():
            hint = hints.get(name)
            source = bound[name] if name in bound else _from_of(hint)
            if source is not _NOTHING:
                values[name] = self._value(task, name, source)
            elif default is REQUIRED:
                self._builder.add_input(name, REQUIRED, hint)
                values[name] = Input(name)
        return Arguments(values)

    def _whole_payload(self, task: str, bind: Any) -> Value:
        if bind is None:
            return Given()
        if isinstance(bind, Mapping):
            given = cast("Mapping[str, Any]", bind)
            return Arguments({name: self._value(task, name, value) for name, value in given.items()})
        return self._value(task, "its payload", bind)

    def _value(self, task: str, argument: str, source: Any) -> Value:
        if not isinstance(source, From):
            return Constant(source)
        return Output(
            self._node(task, f"argument {argument!r}", source.upstream), source.path, check=source.check
        )

    def _node(self, task: str, edge: str, target: object) -> Node:
        if isinstance(target, str):
            name: str | None = target if target in self._nodes else None
        else:
            try:
                name = self._found.get(target)
            except TypeError:
                name = None
        where = f"graph {self._name!r}: task {task!r}, {edge}"
        said = getattr(target, "name", None) or getattr(target, "__name__", None) or str(target)
        if name is None:
            raise UnknownTask(where, said, self._nodes)
        if not name:
            same = [
                each
                for each, one in self._declared.items()
                if same_step(one.step, target) or one.made_of is target
            ]
            raise BuildError(
                f"{where}: {said!r} could be any of {', '.join(map(repr, same))}: name the one that is meant"
            )
        return self._nodes[name]


class UnknownTask(BuildError, UnknownName):
    """Raised when a graph names a task that it does not have."""

    def __init__(self, where: str, name: str, known: Mapping[str, object]) -> None:
        UnknownName.__init__(self, "task", name, known)
        self.args = (f"{where}: {self.args[0]}",)


_NOTHING: Any = object()


def _from_of(hint: Any) -> Any:
    """The `From` in an annotation, if there is one."""
    if get_origin(hint) is Annotated:
        for extra in get_args(hint)[1:]:
            if isinstance(extra, From):
                return extra
    return _NOTHING
