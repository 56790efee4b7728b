"""How an answer is typed, by what it must be."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from paceline_integrations.forms import form_of, json_schema


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 10
    HIGH = 20


class Address(BaseModel):
    street: str
    number: int


@dataclass
class Own:
    name: str


class NoWords:
    """Nothing that pydantic knows."""


@pytest.mark.parametrize(
    ("schema", "hint", "typed", "answer"),
    [
        (bool, "y/n", "Y", True),
        (bool, "y/n", " no ", False),
        (int, "a whole number", "42", 42),
        (float, "a number", "0.5", 0.5),
        (str, "text", "true", "true"),
        (str, "text", " as typed ", " as typed "),
        (date, "text, a date", "2030-01-31", "2030-01-31"),
        (Literal["approve", "edit", "reject"], "1-3", "2", "edit"),
        (Literal["approve", "edit", "reject"], "1-3", "REJ", "reject"),
        (Literal[3, 2], "1-2", "2", 2),
        (Literal["only"], "1", "1", "only"),
        (Colour, "1-2", "blue", "blue"),
        (Level, "1-2", "1", 10),
        (Annotated[int, Field(ge=3)], "a whole number", "1", 1),
        (bool | None, "y/n, or null", "null", None),
        (bool | None, "y/n, or null", "y", True),
        (Colour | None, "1-2, or null", "1", "red"),
        (int | str, "JSON", '"x"', "x"),
        (Address, "JSON, an object with street, number", '{"street": "x"}', {"street": "x"}),
        (Own, "JSON, an object with name", "{}", {}),
        (list[int], "JSON, a list", "[1, 2]", [1, 2]),
        ({"type": "boolean"}, "y/n", "n", False),
        ({"enum": ["a", None]}, "1-2", "null", None),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"type": "integer"}}}, "a whole number", "7", 7),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"$ref": "#/$defs/x"}}}, "JSON", "7", 7),
        ({"$ref": "#/nowhere"}, "JSON", "7", 7),
        (None, "text or JSON", "42", 42),
        (None, "text or JSON", "yes, do", "yes, do"),
        ({}, "text or JSON", '"42"', "42"),
        (NoWords, "text or JSON", "x", "x"),
    ],
)
def test_each_schema_has_its_form(schema: object, hint: str, typed: str, answer: object) -> None:
    form = form_of(schema)
    assert form.hint == hint
    found = form.read(typed)
    assert (found, type(found)) == (answer, type(answer))


@pytest.mark.parametrize(
    ("schema", "typed", "said"),
    [
        (bool, "maybe", "expected y or n, not 'maybe'"),
        (int, "2.5", "expected a whole number, not '2.5'"),
        (float, "much", "expected a number, not 'much'"),
        (Literal["approve", "append"], "ap", "expected one of the choices or its number, not 'ap'"),
        (Literal["a", "b"], "3", "expected one of the choices or its number, not '3'"),
        (list[int], "[1,", "not JSON: "),
        (list[int], "[" * 100_000, "not JSON: "),
    ],
)
def test_what_is_no_answer_is_said_so(schema: object, typed: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is looked at
        form_of(schema).read(typed)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("schema", [bool, int, Colour, Level, Literal["a", 1], Address, bool | None])
def test_a_type_takes_what_its_form_reads(schema: Any) -> None:
    form = form_of(schema)
    typed = {bool: "y", int: "1", Address: '{"street": "x", "number": 1}'}.get(schema, "1")
    TypeAdapter[object](schema).validate_python(form.read(typed if schema != bool | None else "n"))


def test_what_json_has_no_words_for_has_no_schema() -> None:
    assert json_schema(NoWords) is None
    assert json_schema({"type": "string"}) == {"type": "string"}
