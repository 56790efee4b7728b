"""The one thing that holds jobs, by snapshots of an engine."""

from __future__ import annotations

import math

import pytest

from paceline import Snapshot, WaitReason
from paceline_integrations.cli.holds import HoldMeter, hold_of, out_of_budget

LIMIT = WaitReason("limit", "gpt-5: requests per minute", 13.0)
SLOT = WaitReason("slot")
BUDGET = WaitReason("budget", "the budget of the engine (tokens)")


def release(group: str) -> WaitReason:
    return WaitReason("release", group)


def snapshot(*reasons: WaitReason, used: int = 0, running: int = 0, time: float = 10.0) -> Snapshot:
    return Snapshot(
        run_id="r",
        time=time,
        slots=8,
        slots_used=used,
        counts={"running": running},
        lanes={},
        waiting={str(number): reason for number, reason in enumerate(reasons)},
        groups=(),
        abandoned=(),
        parked=0,
    )


def test_nothing_waits() -> None:
    assert hold_of(snapshot()) is None


def test_while_slots_are_free_it_is_what_keeps_jobs_from_them() -> None:
    hold = hold_of(snapshot(*[release("a")] * 5, LIMIT, LIMIT, used=7))
    assert hold is not None
    assert (hold.reason, hold.jobs, hold.left, hold.unusual) == (LIMIT, 2, 3.0, True)


def test_while_none_is_it_is_what_most_wait_for() -> None:
    hold = hold_of(snapshot(SLOT, SLOT, LIMIT, used=8))
    assert hold is not None
    assert (hold.reason, hold.jobs, hold.left, hold.unusual) == (SLOT, 2, None, False)


def test_what_is_of_one_kind_is_told_as_one() -> None:
    hold = hold_of(snapshot(release("a"), release("b"), release("b"), release("c"), SLOT))
    assert hold is not None
    assert (str(hold.reason), hold.jobs) == ("waits for the release of group a and 2 more", 4)


def test_a_time_that_has_passed_is_now() -> None:
    hold = hold_of(snapshot(LIMIT, time=14.0))
    assert hold is not None
    assert hold.left == 0.0


def test_what_held_the_longest_is_told_with_its_time() -> None:
    assert HoldMeter().longest is None
    meter = HoldMeter()
    for time, reasons in [(0, [SLOT]), (10, [LIMIT]), (11, [BUDGET]), (13, [LIMIT]), (16, []), (90, [])]:
        meter.look(snapshot(*reasons, time=float(time)))
    assert meter.longest is not None
    reason, seconds = meter.longest
    assert str(reason) == "waits for its limit, gpt-5: requests per minute"
    assert math.isclose(seconds, 4.0)


@pytest.mark.parametrize(
    "others", [[], [release("a")], [WaitReason("reply")], [WaitReason("dependency", "job")]]
)
def test_jobs_wait_in_vain_for_a_budget_when_nothing_else_can_go_on(others: list[WaitReason]) -> None:
    assert out_of_budget(snapshot(BUDGET, *others)) == {"0": BUDGET}


@pytest.mark.parametrize(
    "seen",
    [
        snapshot(BUDGET, running=1),
        snapshot(BUDGET, SLOT),
        snapshot(BUDGET, LIMIT),
        snapshot(BUDGET, WaitReason("backoff", None, 12.0)),
        snapshot(BUDGET, WaitReason("settle", "a", 12.0)),
        snapshot(BUDGET, WaitReason("cache", "document")),
        snapshot(WaitReason("budget", "hourly", 12.0)),
        snapshot(release("a")),
    ],
)
def test_they_do_not_while_a_job_its_time_or_a_new_period_may_help(seen: Snapshot) -> None:
    assert not out_of_budget(seen)
