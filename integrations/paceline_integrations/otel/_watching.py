"""What others trace inside of an attempt: seen on its way through the provider.

An attempt's span tells usage only if no span below it does; and agents' own spans are bridged only if nobody
else traces them. Both are known by looking on: a key in the OpenTelemetry context says in which attempt a
span begins, whoever begins it, in whatever task or thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, final
from weakref import WeakKeyDictionary

from opentelemetry.context import create_key, get_value

from . import _names as names

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import TracerProvider

__all__ = ["ATTEMPT_KEY", "Watched", "watch"]

ATTEMPT_KEY = create_key("paceline-attempt")
"""In a context: the attempt that it belongs to."""


class Watched:
    """An attempt, as far as its spans are watched."""

    __slots__ = ("agents_traced", "below", "over", "usage_told")

    def __init__(self) -> None:
        self.over: bool = False
        """It has been settled: what it traces from now on is not looked at."""
        self.usage_told: bool = False
        """A span below it has told usage."""
        self.agents_traced: bool = False
        """An instrumentation of the OpenAI Agents SDK is at work in it."""
        self.below: dict[int, Watching] | None = None
        """The ids of its spans that have not ended, and who watches them."""

    def close(self) -> None:
        """Look at its spans no longer."""
        self.over = True
        below, self.below = self.below, None
        for span_id, watching in tuple((below or {}).items()):
            watching.open.pop(span_id, None)


@final
class Watching:
    """A span processor that looks on, and exports nothing."""

    def __init__(self) -> None:
        self.open: dict[int, Watched] = {}
        """The attempts of spans that have not ended, by the id of the span."""

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        """Note in which attempt the span begins."""
        attempt = get_value(ATTEMPT_KEY, parent_context)
        if not isinstance(attempt, Watched) or attempt.over:
            return
        if attempt.below is None:
            attempt.below = {}  # its own span: the first to begin
            return
        scope = span.instrumentation_scope
        if scope is not None and scope.name != names.INSTRUMENTATION and "agents" in scope.name:
            attempt.agents_traced = True
        if not attempt.usage_told:
            span_id = span.get_span_context().span_id
            attempt.below[span_id] = self
            self.open[span_id] = attempt

    def on_end(self, span: Any) -> None:
        """Note whether it told usage."""
        span_id = span.get_span_context().span_id
        attempt = self.open.pop(span_id, None)
        if attempt is None:
            return
        if attempt.below is not None:
            attempt.below.pop(span_id, None)
        if _tells_usage(span.attributes):
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


_WATCHED: WeakKeyDictionary[TracerProvider, Watching] = WeakKeyDictionary()
_LOCK = Lock()


def watch(provider: TracerProvider) -> None:
    """Look on at this provider's spans, once however many ask; not at one that has no door for it."""
    add = getattr(provider, "add_span_processor", None)
    if add is None:
        return
    with _LOCK:
        if provider in _WATCHED:
            return
        watching = Watching()
        add(watching)
        _WATCHED[provider] = watching
