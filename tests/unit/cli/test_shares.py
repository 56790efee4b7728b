"""Shares: measured while lanes compete."""

from __future__ import annotations

import pytest

from paceline import LaneReport, LaneSnapshot, RunReport, Snapshot
from paceline_integrations.cli.shares import ShareMeter


def snapshot(**lanes: tuple[float, int, float]) -> Snapshot:
    """Lanes as (weight, ready, served)."""
    found = {
        name: LaneSnapshot(name, weight, None, False, ready, 0, ready, served, 0.0)
        for name, (weight, ready, served) in lanes.items()
    }
    return Snapshot("run", 0.0, 8, 8, {}, found, {}, (), (), 0)


def measured(*looks: Snapshot) -> dict[str, tuple[float | None, float | None]]:
    meter = ShareMeter()
    for look in looks:
        meter.look(look)
    lanes = {name: LaneReport(weight=1, jobs=1, served=1, share=0.5, due=0.5) for name in looks[-1].lanes}
    report = meter.add_to(RunReport(lanes=lanes))
    return {name: (lane.share_while_waiting, lane.due_while_waiting) for name, lane in report.lanes.items()}


def test_a_share_counts_only_while_two_lanes_wait() -> None:
    found = measured(
        snapshot(a=(3, 50, 0), b=(1, 50, 0)),
        snapshot(a=(3, 20, 28), b=(1, 40, 12)),
        snapshot(a=(3, 0, 48), b=(1, 30, 22)),  # a ran dry somewhere in between
        snapshot(a=(3, 0, 48), b=(1, 0, 60)),
    )
    assert [each for pair in found.values() for each in pair] == pytest.approx([0.7, 0.75, 0.3, 0.25])


def test_a_lane_that_never_competed_has_no_share() -> None:
    assert measured(snapshot(a=(1, 5, 0)), snapshot(a=(1, 5, 9))) == {"a": (None, None)}


def test_a_lane_that_comes_later_is_measured_from_then_on() -> None:
    found = measured(
        snapshot(a=(1, 9, 0)),
        snapshot(a=(1, 9, 10), b=(1, 9, 0)),
        snapshot(a=(1, 9, 14), b=(1, 9, 4)),
    )
    assert found == {"a": (0.5, 0.5), "b": (0.5, 0.5)}
