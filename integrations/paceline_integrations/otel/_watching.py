"""What others trace inside of an attempt: seen on its way through the provider.

An attempt's span tells usage only if no span below it does; and agents' own spans are bridged only if nobody
else traces them. Both are known by looking on: a key in the OpenTelemetry context says in which attempt a
span begins, whoever begins it, in whatever task or thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, final
from weakref import WeakSet, WeakValueDictionary

from opentelemetry.context import create_key, get_value

from . import _names as names

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import TracerProvider

__all__ = ["INSIDE", "Watched", "watch"]

INSIDE = create_key("paceline-inside")
"""In a context: the innermost of our own that it is in, be it an attempt or an open run, graph or flow."""


class Watched:
    """An attempt, as far as its spans are watched."""

    __slots__ = ("__weakref__", "agents_traced", "usage_told")

    def __init__(self) -> None:
        self.usage_told: bool = False
        """A span below it has told usage."""
        self.agents_traced: bool = False
        """An instrumentation of the OpenAI Agents SDK is at work in it."""


@final
class Watching:
    """A span processor that looks on, and exports nothing."""

    def __init__(self) -> None:
        self.open: WeakValueDictionary[int, Watched] = WeakValueDictionary()
        """The attempts of spans that have not ended, by the id of the span; some never do."""

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        """Note in which attempt the span begins."""
        attempt = get_value(INSIDE, parent_context)
        if not isinstance(attempt, Watched):
            return
        scope = span.instrumentation_scope
        name = "" if scope is None else scope.name
        if name == names.INSTRUMENTATION:
            return  # ours: the attempt's own, or bridged
        if "agents" in name:
            attempt.agents_traced = True
        if not attempt.usage_told:
            self.open[span.get_span_context().span_id] = attempt

    def on_end(self, span: Any) -> None:
        """Note whether it told usage."""
        attempt = self.open.pop(span.get_span_context().span_id, None)
        if attempt is not None and _tells_usage(span.attributes):
            attempt.usage_told = True

    def _on_ending(self, span: Any) -> None:
        """Nothing: newer SDKs call it between the two."""

    def shutdown(self) -> None:
        """Let go of what is open."""
        self.open.clear()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - the SDK's protocol
        """Nothing is kept back."""
        return True


def _tells_usage(attributes: Mapping[str, object] | None) -> bool:
    return any(name.startswith(names.USAGE_PREFIXES) for name in attributes or ())


_WATCHED: WeakSet[TracerProvider] = WeakSet()
_LOCK = Lock()


def watch(provider: TracerProvider) -> None:
    """Look on at this provider's spans, once however many ask; not at one that has no door for it."""
    add = getattr(provider, "add_span_processor", None)
    if add is None:
        return
    with _LOCK:
        if provider not in _WATCHED:
            add(Watching())
            _WATCHED.add(provider)
