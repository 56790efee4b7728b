"""Types at build time: what fits, what certainly does not, and what a step into a value gives."""

import collections
import decimal
import enum
import functools
import io
import sys
import typing
from abc import ABC, abstractmethod
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Generator,
    ItemsView,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    Set as AbstractSet,
    Sized,
)
from dataclasses import dataclass, field
from datetime import date, datetime
from types import NoneType
from typing import (
    IO,
    Annotated,
    Any,
    ClassVar,
    Generic,
    Literal,
    LiteralString,
    NamedTuple,
    Never,
    NewType,
    NotRequired,
    Optional,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    Union,
    Unpack,
)

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter, computed_field
from typing_extensions import ReadOnly, TypeAliasType, TypedDict

from paceline._graphs._types import UNKNOWN, Fit, Missing, pick_type, type_name, verdict
from paceline._graphs._values import PathStep

T = TypeVar("T")
Number = TypeVar("Number", int, str)
Text = TypeVar("Text", bound=str)
P = ParamSpec("P")


def of(generic: Any, *args: object) -> Any:
    """Parametrise with what a type checker would not take for a type."""
    return generic[args[0] if len(args) == 1 else args]


# Names by which people still call them, out of reach of tools that would modernise this file.
OLD_LIST: Any = vars(typing)["List"]
OLD_TUPLE: Any = vars(typing)["Tuple"]


class Animal: ...


class Dog(Animal): ...


class Stone: ...


class User(BaseModel):
    name: str
    tags: list[str] = []

    @computed_field  # type: ignore[prop-decorator] # mypy knows no decorated property
    @property
    def shout(self) -> bytes:
        return self.name.upper().encode()


class Admin(User):
    level: int = 0


class Order(BaseModel):
    total: float


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


class Page(BaseModel, Generic[T]):
    items: list[T]


@dataclass
class Point:
    x: int
    y: int = 0
    unit: ClassVar[str] = "m"

    @property
    def norm(self) -> float:
        return 0.0

    @functools.cached_property
    def label(self) -> str:
        return ""

    def moved(self) -> "Point":
        return self


@dataclass
class Late:
    x: int

    def __post_init__(self) -> None:
        self.more = 1


@dataclass
class Crate(Generic[T]):
    content: T


class Pair(NamedTuple):
    left: int
    right: str


class Movie(TypedDict):
    title: str
    year: int


class Partial(TypedDict, total=False):
    title: str


class Sequel(Movie):
    number: NotRequired[int]


class Titled(TypedDict):
    title: ReadOnly[str]


class Numbered(TypedDict):
    title: int


class Node(TypedDict):
    child: "Node | None"


class Twig(TypedDict):
    child: "Twig | None"


class Named(Protocol):
    def name(self) -> str: ...


class Cat(Animal, Named):
    def name(self) -> str:
        return "cat"


class Store(ABC):
    @abstractmethod
    def get(self) -> int: ...


class Cache(ABC):
    @abstractmethod
    def put(self) -> int: ...


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Shade(enum.StrEnum):
    DARK = "dark"


class Users(list[User]): ...


class Table(dict[str, T]): ...


class Words(Crate[str]): ...


class Spot(tuple[int, str]):
    __slots__ = ()


class Dots(tuple):  # type: ignore[type-arg] # noqa: SLOT001 - as people write
    ...


class Heap(Stone, list[int]): ...


class Bare(list): ...  # type: ignore[type-arg] # as people write


class Couple(NamedTuple, Generic[T]):
    left: T
    right: T


class Work(Generic[P]):
    again: "Callable[P, Work[P]]"
    label: str


class Box(Generic[T]): ...


class Mocked(Any): ...  # type: ignore[misc] # pyright: ignore[reportUntypedBaseClass] # as stubs of untyped libraries do


class Plain:
    size: int

    def __init__(self) -> None:
        self.found = 1

    def __getitem__(self, key: str) -> bytes:
        return b""

    @property
    def bare(self):  # type: ignore[no-untyped-def] # that it is untyped is the point
        return 1


class Slotted:
    __slots__ = ("size",)


BARE = collections.namedtuple("BARE", "x")  # noqa: PYI024 # pyright: ignore[reportUntypedNamedTuple] # people do
Film = NewType("Film", Movie)  # type: ignore[valid-newtype] # pyright: ignore[reportGeneralTypeIssues] # people do
MovieAlias = TypeAliasType("MovieAlias", Movie)
UserId = NewType("UserId", int)
OrderId = NewType("OrderId", int)
SpecialId = NewType("SpecialId", UserId)
Same = TypeAliasType("Same", T, type_params=(T,))
Twice = TypeAliasType("Twice", tuple[T, T], type_params=(T,))

FITS: list[tuple[object, object]] = [
    (int, int),
    (bool, int),
    (int, float),
    (float, complex),
    (bool, complex),
    (bytearray, bytes),
    (None, None),
    (None, NoneType),
    (int, object),
    (int, Any),
    (UNKNOWN, Any),
    (Any, object),
    (Never, int),
    (list[Never], list[int]),
    (Dog, Animal),
    (Admin, User),
    (datetime, date),
    (int, int | str),
    (int, of(Optional, float)),
    (int | None, of(Union, None, int, str)),
    (list[int], list[int] | None),
    (Literal["a"], str),
    (Literal["a"], Literal["a", "b"]),
    (Literal["a", 1], str | int),
    (Color, Literal[Color.RED, Color.BLUE]),
    (bool, Literal[True, False]),
    (Literal[Color.RED], Color),
    (Shade, str),
    (list[int], list),
    (of(OLD_LIST, int), list[int]),
    (list[int], of(OLD_LIST, int)),
    (list[int], OLD_LIST),
    (tuple[int, str], OLD_TUPLE),
    (list[int], list[int]),
    (list[int], Sequence[float]),
    (Users, list[User]),
    (Users, Iterable[User]),
    (Table[int], Mapping[str, int]),
    (dict[str, int], Mapping[str, float]),
    (dict[str, int], Iterable[str]),
    (dict[str, int], dict[str, Any]),
    (collections.Counter[str], Mapping[str, int]),
    (collections.defaultdict[str, int], dict[str, int]),
    (ItemsView[str, int], Iterable[tuple[str, int]]),
    (Coroutine[Any, Any, int], Awaitable[int]),
    (Generator[int, None, str], Iterator[int]),
    (str, Sequence[str]),
    (str, Iterable[str]),
    (bytes, Sequence[int]),
    (frozenset[int], AbstractSet[int]),
    (list, Iterable[Any]),
    (list[int], Sized),
    (tuple[int, str], tuple[float, str]),
    (tuple[int, int], tuple[int, ...]),
    (tuple[()], tuple[int, ...]),
    (tuple[int, str], tuple),
    (tuple[int, str], Sequence[int | str]),
    (Pair, tuple[int, str]),
    (Spot, tuple[int, str]),
    (Spot, Iterable[int | str]),
    (Words, Crate[str]),
    (Heap, Sequence[float]),
    (of(Couple, int), of(Couple, float)),
    (of(Same, int), float),
    (Work[[int]], Work),
    (Pair, tuple),
    (Pair, Pair),
    (Movie, dict),
    (Movie, Mapping[str, str | int]),
    (Movie, Mapping[str, object]),
    (Partial, dict[str, str]),
    (Sequel, Movie),
    (Movie, Titled),
    (Movie, Partial),
    (Movie, Sized),
    (Cat, Named),
    (Page[int], Page[float]),
    (Page[int], Page),
    (Page[int], BaseModel),
    (Crate[int], Crate[float]),
    (Annotated[int, "doc"], Annotated[float, "other"]),
    (UserId, int),
    (UserId, UserId),
    (SpecialId, UserId),
    (T, T),
    (int, T),
    (Text, str),
    (Number, int | str),
    (str, Text),
    (LiteralString, str),
    (str, LiteralString),
    (Node, Twig),
    (Twice[int], tuple[int, int]),
    (type[Dog], type[Animal]),
    (Callable[[int], str], Callable[[int], str]),
    (Callable[[int], str], Callable[..., object]),
    (Callable[[int], str], Callable[[int], None]),
    (Callable[[int], str], Callable),
]

MISFITS: list[tuple[object, object]] = [
    (int, str),
    (str, int),
    (None, int),
    (int, None),
    (str, None),
    (int, decimal.Decimal),
    (int, Never),
    (Animal, Stone),
    (User, Order),
    (User, Point),
    (User, Movie),
    (User, dict[str, Any]),
    (dict[str, Any], User),
    (int, str | None),
    (int | bytes, str | None),
    (of(Union, int, None), list[int]),
    (Literal["a"], int),
    (Literal["a"], Literal["b"]),
    (Literal["a", "b"], Literal["c", "d"]),
    (int, Literal["a"]),
    (None, Literal["a"]),
    (Color, str),
    (Color, Literal["red"]),
    (list[int], list[str]),
    (list[int], Sequence[str]),
    (list[int], set[int]),
    (list[int], tuple[int, ...]),
    (list[list[int]], list[list[str]]),
    (set[int], frozenset[int]),
    (str, Mapping),
    (str, list[str]),
    (str, Sequence[int]),
    (Sequence[int], Mapping[int, int]),
    (Sequence[int], list[str]),
    (Sequence[int], tuple[int, str]),
    (Iterable[int], dict[str, int]),
    (Iterable[int], Movie),
    (dict[str, int], dict[str, str]),
    (dict[int, str], Mapping[str, str]),
    (Users, list[int]),
    (Users, Sequence[str]),
    (Table[int], Mapping[str, str]),
    (collections.Counter[str], Mapping[str, str]),
    (Generator[int, None, str], Iterator[str]),
    (Coroutine[Any, Any, int], Awaitable[str]),
    (int, Iterable[int]),
    (int, Callable[[], int]),
    (Callable[[], int], int),
    (Callable[[], int], Callable[[], str]),
    (tuple[int, str], tuple[int, int]),
    (tuple[int, str], tuple[int]),
    (tuple[int, str], tuple[int, ...]),
    (tuple[int, str], Sequence[int]),
    (tuple[int, ...], tuple[str, ...]),
    (tuple[int, ...], tuple[str, str]),
    (tuple[int], Pair),
    (Pair, tuple[int, int]),
    (Spot, tuple[int, int]),
    (Words, Crate[int]),
    (Heap, Sequence[str]),
    (of(Couple, int), of(Couple, str)),
    (of(Same, int), str),
    (Pair, Point),
    (Movie, Numbered),
    (Partial, int),
    (Titled, Movie),
    (Movie, Mapping[str, int]),
    (Movie, User),
    (Movie, list[str]),
    (dict[str, bytes], Movie),
    (dict[int, Any], Movie),
    (list[str], Movie),
    (Page[int], Page[str]),
    (Crate[int], Crate[str]),
    (UserId, str),
    (str, UserId),
    (bytes, Number),
    (int, Text),
    (Text, int),
    (Twice[int], tuple[str, str]),
    (type[Dog], type[Stone]),
    (Annotated[int, 1], Annotated[str, 1]),
    (Store, int),
]

DOUBTFUL: list[tuple[object, object]] = [
    (Any, int),
    (UNKNOWN, int),
    (int, UNKNOWN),
    ("User", int),
    (int, "User"),
    (Mocked, int),
    (object, int),
    (object, Movie),
    (object, None),
    (Animal, Dog),
    (float, int),
    (int, bool),
    (int | str, int),
    (of(Optional, User), User),
    (int, Literal[1]),
    (Color, Literal[Color.RED]),
    (bool, Literal[1]),
    (Literal[1], Literal[True]),
    (Literal["a", "b"], Literal["b", "c"]),
    (Shade, Literal["dark"]),
    (str, Shade),
    (list, list[int]),
    (list[Any], list[int]),
    (of(list, UNKNOWN), list[int]),
    (list[int | str], list[int]),
    (Sequence[int], list[int]),
    (Iterable[int], Sized),
    (Iterable, dict[str, int]),
    (Mapping[str, Any], dict[str, int]),
    (tuple, tuple[int, str]),
    (tuple[int, ...], tuple[int, int]),
    (tuple[int, ...], tuple[()]),
    (tuple[int, str], Pair),
    (dict, Movie),
    (dict[str, Any], Movie),
    (dict[str, str | int], Movie),
    (dict[str, bytes], Partial),
    (Partial, Titled),
    (Partial, dict[str, int]),
    (User, Admin),
    (User, Named),
    (int, Named),
    (Named, Cat),
    (Store, Cache),
    (int, UserId),
    (UserId, OrderId),
    (T, int),
    (int, P),
    (int, Self),
    (of(Unpack, tuple[int]), int),
    (of(tuple, int, of(Unpack, tuple[str, ...])), tuple[int, str]),
    (Work[[int]], Work[[str]]),
    (Dots, tuple[int, str]),
    (Bare, list[int]),
    (io.StringIO, IO[str]),
    (IO[str], io.StringIO),
    (Callable[[int], str], Callable[[str], str]),
    (Callable[..., Any], Callable[[int], str]),
    (type[Dog], Callable[[], Dog]),
    (Box, Box[int]),
]


def names(pairs: list[tuple[object, object]]) -> list[str]:
    return [f"{type_name(source)} -> {type_name(target)}" for source, target in pairs]


@pytest.mark.parametrize(("source", "target"), FITS, ids=names(FITS))
def test_what_surely_fits(source: object, target: object) -> None:
    assert verdict(source, target) is Fit.FITS


@pytest.mark.parametrize(("source", "target"), MISFITS, ids=names(MISFITS))
def test_what_certainly_does_not_fit(source: object, target: object) -> None:
    assert verdict(source, target) is Fit.MISFITS


@pytest.mark.parametrize(("source", "target"), DOUBTFUL, ids=names(DOUBTFUL))
def test_what_only_the_values_can_tell(source: object, target: object) -> None:
    assert verdict(source, target) is Fit.DOUBTFUL


def test_a_class_whose_metaclass_cannot_answer_is_a_doubt_of_nobody_else() -> None:
    class Moody(type):
        def __subclasscheck__(cls, subclass: type) -> bool:
            raise RuntimeError("not today")

    class Odd(metaclass=Moody): ...

    assert verdict(Odd, Odd) is Fit.FITS
    assert verdict(int, Odd) is Fit.MISFITS


def test_an_alias_whose_meaning_cannot_be_found_or_has_no_end_is_a_doubt() -> None:
    class TypeAliasType:  # like those of Python 3.12, and of typing_extensions before
        @property
        def __value__(self) -> object:
            raise NameError("name 'Nowhere' is not defined")

    endless: Any = int
    for _ in range(100):
        endless = vars(typing)["TypeVar"]("endless", bound=endless)
    assert verdict(TypeAliasType(), int) is Fit.DOUBTFUL
    assert verdict(endless, str) is Fit.DOUBTFUL


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the statement is new in Python 3.12")
def test_aliases_that_refer_to_themselves_are_decided_at_once() -> None:
    made: dict[str, Any] = {}
    exec(  # noqa: S102 - Python 3.11 cannot read it
        """
type Json = dict[str, Json] | list[Json] | str
type Other = dict[str, Other] | list[Other] | str
type Broken = list[Nowhere]
type Nest[T] = T | Nest[list[T]]
type Deep[T] = T | Deep[set[T]]
""",
        made,
    )
    assert verdict(made["Json"], made["Other"]) is Fit.FITS
    assert verdict(of(list, made["Json"]), of(list, made["Other"])) is Fit.FITS
    assert verdict(made["Json"], int) is Fit.MISFITS
    assert verdict(made["Broken"], int) is Fit.DOUBTFUL
    assert verdict(made["Nest"][int], made["Deep"][int]) is Fit.DOUBTFUL
    assert type_name(made["Json"]) == "Json"


def test_a_type_nested_deeper_than_anyone_would_is_a_doubt_and_no_recursion_error() -> None:
    deep: Any = int
    other: Any = str
    for _ in range(5_000):
        deep, other = list[deep], list[other]
    assert verdict(deep, list[other]) is Fit.DOUBTFUL
    assert type_name(deep).count("list") < 50


FOUND: list[tuple[object, PathStep, object]] = [
    (Movie, ("key", "title"), str),
    (Movie, ("item", "year"), int),
    (Sequel, ("item", "number"), int),
    (Titled, ("item", "title"), str),
    (of(Optional, Movie), ("key", "title"), UNKNOWN),
    (Movie | Titled, ("key", "title"), str),
    (Movie | Numbered, ("key", "title"), str | int),
    (Movie | dict[str, Any], ("key", "title"), UNKNOWN),
    (Movie | Titled, ("key", "year"), UNKNOWN),
    (User, ("key", "tags"), list[str]),
    (User, ("attr", "name"), str),
    (User, ("attr", "shout"), bytes),
    (User, ("attr", "model_dump"), UNKNOWN),
    (User, ("attr", "_private"), UNKNOWN),
    (Admin, ("key", "name"), str),
    (Loose, ("key", "anything"), UNKNOWN),
    (BaseModel, ("key", "anything"), UNKNOWN),
    (Page[int], ("attr", "items"), list[int]),
    (Point, ("attr", "x"), int),
    (Point, ("key", "y"), int),
    (Point, ("attr", "unit"), str),
    (Point, ("attr", "norm"), float),
    (Point, ("attr", "label"), str),
    (Point, ("attr", "moved"), UNKNOWN),
    (Late, ("attr", "more"), UNKNOWN),
    (Crate[int], ("attr", "content"), int),
    (Crate[list[str]], ("attr", "content"), list[str]),
    (Pair, ("attr", "right"), str),
    (Pair, ("key", "left"), int),
    (Pair, ("item", 1), str),
    (Spot, ("item", 1), str),
    (Words, ("attr", "content"), UNKNOWN),
    (Crate, ("attr", "content"), UNKNOWN),
    (Crate[Any], ("attr", "content"), UNKNOWN),
    (of(Couple, int), ("attr", "right"), int),
    (Work[[int]], ("attr", "label"), str),
    (BARE, ("attr", "x"), UNKNOWN),
    (dict[str, int], ("key", "a"), int),
    (dict[str, int], ("item", "a"), int),
    (dict, ("item", "a"), UNKNOWN),
    (dict[int, str], ("item", 3), str),
    (dict[str, int], ("attr", "items"), UNKNOWN),
    (Mapping[str, list[int]], ("item", "a"), list[int]),
    (Table[int], ("item", "a"), int),
    (collections.Counter[str], ("key", "a"), int),
    (list[int], ("item", 0), int),
    (list[int], ("item", -7), int),
    (list[int], ("item", slice(2)), list[int]),
    (list, ("item", 0), UNKNOWN),
    (Sequence[int], ("item", 0), int),
    (Users, ("item", 0), User),
    (str, ("item", 0), str),
    (bytes, ("item", 0), int),
    (collections.deque[int], ("item", 0), int),
    (tuple[int, str], ("item", 1), str),
    (tuple[int, str], ("item", -2), int),
    (tuple[int, ...], ("item", 9), int),
    (tuple, ("item", 9), UNKNOWN),
    (tuple[int, str], ("item", slice(1)), UNKNOWN),
    (Iterable[int], ("item", 0), UNKNOWN),
    (Collection[int], ("key", "a"), UNKNOWN),
    (Plain, ("attr", "size"), int),
    (Plain, ("attr", "found"), UNKNOWN),
    (Plain, ("attr", "bare"), UNKNOWN),
    (Plain, ("item", "x"), bytes),
    (Named, ("attr", "other"), UNKNOWN),
    (Mocked, ("attr", "other"), UNKNOWN),
    (int, ("attr", "real"), UNKNOWN),
    (Any, ("key", "a"), UNKNOWN),
    (UNKNOWN, ("item", 0), UNKNOWN),
    (object, ("attr", "a"), UNKNOWN),
    ("Movie", ("key", "title"), UNKNOWN),
    (type[User], ("attr", "name"), UNKNOWN),
    (Annotated[Movie, "doc"], ("key", "title"), str),
    (Film, ("key", "title"), str),
    (MovieAlias, ("key", "title"), str),
    (TypeVar("M", bound=Movie), ("key", "title"), str),
    (Literal["a", "b"], ("item", 0), str),
]

LACKING: list[tuple[object, PathStep, str, tuple[str, ...]]] = [
    (Movie, ("key", "titel"), "Movie has no field 'titel'; it has: title, year", ("title", "year")),
    (Movie, ("attr", "title"), "Movie has no field 'title'; it has: title, year", ("title", "year")),
    (User, ("key", "nam"), "User has no field 'nam'; it has: name, tags", ("name", "tags")),
    (User, ("item", "name"), "User has no items, so none can be taken by ['name']", ()),
    (Page[int], ("key", "item"), "Page[int] has no field 'item'; it has: items", ("items",)),
    (Point, ("attr", "z"), "Point has no field 'z'; it has: x, y", ("x", "y")),
    (Point, ("item", 0), "Point has no items, so none can be taken by [0]", ()),
    (Pair, ("attr", "middle"), "Pair has no field 'middle'; it has: left, right", ("left", "right")),
    (Pair, ("item", 2), "Pair is too short to have an item [2]", ()),
    (tuple[int, str], ("item", 2), "tuple[int, str] is too short to have an item [2]", ()),
    (tuple[int, str], ("item", -3), "tuple[int, str] is too short to have an item [-3]", ()),
    (int, ("key", "users"), "int has no attribute 'users'", ()),
    (int, ("item", 0), "int has no items, so none can be taken by [0]", ()),
    (None, ("key", "users"), "None has no attribute 'users'", ()),
    (None, ("item", "users"), "None has no items, so none can be taken by ['users']", ()),
    (str, ("key", "users"), "str has no attribute 'users'", ()),
    (str, ("item", "a"), "str has no item ['a']: that is not the kind of key it takes", ()),
    (list[User], ("key", "name"), "list[User] has no attribute 'name'", ()),
    (list[int], ("item", "a"), "list[int] has no item ['a']: that is not the kind of key it takes", ()),
    (
        dict[int, str],
        ("key", "a"),
        "dict[int, str] has no item ['a']: that is not the kind of key it takes",
        (),
    ),
    (set[int], ("item", 0), "set[int] has no items, so none can be taken by [0]", ()),
    (Slotted, ("attr", "weight"), "Slotted has no attribute 'weight'", ()),
    (Literal[3], ("key", "a"), "int has no attribute 'a'", ()),
    (
        User | Point,
        ("key", "z"),
        "User | Point has no field 'z'; it has: name, tags, x, y",
        ("name", "tags", "x", "y"),
    ),
]


@pytest.mark.parametrize(("source", "step", "expected"), FOUND)
def test_the_type_of_what_a_step_takes(source: object, step: PathStep, expected: object) -> None:
    assert pick_type(source, (step,)) == expected


@pytest.mark.parametrize(("source", "step", "sentence", "fields"), LACKING)
def test_what_is_certainly_not_there_is_said_with_what_is(
    source: object, step: PathStep, sentence: str, fields: tuple[str, ...]
) -> None:
    found = pick_type(source, (step,))
    assert isinstance(found, Missing)
    assert str(found) == sentence
    assert found.known_fields == fields


def test_a_path_is_followed_to_its_end_or_to_where_it_breaks() -> None:
    assert pick_type(int, ()) is int
    assert (
        pick_type(dict[str, Page[User]], (("key", "a"), ("attr", "items"), ("item", 0), ("attr", "name")))
        is str
    )
    assert pick_type(dict[str, Any], (("key", "a"), ("attr", "items"))) is UNKNOWN
    broken = pick_type(list[Movie], (("item", 0), ("key", "actors"), ("item", 0)))
    assert isinstance(broken, Missing)
    assert (broken.source, broken.step) == (Movie, ("key", "actors"))


def test_parameters_of_functions_are_filled_in_where_python_can_and_else_unknown() -> None:
    found = pick_type(Work[[int]], (("attr", "again"),))
    assert found is UNKNOWN or found == Callable[[int], Work[[int]]]


def test_a_dataclass_in_whose_making_the_author_has_a_hand_may_have_more_than_its_fields() -> None:
    class Base:
        def __init__(self) -> None:
            self.more = 1

    @dataclass(init=False)
    class Own:
        x: int = field(default=0)

        def __init__(self) -> None:
            self.more = 1

    @dataclass
    class Below(Base):
        x: int = 0

    assert pick_type(Own, (("attr", "more"),)) is UNKNOWN
    assert pick_type(Below, (("attr", "more"),)) is UNKNOWN


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (int, "int"),
        (None, "None"),
        (list[str], "list[str]"),
        (of(OLD_LIST, str), "list[str]"),
        (OLD_LIST, "list"),
        (list, "list"),
        (of(Optional, User), "User | None"),
        (User | None, "User | None"),
        (dict[str, list[int]], "dict[str, list[int]]"),
        (Mapping[str, Any], "Mapping[str, Any]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (tuple[()], "tuple[()]"),
        (Callable[[int], str], "Callable[[int], str]"),
        (Callable[..., str], "Callable[..., str]"),
        (Literal["a", 1], "Literal['a', 1]"),
        (Annotated[int, "doc"], "int"),
        (Page[int], "Page[int]"),
        (Crate[int], "Crate[int]"),
        (UserId, "UserId"),
        (T, "T"),
        (Twice[int], "Twice[int]"),
        ("User", "User"),
        (of(list, "Nowhere"), "list[Nowhere]"),
        (of(OLD_LIST, "Nowhere"), "list[Nowhere]"),
        (UNKNOWN, "unknown"),
        (of(list, UNKNOWN), "list[unknown]"),
    ],
)
def test_a_type_is_named_as_people_write_it(annotation: object, name: str) -> None:
    assert type_name(annotation) == name


def test_classes_of_the_same_name_can_be_told_apart() -> None:
    class User: ...

    assert type_name(User) == "User"
    assert type_name(list[User], full=True) == f"list[{__name__}.User]"
    assert type_name(list[int], full=True) == "list[int]"


def test_what_is_known_of_a_half_known_type_can_be_checked_by_pydantic() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(of(list, UNKNOWN))
    assert adapter.validate_python([1, "a"]) == [1, "a"]
    with pytest.raises(ValueError, match="list"):
        adapter.validate_python(3)
