"""From the jobs of a graph or flow to its report."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from paceline._report import RunReport, RunTally
from paceline._report_parts import NodeTimes
from paceline._room import BREATH
from paceline._scheduler import WaitReason

from ._edge import Edge
from ._graph_body import LiveGraph
from ._runs import walk

if TYPE_CHECKING:
    from paceline._record import Record

__all__ = ["report_of"]

_AT_ONCE = 0.001
"""Seconds in which a job starts that nothing holds."""


async def report_of(root: Record) -> RunReport:
    """What has become of a graph or flow, and of all jobs below it, so far.

    The loop breathes meanwhile: of 100,000 jobs it is the work of seconds.
    """
    names: dict[Record, str] = {}
    tally = RunTally()
    graphs = [root]
    for number, (name, record, after, body) in enumerate(walk(root), 1):
        if not number % BREATH:
            await asyncio.sleep(0)
        names.setdefault(record, name)
        node = _times(name, record, after)
        node.body = names.get(body)
        node.after = tuple(names[each] for each in after if each in names)
        tally.add(record.result(), node=node)
        if isinstance(record.body, LiveGraph):
            graphs.append(record)
    graph = root.body
    by_tasks = isinstance(graph, LiveGraph) and (
        root.status in {None, "succeeded"} or graph.culprit is not None
    )
    return tally.report(
        name=root.job.name,
        run_id=root.run.id,
        state=None if by_tasks else root.current_status(),
        output=root.output,
        edges=[edge for each in graphs for edge in _edges(each, names)],
        error=root.error,
        ordered=isinstance(graph, LiveGraph),
    )


def _edges(graph: Record, names: Mapping[Record, str]) -> Iterator[Edge]:
    """The edges between those of its nodes that are told of, by their names in the report."""
    body = graph.body
    if not isinstance(body, LiveGraph):
        return
    told = {name: names[record] for name, record, _ in body.children() if record in names}
    for edge in body.edges():
        source, target = told.get(edge.source), told.get(edge.target)
        if source is not None and target is not None:
            as_told = (source, target) == (edge.source, edge.target)
            yield edge if as_told else replace(edge, source=source, target=target)


def _times(name: str, record: Record, after: tuple[Record, ...]) -> NodeTimes:
    wall = record.run.hooks.wall
    ready = wall(max([record.accepted, *(each.ended for each in after if each.ended is not None)]))
    if record.started is None:
        return NodeTimes(name=name, accepted=wall(record.accepted))
    started = record.earlier[0].started if record.earlier else wall(record.started)
    return NodeTimes(
        name=name,
        accepted=wall(record.accepted),
        ready=ready,
        waited_for=_held(record) if started - ready > _AT_ONCE else None,
    )


def _held(record: Record) -> str | None:
    if record.held is None:
        return None
    on = record.caps[0].label if record.held == "max_running" and record.caps else record.job.lane
    return str(WaitReason(record.held, on))
