"""JSON of a schema: what a model of pydantic asks for is what it gets."""

import datetime as dt
import enum
import json
import uuid
from decimal import Decimal
from random import Random
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, Field, TypeAdapter

from paceline_integrations.simulator._errors import ApiError
from paceline_integrations.simulator._schema import sample


class Gear(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Rider(BaseModel):
    name: Annotated[str, Field(min_length=20)]
    code: Annotated[str, Field(max_length=3)]
    age: Annotated[int, Field(ge=18, lt=20)]
    weight: Annotated[float, Field(gt=0, le=1)]
    even: Annotated[int, Field(multiple_of=7, gt=700)]
    gear: Gear
    role: Literal["lead", "rest"]
    joined: dt.datetime
    ident: uuid.UUID
    nickname: str | None
    tags: Annotated[list[str], Field(min_length=3, max_length=3)]
    unique: Annotated[set[int], Field(min_length=4)]
    pair: tuple[int, bool]
    points: dict[str, int]
    price: Decimal | float


class Node(BaseModel):
    value: int
    next: "Node | None"
    children: list["Node"]


class Wide(BaseModel):
    left: Rider
    right: Rider | Node


@given(st.sampled_from([Rider, Node, Wide]), st.integers(0, 1000))
def test_a_drawn_value_is_valid(model: type[BaseModel], seed: int) -> None:
    value = sample(model.model_json_schema(), Random(seed))
    assert isinstance(model.model_validate_json(json.dumps(value)), model)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"const": 5}, 5),
        ({"type": ["null", "integer"], "minimum": 3, "maximum": 3}, 3),
        ({"type": "null"}, None),
        ({"oneOf": [{"const": "a"}]}, "a"),
        ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": False}, [1, 2]),
        ({"type": "object", "required": ["x"], "additionalProperties": {"const": 1}}, {"x": 1}),
        ({"$defs": {"a/b": {"const": 9}}, "$ref": "#/$defs/a~1b"}, 9),
        ({"type": "array", "maxItems": 0}, []),
        (
            {
                "allOf": [
                    {"properties": {"a": {"const": 1}}, "required": ["a"]},
                    {"properties": {"b": {"const": 2}}, "required": ["b"]},
                ]
            },
            {"a": 1, "b": 2},
        ),
    ],
)
def test_each_keyword_is_obeyed(schema: dict[str, Any], expected: object) -> None:
    assert sample(schema, Random(0)) == expected


def test_a_schema_without_words_is_met() -> None:
    assert isinstance(sample({}, Random(0)), str)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^[0-9]+$"},
        {"type": "fruit"},
        {"$ref": "#/nowhere"},
        {"$ref": "http://example.com/schema"},
        {"$ref": "#"},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"type": "number", "minimum": 3, "maximum": 2},
        {"type": "array", "items": {"type": "boolean"}, "minItems": 3, "uniqueItems": True},
        {"type": "object", "properties": {"me": {"$ref": "#"}}, "required": ["me"]},
        {"type": "object", "properties": {"a": False}, "required": ["a"]},
        {"type": "object", "properties": {"a": 3}},
        {"type": "string", "minLength": "long"},
        {"anyOf": [3]},
        {"anyOf": {"a": 1}},
        {"enum": 3},
    ],
)
def test_what_cannot_be_met_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ApiError, match="Invalid schema") as caught:
        sample(schema, Random(0))
    assert caught.value.status == 400


def test_the_same_seed_draws_the_same_value() -> None:
    schema = TypeAdapter(list[Rider]).json_schema()
    assert sample(schema, Random(3)) == sample(schema, Random(3))
