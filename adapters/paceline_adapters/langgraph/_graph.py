"""A graph to run, here or on a server: what differs between the two."""

from __future__ import annotations

from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.pregel import Pregel
from langgraph.pregel.protocol import PregelProtocol
from langgraph.types import Durability, StateSnapshot

from paceline import JobContext

from ._resuming import Breakpoints
from ._watching import Drain

__all__ = ["Graph"]


class Graph:
    """A compiled graph or a remote one, and whether it keeps checkpoints."""

    def __init__(self, graph: PregelProtocol[Any, Any, Any, Any], durability: Durability | None) -> None:
        self.runnable: Any = graph
        local: Pregel[Any, Any, Any, Any] | None = graph if isinstance(graph, Pregel) else None
        if local is not None and cast("Any", local).checkpointer is True:
            raise ValueError(
                "checkpointer=True is for subgraphs, which use that of the graph around them; a graph that "
                "is run by itself needs one of its own: builder.compile(checkpointer=InMemorySaver())"
            )
        self.remote: bool = local is None
        self.config: RunnableConfig | None = cast("Any", graph).config
        saver: Any = None if local is None else cast("Any", local).checkpointer
        self.saver: BaseCheckpointSaver[Any] | None = saver or None
        self.keeps: bool = self.remote or self.saver is not None
        """Whether it has threads."""
        self.outputs: Any = None if local is None else local.output_channels
        self.breakpoints: Breakpoints = Breakpoints() if local is None else _breakpoints(local)
        self._durability: Durability | None = durability if self.keeps else None

    def arguments(self, ctx: JobContext, context: object) -> dict[str, Any]:
        """What to call it with, besides input and config."""
        given: dict[str, Any] = {"version": "v2", "context": context}
        if self.remote:
            given["on_disconnect"] = "cancel"
        else:
            given["control"] = Drain(ctx)
        if self._durability is not None:
            given["durability"] = self._durability
        return given

    def refuse_fork(self) -> None:
        """Refuse to copy a thread of which the last checkpoint does not show everything."""
        if self.remote:
            raise ValueError(
                "GraphExecutor: thread='fork' copies checkpoints, which a remote graph does not show"
            )
        if any(isinstance(channel, DeltaChannel) for channel in self.runnable.channels.values()):
            raise ValueError(
                "GraphExecutor: thread='fork' copies the last checkpoint, and a DeltaChannel keeps its "
                "state in the ones before"
            )

    async def state(self, thread_id: str) -> StateSnapshot:
        """What its thread looks like now."""
        config: RunnableConfig = {"configurable": {"thread_id": thread_id}}
        try:
            return cast("StateSnapshot", await self.runnable.aget_state(config))
        except Exception as error:
            # A server, unlike a checkpointer, does not know a thread before its first run.
            if self.remote and getattr(error, "status_code", None) == 404:
                return StateSnapshot({}, (), config, None, None, None, (), ())
            raise


def _breakpoints(graph: Pregel[Any, Any, Any, Any]) -> Breakpoints:
    before = graph.interrupt_before_nodes
    found = cast("Any", graph).get_subgraphs(recurse=True)
    local: list[Any] = [graph, *(each for _, each in found if isinstance(each, Pregel))]
    anywhere = any(each.interrupt_before_nodes or each.interrupt_after_nodes for each in local)
    return Breakpoints(frozenset((before,) if isinstance(before, str) else before), anywhere)
