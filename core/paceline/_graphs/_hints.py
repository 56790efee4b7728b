"""What functions and classes say about types, as far as it can be told at run time."""

from __future__ import annotations

import builtins
import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from types import FunctionType, GenericAlias, MethodType, UnionType
from typing import Any, Final, ForwardRef, Literal, NamedTuple, TypeVar, Union, cast, get_origin
from weakref import WeakKeyDictionary

from ._forms import UNKNOWN

__all__ = ["Hints", "class_hints", "hints_of", "notes_of"]

_NOTHING: Final[Mapping[str, object]] = {}
# A string may stand in a string ("'User'", by PEP 563); one that is still a string after this names itself.
_QUOTES: Final = 4

Known = TypeVar("Known")


class Hints(NamedTuple):
    """The types of a function; `parameters` has the annotated ones only."""

    parameters: Mapping[str, object]
    returns: object


class _Reading(NamedTuple):
    hints: Hints
    notes: tuple[str, ...]


_UNSAID: Final = _Reading(Hints({}, UNKNOWN), ())
_of_function: Final[WeakKeyDictionary[FunctionType, _Reading]] = WeakKeyDictionary()
_of_class: Final[WeakKeyDictionary[type, Mapping[str, object]]] = WeakKeyDictionary()


def hints_of(fn: object, names: Mapping[str, object] = _NOTHING) -> Hints:
    """Tell the types of parameters and result; never raises, whatever the annotations are.

    Takes functions, bound methods, partials, callable objects and classes (whose result is themselves).
    `Annotated` is kept. Names in string annotations are looked up in the function's closure, its module, the
    builtins and, last, `names`: where those are not enough (a local of the enclosing function that only the
    annotation mentions), the caller may know more. A name that is nowhere counts as UNKNOWN, there and
    nowhere else in the annotation; `notes_of` tells which.
    """
    if isinstance(fn, type):
        return hints_of(cast("Any", fn).__init__, names)._replace(returns=cast("object", fn))
    return _reading(fn, names).hints


def notes_of(fn: object, names: Mapping[str, object] = _NOTHING) -> tuple[str, ...]:
    """Tell which annotations `hints_of` could not resolve, and why: `"users: list[User] (...)"`."""
    return _reading(cast("Any", fn).__init__ if isinstance(fn, type) else fn, names).notes


def _reading(fn: object, names: Mapping[str, object]) -> _Reading:
    function = _function_in(fn)
    if function is None:
        return _UNSAID
    known = _of_function.get(function)
    if known is None:
        known, scope = _read(function, names)
        # What is not known yet may be known the next time; what a caller lent is this caller's.
        if not scope.unknown and not scope.lent and _lasts(function):
            _of_function[function] = known
    return known


def class_hints(kind: type) -> Mapping[str, object]:
    """Tell the types of a class's annotated attributes, inherited ones too; UNKNOWN is what cannot be."""
    known = _of_class.get(kind)
    if known is None:
        hints: dict[str, object] = {}
        complete = True
        for base in reversed(kind.__mro__):
            annotations = inspect.get_annotations(base)
            module = vars(sys.modules.get(base.__module__, builtins))
            # Behind the module: a field `date: date = None` must not hide the class it is annotated with.
            scope = _Scope(_type_params(base), module, {base.__name__: base, **vars(base)})
            hints |= {name: scope.resolve(annotation) for name, annotation in annotations.items()}
            complete = complete and not scope.unknown
        known = hints
        if complete and _lasts(kind):
            _of_class[kind] = known
    return known


def _lasts(thing: FunctionType | type) -> bool:
    # What is made inside a function comes and goes. Its types may refer back to it (a method that returns its
    # own class), and then even a weak cache would keep both for ever.
    return "<locals>" not in thing.__qualname__


def _function_in(fn: Any) -> FunctionType | None:
    """Find the function that carries the annotations."""
    while not isinstance(fn, FunctionType):
        if isinstance(fn, functools.partial):
            fn = cast("functools.partial[object]", fn).func
        elif isinstance(fn, MethodType | staticmethod | classmethod):
            fn = cast("MethodType", fn).__func__
        elif callable(getattr(fn, "__wrapped__", None)):  # an lru_cache
            fn = fn.__wrapped__
        elif isinstance(call := getattr(cast("object", type(fn)), "__call__", None), FunctionType):  # noqa: B004 - not whether, but which
            fn = call
        else:
            return None
    return fn


def _read(function: FunctionType, names: Mapping[str, object]) -> tuple[_Reading, _Scope]:
    inner = _innermost(function)
    scope = _Scope(_enclosed(inner), inner.__globals__, names)
    hints: dict[str, object] = {}
    notes: list[str] = []
    for name, annotation in function.__annotations__.items():
        before = len(scope.unknown)
        hints[name] = scope.resolve(annotation)
        if reasons := scope.unknown[before:]:
            notes.append(f"{name}: {_written(annotation)} ({', '.join(dict.fromkeys(reasons))})")
    returns = hints.pop("return", UNKNOWN)
    return _Reading(Hints(hints, returns), tuple(notes)), scope


def _innermost(function: FunctionType) -> FunctionType:
    """Find the function in whose module the annotations were written: `functools.wraps` only copies them."""
    try:
        inner = inspect.unwrap(function)
    except ValueError:  # it wraps itself
        return function
    return inner if isinstance(inner, FunctionType) else function


def _enclosed(function: FunctionType) -> dict[str, object]:
    """Give the variables of enclosing functions that this one uses, and its type parameters."""
    found = _type_params(function)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found


def _type_params(thing: object) -> dict[str, object]:
    # Since Python 3.12; `type` itself answers with a descriptor.
    params: tuple[Any, ...] = () if thing is type else getattr(thing, "__type_params__", ())
    return {param.__name__: param for param in params}


def _written(annotation: object) -> str:
    return annotation if isinstance(annotation, str) else str(annotation)


class _Scope(dict[str, object]):
    """The names that an annotation may use; as `eval`'s locals it answers for every name.

    A plain dict cannot serve: the module would have to be copied into it, for each function again.
    """

    def __init__(self, first: dict[str, object], module: dict[str, Any], last: Mapping[str, object]) -> None:
        super().__init__(first)
        self.module: Final = module
        self.last: Final = last
        self.unknown: list[str] = []
        """Why something could not be told."""
        self.lent: list[str] = []
        """The names that `last` had to give."""

    def __missing__(self, name: str) -> object:
        for place in (self.module, vars(builtins)):
            if name in place:
                return place[name]
        if name in self.last:
            self.lent.append(name)
            return self.last[name]
        self.unknown.append(f"the name {name!r} is not known at run time")
        return UNKNOWN

    def resolve(self, annotation: object) -> object:
        """Evaluate strings and forward references, outside and inside; what fails is UNKNOWN."""
        if isinstance(annotation, type):
            return annotation
        try:
            return self._resolved(annotation)
        except Exception as error:  # noqa: BLE001 - evaluating the author's expression may raise anything
            self.unknown.append(f"{type(error).__name__}: {error}")
            return UNKNOWN

    def _resolved(self, annotation: object) -> object:
        for _ in range(_QUOTES):
            if isinstance(annotation, ForwardRef):
                return self._elsewhere(annotation.__forward_module__)._resolved(annotation.__forward_arg__)
            if not isinstance(annotation, str):
                return self._inside(annotation)
            annotation = eval(annotation.strip(), self.module, self)  # noqa: S307 - the author's own code, as typing does
        return UNKNOWN

    def _elsewhere(self, module: Any) -> _Scope:
        """Give the scope of a forward reference that was written in another module (a base class's)."""
        home = sys.modules.get(str(getattr(module, "__name__", module)))
        if home is None or vars(home) is self.module:
            return self
        other = _Scope(dict(self), vars(home), self.last)
        other.unknown, other.lent = self.unknown, self.lent
        return other

    def _inside(self, annotation: Any) -> object:
        """Evaluate what stands inside a generic type.

        Not by `typing.get_type_hints`: that leaves what it found in the ForwardRef, which is the author's,
        and shared; a name that is not known yet would stay UNKNOWN for everybody.
        """
        args: tuple[object, ...] | None = getattr(annotation, "__args__", None)
        if not args or get_origin(annotation) is Literal or annotation is UNKNOWN:
            return annotation
        new = tuple(arg if isinstance(arg, type) else self._resolved(arg) for arg in args)
        if all(one is other for one, other in zip(args, new, strict=True)):
            return annotation
        return _rebuilt(annotation, new)


def _rebuilt(annotation: Any, args: tuple[object, ...]) -> object:
    if isinstance(annotation, UnionType):
        return Union[args]  # noqa: UP007 - of a tuple
    if isinstance(annotation, GenericAlias):
        return GenericAlias(cast("type", annotation.__origin__), args)
    copy: Callable[[tuple[object, ...]], object] = annotation.copy_with
    return copy(args)
