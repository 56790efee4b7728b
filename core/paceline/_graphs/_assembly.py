"""A graph written by hand: declared task by task, and put together when it is first used."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from inspect import ismethod
from typing import Annotated, Any, cast, get_args, get_origin

from paceline._errors import BuildError, UnknownName

from ._builder import Builder
from ._checking import function_of
from ._graph import Graph, Node
from ._signature import REQUIRED
from ._steps import Step
from ._symbols import From
from ._types import UNKNOWN, hints_of
from ._values import Arguments, Constant, Given, Input, Output, Value

__all__ = ["Declared", "assemble", "called", "same_function"]


class Declared:
    """A task as it was declared; `made_of` is what it was made of, by which others may call it."""

    __slots__ = ("after", "bind", "made_of", "step")

    def __init__(self, step: Step[..., Any], made_of: object, after: tuple[object, ...], bind: Any) -> None:
        self.step: Step[..., Any] = step
        self.made_of: object = made_of
        self.after: tuple[object, ...] = after
        self.bind: Any = bind

    def means(self, target: object) -> bool:
        """Whether a caller who says `target` means this one."""
        return target is self.step or target is self.made_of or same_function(self.step, target)


def same_function(step: Step[..., Any], target: object) -> bool:
    """Whether a step is made of that function; a bound method is another object each time it is looked up."""
    function = getattr(step, "fn", None)
    return function is not None and (function is target or (ismethod(function) and function == target))


def called(target: object) -> str:
    """What to call something that a graph was told of, in an error."""
    if isinstance(target, Step):
        return cast("Step[..., Any]", target).name
    return target if isinstance(target, str) else getattr(target, "__name__", repr(target))


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
        self._names: dict[str, object] = {}
        """What annotations that are text may call the tasks: there they can be locals of the caller's."""
        for task, each in declared.items():
            for alias in (each.step, each.made_of, getattr(each.step, "fn", None)):
                if alias is not None:
                    self._known_as(alias, task)
            self._called(getattr(each.made_of, "__name__", None), each.made_of)
        self._names.update({task: each.step for task, each in declared.items()}, From=From)

    def _known_as(self, alias: object, task: str) -> None:
        try:
            taken = self._found.setdefault(alias, task)
        except TypeError:
            return  # not hashable: an executor that can be called by its name or its task
        if taken != task:
            self._found[alias] = ""  # several tasks are made of it

    def _called(self, name: str | None, made_of: object) -> None:
        if name is not None and self._names.setdefault(name, made_of) is not made_of:
            self._names[name] = UNKNOWN  # functions of one name: which is meant cannot be told

    def graph(self) -> Graph:
        # Nodes know each other, and may be declared in any order: first all of them, then what they take.
        for task, each in self._declared.items():
            self._nodes[task] = Node(task, each.step)
        for task, each in self._declared.items():
            payload = self._payload(task, each)
            when = self._builder.condition(
                each.step, each.step.when, payload, functools.partial(self._value, task, "`when`")
            )
            after = self._builder.orders(each.after, functools.partial(self._nodes_after, task))
            self._nodes[task].connect(payload, None, after, when)
            self._builder.nodes.append(self._nodes[task])
        return self._builder.graph(None, self._names)

    def _payload(self, task: str, declared: Declared) -> Value:
        step, bind = declared.step, declared.bind
        known = self._parameters(step)
        if known is None:
            return self._whole_payload(task, bind)
        if bind is not None and not isinstance(bind, Mapping):
            raise BuildError(
                f"graph {self._name!r}: bind= of task {task!r} maps its arguments to values, it is {bind!r}"
            )
        bound = cast("Mapping[str, Any]", bind or {})
        unknown = [name for name in bound if name not in known]
        if unknown:
            listed = ", ".join(map(repr, known)) or "none"
            raise BuildError(
                f"graph {self._name!r}: bind= of task {task!r} names {unknown[0]!r}, "
                f"which is no argument of it; it takes: {listed}"
            )
        values: dict[str, Value] = {}
        for name, (default, hint) in known.items():
            source = bound[name] if name in bound else self._from(task, name, hint, default)
            self._is_readable(task, name, step, source)
            if source is not _NOTHING:
                values[name] = self._value(task, f"argument {name!r}", source)
            elif default is REQUIRED:
                self._builder.add_input(name, REQUIRED, hint)
                values[name] = Input(name)
        return Arguments(values)

    def _parameters(self, step: Step[..., Any]) -> dict[str, tuple[Any, Any]] | None:
        """By name, the default and the annotation of what it takes; None where that is one payload."""
        if step.signature is None:
            build = getattr(step, "build", None)  # a graph that was written by hand
            inner: Graph | None = None if build is None else build()
            if inner is None or inner.takes_all:
                return None
            return {name: (each.default, each.annotation) for name, each in inner.inputs.items()}
        function = function_of(step)
        hints: Mapping[str, object] = {}
        if function is not None:
            hints = hints_of(function, self._names).parameters
        return {name: (default, hints.get(name)) for name, default in step.signature.parameters.items()}

    def _is_readable(self, task: str, argument: str, step: Step[..., Any], source: object) -> None:
        """Refuse an annotation that says `From` and cannot be read: it would be taken for an input."""
        if source is not _NOTHING and not (isinstance(source, From) and source.upstream is UNKNOWN):
            return
        written = getattr(function_of(step), "__annotations__", {}).get(argument)
        if isinstance(written, str) and "From(" in written:
            raise BuildError(
                f"graph {self._name!r}: task {task!r}, argument {argument!r}: the annotation {written} "
                f"cannot be read here; name the task in quotes, or say bind={{{argument!r}: From(...)}}"
            )

    def _from(self, task: str, argument: str, hint: Any, default: Any) -> Any:
        """The `From` in an annotation, if there is one."""
        found = [each for each in get_args(hint)[1:] if isinstance(each, From)]
        proper = get_origin(hint) is Annotated and len(found) == 1 and _froms(hint) == 1
        if proper:
            return found[0]
        if isinstance(default, From) or _froms(hint):
            raise BuildError(
                f"graph {self._name!r}: task {task!r}, argument {argument!r}: `From` stands once, and "
                "around the whole type: Annotated[list[str], From(load, 'users')]"
            )
        return _NOTHING

    def _whole_payload(self, task: str, bind: Any) -> Value:
        if bind is None:
            return Given()
        if isinstance(bind, Mapping):
            given = cast("Mapping[str, Any]", bind)
            return Arguments(
                {name: self._value(task, f"argument {name!r}", each) for name, each in given.items()}
            )
        return self._value(task, "its payload", bind)

    def _value(self, task: str, place: str, source: Any) -> Value:
        if not isinstance(source, From):
            return Constant(source)
        return Output(self._node(task, place, source.upstream), source.path, check=source.check)

    def _nodes_after(self, task: str, target: object) -> tuple[Node]:
        return (self._node(task, "after", target),)

    def _node(self, task: str, edge: str, target: object) -> Node:
        if isinstance(target, str):
            name: str | None = target if target in self._nodes else None
        else:
            try:
                name = self._found.get(target)
            except TypeError:
                name = None
        where = f"graph {self._name!r}: task {task!r}, {edge}"
        said = called(target)
        if name is None:
            raise UnknownTask(where, said, self._nodes)
        if not name:
            same = [each for each, one in self._declared.items() if one.means(target)]
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


def _froms(hint: Any) -> int:
    """How many times `From` stands anywhere in an annotation."""
    if isinstance(hint, From) or hint is From:
        return 1
    return sum(map(_froms, get_args(hint)))
