"""Whether the values of one type can be those of another: certain misfits are told from doubts."""

from __future__ import annotations

import enum
import inspect
from collections import abc
from collections.abc import Iterable
from types import NoneType
from typing import Any, Final, Literal, NewType, cast, get_args, get_origin

from ._fields import Items, Key, derives, items_of, keys_of, rows
from ._forms import UNKNOWN, Shape, form, is_never, is_typed_dict, members, shape, type_of_literal

__all__ = ["Fit", "verdict"]

# Types may refer to themselves, and grow while they do (`type Nest[T] = T | Nest[list[T]]`): what has not
# been decided after this much work is doubtful.
_DEEPEST: Final = 40
_MOST: Final = 2_000

# A value of the latter is good for the former, says PEP 484, though neither class derives from the other.
_PROMOTED: Final[dict[type, tuple[type, ...]]] = {
    float: (int,),
    complex: (float, int),
    bytes: (bytearray, memoryview),
}


_FUNCTION: Final = cast("type", abc.Callable)


class Fit(enum.IntEnum):
    """How values of one type go with another; the worse, the greater."""

    FITS = 1
    """Every value fits."""
    DOUBTFUL = 2
    """Some may; it is seen when they are there."""
    MISFITS = 3
    """None can, as its author means the type."""


FITS, DOUBTFUL, MISFITS = Fit


def verdict(source: object, target: object) -> Fit:
    """Tell whether a value annotated as `source` can be given where `target` is annotated.

    A misfit is certain: no value of the source type could be one of the target. Two things count as certain
    because whoever wrote the types meant them, though a contrived value might fit both: unrelated classes
    (a common subclass may exist), and containers whose element types misfit or a TypedDict without a key
    that is required (an empty list, a key that is not declared). Where the target is narrower than the source
    (a superclass, `object`, `float` for `int`, a union of which some members fit, a plain dict for a
    TypedDict), where a Protocol is not a base by name, and where either is `Any` or cannot be told, it is a
    doubt. Everything fits `Any` and `object`. Containers are compared by what they hold now: `list[int]` fits
    `list[float]`.
    """
    if source is target and type(source) is type and source is not inspect.Parameter.empty:
        return FITS  # most edges of most graphs
    return _Comparison().compare(source, target)


class _Comparison:
    """One verdict under way: what it is asked again, while it is asking, it takes to fit."""

    def __init__(self) -> None:
        self._depth = 0
        # The pairs are kept with their verdicts: an id is good only as long as its object lives.
        self._seen: dict[tuple[int, int], tuple[Fit, object, object]] = {}

    def compare(self, source: object, target: object) -> Fit:
        source, target = form(source), form(target)
        pair = (id(source), id(target))
        if pair in self._seen:
            return self._seen[pair][0]
        if self._depth == _DEEPEST or len(self._seen) == _MOST:
            return DOUBTFUL
        self._seen[pair] = (FITS, source, target)
        self._depth += 1
        fit = self._compare(source, target)
        self._depth -= 1
        self._seen[pair] = (fit, source, target)
        return fit

    def _compare(self, source: Any, target: Any) -> Fit:
        if target is Any or target is object:
            return FITS
        if source is UNKNOWN or target is UNKNOWN or source is Any:
            return DOUBTFUL
        if _same(source, target) or is_never(source):
            return FITS
        if is_never(target):
            return MISFITS
        return self._by_form(source, target)

    def _by_form(self, source: Any, target: Any) -> Fit:
        some = members(source)
        if len(some) > 1:
            return self._each(some, target)
        if len(any_of := members(target)) > 1 and get_origin(target) is not Literal:
            return min(self.compare(source, one) for one in any_of)
        if isinstance(target, NewType):
            return self._new_type(source, target)
        if isinstance(source, NewType):
            return self.compare(source.__supertype__, target)
        if get_origin(target) is Literal:
            return self._to_literal(source, get_args(target))
        if get_origin(source) is Literal:
            return self.compare(type_of_literal(source), target)
        one, other = shape(source), shape(target)
        if one is None or other is None:
            return DOUBTFUL
        return self._shapes(one, other)

    def _each(self, sources: Iterable[object], target: object) -> Fit:
        """Compare the members of a union: a value is of one of them, and nobody knows of which."""
        found = {self.compare(one, target) for one in sources}
        return found.pop() if len(found) == 1 else DOUBTFUL

    def _new_type(self, source: object, target: NewType) -> Fit:
        while isinstance(source, NewType):
            source = source.__supertype__
            if source is target:
                return FITS
        return max(DOUBTFUL, self.compare(source, target.__supertype__))

    def _to_literal(self, source: Any, allowed: tuple[object, ...]) -> Fit:
        if get_origin(source) is Literal:
            return _one_of(get_args(source)[0], allowed)
        if values := _values(source):
            found = {_one_of(value, allowed) for value in values}
            return found.pop() if len(found) == 1 else DOUBTFUL
        kinds = {type(value) for value in allowed}
        near = any(
            self.compare(one, other) is not MISFITS
            for kind in kinds
            for one, other in ((source, kind), (kind, source))
        )
        return DOUBTFUL if near else MISFITS

    def _shapes(self, source: Shape, target: Shape) -> Fit:
        if is_typed_dict(target.kind):
            return self._to_typed_dict(source, target)
        if is_typed_dict(source.kind) and not derives(dict, target.kind):
            return _related(dict, target.kind)
        if target.kind is _FUNCTION and target.args:
            return self._callables(source, target)
        if derives(source.kind, tuple) and derives(target.kind, tuple):
            return self._tuples(source, target)
        relation = FITS if is_typed_dict(source.kind) else _related(source.kind, target.kind)
        if relation is FITS and target.args:
            return self._rows(rows(source, target.kind), target.args)
        if relation is DOUBTFUL and source.args and derives(target.kind, source.kind):
            return self._narrowed(source.args, rows(target, source.kind))
        return relation

    def _rows(self, have: tuple[tuple[object, ...], ...] | None, want: tuple[object, ...]) -> Fit:
        """Compare the parameters one by one: a container fits if each thing in it does."""
        if have is None:
            have = ((UNKNOWN,) * len(want),)
        pairs = (pair for row in have for pair in zip(row, want, strict=False))
        return max((self.compare(one, other) for one, other in pairs), default=FITS)

    def _narrowed(self, have: tuple[object, ...], want: tuple[tuple[object, ...], ...] | None) -> Fit:
        """Compare what a general type holds with what a special one does: `Iterable[int]` for `list[str]`."""
        pairs = (pair for row in want or () for pair in zip(have, row, strict=False))
        return max((DOUBTFUL, *(self.compare(one, other) for one, other in pairs)))

    def _to_typed_dict(self, source: Shape, target: Shape) -> Fit:
        wanted = keys_of(target)
        if not is_typed_dict(source.kind):
            relation = max(DOUBTFUL, _related(source.kind, dict))
            if relation is MISFITS or not source.args:
                return relation
            needed = tuple((Literal[name], key.kind) for name, key in wanted.items() if key.required)
            return self._narrowed(source.args, needed)
        had = keys_of(source)
        return max((self._key(had.get(name), key) for name, key in wanted.items()), default=FITS)

    def _key(self, had: Key | None, wanted: Key) -> Fit:
        if had is None:
            return MISFITS if wanted.required else FITS
        fit = self.compare(had.kind, wanted.kind)
        if had.required:
            return fit
        return DOUBTFUL if wanted.required else min(fit, DOUBTFUL)  # it may be absent

    def _callables(self, source: Shape, target: Shape) -> Fit:
        """Compare what functions return; what they take is seen only when they are called."""
        if source.kind is not _FUNCTION or not source.args or not target.args:
            return max(DOUBTFUL, _related(source.kind, target.kind))
        (*given, result), (*taken, wanted) = source.args, target.args
        returned = FITS if wanted in (None, NoneType) else self.compare(result, wanted)
        return returned if taken in (given, [Ellipsis]) else max(DOUBTFUL, returned)

    def _tuples(self, source: Shape, target: Shape) -> Fit:
        relation = _related(source.kind, target.kind)
        if relation is MISFITS or (target.kind is tuple and target.args is None):
            return relation
        if relation is FITS and target.kind is not tuple:  # a NamedTuple, perhaps a generic one
            return self._rows(rows(source, target.kind), target.args or ())
        have, want = items_of(source), items_of(target)
        if have is None or want is None:
            return DOUBTFUL
        return max(relation, self._items(have, want))

    def _items(self, have: Items, want: Items) -> Fit:
        if want.repeated:
            return max((self.compare(one, want.kinds[0]) for one in have.kinds), default=FITS)
        if have.repeated:
            have = Items(have.kinds * len(want.kinds))
            return max((DOUBTFUL, *map(self.compare, have.kinds, want.kinds)))
        if len(have.kinds) != len(want.kinds):
            return MISFITS
        return max(map(self.compare, have.kinds, want.kinds), default=FITS)


def _same(source: object, target: object) -> bool:
    try:
        return bool(source == target)
    except Exception:  # noqa: BLE001 - foreign classes compare as they like, and deep types beyond the stack
        return False


def _related(source: type, target: type) -> Fit:
    if derives(source, target) or issubclass(source, _PROMOTED.get(target, ())):
        return FITS
    if derives(target, source) or issubclass(target, _PROMOTED.get(source, ())):
        return DOUBTFUL
    return DOUBTFUL if _may_meet(source, target) else MISFITS


def _may_meet(source: type, target: type) -> bool:
    """Tell whether one value may well be of both classes, though neither derives from the other."""
    if any(getattr(kind, "_is_protocol", False) for kind in (source, target)):
        return True
    both_abstract = inspect.isabstract(source) and inspect.isabstract(target)
    return both_abstract and not (_is_collection(source) and _is_collection(target))


def _is_collection(kind: type) -> bool:
    """Tell Sequence, Mapping and Set, of which nothing is two, from the likes of Sized and Hashable."""
    return kind.__module__ == "collections.abc" and "__subclasshook__" not in kind.__dict__


def _values(kind: object) -> tuple[object, ...]:
    """List all values of a type that has few."""
    if kind is bool:
        return (True, False)
    if isinstance(kind, enum.EnumMeta) and not derives(kind, enum.Flag):
        return tuple(cast("Iterable[object]", kind))
    return ()


def _one_of(value: object, allowed: tuple[object, ...]) -> Fit:
    if any(type(value) is type(one) and value == one for one in allowed):
        return FITS
    return DOUBTFUL if value in allowed else MISFITS  # True == 1: equal, and yet another
