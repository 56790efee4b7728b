"""Spans of a framework's own tracing, as OpenTelemetry's: the tracing of agents, that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from opentelemetry import context as contexts, trace
from opentelemetry.trace import SpanKind, StatusCode

from . import _names as names
from ._open import Attempt
from ._values import Attributes, clean, number
from ._watching import INSIDE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import Tracer

    from paceline import Span

    from ._content import Content

__all__ = ["bridge"]


def bridge(tracer: Tracer, content: Content, span: Span) -> None:
    """Begin a span where the framework begins one, and end it with that; current in between."""
    attempt = contexts.get_value(INSIDE)
    if not isinstance(attempt, Attempt):
        return
    if span.ended is None:
        if not attempt.agents_traced and not attempt.over:
            _begin(tracer, attempt, span)
    elif attempt.bridged is not None and (found := attempt.bridged.pop(span.id, None)) is not None:
        _end(attempt, found, span, content)


def _begin(tracer: Tracer, attempt: Attempt, span: Span) -> None:
    if attempt.bridged is None:
        attempt.bridged = {}
    current = contexts.get_current()
    above = attempt.bridged.get(span.parent or "")
    around = current if above is None else trace.set_span_in_context(above[0], current)
    kind = SpanKind.CLIENT if span.kind in _CALLS else SpanKind.INTERNAL
    begun = tracer.start_span(
        _name(span), around, kind, _attributes(span), start_time=_nanoseconds(span.started)
    )
    inside = trace.set_span_in_context(begun, around)
    attempt.bridged[span.id] = (begun, inside, current)
    contexts.attach(inside)


def _end(
    attempt: Attempt,
    found: tuple[trace.Span, contexts.Context, contexts.Context],
    span: Span,
    content: Content,
) -> None:
    begun, inside, around = found
    if contexts.get_current() is inside:
        contexts.attach(around)
    if begun.is_recording():
        begun.update_name(_name(span))
        usage = _usage(span)
        attempt.usage_told = attempt.usage_told or bool(usage)
        begun.set_attributes({**_attributes(span), **usage})
        if content.captured:
            begun.set_attributes(_content(span, content))
        if span.error is not None:
            begun.set_attribute(names.ERROR_TYPE, clean(f"{span.kind}_error"))
            begun.set_status(StatusCode.ERROR, content.text(span.error))
    begun.end(None if span.ended is None else _nanoseconds(span.ended))


_CALLS = frozenset({"generation", "response"})
_SHOWN_AS = {
    "agent": "AGENT",
    "function": "TOOL",
    "generation": "LLM",
    "response": "LLM",
    "guardrail": "GUARDRAIL",
}


def _name(span: Span) -> str:
    if span.kind == "agent":
        return clean(f"{names.AGENT_OPERATION} {span.name}")
    if span.kind == "function":
        return clean(f"{names.TOOL_OPERATION} {span.name}")
    if span.kind in _CALLS:
        model = span.attributes.get("model")
        return clean(f"{names.CHAT_OPERATION} {model}") if isinstance(model, str) else names.CHAT_OPERATION
    return clean(span.name if span.name.startswith(span.kind) else f"{span.kind} {span.name}")


def _attributes(span: Span) -> Attributes:
    """What is no content; only what is known to be none."""
    told: Attributes = {names.SHOWN_AS: _SHOWN_AS.get(span.kind, "CHAIN")}
    said = span.attributes
    if span.kind == "agent":
        told[names.OPERATION] = names.AGENT_OPERATION
        told[names.AGENT_NAME] = clean(span.name)
    elif span.kind == "function":
        told[names.OPERATION] = names.TOOL_OPERATION
        told[names.TOOL_NAME] = clean(span.name)
        told[names.TOOL_TYPE] = "function"
    elif span.kind in _CALLS:
        told[names.OPERATION] = names.CHAT_OPERATION
        if isinstance(model := said.get("model"), str):
            told[names.REQUEST_MODEL] = told[names.RESPONSE_MODEL] = clean(model)
        if isinstance(response := said.get("response_id"), str):
            told[names.RESPONSE_ID] = clean(response)
    elif span.kind == "guardrail" and isinstance(triggered := said.get("triggered"), bool):
        told["paceline.guardrail.triggered"] = triggered
    return told


def _usage(span: Span) -> Attributes:
    """What a call of a model used; agents and turns say it again, for all that they call."""
    usage = span.attributes.get("usage")
    if span.kind not in _CALLS or usage is None:
        return {}
    details_in, details_out = _part(usage, "input_tokens_details"), _part(usage, "output_tokens_details")
    found = {
        names.INPUT_TOKENS: _part(usage, "input_tokens"),
        names.OUTPUT_TOKENS: _part(usage, "output_tokens"),
        names.CACHE_READ_TOKENS: _part(details_in, "cached_tokens"),
        names.CACHE_WRITE_TOKENS: _part(details_in, "cache_write_tokens"),
        names.REASONING_TOKENS: _part(details_out, "reasoning_tokens"),
    }
    return {name: number(value) for name, value in found.items() if type(value) is int}


def _part(of: Any, name: str) -> Any:
    if isinstance(of, dict):
        return cast("Mapping[str, Any]", of).get(name)
    return getattr(of, name, None)


def _content(span: Span, content: Content) -> Attributes:
    """What went in and came out, which the framework tells only where somebody asked for it."""
    told: Attributes = {}
    given, made = span.attributes.get("input"), span.attributes.get("output")
    if given is not None:
        told.update(content.given(given))
    if made is not None:
        told.update(content.made(made))
    if span.kind == "function":
        for name, value in ((names.TOOL_ARGUMENTS, given), (names.TOOL_RESULT, made)):
            text = None if value is None else content.text(value)
            if text is not None:
                told[name] = text
        told.pop(names.INPUT_MESSAGES, None)
        told.pop(names.OUTPUT_MESSAGES, None)
    return told


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
