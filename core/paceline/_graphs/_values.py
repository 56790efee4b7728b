"""Where the input of a task comes from: constants, inputs of the graph, what other nodes put out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, cast

from paceline._errors import InputError

if TYPE_CHECKING:
    from paceline._record import Record

    from ._graph import Node

__all__ = [
    "Arguments",
    "Constant",
    "Given",
    "Input",
    "Output",
    "Path",
    "PathStep",
    "Predicate",
    "Several",
    "Value",
    "path_text",
    "take",
]

PathStep: TypeAlias = tuple[Literal["item", "attr", "key"], Any]
"""("item", x): `value[x]`; ("attr", x): `value.x`; ("key", x): the first of a mapping, else the second."""

Path: TypeAlias = tuple[PathStep, ...]


class Run(Protocol):
    """What values are read from: one run of a graph."""

    inputs: Mapping[str, Any]

    def job_of(self, node: Node) -> Record:
        """The job of a node in this run."""
        ...


class Value(ABC):
    """Something that is known once the graph runs."""

    __slots__ = ()

    @abstractmethod
    def get(self, run: Run) -> Any:
        """Read it; raises InputError where it cannot be had."""

    def parts(self) -> Iterator[Value]:
        """Itself and all that it is made of."""
        yield self

    def by_name(self) -> Mapping[str, Value]:
        """The arguments that it makes; of a payload that is one value, that one under no name."""
        return {"": self}


class Constant(Value):
    """A value that is the same in each run."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value: Any = value

    def get(self, run: Run) -> Any:  # noqa: ARG002
        return self.value


class Input(Value):
    """What was given to the run under a name, or a part of it."""

    __slots__ = ("name", "path")

    def __init__(self, name: str, path: Path = ()) -> None:
        self.name: str = name
        self.path: Path = path

    def get(self, run: Run) -> Any:
        return (
            take(run.inputs[self.name], self.path, f"the input {self.name!r}")
            if self.path
            else run.inputs[self.name]
        )


class Given(Value):
    """All inputs of the run, as a mapping."""

    __slots__ = ()

    def get(self, run: Run) -> Any:
        return dict(run.inputs)


class Output(Value):
    """What a node put out, or a part of it."""

    __slots__ = ("check", "node", "path")

    def __init__(self, node: Node, path: Path = (), *, check: bool = True) -> None:
        self.node: Node = node
        self.path: Path = path
        self.check: bool = check
        """Whether its type is compared with that of the parameter."""

    def get(self, run: Run) -> Any:
        record = run.job_of(self.node)
        if record.status == "skipped":  # by its condition: after a failure nobody asks
            return None
        return take(record.output, self.path, f"task {self.node.name!r}") if self.path else record.output


class Several(Value):
    """A list, tuple, set or dict some of whose parts are known only at run time."""

    __slots__ = ("_make", "values")

    def __init__(self, make: Callable[[list[Any]], Any], values: Sequence[Value]) -> None:
        self._make = make
        self.values: Sequence[Value] = values

    def get(self, run: Run) -> Any:
        return self._make([value.get(run) for value in self.values])

    def parts(self) -> Iterator[Value]:
        yield self
        for value in self.values:
            yield from value.parts()


class Arguments(Value):
    """The arguments of a function, by name."""

    __slots__ = ("values",)

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.values: Mapping[str, Value] = values

    def by_name(self) -> Mapping[str, Value]:
        return self.values

    def get(self, run: Run) -> dict[str, Any]:
        return {name: value.get(run) for name, value in self.values.items()}

    def parts(self) -> Iterator[Value]:
        for value in self.values.values():
            yield from value.parts()


class Predicate(Value):
    """What a condition says of some arguments."""

    __slots__ = ("_arguments", "_holds")

    def __init__(self, holds: Callable[[Any], bool], arguments: Value) -> None:
        self._holds = holds
        self._arguments = arguments

    def get(self, run: Run) -> bool:
        return self._holds(self._arguments.get(run))

    def parts(self) -> Iterator[Value]:
        return self._arguments.parts()


def take(value: Any, path: Path, source: str) -> Any:
    """Follow a path into a value.

    Raises:
        InputError: if there is no such thing; the message says what there is.
    """
    here = value
    for number, (kind, key) in enumerate(path):
        try:
            here = _follow(here, kind, key)
        except (LookupError, AttributeError, TypeError) as error:
            wanted = path_text(path[: number + 1])
            where = f", at {path_text(path[:number])!r}" if number else ""
            raise InputError(f"{source} gave no {wanted!r}: it gave {_describe(here)}{where}") from error
    return here


def _follow(value: Any, kind: str, key: Any) -> Any:
    if kind == "attr":
        return getattr(value, key)
    if kind == "item" or isinstance(value, Mapping):
        return cast("Mapping[Any, Any]", value)[key]
    return getattr(value, key)


def path_text(path: Path) -> str:
    """A path as people write it."""
    text = ""
    for number, (kind, key) in enumerate(path):
        if kind == "item" and not isinstance(key, str):
            text += f"[{key!r}]"
        elif number == 0:
            text += str(key)
        else:
            text += f".{key}"
    return text


def _describe(value: Any) -> str:
    """What a value is, and what could have been taken out of it."""
    given: Any = value
    kind = type(given).__name__
    if isinstance(value, Mapping):
        keys = [repr(key) for key in given]
        return f"a {kind} with " + (f"the keys {_some(keys)}" if keys else "no keys")
    if isinstance(value, list | tuple):
        return f"a {kind} of {len(cast('Sequence[Any]', value))}"
    if value is None or isinstance(value, str | bytes | int | float):
        return f"{value!r:.60}" if value is None else f"a {kind}, {value!r:.60}"
    fields = [name for name in _fields(value) if not name.startswith("_")]
    return f"a {kind}" + (f" with the fields {_some(fields)}" if fields else "")


def _fields(value: Any) -> list[str]:
    slots = [
        name
        for each in type(value).__mro__
        for name in getattr(each, "__slots__", ())
        if isinstance(name, str)
    ]
    return [*getattr(value, "__dict__", ()), *slots]


def _some(names: list[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
