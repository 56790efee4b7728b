"""What the scheduler holds follows what is unfinished, and what a job costs does not grow with the others."""

from __future__ import annotations

import gc
import random
import sys
import weakref
from collections.abc import Callable
from types import FrameType

import pytest

from paceline._scheduler import Entry, GroupState, LaneState, Scheduler, State


class Watched(Entry):
    """An entry of which a test can see that it is gone."""

    __slots__ = ("__weakref__",)


def held(scheduler: Scheduler) -> int:
    """How many places in heaps, queues and tables the scheduler uses, live or dead."""
    seen: set[int] = set()
    todo: list[object] = [scheduler]
    total = 0
    while todo:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, Entry | type | Callable):
            continue
        seen.add(id(thing))
        inside = [one for one in gc.get_referents(thing) if not isinstance(one, int | float | str)]
        total += len(inside)
        todo += inside
    return total


def run_all(scheduler: Scheduler, now: float = 0.0) -> int:
    """Run whatever can run to its end, one after another."""
    count = 0
    while (entry := scheduler.next()) is not None:
        scheduler.finish(entry, 2.0)
        scheduler.end(entry, "succeeded", now)
        count += 1
    return count


def one_group(scheduler: Scheduler, lane: LaneState, followers: int, settle: float = 0.0) -> list[Entry]:
    group = GroupState("group", lane, settle=settle, capacity=3)
    scheduler.open_group(group, 0.0)
    group.primer = Watched("primer", lane, group, 0.0, None)
    members: list[Entry] = [
        group.primer,
        *(Watched("follower", lane, group, 0.0, None) for _ in range(followers)),
    ]
    for member in members:
        scheduler.add(member, 0.0)
    scheduler.close_group(group, 0.0)
    return members


def live_a_little(scheduler: Scheduler, dice: random.Random) -> list[weakref.ref[Entry]]:
    """Let jobs come, wait, run and end in all ways; what remains of them is only watched."""
    watched: list[weakref.ref[Entry]] = []
    for _ in range(50):
        lane = scheduler.set_lane(f"lane-{dice.randrange(5)}", 1.0, None)
        members: list[Entry] = one_group(scheduler, lane, 3, settle=dice.choice([0.0, 100.0]))
        members += [Watched("job", lane, None, dice.randrange(3), None) for _ in range(5)]
        for job in members[4:]:
            scheduler.add(job, 0.0, [(members[dice.randrange(4)], True)] if dice.random() < 0.5 else ())
        watched += [weakref.ref(job) for job in members]
        for job in members:
            what = dice.randrange(6)
            if what == 0 and job.state in {State.BLOCKED, State.READY}:
                scheduler.end(job, "cancelled", 0.0)
        for _ in range(8):
            entry = scheduler.next()
            if entry is None:
                break
            match dice.randrange(5):
                case 0:
                    scheduler.park(entry)
                    scheduler.unpark(entry)
                    scheduler.finish(entry, None)
                    scheduler.end(entry, "failed", 0.0)
                case 1:
                    leftover = scheduler.abandon(entry)
                    scheduler.retry(entry, 1000.0)
                    scheduler.gone(leftover, 1.0)
                    scheduler.end(entry, "cancelled", 0.0)
                case _:
                    scheduler.finish(entry, 1.0)
                    scheduler.end(entry, dice.choice(["succeeded", "failed"]), 0.0)
    return watched


def test_nothing_of_what_has_ended_is_held() -> None:
    scheduler = Scheduler(slots=4)
    watched = live_a_little(scheduler, random.Random(1))
    run_all(scheduler)
    scheduler.due(100.0)
    run_all(scheduler)
    assert scheduler.unfinished == 0
    assert scheduler.unfinished_groups == 0
    assert scheduler.wake_at() is None
    gc.collect()
    assert [one() for one in watched if one() is not None] == []


def test_jobs_that_were_cancelled_while_queued_leave_no_room_behind() -> None:
    scheduler = Scheduler(slots=1)
    lane = scheduler.set_lane("lane", 1.0, None)
    jobs = [Entry("job", lane, None, 0.0, None) for _ in range(100_000)]
    for job in jobs:
        scheduler.add(job, 0.0)
    for job in jobs[:-3]:
        scheduler.end(job, "cancelled", 0.0)
    assert len(lane.branch(scheduler.queues.pools.plain).flows[0.0].jobs) < 30
    assert [scheduler.next()] == [jobs[-3]]


def test_backoffs_that_were_cancelled_leave_nothing_until_they_would_be_due() -> None:
    scheduler = Scheduler(slots=1)
    lane = scheduler.set_lane("lane", 1.0, None)
    before = held(scheduler)
    for number in range(1000):
        job = Entry("job", lane, None, 0.0, None)
        scheduler.add(job, 0.0)
        assert scheduler.next() is job
        scheduler.finish(job, None)
        scheduler.retry(job, 3600.0)
        if number > 1:
            scheduler.end(job, "cancelled", 0.0)
    assert held(scheduler) < before + 200


def test_jobs_that_were_cancelled_are_forgotten_by_what_they_waited_for() -> None:
    scheduler = Scheduler(slots=1)
    lane = scheduler.set_lane("lane", 1.0, None)
    first = Entry("first", lane, None, 0.0, None)
    scheduler.add(first, 0.0)
    for _ in range(100):
        job = Entry("job", lane, None, 0.0, None)
        scheduler.add(job, 0.0, [(first, True)])
        scheduler.end(job, "cancelled", 0.0)
    assert not first.dependents


def test_a_lane_that_leaves_its_queue_and_comes_back_leaves_nothing_there() -> None:
    scheduler = Scheduler(slots=1)
    ahead = scheduler.set_lane("ahead", 1.0, None)
    scheduler.add(Entry("costly", ahead, None, 0.0, 1e6), 0.0)
    assert run_all(scheduler) == 1
    for number in range(3):
        behind = scheduler.set_lane(f"behind-{number}", 1.0, None)
        scheduler.add(Entry("job", behind, None, 0.0, None), 0.0)
    before = held(scheduler)
    for _ in range(1000):
        job = Entry("job", ahead, None, 0.0, None)
        scheduler.add(job, 0.0)
        scheduler.end(job, "cancelled", 0.0)
    assert held(scheduler) < before + 100


def test_lanes_that_come_and_go_leave_nothing() -> None:
    scheduler = Scheduler(slots=2)
    fixed = scheduler.set_lane("fixed", 1.0, None)
    before = held(scheduler)
    for number in range(10_000):
        scheduler.add(Entry("job", fixed, None, 0.0, None), 0.0)
        lane = scheduler.set_lane(f"tenant-{number}", 1.0, None)
        scheduler.add(Entry("job", lane, None, 0.0, None), 0.0)
        assert run_all(scheduler) == 2
        scheduler.drop_lane(lane)
    assert held(scheduler) < before + 100


def test_priorities_that_nobody_uses_any_more_leave_nothing() -> None:
    scheduler = Scheduler(slots=1)
    lane = scheduler.set_lane("lane", 1.0, None)
    before = held(scheduler)
    for start in range(0, 100_000, 1000):
        for priority in range(start, start + 1000):
            scheduler.add(Entry("job", lane, None, float(priority), None), 0.0)
        assert run_all(scheduler) == 1000
    assert set(lane.levels).union(*(branch.flows for branch in lane.branches.values())) <= {0.0}
    assert held(scheduler) < before + 100


def test_turns_that_are_taken_again_and_again_leave_nothing() -> None:
    scheduler = Scheduler(slots=8)
    dice = random.Random(0)
    lanes = [scheduler.set_lane(f"lane-{n}", 1.0 + n % 3, None) for n in range(50)]
    running: list[Entry] = []
    most = 0
    for step in range(5000):
        lane = lanes[step % 50]
        scheduler.add(Entry("job", lane, None, 0.0, dice.choice([1.0, 10.0])), 0.0)
        while (entry := scheduler.next()) is not None:
            running.append(entry)
        entry = running.pop(dice.randrange(len(running)))
        scheduler.finish(entry, dice.choice([0.0, 1.0, 10.0]))
        scheduler.end(entry, "succeeded", 0.0)
        if step % 500 == 499:
            most = max(most, held(scheduler))
    assert most < 50 * 60


def calls(work: Callable[[], object]) -> int:
    """How many functions the work calls, C's included: a measure that no slow machine changes."""
    count = 0

    def tally(frame: FrameType, event: str, arg: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(tally)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def plain_jobs(scheduler: Scheduler, size: int) -> None:
    lane = scheduler.set_lane("lane", 1.0, None)
    for _ in range(size):
        scheduler.add(Entry("job", lane, None, 0.0, None), 0.0)


def a_lane_each(scheduler: Scheduler, size: int) -> None:
    for number in range(size):
        scheduler.add(Entry("job", scheduler.set_lane(f"lane-{number}", 1.0, None), None, 0.0, None), 0.0)


def a_priority_each(scheduler: Scheduler, size: int) -> None:
    lane = scheduler.set_lane("lane", 1.0, None)
    for number in range(size):
        scheduler.add(Entry("job", lane, None, float(number), None), 0.0)


def groups_of_five(scheduler: Scheduler, size: int) -> None:
    lane = scheduler.set_lane("lane", 1.0, None)
    for _ in range(size // 5):
        one_group(scheduler, lane, 4)


def a_chain(scheduler: Scheduler, size: int) -> None:
    lane = scheduler.set_lane("lane", 1.0, None)
    previous: Entry | None = None
    for _ in range(size):
        job = Entry("job", lane, None, 0.0, None)
        scheduler.add(job, 0.0, () if previous is None else [(previous, True)])
        previous = job


@pytest.mark.parametrize("scene", [plain_jobs, a_lane_each, a_priority_each, groups_of_five, a_chain])
def test_a_job_costs_the_same_among_many_as_among_few(scene: Callable[[Scheduler, int], None]) -> None:
    def whole(size: int) -> float:
        scheduler = Scheduler(slots=8)

        def life() -> None:
            scene(scheduler, size)
            assert run_all(scheduler) == size

        return calls(life) / size

    assert whole(5000) < 1.1 * whole(500)


def script(seed: int) -> list[str]:
    """Everything that a scheduler says in one random life."""
    dice = random.Random(seed)
    scheduler = Scheduler(slots=5)
    said: list[str] = []
    running: list[Entry] = []
    for step in range(500):
        lane = scheduler.set_lane(f"lane-{dice.randrange(4)}", dice.choice([1.0, 2.0]), None)
        if dice.random() < 0.2:
            one_group(scheduler, lane, 3)
        job = Entry(f"job-{step}", lane, None, 0.0, dice.choice([None, 1.0, 7.0]))
        scheduler.add(job, step, [(dice.choice(running), False)] if running and dice.random() < 0.3 else ())
        while (entry := scheduler.next()) is not None:
            running.append(entry)
            said.append(f"{entry.label} on {entry.lane.label} for {entry.charged}")
        entry = running.pop(dice.randrange(len(running)))
        scheduler.finish(entry, dice.choice([None, 0.0, 3.0]))
        ended = scheduler.end(entry, dice.choice(["succeeded", "failed"]), step)
        said += [f"{node.label} {node.status}" for node in ended]
    return said


def test_the_same_inputs_give_the_same_schedule() -> None:
    assert script(7) == script(7)
    assert script(7) != script(8)
