"""What functions say about their types, read from strings (as in this module) and from objects."""

from __future__ import annotations

import functools
import gc
import sys
import types
import typing
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, Optional, Required, TypedDict, TypeVar, Union

import pytest

from paceline._graphs._types import UNKNOWN, Fit, hints_of, notes_of, pick_type, verdict

if TYPE_CHECKING:
    import decimal
    from fractions import Fraction

    Soon = int

T = TypeVar("T")
# `typing.List`, out of reach of tools that would modernise it.
OLD_LIST: Any = vars(typing)["List"]


def of(generic: Any, *args: object) -> Any:
    """Parametrise with what a type checker would not take for a type."""
    return generic[args[0] if len(args) == 1 else args]


class User: ...


async def load(user: User, *names: str, limit: int | None = None, **rest: Any) -> list[User]:
    return []


def unknown(
    one: Fraction, two: list[Fraction] | None, three: decimal.Decimal, four: int
) -> dict[str, Fraction]:
    return {}


bare: Any = eval("lambda one, two=3: one")  # noqa: S307 - the type checkers want all else annotated


def later() -> Soon:
    return Soon(3)


class Service:
    def find(self, name: str) -> Service:
        return self

    @staticmethod
    def static(name: str) -> int:
        return 0

    @classmethod
    def made(cls, name: str) -> bytes:
        return b""

    def __call__(self, name: str) -> float:
        return 0.0

    def __init__(self, url: str = "") -> None: ...


@functools.lru_cache
def cached(name: str) -> User:
    return User()


def traced(fn: Callable[..., T]) -> Callable[..., T]:
    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> T:
        return fn(*args, **kwargs)

    return wrapper


def test_a_function_tells_its_parameters_and_its_result() -> None:
    hints, returns = hints_of(load)
    assert hints == {"user": User, "names": str, "limit": int | None, "rest": Any}
    assert returns == list[User]
    assert notes_of(load) == ()


def test_what_is_not_annotated_is_not_guessed() -> None:
    assert hints_of(bare) == ({}, UNKNOWN)
    assert hints_of(len) == ({}, UNKNOWN)
    assert hints_of(3) == ({}, UNKNOWN)
    assert notes_of(len) == ()


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (Service().find, ({"name": str}, Service)),
        (Service.static, ({"name": str}, int)),
        (Service.__dict__["static"], ({"name": str}, int)),
        (Service.made, ({"name": str}, bytes)),
        (Service(), ({"name": str}, float)),
        (Service, ({"url": str}, Service)),
        (functools.partial(load, limit=3), hints_of(load)),
        (functools.partial(functools.partial(Service().find, "a")), ({"name": str}, Service)),
        (cached, ({"name": str}, User)),
        (traced(load), hints_of(load)),
    ],
)
def test_whatever_can_be_called_tells_what_the_function_in_it_does(fn: object, expected: object) -> None:
    assert hints_of(fn) == expected


def test_metadata_is_kept() -> None:
    def local(x: Annotated[int, "doc"]) -> Annotated[str, 3]:
        return ""

    assert hints_of(local) == ({"x": Annotated[int, "doc"]}, Annotated[str, 3])


def test_one_name_that_is_not_there_at_run_time_leaves_the_rest_of_the_types_standing() -> None:
    hints, returns = hints_of(unknown)
    assert hints["one"] is UNKNOWN
    assert hints["two"] == of(Optional, of(list, UNKNOWN))
    assert hints["three"] is UNKNOWN
    assert hints["four"] is int
    assert returns == of(dict, str, UNKNOWN)
    assert verdict(returns, dict[str, int]) is Fit.DOUBTFUL
    assert verdict(returns, dict[int, int]) is Fit.MISFITS


def test_each_unresolved_annotation_has_a_note_with_the_name() -> None:
    assert notes_of(unknown) == (
        "one: Fraction (the name 'Fraction' is not known at run time)",
        "two: list[Fraction] | None (the name 'Fraction' is not known at run time)",
        "three: decimal.Decimal (the name 'decimal' is not known at run time)",
        "return: dict[str, Fraction] (the name 'Fraction' is not known at run time)",
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Doc.Inner", UNKNOWN),
        ("Doc[int]", UNKNOWN),
        ("Doc | None", of(Optional, UNKNOWN)),
        ("None | Doc", of(Optional, UNKNOWN)),
        ("int | Doc | None", of(Union, int, UNKNOWN, None)),
        ("Annotated[int, Doc(gt=1)]", of(Annotated, int, UNKNOWN)),
        ("Annotated[Doc, *Doc]", UNKNOWN),
        ("tuple[Doc, ...]", of(tuple, UNKNOWN, ...)),
        ("Callable[[Doc], int]", of(Callable, [UNKNOWN], int)),
    ],
)
def test_a_name_that_is_not_there_may_be_used_as_any_type_is(written: str, expected: object) -> None:
    def local() -> None: ...

    local.__annotations__["x"] = written
    assert hints_of(local).parameters == {"x": expected}
    assert repr(UNKNOWN) == "UNKNOWN"


def test_a_field_inherited_from_another_module_is_read_there(monkeypatch: pytest.MonkeyPatch) -> None:
    other = types.ModuleType("paceline_test_elsewhere")
    monkeypatch.setitem(sys.modules, other.__name__, other)
    exec(  # noqa: S102 - a module in passing
        """
from __future__ import annotations
from typing import TypedDict

class Price: ...

class Priced(TypedDict):
    price: list[Price]
    tax: Fraction
""",
        other.__dict__,
    )
    scope: dict[str, Any] = {"__name__": __name__, "Priced": vars(other)["Priced"]}
    exec("class Bought(Priced):\n  count: int", scope)  # noqa: S102 - a class of here
    assert pick_type(scope["Bought"], (("item", "price"),)) == of(list, vars(other)["Price"])
    assert pick_type(scope["Bought"], (("item", "tax"),)) is UNKNOWN


def test_metadata_survives_a_type_that_is_not_known() -> None:
    def local(x: Annotated[list[Fraction], "doc"]) -> None: ...

    assert hints_of(local).parameters["x"] == of(Annotated, of(list, UNKNOWN), "doc")


def test_local_names_are_found_in_the_closure_and_else_taken_from_the_caller() -> None:
    class Inner: ...

    class Other: ...

    def uses(x: Inner, y: Other) -> Inner:
        return Inner()

    assert hints_of(uses) == ({"x": Inner, "y": UNKNOWN}, Inner)
    assert notes_of(uses) == ("y: Other (the name 'Other' is not known at run time)",)
    assert hints_of(uses, {"Other": Other, "Inner": int}) == ({"x": Inner, "y": Other}, Inner)
    assert notes_of(uses, {"Other": Other}) == ()
    assert hints_of(uses).parameters["y"] is UNKNOWN


def test_a_local_that_has_no_value_yet_is_not_known() -> None:
    def uses() -> Early:
        return Early()

    assert hints_of(uses).returns is UNKNOWN

    class Early: ...

    assert hints_of(uses).returns is Early


def test_a_name_that_comes_later_is_found_then(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hints_of(later, {"Soon": User}).returns is User
    assert hints_of(later).returns is UNKNOWN
    assert notes_of(later)
    monkeypatch.setitem(globals(), "Soon", User)
    assert hints_of(later).returns is User
    assert notes_of(later) == ()


@pytest.mark.parametrize("written", ["1/0", "list[", "list[int", "nope(", "*x", "", "x" * 3 + "["])
def test_an_annotation_that_cannot_be_evaluated_is_unknown_and_told(written: str) -> None:
    def local(x: int) -> None: ...

    local.__annotations__["x"] = written
    assert hints_of(local).parameters == {"x": UNKNOWN}
    assert notes_of(local)[0].startswith(f"x: {written} (")


def test_strings_within_strings_and_types_are_read_too() -> None:
    def local() -> None: ...

    local.__annotations__.update(
        {
            "a": "'User'",
            "b": of(OLD_LIST, "User"),
            "c": of(list, "User"),
            "d": of(Optional, "User"),
            "e": of(Annotated, "User", "User"),
            "f": typing.Literal["User"],
            "g": of(Callable, ["User"], "list[User]"),
            "h": typing.ForwardRef("User"),
            "i": " User ",
            "j": int | of(list, "User"),
            "k": "Self",
        }
    )
    hints = hints_of(local, {"Self": "Self"}).parameters
    assert hints == {
        "a": User,
        "b": of(OLD_LIST, User),
        "c": list[User],
        "d": of(Optional, User),
        "e": Annotated[User, "User"],
        "f": typing.Literal["User"],
        "g": Callable[[User], list[User]],
        "h": User,
        "i": User,
        "j": int | list[User],
        "k": UNKNOWN,
    }


def test_reading_hints_leaves_the_forward_references_of_others_as_they_were() -> None:
    def local() -> None: ...

    reference = of(Optional, "Nobody")
    local.__annotations__["x"] = reference
    assert hints_of(local).parameters == {"x": of(Optional, UNKNOWN)}
    with pytest.raises(NameError):
        typing.get_type_hints(local)


def test_a_function_that_wraps_itself_is_read_all_the_same() -> None:
    def local(x: int) -> User:
        return User()

    local.__wrapped__ = local  # type: ignore[attr-defined]
    assert hints_of(local) == ({"x": int}, User)


def test_what_was_made_inside_a_function_is_not_kept_alive() -> None:
    def make() -> weakref.ref[type]:
        class Local:
            def again(self) -> Local:
                return Local()

        assert hints_of(Local.again).returns is Local
        assert pick_type(Local, (("attr", "again"),)) is UNKNOWN
        return weakref.ref(Local)

    gone = make()
    gc.collect()
    assert gone() is None


def test_the_cost_of_a_function_does_not_grow_with_the_size_of_its_module() -> None:
    looked_up: list[str] = []

    class Names(dict[str, object]):
        def __contains__(self, name: object) -> bool:
            looked_up.append(str(name))
            return super().__contains__(name)

        def __iter__(self) -> typing.NoReturn:
            raise AssertionError("every name was looked at")

    def local() -> None: ...

    local.__annotations__["x"] = "Nobody"
    assert hints_of(local, Names(Nobody=User)).parameters == {"x": User}
    assert looked_up == ["Nobody"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax is new in Python 3.12")
def test_type_parameters_are_names_too() -> None:
    made: dict[str, Any] = {}
    exec(  # noqa: S102 - Python 3.11 cannot read it
        "from __future__ import annotations\ndef f[X](x: list[X]) -> X: ...\nclass C[X]:\n  x: X",
        made,
    )
    (param,) = made["f"].__type_params__
    assert hints_of(made["f"]) == ({"x": of(list, param)}, param)
    assert pick_type(made["C"][int], (("attr", "x"),)) is int


class Movie(TypedDict, total=False):
    title: Required[str]
    year: int
    user: NotRequired[User]
    sequel: Movie
    price: Fraction


class Short(TypedDict):
    title: str
    year: NotRequired[int]


class Dated(TypedDict):
    year: int


@dataclass
class Film:
    title: str
    price: Fraction
    Film: Film | None = None


def test_the_fields_of_records_are_read_from_strings_one_by_one() -> None:
    assert pick_type(Movie, (("item", "user"),)) is User
    assert pick_type(Movie, (("item", "sequel"), ("item", "title"))) is str
    assert pick_type(Movie, (("item", "price"),)) is UNKNOWN
    assert pick_type(Film, (("attr", "title"),)) is str
    assert pick_type(Film, (("attr", "price"),)) is UNKNOWN
    assert pick_type(list[Film], (("item", 0), ("attr", "Film"))) == Film | None


def test_a_local_record_may_refer_to_itself_and_to_what_is_in_it() -> None:
    @dataclass
    class Tree:
        class Leaf: ...

        leaf: Leaf
        parent: Tree | None = None

    assert pick_type(Tree, (("attr", "leaf"),)) is Tree.Leaf
    assert pick_type(Tree, (("attr", "parent"),)) == Tree | None


def test_which_keys_are_required_is_read_from_strings_too() -> None:
    assert verdict(Movie, Short) is Fit.FITS
    assert verdict(Short, Dated) is Fit.DOUBTFUL
    assert verdict(dict[str, str], Short) is Fit.DOUBTFUL
    assert verdict(dict[str, str], Dated) is Fit.MISFITS
