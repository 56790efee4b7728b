"""What `--limits` and `--budget` say: pairs such as `requests=300,tokens=60000`, as values of core."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from paceline import Budget, Limits

__all__ = ["BUDGET_FORM", "LIMITS_FORM", "NamedLimits", "parse_budget", "parse_limits", "parse_named_limits"]

LIMITS_FORM: Final = "requests=300,tokens=60000"
BUDGET_FORM: Final = "tokens=1e6,on=pause"


class NamedLimits(NamedTuple):
    """Limits, of what (None: it was not said), and whether they say themselves how cached tokens count."""

    name: str | None
    limits: Limits
    says_cached: bool


class _Word(NamedTuple):
    """The field that a word stands for, and what is made of its value."""

    field: str
    read: Callable[[str], Any]


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"expected a number, not {value!r}") from None


def _whole(value: str) -> int:
    number = _number(value)
    if not number.is_integer():
        raise ValueError(f"expected a whole number, not {value!r}")
    return int(number)


def _choice(values: Mapping[str, object]) -> Callable[[str], object]:
    def read(value: str) -> object:
        if value not in values:
            raise ValueError(f"expected {_listed(list(values), 'or')}, not {value!r}")
        return values[value]

    return read


_LIMITS: Final = {
    "concurrency": _Word("concurrency", _whole),
    "requests": _Word("requests_per_minute", _number),
    "tokens": _Word("tokens_per_minute", _number),
    "input": _Word("input_tokens_per_minute", _number),
    "output": _Word("output_tokens_per_minute", _number),
    "burst": _Word("burst", _number),
    "cached": _Word("cached_tokens_count", _choice({"count": True, "exempt": False})),
}
_BUDGET: Final = {
    "tokens": _Word("tokens", _number),
    "money": _Word("money", _number),
    "period": _Word("period", _number),
    "by": _Word("by", str),
    "on": _Word("on_exhausted", _choice({name: name for name in ("pause", "fail", "cancel_run")})),
    "name": _Word("name", str),
}


def parse_limits(text: str) -> Limits:
    """Read limits: `concurrency` at once; `requests`, `tokens`, `input` and `output` tokens a minute.

    `burst` is in minutes' worth; `cached=exempt` says that cached tokens do not count (else `cached=count`).

    Raises:
        ValueError: if a word is unknown (it lists the known), given twice, or has no such value.
    """
    return Limits(**_fields(text, _LIMITS, LIMITS_FORM))


def parse_named_limits(text: str) -> NamedLimits:
    """Read limits as `parse_limits` does; the name of what is limited may stand before them, and a colon.

    Raises:
        ValueError: as `parse_limits`; also if nothing is limited by them.
    """
    begun, sign, rest = text.partition("=")
    name, colon, word = begun.rpartition(":")
    if colon and not name.strip():
        raise ValueError(f"expected a name before the colon, such as gpt-5:{LIMITS_FORM}, not {text!r}")
    fields = _fields(word + sign + rest, _LIMITS, LIMITS_FORM)
    if fields.keys() <= {"burst", "cached_tokens_count"}:
        raise ValueError(f"{text!r} limits nothing: add what is limited, such as {LIMITS_FORM}")
    return NamedLimits(name.strip() or None, Limits(**fields), "cached_tokens_count" in fields)


def parse_budget(text: str) -> Budget:
    """Read a budget: `tokens` or `money`, anew each `period` seconds, one for each value `by` a metadata key.

    `on` is what becomes of jobs that find it spent: `pause`, `fail` or `cancel_run`; `name` is for reports.

    Raises:
        ValueError: as `parse_limits`.
    """
    return Budget(**_fields(text, _BUDGET, BUDGET_FORM))


def _fields(text: str, words: Mapping[str, _Word], form: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for pair in text.split(","):
        name, sign, value = (part.strip() for part in pair.partition("="))
        if not sign or not name or not value:
            raise ValueError(f"expected pairs such as {form}, not {pair.strip() or text!r}")
        if name not in words:
            raise ValueError(f"unknown word {name!r}; known: {_listed(list(words))}")
        word = words[name]
        if word.field in fields:
            raise ValueError(f"{name} is given twice")
        try:
            fields[word.field] = word.read(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return fields


def _listed(names: Sequence[str], last: str = "and") -> str:
    return f"{', '.join(names[:-1])} {last} {names[-1]}"
