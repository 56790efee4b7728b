"""Values that are not known yet: what a call gives while a graph is drawn, and `From`, which names one by hand."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, NoReturn, cast, final

from paceline._errors import BuildError

from ._values import Constant, Input, Output, Path, Several, Value, path_text

__all__ = ["From", "Symbol", "as_value"]


@final
class From:
    """Where a parameter comes from, in a graph written by hand: `Annotated[list[str], From(load, "users")]`.

    `upstream`: a task of the graph, the function that it was made of, or its name. `key`: a key of a mapping or,
    of any other object, an attribute; an index of a sequence; left out, the whole value. The edge comes by itself.
    `check=False` leaves the types of this edge alone.
    """

    __slots__ = ("check", "key", "upstream")

    _WHOLE: Any = object()

    def __init__(self, upstream: object, key: str | int = _WHOLE, *, check: bool = True) -> None:
        self.upstream: object = upstream
        self.key: str | int = key
        self.check: bool = check

    @property
    def path(self) -> Path:
        """The way into the value."""
        if self.key is From._WHOLE:
            return ()
        return (("key" if isinstance(self.key, str) else "item", self.key),)

    def __repr__(self) -> str:
        of = getattr(self.upstream, "name", None) or getattr(self.upstream, "__name__", self.upstream)
        return f"From({of!r})" if self.key is From._WHOLE else f"From({of!r}, {self.key!r})"


@final
class Symbol:
    """A value that is there once the graph runs. Hand it to other calls; take parts of it; awaiting it gives itself."""

    __slots__ = ("_paceline_owner", "_paceline_value")

    def __init__(self, owner: object, value: Input | Output) -> None:
        self._paceline_owner = owner
        self._paceline_value = value

    def __await__(self) -> Generator[Any, Any, Symbol]:
        return self
        yield  # makes this a generator

    def _paceline_part(self, kind: str, key: Any) -> Symbol:
        value = self._paceline_value
        path = (*value.path, (kind, key))
        part = (
            Input(value.name, path)
            if isinstance(value, Input)
            else Output(value.node, path, check=value.check)
        )
        return Symbol(self._paceline_owner, part)

    def __getitem__(self, key: Any) -> Symbol:
        if isinstance(key, Symbol):
            raise BuildError(f"{self!r}[{key!r}]: a key must be known when the graph is drawn; {_ELSEWHERE}")
        return self._paceline_part("item", key)

    def __getattr__(self, name: str) -> Symbol:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._paceline_part("attr", name)

    def _paceline_unknown(self, what: str) -> NoReturn:
        raise BuildError(f"{self!r} is not known while the graph is drawn, so {what}; {_ELSEWHERE}")

    def __bool__(self) -> bool:
        self._paceline_unknown(
            "it is neither true nor false yet: make the task conditional by with_options(when=...)"
        )

    def __iter__(self) -> Iterator[Any]:
        self._paceline_unknown("it cannot be gone over: fan out by task.map(...)")

    def __len__(self) -> int:
        self._paceline_unknown("it has no length yet")

    def __format__(self, spec: str) -> str:
        self._paceline_unknown("it cannot become part of a text")

    def __contains__(self, item: object) -> bool:
        self._paceline_unknown("nothing can be looked up in it")

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        self._paceline_unknown("it cannot be called: call a method of a value in a task")

    def __repr__(self) -> str:
        value = self._paceline_value
        if isinstance(value, Input):
            return f"<input {path_text((('key', value.name), *value.path))}>"
        return f"<{value.node.name}>" if not value.path else f"<{value.node.name}: {path_text(value.path)}>"


_ELSEWHERE = "use a task, or write a @flow, whose body sees the values"


def as_value(argument: object, owner: object) -> Value:
    """What an argument is made of: symbols in lists, tuples, sets and dicts become values of the run."""
    if isinstance(argument, Symbol):
        if argument._paceline_owner is not owner:
            raise BuildError(
                f"{argument!r} belongs to another graph: symbols cannot leave the graph they were drawn in"
            )
        return argument._paceline_value
    kind = type(argument)
    if kind is dict:
        given = cast("dict[Any, Any]", argument)
        values = [as_value(each, owner) for each in given.values()]
        keys = tuple(given)
        return _made(argument, lambda parts: dict(zip(keys, parts, strict=True)), values)
    if kind in {list, tuple, set}:
        values = [as_value(each, owner) for each in cast("list[Any]", argument)]
        return _made(argument, cast("Any", kind), values)
    return Constant(argument)


def _made(argument: object, make: Any, values: list[Value]) -> Value:
    if all(isinstance(value, Constant) for value in values):
        return Constant(argument)
    return Several(make, values)
