"""From the jobs of a graph or flow to its report."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
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
    edges = list(_edges(root, ""))
    for number, (name, record, after) in enumerate(walk(root), 1):
        if not number % BREATH:
            await asyncio.sleep(0)
        names.setdefault(record, name)
        above = tuple(names[each] for each in after if each in names)
        tally.add(record.result(), node=_times(name, record, after, above))
        edges.extend(_edges(record, f"{name}/"))
    body = root.body
    by_tasks = isinstance(body, LiveGraph) and (
        root.status in {None, "succeeded"} or body.culprit is not None
    )
    return tally.report(
        name=root.job.name,
        run_id=root.run.id,
        state=None if by_tasks else root.current_status(),
        output=root.output,
        edges=edges,
        error=root.error,
        ordered=isinstance(body, LiveGraph),
    )


def _edges(record: Record, prefix: str) -> Iterator[Edge]:
    if isinstance(record.body, LiveGraph):
        for edge in record.body.edges():
            yield replace(edge, source=prefix + edge.source, target=prefix + edge.target) if prefix else edge


def _times(name: str, record: Record, after: tuple[Record, ...], above: tuple[str, ...]) -> NodeTimes:
    wall = record.run.hooks.wall
    ready = wall(max([record.accepted, *(each.ended for each in after if each.ended is not None)]))
    if record.started is None:
        return NodeTimes(name=name, after=above, accepted=wall(record.accepted))
    started = record.earlier[0].started if record.earlier else wall(record.started)
    return NodeTimes(
        name=name,
        after=above,
        accepted=wall(record.accepted),
        ready=ready,
        waited_for=_held(record) if started - ready > _AT_ONCE else None,
    )


def _held(record: Record) -> str | None:
    if record.held is None:
        return None
    on = record.caps[0].label if record.held == "max_running" and record.caps else record.job.lane
    return str(WaitReason(record.held, on))
