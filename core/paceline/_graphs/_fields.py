"""What a type is made of: the fields of records, and the elements of a type seen as a more general one."""

from __future__ import annotations

import collections
import dataclasses
import sys
from collections import abc
from collections.abc import Mapping
from types import GenericAlias
from typing import (
    Any,
    Final,
    Generic,
    Literal,
    NamedTuple,
    Never,
    NotRequired,
    Protocol,
    Union,
    get_args,
    get_origin,
)

from ._forms import UNKNOWN, Shape, fill, form, is_typed_dict, shape
from ._hints import class_hints

__all__ = ["Items", "Key", "derives", "filled", "is_model", "items_of", "keys_of", "named_fields", "rows"]

Row = tuple[object, ...]

_STANDARD: Final = frozenset({"builtins", "collections", "collections.abc"})
_ELEMENTS: Final[Mapping[type, type]] = {str: str, bytes: int, bytearray: int, memoryview: int, range: int}


class Key(NamedTuple):
    """A key of a TypedDict."""

    kind: object
    required: bool


class Items(NamedTuple):
    """The items of a tuple, in order; `repeated`: any number of the one type (`tuple[int, ...]`)."""

    kinds: tuple[object, ...]
    repeated: bool = False


def derives(kind: type, base: type) -> bool:
    """Tell whether one class counts as a subclass of the other, registered and structural ABCs included.

    A Protocol counts only where a class names it as its base, as for a TypedDict there are no subclasses.
    """
    if base in kind.__mro__:
        return True
    if getattr(base, "_is_protocol", False) or is_typed_dict(base):
        return False
    try:
        return issubclass(kind, base)
    except Exception:  # noqa: BLE001 - a metaclass may answer as it likes, and not at all
        return False


def filled(seen: Shape, annotation: object) -> object:
    """Give an annotation written in a generic class with the class's parameters in it."""
    if not seen.args:
        return annotation
    # A pydantic model keeps its TypeVars where the base classes cannot lose them.
    made: Any = getattr(seen.kind, "__pydantic_generic_metadata__", None)
    params: Row = made["parameters"] if made else getattr(seen.kind, "__parameters__", ())
    if not params:  # `class Table(dict[str, T])`, without saying Generic
        written: Row = seen.kind.__dict__.get("__orig_bases__", ())
        params = tuple(dict.fromkeys(one for base in written for one in getattr(base, "__parameters__", ())))
    return fill(annotation, dict(zip(params, seen.args, strict=False)))


def keys_of(seen: Shape) -> Mapping[str, Key]:
    """List the keys of a TypedDict."""
    required: frozenset[str] = getattr(seen.kind, "__required_keys__", frozenset())
    return {
        name: Key(filled(seen, annotation), _is_required(annotation, name in required))
        for name, annotation in class_hints(seen.kind).items()
    }


def _is_required(annotation: object, declared: bool) -> bool:
    # `__required_keys__` is made without reading strings (PEP 563): the wrapper itself knows better.
    while (origin := get_origin(annotation)) is not None and (args := get_args(annotation)):
        if origin is NotRequired:
            return False
        name = getattr(origin, "_name", None)
        if name == "Required":
            return True
        if name != "ReadOnly" and not hasattr(annotation, "__metadata__"):
            break
        annotation = args[0]
    return declared


def is_model(kind: type) -> bool:
    """Tell whether this is somebody's pydantic model; pydantic is not imported to find out."""
    pydantic: Any = sys.modules.get("pydantic.main")
    return pydantic is not None and issubclass(kind, pydantic.BaseModel) and kind is not pydantic.BaseModel


def named_fields(seen: Shape) -> Mapping[str, object] | None:
    """List the fields of a dataclass, NamedTuple or pydantic model with types; None of other classes."""
    kind: Any = seen.kind
    if is_model(kind):
        fields: dict[str, Any] = kind.model_fields
        return {name: filled(seen, field.annotation) for name, field in fields.items()}
    if hasattr(kind, "__dataclass_fields__"):
        names = [field.name for field in dataclasses.fields(kind)]
    elif derives(kind, tuple) and hasattr(kind, "_fields"):
        names = list(kind._fields)
    else:
        return None
    hints = class_hints(seen.kind)
    return {name: filled(seen, hints.get(name, UNKNOWN)) for name in names}


def items_of(seen: Shape) -> Items | None:
    """Tell the items of a tuple or of a class derived from one; None where it does not say."""
    if seen.kind is tuple:
        return None if seen.args is None else _items(seen.args)
    fields = named_fields(seen) if hasattr(seen.kind, "_fields") else None
    if fields is not None:
        return Items(tuple(fields.values()))
    return next((items_of(base) for base in _bases(seen) if derives(base.kind, tuple)), None)


def _items(args: Row) -> Items | None:
    if len(args) == 2 and args[1] is Ellipsis:
        return Items((args[0],), repeated=True)
    spread = any(getattr(arg, "__unpacked__", False) or "Unpack" in repr(get_origin(arg)) for arg in args)
    return None if spread or any(type(arg).__name__ == "TypeVarTuple" for arg in args) else Items(args)


def rows(seen: Shape, general: type) -> tuple[Row, ...] | None:
    """See a type as a more general one, and give what that one would be parametrised with.

    `dict[str, int]` as a Mapping is `(str, int)`, and as an Iterable too: there may be more in a row than the
    general type asks for. A record has several rows, of which each holds: `tuple[int, str]` as a Sequence is
    one of int and one of str. None where it cannot be told.
    """
    if is_typed_dict(seen.kind):
        # A key that may be absent holds its type or nothing at all.
        keys = keys_of(seen).items()
        return tuple((Literal[name], key.kind if key.required else _or_never(key.kind)) for name, key in keys)
    if seen.kind is general:
        return None if seen.args is None else (seen.args,)
    if derives(seen.kind, tuple):
        items = items_of(seen)
        return None if items is None else tuple((kind,) for kind in items.kinds)
    return _standard_row(seen, general) or _inherited_rows(seen, general)


def _or_never(kind: object) -> object:
    return Union[kind, Never]  # noqa: UP007, RUF020 - not the same: what fits nothing fits half of this


def _standard_row(seen: Shape, general: type) -> tuple[Row, ...] | None:
    """See one of Python's own collections as another: but for a few, their parameters agree in order."""
    kind, args = seen
    if general.__module__ not in _STANDARD:
        return None
    for text, element in _ELEMENTS.items():
        if issubclass(kind, text):
            return ((element,),)
    if kind.__module__ not in _STANDARD or not args:
        return None
    if kind is collections.Counter:
        return ((args[0], int),)
    if kind is abc.ItemsView:
        return ((GenericAlias(tuple, args),),)
    if general is abc.Awaitable:
        return (args[2:],)
    return (args,)


def _inherited_rows(seen: Shape, general: type) -> tuple[Row, ...] | None:
    for base in _bases(seen):
        if derives(base.kind, general):
            found = rows(base, general)
            if found is not None:
                return found
    return None


def _bases(seen: Shape) -> list[Shape]:
    """List the bases of a class as written, with the class's own parameters in them."""
    written: Row = seen.kind.__dict__.get("__orig_bases__", seen.kind.__bases__)
    found = [shape(form(filled(seen, base))) for base in written]
    return [base for base in found if base and base.kind not in (object, Generic, Protocol)]
