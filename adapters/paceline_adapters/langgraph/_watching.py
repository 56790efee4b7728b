"""What an attempt hears of its graph, and what the graph hears of its attempt."""

from __future__ import annotations

from typing import Any

from langgraph.callbacks import GraphCallbackHandler, GraphInterruptEvent
from langgraph.runtime import RunControl

from paceline import JobContext
from paceline_adapters._langchain_core import StreamWatch, Watch

__all__ = ["Drain", "GraphStreamWatch", "GraphWatch"]


class _Rests(GraphCallbackHandler):
    """Knows whether the graph has stopped to ask: a breakpoint leaves no other trace in what it returns."""

    run_id: object = None
    """The attempt's own run: graphs that its nodes call have others."""
    rests: bool = False

    def on_interrupt(self, event: GraphInterruptEvent) -> Any:
        """The graph, or one below it, rests."""
        if event.run_id == self.run_id:
            self.rests = True


class GraphWatch(Watch, _Rests):
    """Tells what each model call of an attempt used."""


class GraphStreamWatch(StreamWatch, _Rests):
    """Tells of the first token, too."""


class Drain(RunControl):
    """Lets a graph stop between two supersteps, once its job was cancelled with a grace."""

    __slots__ = ("_ctx",)

    def __init__(self, ctx: JobContext) -> None:
        super().__init__()
        self._ctx: JobContext = ctx

    @property
    def drain_requested(self) -> bool:
        """Whether to stop: the job was given up, or a node has asked for it."""
        return self._ctx.cancelled or super().drain_requested

    @property
    def drain_reason(self) -> str | None:
        """Why."""
        return super().drain_reason or ("its job was given up" if self._ctx.cancelled else None)
