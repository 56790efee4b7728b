"""JSON of a JSON schema, drawn at random: arguments of tools and structured answers.

Known are the keywords of OpenAI's structured outputs (types, enum, const, anyOf, $ref, properties, required,
items, bounds, common formats), and allOf, oneOf, prefixItems and additionalProperties. A schema that is not
to be met with these (`pattern`, one without end) is refused rather than answered wrongly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, cast

from ._ask import Schema, as_mapping
from ._errors import ApiError, bad_request
from ._words import words

__all__ = ["sample"]

_DEEP = 6  # from here on nothing but what is required
_TOO_DEEP = 60
_JOINED = {"$ref", "allOf", "anyOf", "oneOf"}
_NULL = {"type": "null"}

_FORMATS = {
    "date-time": "2024-05-17T09:30:00Z",
    "date": "2024-05-17",
    "time": "09:30:00Z",
    "duration": "PT1H30M",
    "email": "rider@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "5b0f1a52-6d0c-4c1b-9a57-3f1d2e4b6c7d",
    "uri": "https://example.com/road",
}


def sample(schema: Schema, random: Random) -> Any:
    """Draw a value of the schema.

    Raises:
        ApiError: if it is malformed, or not to be met with the keywords that are known.
    """
    try:
        return _Sampler(schema, random).value(schema, 0)
    # What is malformed shows here, in as many ways as there are keywords: checking each would be a validator.
    except (AttributeError, TypeError, ValueError, KeyError, OverflowError) as error:
        raise _unmet(f"it is malformed ({error})") from error


class _Sampler:
    """Draws values of one schema; `depth` is how many objects and arrays lie around a value."""

    def __init__(self, root: Schema, random: Random) -> None:
        self._root = root
        self._random = random
        self._makers: dict[str, Callable[[Schema, int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": self._integer,
            "number": self._number,
            "boolean": self._boolean,
            "null": self._null,
        }

    def value(self, schema: Any, depth: int) -> Any:
        if depth > _TOO_DEEP:
            raise _unmet("it never ends")
        if schema is True:
            schema = {"type": "string"}
        plain = self._resolved(_object_schema(schema), depth)
        if "const" in plain:
            return plain["const"]
        if choices := plain.get("enum"):
            return self._random.choice(choices)
        kind = _kind(plain)
        if kind not in self._makers:
            raise _unmet(f"unknown type {kind!r}")
        return self._makers[kind](plain, depth)

    def _resolved(self, schema: Schema, depth: int, steps: int = 0) -> Schema:
        """Follow references and choices until plain keywords are left."""
        if steps > _TOO_DEEP:
            raise _unmet("its references never end")
        parts: list[Any] = [*schema.get("allOf", ())]
        parts += [self._target(schema["$ref"])] if "$ref" in schema else []
        parts += [_option(schema[name], depth) for name in ("anyOf", "oneOf") if name in schema]
        plain = {name: value for name, value in schema.items() if name not in _JOINED}
        for part in parts:
            plain = _merged(plain, self._resolved(_object_schema(part), depth, steps + 1))
        return plain

    def _target(self, reference: str) -> Any:
        found: Any = self._root
        if not reference.startswith("#"):
            raise _unmet(f"$ref {reference!r} leads outside")
        for step in reference.removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if name not in as_mapping(found):
                raise _unmet(f"$ref {reference!r} leads nowhere")
            found = as_mapping(found)[name]
        return found

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties = as_mapping(schema.get("properties"))
        required: Sequence[str] = schema.get("required", ())
        others = schema.get("additionalProperties", True)
        names = [name for name in properties if depth < _DEEP or name in required]
        names += [name for name in required if name not in properties]
        if not names and isinstance(others, dict) and depth < _DEEP:
            names = ["key"]
        return {name: self.value(properties.get(name, others), depth + 1) for name in names}

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        heads: Sequence[Any] = schema.get("prefixItems", ())
        rest: Any = schema.get("items", True)
        least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        if rest is False:
            most = min(most, len(heads))
        wanted = least if depth >= _DEEP else min(most, max(least, len(heads), self._random.randint(1, 2)))
        items = [self.value(head, depth + 1) for head in heads[:wanted]]
        # Equal items are drawn again, but not for ever: two booleans are all there are.
        for _ in range(20 * (wanted + 1)):
            if len(items) >= wanted:
                break
            item = self.value(rest, depth + 1)
            if not schema.get("uniqueItems") or item not in items:
                items.append(item)
        if len(items) < least:
            raise _unmet(f"{least} different items were not found")
        return items

    def _string(self, schema: Schema, _depth: int) -> str:
        if "pattern" in schema:
            raise _unmet("the keyword 'pattern' is not known")
        if (form := schema.get("format")) in _FORMATS:
            return _FORMATS[form]
        text = words(self._random, max(2, -(-schema.get("minLength", 0) // 4)))
        return text[: schema.get("maxLength")]

    def _integer(self, schema: Schema, _depth: int) -> int:
        step = schema.get("multipleOf", 1)
        low, high = _bounds(schema, 1)
        first, last = math.ceil(low / step), math.floor(high / step)
        if first > last:
            raise _unmet(f"no whole number from {low} to {high} is a multiple of {step}")
        return int(self._random.randint(first, min(last, first + 99)) * step)

    def _number(self, schema: Schema, depth: int) -> float:
        if "multipleOf" in schema:
            return self._integer(schema, depth)
        low, high = _bounds(schema, 0)
        if low > high:
            raise _unmet(f"no number is from {low} to {high}")
        return low + (min(high, low + 100) - low) * self._random.choice((0.25, 0.5, 0.75))

    def _boolean(self, _schema: Schema, _depth: int) -> bool:
        return self._random.random() < 0.5

    def _null(self, _schema: Schema, _depth: int) -> None:
        return None


def _kind(schema: Schema) -> Any:
    """The type of value to make; the first that is not null where several are allowed."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kinds: Iterable[Any] = schema["type"]
        return next((one for one in kinds if one != "null"), "null")
    if kind is not None:
        return kind
    for keyword, implied in (("properties", "object"), ("items", "array"), ("minimum", "number")):
        if keyword in schema:
            return implied
    return "string"


def _option(options: Sequence[Any], depth: int) -> Any:
    """The first choice that is not null; deep inside, null or one that refers to nothing."""
    others = [option for option in options if option != _NULL]
    if depth < _DEEP:
        return (others or options)[0]
    ends = [option for option in options if option == _NULL or "$ref" not in option]
    return (ends or options)[-1]


def _bounds(schema: Schema, margin: int) -> tuple[float, float]:
    """The least and the largest number; `margin` is what an exclusive bound takes from a whole number."""
    low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf) + margin)
    high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf) - margin)
    if low == -math.inf:
        low = 0 if high >= 0 else high - 100
    return low, high if high != math.inf else low + 100


def _merged(one: Schema, other: Schema) -> Schema:
    """Join two schemas that must both hold."""
    whole = {**one, **other}
    if "properties" in one and "properties" in other:
        whole["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        whole["required"] = [*one["required"], *other["required"]]
    return whole


def _object_schema(schema: Any) -> Schema:
    if not isinstance(schema, dict):
        raise _unmet(f"nothing is of the schema {schema!r}")
    return cast("Schema", schema)


def _unmet(reason: str) -> ApiError:
    return bad_request(f"Invalid schema: {reason}.", code="invalid_schema")
