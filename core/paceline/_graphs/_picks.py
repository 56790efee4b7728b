"""The type of what a key, an attribute or an index takes out of a value, as far as its type tells."""

from __future__ import annotations

import functools
import inspect
from collections import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import GenericAlias
from typing import Any, Final, Literal, NewType, Union, cast, get_origin

from ._fields import derives, filled, is_model, items_of, keys_of, named_fields, rows
from ._fits import Fit, verdict
from ._forms import UNKNOWN, Shape, form, is_typed_dict, members, shape, type_name, type_of_literal
from ._hints import class_hints, hints_of
from ._values import PathStep

__all__ = ["Missing", "pick_type"]

_NONE: Final[Mapping[str, object]] = {}


@dataclass(frozen=True, slots=True)
class Missing:
    """Says that a value of this type certainly has no such thing; its `str` is a sentence for an error."""

    source: object
    """The type that was looked into; not that of the first step, if there were several."""
    step: PathStep
    why: Literal["no such field", "no such attribute", "no items", "wrong key", "too short"]
    known_fields: tuple[str, ...] = ()
    """What it does have, if it has named fields."""

    def __str__(self) -> str:
        name, wanted = type_name(self.source), repr(self.step[1])
        said = {
            "no such field": f"{name} has no field {wanted}",
            "no such attribute": f"{name} has no attribute {wanted}",
            "no items": f"{name} has no items, so none can be taken by [{wanted}]",
            "wrong key": f"{name} has no item [{wanted}]: that is not the kind of key it takes",
            "too short": f"{name} is too short to have an item [{wanted}]",
        }
        fields = f"; it has: {', '.join(self.known_fields)}" if self.known_fields else ""
        return said[self.why] + fields


def pick_type(source: object, path: tuple[PathStep, ...]) -> object:
    """Tell the type at the end of a path into a value annotated as `source`.

    Gives an annotation; UNKNOWN where the types on the way do not tell (`Any`, a bare dict, an attribute that
    is set without being annotated, a union of which one member has no such field); or a `Missing` where what
    is asked for is certainly not there: no field of that name in a TypedDict, dataclass, NamedTuple or
    pydantic model, no such index in a tuple, no items or attributes of that name in the likes of int and str.
    """
    found = source
    for step in path:
        found = _step(found, step)
        if found is UNKNOWN or isinstance(found, Missing):
            return found
    return found


def _step(source: object, step: PathStep) -> object:
    source = form(source)
    while isinstance(source, NewType):
        source = form(source.__supertype__)
    some = members(source)
    if len(some) > 1:
        return _of_each(source, [_step(one, step) for one in some], step)
    if get_origin(source) is Literal:
        source = type_of_literal(source)
    seen = shape(source)
    if seen is None or seen.kind is object or source is Any:
        return UNKNOWN
    found = _take(seen, step)
    if isinstance(found, Missing):
        return found
    found = form(found)
    return UNKNOWN if found is Any or found is object else found


def _of_each(source: object, found: list[object], step: PathStep) -> object:
    missing = [one for one in found if isinstance(one, Missing)]
    if len(missing) == len(found):
        fields = dict.fromkeys(field for one in missing for field in one.known_fields)
        return Missing(source, step, missing[0].why, tuple(fields))
    if missing or UNKNOWN in found:
        return UNKNOWN
    return Union[tuple(found)]  # noqa: UP007 - of a tuple


def _take(seen: Shape, step: PathStep) -> object:
    how, name = step
    if how == "item" or (how == "key" and derives(seen.kind, abc.Mapping)):
        return _item(seen, step)
    if how == "key" and (derives(abc.Mapping, seen.kind) or inspect.isabstract(seen.kind)):
        return UNKNOWN  # it may turn out to be a mapping
    return _attribute(seen, str(name), step)


def _item(seen: Shape, step: PathStep) -> object:
    kind = seen.kind
    if is_typed_dict(kind):
        return _typed_dict_item(seen, step)
    if derives(kind, abc.Mapping):
        return _mapping_item(seen, step)
    if derives(kind, abc.Sequence):
        return _sequence_item(seen, step)
    getter = _static(kind, "__getitem__")
    if getter is not None:
        return filled(seen, hints_of(getter).returns)
    return UNKNOWN if _is_open(kind) else Missing(_type_of(seen), step, "no items")


def _typed_dict_item(seen: Shape, step: PathStep) -> object:
    keys = keys_of(seen)
    for name, key in keys.items():
        if name == step[1]:
            return key.kind
    return Missing(_type_of(seen), step, "no such field", tuple(keys))


def _mapping_item(seen: Shape, step: PathStep) -> object:
    row = _only_row(seen, abc.Mapping)
    if len(row) < 2:
        return UNKNOWN
    keys, value = row[:2]
    if verdict(type(cast("object", step[1])), keys) is Fit.MISFITS:
        return Missing(_type_of(seen), step, "wrong key")
    return value


def _sequence_item(seen: Shape, step: PathStep) -> object:
    index = step[1]
    if isinstance(index, slice):
        return UNKNOWN if issubclass(seen.kind, tuple) else _type_of(seen)
    if not isinstance(index, int):
        return UNKNOWN if hasattr(index, "__index__") else Missing(_type_of(seen), step, "wrong key")
    if not issubclass(seen.kind, tuple):
        row = _only_row(seen, abc.Sequence)
        return row[0] if row else UNKNOWN
    items = items_of(seen)
    if items is None:
        return UNKNOWN
    if items.repeated:
        return items.kinds[0]
    if -len(items.kinds) <= index < len(items.kinds):
        return items.kinds[index]
    return Missing(_type_of(seen), step, "too short")


def _only_row(seen: Shape, general: type) -> tuple[object, ...]:
    found = rows(seen, general)
    return found[0] if found else ()


def _attribute(seen: Shape, name: str, step: PathStep) -> object:
    fields = named_fields(seen)
    if fields and name in fields:
        return fields[name]
    there = _static(seen.kind, name)
    if (getter := _getter(there)) is not None:
        return filled(seen, hints_of(getter).returns)
    if there is None or not callable(there):  # a method that is annotated, too, is still a method
        hints = class_hints(seen.kind)
        if name in hints and not is_typed_dict(seen.kind):
            return filled(seen, hints[name])
    if there is not None or _may_have_more(seen.kind, name, fields):
        return UNKNOWN
    if fields is None:
        fields = keys_of(seen) if is_typed_dict(seen.kind) else _NONE
    why: Final = "no such field" if fields else "no such attribute"
    return Missing(_type_of(seen), step, why, tuple(fields))


def _getter(there: object) -> Callable[..., object] | None:
    """Find the function behind a property."""
    if isinstance(there, property):
        return there.fget
    return there.func if isinstance(there, functools.cached_property) else None


def _static(kind: type, name: str) -> object:
    """Find what a class has under a name, without running a descriptor; None if nothing."""
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)


def _may_have_more(kind: type, name: str, fields: Mapping[str, object] | None) -> bool:
    """Tell whether an instance may have an attribute that its class does not show."""
    answering = _static(kind, "__getattr__")
    if is_model(kind):
        settings: Any = getattr(kind, "model_config", {})
        own = not str(getattr(answering, "__module__", "pydantic")).startswith("pydantic")
        return own or name.startswith("_") or settings.get("extra") == "allow"
    if answering is not None or _is_open(kind):
        return True
    if hasattr(kind, "__dataclass_fields__"):
        return any(_sets_attributes(base) for base in kind.__mro__[:-1])
    # An instance without a dict cannot have an attribute that its class does not know.
    return fields is None and kind.__dictoffset__ != 0 and not is_typed_dict(kind)


def _sets_attributes(base: type) -> bool:
    """Tell whether instances of a dataclass are made by the author's code too, not by the generated alone."""
    made: Any = getattr(base, "__dataclass_params__", None)
    own_init = "__init__" in vars(base) and (
        made is None or not made.init or "__dataclass_fields__" not in vars(base)
    )
    return own_init or "__post_init__" in vars(base)


def _is_open(kind: type) -> bool:
    """Tell whether a type is an interface: its values are of other classes, which have more."""
    return inspect.isabstract(kind) or bool(getattr(kind, "_is_protocol", False)) or issubclass(kind, type)


def _type_of(seen: Shape) -> object:
    """Put a type together again, to be named in an error."""
    return GenericAlias(seen.kind, seen.args) if seen.args else seen.kind
