"""A graph at work: one job for each node, with the edges of the graph between them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator, Mapping, Sequence
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, final

from paceline._bodies import Body, BodyKind, Child, Inputs, LiveBody
from paceline._errors import InputError
from paceline._options import Options
from paceline._room import BREATH
from paceline._stopping import cancel_children

from ._graph import Graph, Node
from ._maps import Piped
from ._values import Arguments

if TYPE_CHECKING:
    from collections.abc import Callable

    from paceline._executors import Bound
    from paceline._live import LiveAttempt
    from paceline._record import Record
    from paceline._scheduler import Edge, LaneState

    from ._edge import Edge as GraphEdge

__all__ = ["GraphBody", "LiveGraph", "OnFailure", "OnSuspended"]

OnFailure: TypeAlias = Literal["skip_downstream", "fail_fast", "continue"]
OnSuspended: TypeAlias = Literal["continue", "wait"]


@final
class GraphBody(Body):
    """The executor of a graph: its payload is the inputs, its output what the graph returns."""

    kind: BodyKind = "graph"

    def __init__(
        self,
        graph: Callable[[], Graph],
        name: str,
        *,
        nodes: Sequence[Node] | None = None,
        on_failure: OnFailure = "skip_downstream",
        on_suspended: OnSuspended = "continue",
    ) -> None:
        self.name: str = name
        self.waits_for_answers: bool = on_suspended == "wait"
        self._graph = graph
        self._nodes = nodes
        self._on_failure: OnFailure = on_failure

    def open(self, live: LiveAttempt) -> LiveBody:
        graph = self._graph()
        nodes = graph.nodes if self._nodes is None else self._nodes
        return LiveGraph(live, graph, nodes, self._on_failure)


class _NodeInputs(Inputs):
    """What a node takes, once its run has it."""

    __slots__ = ("_node", "_run")

    def __init__(self, run: LiveGraph, node: Node) -> None:
        self._run = run
        self._node = node

    def conditional(self) -> bool:
        return self._node.when is not None

    def met(self) -> bool:
        return self._node.when is None or bool(self._node.when.get(self._run))

    def resolve(self) -> object:
        node, run = self._node, self._run
        if not node.piped:
            return node.payload.get(run)
        return run.piped_payload(node)


@final
class LiveGraph(LiveBody):
    """One run of a graph."""

    kind: BodyKind = "graph"

    def __init__(self, live: LiveAttempt, graph: Graph, nodes: Sequence[Node], on_failure: OnFailure) -> None:
        super().__init__(live)
        self.graph: Graph = graph
        self._nodes = nodes
        self._on_failure: OnFailure = on_failure
        payload: object = live.job.payload
        if payload is not None and not isinstance(payload, Mapping):
            given = type(payload).__name__
            raise InputError(
                f"graph {graph.name!r} takes its inputs as a mapping from names, not as a {given}"
            )
        self.inputs: Mapping[str, Any] = graph.given(cast("Mapping[str, Any]", payload or {}), nodes)
        self.records: list[Record | None] = [None] * len(graph.nodes)
        self.culprit: Record | None = None
        """The first job below it that failed or was cancelled, and so failed a node."""
        self._stopped: str | None = None
        """Why nothing of it is to run any more."""
        self._expanded: dict[Record, asyncio.Future[None]] = {}
        """Done when a map whose items others take one by one has submitted them, or has ended."""
        self._bound: dict[int, tuple[Options, Bound, LaneState]] = {}

    def job_of(self, node: Node) -> Record:
        """The job of a node."""
        return cast("Record", self.records[node.index])

    async def work(self) -> Any:
        run, live = self.live.run, self.live
        parent = self.prefix()
        key, context = live.job.key or live.job.name, copy_context()
        for node in self._nodes:
            self._how(node)  # first all of them: what cannot run is refused before anything does
        piped = {source for node in self._nodes for source in node.piped.values()}
        for number, node in enumerate(self._nodes):
            options, bound, lane = self._how(node)
            record = run.intake.add(
                _NodeInputs(self, node), options, live, lane, f"{key}/{node.key}",
                bound=bound, name=parent + node.name, after=self._edges(node), context=context,
            )  # fmt: skip
            self.records[node.index] = record
            if node in piped:
                self._expanded[record] = run.loop.create_future()
                if record.status is not None:  # skipped at once
                    self.expanded(record)
            if self._stopped is not None:
                self._stop(self._stopped)
            if number % BREATH == BREATH - 1:
                run.dispatch()
                await asyncio.sleep(0)
        run.dispatch()
        await self.all_ended()
        if self.culprit is not None:
            raise self.culprit.failure() from self.culprit.error
        return self._output()

    def prefix(self) -> str:
        """What the names of its nodes begin with: nothing or, in a node of another graph, that one's name."""
        parent = self.record.parent
        inner = parent is not None and parent.body is not None and parent.body.kind != "flow"
        return f"{self.live.job.name}/" if inner else ""

    def _how(self, node: Node) -> tuple[Options, Bound, LaneState]:
        run, step = self.live.run, node.step
        key = id(step) if node.mapped is None else -id(node)
        known = self._bound.get(key)
        if known is None:
            options, executor = step.as_job(node.mapped)
            lane = run.intake.lane(options.lane) if "lane" in step.options else self.record.lane
            known = self._bound[key] = (options, run.executors.bind(executor), lane)
        return known

    def _edges(self, node: Node) -> list[Edge]:
        records = self.records
        edges = [(cast("Record", records[index]), True) for index in node.needs]
        if node.after:
            harsh = self._on_failure != "continue"
            edges.extend((self.job_of(above), needed and harsh) for above, needed in node.after.items())
        return edges  # type: ignore[return-value]  # each is an edge

    def piped_payload(self, node: Node) -> Any:
        """The arguments of a map that takes the items of others one by one: those stand for their lists."""
        payload: dict[str, Any] = {}
        for name, value in node.payload.by_name().items():
            source = node.piped.get(name)
            payload[name] = value.get(self) if source is None else self._items_of(source)
        return payload if isinstance(node.payload, Arguments) else payload[""]

    def _items_of(self, source: Node) -> Piped:
        record = self.job_of(source)
        return Piped(record, self._expanded[record])

    # Nodes end.

    def expanded(self, record: Record) -> None:
        """A map has submitted its items, or has ended without."""
        future = self._expanded.get(record)
        if future is not None and not future.done():
            future.set_result(None)

    def child_ended(self, record: Record) -> None:
        super().child_ended(record)
        if self._expanded:
            self.expanded(record)

    def fails(self, culprit: Record) -> None:
        """A job below it, of a node that will fail by it, has failed for good."""
        if self.culprit is not None:
            return
        self.culprit = culprit
        if self._on_failure == "fail_fast":
            reason = f"task {culprit.job.name!r} {culprit.status}, and its graph stops at the first failure"
            self.live.run.settling.later.append(functools.partial(self._stop, reason))
        super().fails(culprit)

    def _stop(self, reason: str) -> None:
        self._stopped = reason
        cancel_children(self.live.run, self.record, reason)

    # What came of it.

    def edges(self) -> list[GraphEdge]:
        """The edges between the nodes that run."""
        running = {node.name for node in self._nodes}
        return [edge for edge in self.graph.edges if edge.source in running and edge.target in running]

    def _output(self) -> Any:
        if len(self._nodes) < len(self.graph.nodes):
            return None  # only some targets were asked for
        if self.graph.output is not None:
            return self.graph.output.get(self)
        return {node.name: self.job_of(node).output for node in self._nodes}

    def children(self) -> Iterator[Child]:
        for node in self._nodes:
            record = self.records[node.index]
            if record is not None:
                yield node.name, record, tuple(self.job_of(above) for above in node.upstream())
