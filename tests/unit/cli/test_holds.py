"""The one thing that holds jobs, by snapshots of an engine."""

from __future__ import annotations

import math

import pytest

from paceline import Snapshot, WaitReason
from paceline_integrations.cli.holds import (
    HoldMeter,
    at_rest,
    held_by_questions,
    hold_of,
    only_asks,
    out_of_budget,
)

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


REPLY = WaitReason("reply")


def test_a_run_is_at_rest_when_only_answers_would_move_it() -> None:
    assert at_rest(snapshot(REPLY, release("a"), WaitReason("lock", "user:7"), WaitReason("children")))
    assert not at_rest(snapshot(REPLY, running=1))
    assert not at_rest(snapshot(REPLY, SLOT))
    assert not at_rest(snapshot(REPLY, LIMIT))
    assert not at_rest(snapshot(WaitReason("reply", None, 12.0)))  # time answers it


def test_what_waits_for_one_that_asks_is_held_by_it() -> None:
    told = snapshot(REPLY, release("a"), WaitReason("lock", "user:7"), BUDGET)
    assert held_by_questions(told) == {
        "1": "the primer of its group waits for an answer",
        "2": "waits for the lock user:7, and a job there for an answer",
    }
    assert not only_asks(told)
    assert only_asks(snapshot(REPLY, WaitReason("children")))
