"""What holds for the verdict on any two types, with pydantic as the judge of values."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import NoneType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NotRequired,
    Optional,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from hypothesis import HealthCheck, assume, given, settings, strategies as st
from pydantic import BaseModel, PydanticSchemaGenerationError, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from paceline._graphs._types import UNKNOWN, Fit, Missing, pick_type, type_name, verdict
from paceline._graphs._values import PathStep

Bound = TypeVar("Bound", bound=int)


class User(BaseModel):
    name: str
    age: int = 0


class Order(BaseModel):
    total: float


class Movie(TypedDict):
    title: str
    year: int


class Short(TypedDict):
    title: str
    length: NotRequired[int]


class Oddity(TypedDict):
    title: bytes


@dataclass
class Point:
    x: int
    y: int


class Pair(NamedTuple):
    left: int
    right: str


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


HASHABLE: list[Any] = [
    int,
    str,
    float,
    bool,
    bytes,
    complex,
    date,
    NoneType,
    Color,
    Level,
    Literal["a", "b"],
    Literal[1, 2],
    Literal[Color.RED],
    Annotated[int, "doc"],
]
RECORDS: list[Any] = [User, Order, Movie, Short, Oddity, Point, Pair]


def of(generic: Any, *args: object) -> Any:
    """Parametrise with what a type checker would not take for a type."""
    return generic[args[0] if len(args) == 1 else args]


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        inner.map(lambda one: of(list, one)),
        inner.map(lambda one: of(dict, str, one)),
        inner.map(lambda one: of(Sequence, one)),
        inner.map(lambda one: of(Mapping, str, one)),
        inner.map(lambda one: of(Optional, one)),
        inner.map(lambda one: of(tuple, one, ...)),
        st.tuples(inner, inner).map(lambda both: of(Union, *both)),
        st.tuples(inner, inner).map(lambda both: of(tuple, *both)),
        st.sampled_from(HASHABLE).map(lambda one: of(set, one)),
    )


TYPES = st.recursive(st.sampled_from(HASHABLE + RECORDS), _containers, max_leaves=4)
STRANGE = st.sampled_from(
    [Any, UNKNOWN, object, list, dict, tuple, Bound, "Nowhere", Ellipsis, 3, [], Literal]
)
"""What may stand as an annotation without being one of which much can be told."""

STEPS: st.SearchStrategy[PathStep] = st.sampled_from(
    [
        *((how, name) for how in ("item", "attr", "key") for name in ("title", "name", "x", "left", "items")),
        *(("item", index) for index in range(-2, 3)),
    ]
)
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def _wider(kind: Any, other: Any) -> Any:
    """Make a type that takes all that this one has, written quite differently."""
    special = {int: float, bool: int, Level: int, Movie: Mapping[str, str | int], Pair: tuple[int, str]}
    origin, args = get_origin(kind), get_args(kind)
    if kind in special:
        return special[kind]
    if origin in {list, Sequence}:
        return of(Sequence, _wider(args[0], other))
    if origin in {dict, Mapping}:
        return of(Mapping, str, _wider(args[1], other))
    if origin is tuple and args[-1] is not Ellipsis:
        return of(tuple, of(Union, *(_wider(one, other) for one in args)), ...)
    return of(Union, kind, other)


def _holds_nothing(value: Any) -> bool:
    """Tell whether there is an empty container in it, which is of every type of container."""
    if not any(isinstance(value, kind) for kind in (Mapping, list, tuple, set)):
        return False
    inside: list[Any] = list(value.values() if hasattr(value, "values") else value)
    return not inside or any(_holds_nothing(one) for one in inside)


def _is_one(value: object, annotation: Any, *, strict: bool = True) -> bool:
    try:
        adapter = TypeAdapter[object](annotation)
    except PydanticSchemaGenerationError:
        assume(False)  # an old pydantic does not know every type here, and so is no judge of it
        raise
    try:
        adapter.validate_python(value, strict=strict)
    except ValidationError:
        return False
    return True


@given(TYPES)
def test_every_type_fits_itself(kind: Any) -> None:
    assert verdict(kind, kind) is Fit.FITS


@given(TYPES, st.sampled_from([Any, object]))
def test_everything_fits_any_and_any_is_never_a_misfit(kind: Any, anything: Any) -> None:
    assert verdict(kind, anything) is Fit.FITS
    assert verdict(anything, kind) is Fit.DOUBTFUL
    assert verdict(of(list, anything), of(list, kind)) is Fit.DOUBTFUL


@given(TYPES, TYPES, TYPES)
def test_a_wider_target_never_fits_worse_and_a_wider_source_never_certainly_misfits_more(
    source: Any, target: Any, other: Any
) -> None:
    fit = verdict(source, target)
    assert verdict(source, of(Union, target, other)) <= fit
    if fit is not Fit.MISFITS:
        assert verdict(of(Union, source, other), target) is not Fit.MISFITS


@given(TYPES | STRANGE, TYPES | STRANGE, STEPS)
def test_nothing_that_stands_as_an_annotation_makes_it_raise(
    source: Any, target: Any, step: PathStep
) -> None:
    assert verdict(source, target) in Fit
    assert type_name(source)
    pick_type(source, (step,))


@UNHURRIED
@given(st.data(), TYPES, TYPES)
def test_no_value_of_a_type_that_misfits_is_good_for_the_target(
    data: st.DataObject, source: Any, target: Any
) -> None:
    assume(verdict(source, target) is Fit.MISFITS)
    value = data.draw(st.from_type(source))
    assume(not _holds_nothing(value))
    assert not _is_one(value, target)


@UNHURRIED
@given(st.data(), TYPES, st.sampled_from(HASHABLE))
def test_every_value_of_a_type_that_fits_is_good_for_the_target(
    data: st.DataObject, source: Any, other: Any
) -> None:
    target = _wider(source, other)
    assert verdict(source, target) is Fit.FITS
    value = data.draw(st.from_type(source))
    assume(_is_one(value, source, strict=False))  # to pydantic, unlike Python, bytes are no Sequence of int
    assert _is_one(value, target, strict=False)


@UNHURRIED
@given(st.data(), TYPES, STEPS)
def test_what_a_step_takes_out_of_a_value_is_of_the_type_that_was_told(
    data: st.DataObject, source: Any, step: PathStep
) -> None:
    value: Any = data.draw(st.from_type(source))
    assume(_is_one(value, source))
    how, key = step
    by_key = how == "item" or (how == "key" and hasattr(value, "keys"))
    try:
        taken: Any = value[key] if by_key else getattr(value, str(key))
    except (AttributeError, LookupError, TypeError):
        return
    told = pick_type(source, (step,))
    assert not isinstance(told, Missing)
    if told is not UNKNOWN:
        assert _is_one(taken, told)
