"""Feeding a file to an engine: as much of it as keeps the slots busy, and no more."""

from __future__ import annotations

import asyncio

import pytest

from paceline import Engine, GroupPolicy, JobResult, Lane
from paceline_integrations.cli.groups_file import GroupsFile
from paceline_integrations.cli.runner import GroupsRun

from .conftest import Write


def test_only_the_groups_at_work_are_in_memory(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paceline_integrations.cli.runner._JOBS_AT_HAND", 10)
    path = write(
        [{"group": f"g{n}", "lane": f"l{n % 2}", "primer": n, "followers": [n, n]} for n in range(100)]
    )
    at_hand: list[int] = []

    class Watching:
        def add(self, place: int, result: JobResult) -> None:
            snapshot = engine.snapshot()
            at_hand.append(snapshot.counts["waiting"] + snapshot.counts["running"])

        def finish(self) -> None: ...

    async def work(payload: object) -> object:
        await asyncio.sleep(0)
        return payload

    engine = Engine(work, slots=2, lanes=[Lane("l0"), Lane("l1")])
    with GroupsFile(path) as groups:
        run = GroupsRun(engine, groups, Watching(), GroupPolicy(), keep=False)
        assert asyncio.run(run.main())
    assert len(at_hand) == 300
    # Two lanes, in each of which groups are taken until there are 4 of them and 5 jobs.
    assert 6 < max(at_hand) <= 2 * (4 * 3)
