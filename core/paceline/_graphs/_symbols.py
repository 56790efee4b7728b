"""Values not known yet: what calls give while a graph is drawn, and `From`, which names one by hand."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterator
from typing import Any, NoReturn, cast, final

from paceline._errors import BuildError

from ._values import Constant, Input, Output, Path, PathStep, Several, Value, path_text

__all__ = ["From", "Symbol", "as_value"]


@final
class From:
    """Where a parameter comes from, in a graph by hand: `users: Annotated[list[str], From(load, "users")]`.

    `upstream`: a task of the graph, the function that it was made of, or its name. `key`: a key of a mapping
    or, of any other object, an attribute; an index of a sequence; left out, the whole value. The edge comes
    by itself. `check=False` leaves the types of this edge alone.
    """

    __slots__ = ("check", "key", "upstream")

    _WHOLE: Any = object()

    def __init__(self, upstream: object, key: object = _WHOLE, *, check: bool = True) -> None:
        self.upstream: object = upstream
        self.key: object = key
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
    """A value that is there once the graph runs: hand it to other calls, or take parts of it.

    Awaiting it gives itself. All that would need its value now raises BuildError.
    """

    __slots__ = ("_paceline_owner", "_paceline_value")

    def __init__(self, owner: object, value: Input | Output) -> None:
        self._paceline_owner = owner
        self._paceline_value = value

    def __await__(self) -> Generator[Any, Any, Symbol]:
        yield from ()  # makes this a generator
        return self

    def _paceline_part(self, step: PathStep) -> Symbol:
        value = self._paceline_value
        path = (*value.path, step)
        part = (
            Input(value.name, path)
            if isinstance(value, Input)
            else Output(value.node, path, check=value.check)
        )
        return Symbol(self._paceline_owner, part)

    def __getitem__(self, key: Any) -> Symbol:
        if isinstance(key, Symbol):
            raise BuildError(f"{self!r}[{key!r}]: a key must be known when the graph is drawn; {_ELSEWHERE}")
        return self._paceline_part(("item", key))

    def __getattr__(self, name: str) -> Symbol:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._paceline_part(("attr", name))

    def _paceline_unknown(self, what: str) -> NoReturn:
        raise BuildError(f"{self!r} is not known while the graph is drawn, so {what}; {_ELSEWHERE}")

    def __bool__(self) -> bool:  # noqa: PLE0304 - never returns
        self._paceline_unknown(
            "it is neither true nor false yet: make the task conditional by with_options(when=...)"
        )

    def __iter__(self) -> Iterator[Any]:
        self._paceline_unknown("it cannot be gone over: fan out by task.map(...)")

    def __aiter__(self) -> NoReturn:
        self._paceline_unknown("it cannot be gone over: fan out by task.map(...)")

    def __len__(self) -> int:  # noqa: PLE0303 - never returns
        self._paceline_unknown("it has no length yet")

    def __format__(self, spec: str) -> str:
        self._paceline_unknown("it cannot become part of a text")

    def __str__(self) -> str:  # noqa: PLE0307 - never returns
        self._paceline_unknown("it cannot become a text")

    def __contains__(self, item: object) -> bool:
        self._paceline_unknown("nothing can be looked up in it")

    def __call__(self, *_: object, **__: object) -> NoReturn:
        self._paceline_unknown("it cannot be called: call a method of a value in a task")

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        self._paceline_unknown("it cannot be compared: compare it in a task, or in a function for `when`")

    def __lt__(self, other: object) -> bool:
        self._paceline_unknown("it cannot be compared: compare it in a task, or in a function for `when`")

    __ne__ = __gt__ = __le__ = __ge__ = __lt__

    def __add__(self, other: object) -> NoReturn:
        self._paceline_unknown("nothing can be reckoned with it")

    __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __add__
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __or__ = __ror__ = __and__ = __rand__ = __add__

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
    kind: Any = type(argument)
    if kind is dict:
        given = cast("dict[Any, Any]", argument)
        for key in given:
            if isinstance(key, Symbol):
                raise BuildError(f"{key!r} is the key of a dict: that must be known when the graph is drawn")
        values = [as_value(each, owner) for each in given.values()]
        return _made(argument, functools.partial(_dict_of, tuple(given)), values)
    if isinstance(argument, list | tuple | set | frozenset):
        values = [as_value(each, owner) for each in cast("list[Any]", argument)]
        return _made(argument, getattr(kind, "_make", kind), values)  # a named tuple has its own way
    return Constant(argument)


def _dict_of(keys: tuple[Any, ...], values: list[Any]) -> dict[Any, Any]:
    return dict(zip(keys, values, strict=True))


def _made(argument: Any, make: Callable[[list[Any]], Any], values: list[Value]) -> Value:
    if all(isinstance(value, Constant) for value in values):
        return Constant(argument)
    return Several(make, values)
