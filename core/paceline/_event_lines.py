"""An event as one line of JSON, and back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, cast, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from ._errors import PacelineError
from ._events import AskedQuestion, ErrorText, Event
from ._plain import plain

if TYPE_CHECKING:
    from pydantic_core import SchemaSerializer

__all__ = ["Content", "LineEncoder", "UnreadableEvent", "dump_event", "parse_event"]

_log = logging.getLogger("paceline.events")

Content: TypeAlias = Literal["none", "snippet", "full"]
"""How much of payloads, outputs, chunks, questions and error messages is written."""

REDACTION_FAILED: Final = "<redaction failed>"
_SNIPPET: Final = 200
# Every value takes at least one character of JSON, so that many are more than a snippet ever shows.
_SNIPPET_VALUES: Final = 400

_WITHHELD: Final = frozenset({"payload", "output", "chunk"})


class UnreadableEvent(PacelineError, ValueError):
    """Raised when a line is not an event: not JSON, of another version, of an unknown type, or ill-formed."""


def parse_event(line: str | bytes) -> Event:
    """Read an event back from a line that `dump_event` or a `JsonlSink` wrote.

    Payloads, outputs, chunks and questions come back as plain JSON data. Unknown fields are ignored.

    Raises:
        UnreadableEvent: naming what is wrong with the line, without quoting its content.
    """
    raw = line.encode("utf-8", "replace") if isinstance(line, str) else line
    try:
        return _adapter().validate_json(raw)
    except ValidationError as error:
        # `from None`: pydantic's own message quotes the values, and a log of errors is no place for prompts.
        raise UnreadableEvent(_diagnose(raw, error)) from None


def dump_event(
    event: Event, *, content: Content = "full", redact: Callable[[Any], object] | None = None
) -> bytes:
    """Write an event as one line of UTF-8 JSON, newline included. `JsonlSink` tells what the options do.

    It never fails for what a payload, output, chunk or metadata holds: what JSON cannot say becomes text.
    """
    return LineEncoder(content, redact).encode(event)


class LineEncoder:
    """Writes events as lines; made once, used for many. Not for several threads at a time.

    Raises:
        ValueError: if `content` is not one of its three values.
    """

    def __init__(self, content: Content = "full", redact: Callable[[Any], object] | None = None) -> None:
        if content not in get_args(Content):
            raise ValueError(f"content must be one of {get_args(Content)}, not {content!r}")
        self._content = content
        self._redact = redact
        self._values = _SNIPPET_VALUES if content == "snippet" else None
        self._treatments: dict[str, Callable[[Any], Any]] = {
            "payload": self._shown,
            "output": self._shown,
            "chunk": self._shown,
            "metadata": self._labels,
            "questions": self._asked,
            "error": self._error,
            "message": self._text,
        }
        self._shapes: dict[type, tuple[SchemaSerializer, tuple[str, ...], set[str] | None]] = {}
        self.redaction_failures = 0

    def encode(self, event: Event) -> bytes:
        """Return the event as one line, newline included."""
        serializer, treated, withheld = self._shapes.get(type(event)) or self._shape(type(event))
        changed: dict[str, Any] = {}
        for name in treated:
            value = getattr(event, name)
            if value is not None and (new := self._treatments[name](value)) is not value:
                changed[name] = new
        if changed:
            event = replace(event, **changed)
        try:
            line = serializer.to_json(event, exclude=withheld, exclude_none=True, warnings=False)
        except ValueError:  # PydanticSerializationError: a lone surrogate in a name, say
            line = _mended(event, withheld or set())
        return line + b"\n"

    def _shape(self, kind: type[Any]) -> tuple[SchemaSerializer, tuple[str, ...], set[str] | None]:
        names = [each.name for each in fields(kind) if each.name in self._treatments]
        withheld = _WITHHELD.intersection(names) if self._content == "none" else frozenset[str]()
        treated = tuple(name for name in names if name not in withheld)
        self._shapes[kind] = shape = (_serializer(kind), treated, set(withheld) or None)
        return shape

    def _shown(self, value: Any) -> Any:
        return self._snippet(self._redacted(value))

    def _redacted(self, value: Any) -> Any:
        # The redactor gets a copy in plain data: one that edits in place must not edit the job's own payload.
        data = plain(value) if self._values is None else plain(value, most=self._values)
        if self._redact is None:
            return data
        try:
            return plain(self._redact(data))
        except Exception as error:  # noqa: BLE001 - a redactor that breaks must not let the content through
            self.redaction_failures += 1
            if self.redaction_failures == 1:
                # Neither message nor traceback: a KeyError's message, say, is a piece of the content.
                _log.error("redact raised %s; such content is replaced by a marker", type(error).__name__)
            return REDACTION_FAILED

    def _snippet(self, data: Any) -> Any:
        if self._content != "snippet":
            return data
        if isinstance(data, str):
            return _cut(data)
        text = to_json(data).decode()
        return data if len(text) <= _SNIPPET else _cut(text)

    def _labels(self, metadata: Mapping[str, Any]) -> Any:
        given: object = metadata
        if type(given) is dict and not given:  # the common case; a foreign mapping's `len` may raise
            return metadata
        data = plain(metadata)
        if not isinstance(data, dict):  # a note in its place: the mapping could not be read
            return {"…": data}
        labels = cast("dict[str, Any]", data)
        return labels if self._redact is None else {key: self._redacted(labels[key]) for key in labels}

    def _asked(self, questions: tuple[AskedQuestion, ...]) -> tuple[AskedQuestion, ...]:
        if self._content == "none":
            return tuple(AskedQuestion(each.id) for each in questions)
        return tuple(AskedQuestion(each.id, self._shown(each.value)) for each in questions)

    def _error(self, error: ErrorText) -> ErrorText:
        return ErrorText(
            error.type, "" if self._content == "none" else self._snippet(self._text(error.message))
        )

    def _text(self, message: object) -> str:
        data = self._redacted(message)
        return data if isinstance(data, str) else str(data)


def _cut(text: str) -> str:
    return text if len(text) <= _SNIPPET else f"{text[:_SNIPPET]}…"


def _mended(event: Event, withheld: set[str]) -> bytes:
    found = {each.name: getattr(event, each.name) for each in fields(event) if each.name not in withheld}
    return to_json(plain({name: value for name, value in found.items() if value is not None}))


# Built on first use: importing paceline stays cheap, and a run without a log never pays.
_SERIALIZERS: Final[dict[type, SchemaSerializer]] = {}


def _serializer(kind: type[Any]) -> SchemaSerializer:
    if kind not in _SERIALIZERS:
        _SERIALIZERS[kind] = TypeAdapter(kind).serializer
    return _SERIALIZERS[kind]


@cache
def _adapter() -> TypeAdapter[Event]:
    from pydantic import Field

    return TypeAdapter(Annotated[Event, Field(discriminator="type")])


def _diagnose(line: bytes, error: ValidationError) -> str:
    try:
        found: object = from_json(line)
    except ValueError as broken:
        return f"not an event: not JSON ({broken})"
    if not isinstance(found, dict):
        return f"not an event: a JSON {type(found).__name__}, where an object was expected"
    fields_found = cast("dict[str, object]", found)
    version, kind = fields_found.get("v"), fields_found.get("type")
    if version != 1:
        return f"an event of version {str(version)[:50]}; this paceline reads version 1"
    known = sorted(each.__dataclass_fields__["type"].default for each in get_args(Event))
    if kind not in known:
        return f"an event of the unknown type {str(kind)[:50]!r}; known: {', '.join(known)}"
    wrong = "; ".join(f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in error.errors())
    return f"an ill-formed {kind} event: {wrong}"
