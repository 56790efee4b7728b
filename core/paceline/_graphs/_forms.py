"""What an annotation says, without its wrapping: the ground on which types are compared and named."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Sequence
from types import EllipsisType, NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    ForwardRef,
    Literal,
    LiteralString,
    NamedTuple,
    Never,
    NewType,
    NoReturn,
    NotRequired,
    Required,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
)

__all__ = [
    "UNKNOWN",
    "Shape",
    "fill",
    "form",
    "is_never",
    "is_typed_dict",
    "members",
    "shape",
    "type_name",
    "type_of_literal",
]

_DEEPEST: Final = 32
"""Wrappers around one type, or levels of it that are shown: what goes deeper refers to itself."""

_WRAPPERS: Final[frozenset[object]] = frozenset({Annotated, ClassVar, Final, Required, NotRequired})
_STREAMS: Final[frozenset[object]] = frozenset({typing.IO, typing.TextIO, typing.BinaryIO})


class _Unknown:
    """Stands for a type that cannot be told.

    A name that is not known at run time evaluates to it, so that the rest of its annotation survives: what
    an annotation may do with a name (`x[int]`, `x.Inner`, `x | None`, `x(gt=1)`) can be done with it too.
    """

    __slots__ = ()
    __iter__: ClassVar[None] = None  # else Python would iterate by `__getitem__`, without end

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __or__(self, other: object) -> object:
        return Union[self, other]  # noqa: UP007 - `|` is what is being defined

    def __ror__(self, other: object) -> object:
        return Union[other, self]  # noqa: UP007 - `|` is what is being defined

    def __getitem__(self, item: object) -> _Unknown:
        return self

    def __call__(self, *args: object, **kwargs: object) -> _Unknown:  # noqa: ARG002 - any call is good
        return self

    def __getattr__(self, name: str) -> _Unknown:
        if name.startswith("__"):  # `typing` finds out by these what an object is
            raise AttributeError(name)
        return self

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> object:
        """Let values be checked as far as their type is known."""
        from pydantic_core import core_schema

        return core_schema.any_schema()


UNKNOWN: Final = _Unknown()
"""The type that cannot be told: unannotated, unresolvable, or taken out of something that does not say."""


class Shape(NamedTuple):
    """A class and what it is parametrised with; `args` is None for the bare class."""

    kind: type
    args: tuple[object, ...] | None


def form(annotation: object) -> object:
    """Take away what does not bear on whether a value fits.

    Gives a class, a parametrised class, a union, a `Literal`, a `NewType`, `Any`, `Never`, or UNKNOWN. A
    `TypeVar` counts as its bound (or the union of its constraints), an alias as what it stands for.
    """
    for _ in range(_DEEPEST):
        inner = _unwrapped(annotation)
        if inner is annotation:
            return annotation
        annotation = inner
    return UNKNOWN


def _unwrapped(annotation: object) -> object:
    if annotation is UNKNOWN:
        return UNKNOWN
    if isinstance(annotation, type):
        return UNKNOWN if _says_nothing(annotation) else annotation
    origin = get_origin(annotation)
    if origin is not None:
        return _unwrapped_generic(annotation, origin)
    if annotation is None:
        return NoneType
    if annotation is LiteralString:
        return str
    if isinstance(annotation, TypeVar):
        return _bound(annotation)
    if _is_alias(annotation):
        return _alias_value(annotation, ())
    known = annotation is Any or is_never(annotation) or isinstance(annotation, NewType)
    return annotation if known else UNKNOWN


def _unwrapped_generic(annotation: object, origin: object) -> object:
    # `ReadOnly` comes from typing or from typing_extensions, by version: known by its name.
    if origin in _WRAPPERS or getattr(origin, "_name", None) == "ReadOnly":
        return get_args(annotation)[0]
    if _is_alias(origin):
        return _alias_value(origin, get_args(annotation))
    return UNKNOWN if origin in _STREAMS else annotation


def _says_nothing(kind: type) -> bool:
    """Tell whether a class states nothing about values: open files, say, do not derive from `typing.IO`."""
    return kind is inspect.Parameter.empty or kind in _STREAMS or (kind is not Any and Any in kind.__mro__)


def _bound(variable: TypeVar) -> object:
    if variable.__constraints__:
        return Union[variable.__constraints__]  # noqa: UP007 - of a tuple
    return object if variable.__bound__ is None else variable.__bound__


def _is_alias(annotation: object) -> bool:
    # `type X = ...` is typing's from 3.12; typing_extensions has a class of its own where that lacks.
    return type(annotation).__name__ == "TypeAliasType"


def _alias_value(alias: Any, args: tuple[object, ...]) -> object:
    try:
        value: Any = alias.__value__  # evaluated here, for the first time
        return fill(value, dict(zip(alias.__type_params__, args, strict=True))) if args else value
    except Exception:  # noqa: BLE001 - the author's expression may raise anything; what it means is then unknown
        return UNKNOWN


def fill(annotation: Any, values: dict[object, object]) -> object:
    """Put types in the place of type variables."""
    if isinstance(annotation, TypeVar):
        return values.get(annotation, annotation)
    open_ones: tuple[object, ...] = getattr(annotation, "__parameters__", ())
    if not values or not open_ones or isinstance(annotation, type):
        return annotation
    try:
        return annotation[tuple(values.get(one, one) for one in open_ones)]
    except TypeError:  # ParamSpec and TypeVarTuple take their values in forms of their own
        return UNKNOWN


def is_never(annotation: object) -> bool:
    """Tell whether no value has this type."""
    return annotation is Never or annotation is NoReturn


def is_typed_dict(kind: object) -> bool:
    """Tell whether this is a TypedDict of `typing` or of `typing_extensions`."""
    return isinstance(kind, type) and dict in kind.__mro__ and hasattr(kind, "__required_keys__")


def members(annotation: object) -> tuple[object, ...]:
    """List the types of a union, or the values of a `Literal` as one `Literal` each; else the type itself."""
    origin = get_origin(annotation)
    if origin is Union or origin is UnionType:
        return get_args(annotation)
    if origin is Literal:
        return tuple(Literal[value] for value in get_args(annotation))
    return (annotation,)


def type_of_literal(literal: object) -> type:
    """Give the type of a `Literal`'s first value."""
    value: object = get_args(literal)[0]
    return type(value)


def shape(annotation: object) -> Shape | None:
    """Tell the class of a form and its parameters; None for what has no class."""
    if isinstance(annotation, type):
        # A parametrised pydantic model is a class of its own that remembers what it was made from.
        made: Any = getattr(annotation, "__pydantic_generic_metadata__", None)
        if made and made["origin"] is not None:
            return Shape(made["origin"], tuple(made["args"]))
        return Shape(annotation, None)
    origin = get_origin(annotation)
    if not isinstance(origin, type):
        return None
    # `typing.Tuple` and `tuple[()]` both have no arguments; only one of them says so.
    return Shape(origin, get_args(annotation) if hasattr(annotation, "__args__") else None)


def type_name(annotation: object, *, full: bool = False) -> str:
    """Name a type as people write it: `list[str]`, `User | None`; with `full` classes tell their modules."""
    return _name(annotation, full, _DEEPEST)


def _name(annotation: object, full: bool, depth: int) -> str:
    if depth == 0 or isinstance(annotation, EllipsisType):
        return "..."
    if annotation is UNKNOWN or annotation is inspect.Parameter.empty:
        return "unknown"
    if annotation is None or annotation is NoneType:
        return "None"
    if isinstance(annotation, type):
        return _class_name(annotation, full)
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, ForwardRef):
        return annotation.__forward_arg__
    if isinstance(annotation, list):
        return f"[{_names(cast('list[object]', annotation), full, depth)}]"
    origin = get_origin(annotation)
    if origin is not None:
        return _generic_name(annotation, origin, full, depth)
    return str(getattr(annotation, "__name__", annotation))


def _names(annotations: Sequence[object], full: bool, depth: int, mark: str = ", ") -> str:
    return mark.join(_name(one, full, depth - 1) for one in annotations)


def _class_name(kind: type, full: bool) -> str:
    name = kind.__qualname__.rpartition("<locals>.")[2]
    return f"{kind.__module__}.{name}" if full and kind.__module__ != "builtins" else name


def _generic_name(annotation: object, origin: object, full: bool, depth: int) -> str:
    args = get_args(annotation)
    if origin in _WRAPPERS:
        return _name(args[0], full, depth - 1)
    if origin is Union or origin is UnionType:
        return _names(args, full, depth, " | ")
    if origin is Literal:
        return f"Literal[{', '.join(repr(value) for value in args)}]"
    outer = _name(origin, full, depth - 1)
    if not hasattr(annotation, "__args__"):
        return outer
    return f"{outer}[{_names(args, full, depth) if args else '()'}]"
