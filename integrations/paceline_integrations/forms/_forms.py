"""How a person types an answer: y or n, one of a list, a number, a text, or JSON for anything else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from ._schema import json_schema

__all__ = ["Form", "form_of"]

_YES: Final = {"y": True, "yes": True, "true": True, "n": False, "no": False, "false": False}


@dataclass(frozen=True, slots=True)
class Form:
    """What to type, in a word or two, what there is to choose from, and how what was typed is read.

    `read` raises ValueError, with a text for the person, where that is no answer at all.
    """

    hint: str
    read: Callable[[str], Any]
    choices: tuple[str, ...] = ()


def form_of(schema: object) -> Form:
    """Find the form for answers to a question with this schema, a type or a JSON Schema."""
    whole = json_schema(schema)
    if not whole:
        return Form("text or JSON", _anything)
    one, nullable = _without_null(_resolved(whole, whole), whole)
    form = _form(one)
    if not nullable:
        return form
    return Form(
        f"{form.hint}, or null",
        lambda typed: None if typed.strip() == "null" else form.read(typed),
        form.choices,
    )


def _form(schema: Mapping[str, Any]) -> Form:
    choices: list[Any] | None = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if isinstance(choices, list) and choices:  # whoever wrote the schema may have written something else
        return _choice(choices)
    match schema.get("type"):
        case "boolean":
            return Form("y/n", _yes_or_no)
        case "integer":
            return Form("a whole number", lambda typed: _number(typed, int, "a whole number"))
        case "number":
            return Form("a number", lambda typed: _number(typed, float, "a number"))
        case "string":
            return Form(_kind_of_text(schema), str)
        case _:
            return Form(_json_hint(schema), _json)


def _resolved(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow references within the schema itself; what leads nowhere is taken as it is."""
    for _ in range(len(whole.get("$defs", ())) + 1):
        path = schema.get("$ref")
        if not isinstance(path, str) or not path.startswith("#/"):
            break
        found: Any = whole
        for step in path[2:].split("/"):
            found = cast("Mapping[str, Any]", found).get(step) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            break
        schema = cast("Mapping[str, Any]", found)
    return schema


def _without_null(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """The one thing that it may be besides null, if there is just one."""
    several = schema.get("anyOf", schema.get("oneOf"))
    if not isinstance(several, Sequence):
        return schema, False
    parts = [_resolved(each, whole) for each in cast("Sequence[Mapping[str, Any]]", several)]
    others = [each for each in parts if each.get("type") != "null"]
    return (others[0], True) if len(others) == 1 and len(parts) == 2 else (schema, False)


def _kind_of_text(schema: Mapping[str, Any]) -> str:
    kind = schema.get("format")
    return f"text, a {kind}" if isinstance(kind, str) else "text"


def _json_hint(schema: Mapping[str, Any]) -> str:
    fields = schema.get("properties")
    if isinstance(fields, Mapping) and fields:
        return f"JSON, an object with {', '.join(cast('Mapping[str, object]', fields))}"
    kind = schema.get("type")
    known = {"array": "JSON, a list", "object": "JSON, an object"}
    return known.get(kind, "JSON") if isinstance(kind, str) else "JSON"


def _choice(choices: list[Any]) -> Form:
    shown = tuple(each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in choices)
    by_text = dict(zip(shown, choices, strict=True))
    # A number is the place in the list, unless it is itself one of the choices.
    by_number = {str(place): each for place, each in enumerate(choices, start=1)}

    def read(typed: str) -> Any:
        found = typed.strip()
        for known in (by_text, by_number):
            if found in known:
                return known[found]
        alike = [text for text in shown if text.lower().startswith(found.lower())]
        if len(alike) == 1:
            return by_text[alike[0]]
        raise ValueError(f"expected one of the choices or its number, not {found!r}")

    return Form(f"1-{len(choices)}" if len(choices) > 1 else "1", read, shown)


def _yes_or_no(typed: str) -> bool:
    found = _YES.get(typed.strip().lower())
    if found is None:
        raise ValueError(f"expected y or n, not {typed.strip()!r}")
    return found


def _number(typed: str, kind: Callable[[str], float], what: str) -> float:
    try:
        return kind(typed.strip())
    except ValueError:
        raise ValueError(f"expected {what}, not {typed.strip()!r}") from None


def _json(typed: str) -> Any:
    try:
        return json.loads(typed)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None


def _anything(typed: str) -> Any:
    """JSON where it is that, and else the text itself."""
    try:
        return json.loads(typed)
    except (ValueError, RecursionError):
        return typed
