"""The only ready job stands in no queue until it must: a short cut that nobody may notice.

To ask what a job waits for puts it into its queue. So of two schedulers one is asked after each step, which
makes it do without the short cut, and both have to choose alike.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from paceline._scheduler import Cap, Entry, GroupState, LaneState, Scheduler, State

RUNNING, PARKED = State.RUNNING, State.PARKED


class Life:
    """A scheduler that lives by dice; what it chose is kept."""

    def __init__(self, seed: int, *, asked: bool) -> None:
        self.dice = dice = random.Random(seed)
        self.asked = asked
        self.scheduler = Scheduler(slots=dice.randint(1, 3), max_active_groups=dice.choice([None, 1]))
        self.lanes = [
            self.scheduler.set_lane(f"lane-{n}", dice.choice([0.5, 1.0, 4.0]), None) for n in range(3)
        ]
        self.cap = Cap("body", dice.randint(1, 2))
        self.crowd = dice.choice([1, 3, 6])
        """So many jobs wait at most: few, for the only ready one to be frequent."""
        self.jobs: list[Entry] = []
        self.chosen: list[str] = []
        self.lone = 0

    def add(self) -> None:
        if len(self.of(State.READY)) < self.crowd:
            stated = self.dice.choice([None, 1.0, 1.0, 20.0])
            caps = self.dice.choice([(), (), (), (self.cap,)])
            self._accept(self.lane(), None, self.dice.choice([0.0, 0.0, 0.0, 5.0]), stated, caps)

    def add_group(self) -> None:
        if not self.of(State.READY):
            lane = self.lane()
            group = GroupState(f"group-{len(self.jobs)}", lane, capacity=self.dice.choice([None, 1]))
            self.scheduler.open_group(group, 0.0)
            for _ in range(self.dice.randint(1, 2)):
                self._accept(lane, group, 0.0, None, ())
            self.scheduler.close_group(group, 0.0)

    def _accept(
        self,
        lane: LaneState,
        group: GroupState | None,
        priority: float,
        stated: float | None,
        caps: tuple[Cap, ...],
    ) -> None:
        self.jobs.append(Entry(f"job-{len(self.jobs)}", lane, group, priority, stated, caps))
        self.scheduler.add(self.jobs[-1], 0.0)

    def start(self) -> None:
        entry = self.scheduler.next()
        self.chosen.append("none" if entry is None else entry.label)

    def finish(self) -> None:
        for entry in self.some(RUNNING):
            self.scheduler.finish(entry, self.dice.choice([None, 0.0, 1.0, 20.0, 50.0]))
            if self.dice.random() < 0.2:
                self.scheduler.again(entry)
            else:
                self.scheduler.end(entry, "succeeded", 0.0)

    def park(self) -> None:
        for entry in self.some(RUNNING):
            self.scheduler.park(entry)

    def unpark(self) -> None:
        for entry in self.some(PARKED):
            self.scheduler.unpark(entry)

    def cancel(self) -> None:
        for entry in self.some(State.READY):
            self.scheduler.end(entry, "cancelled", 0.0)

    def change_lane(self) -> None:
        if self.dice.random() < 0.1:
            weight, capacity = self.dice.choice([0.5, 1.0, 4.0]), self.dice.choice([None, None, 1])
            self.scheduler.set_lane(self.lane().label, weight, capacity)

    def lane(self) -> LaneState:
        return self.dice.choice(self.lanes)

    def of(self, state: State) -> list[Entry]:
        return [entry for entry in self.jobs if entry.state is state]

    def some(self, state: State) -> list[Entry]:
        found = self.of(state)
        return [self.dice.choice(found)] if found else []

    def step(self) -> None:
        moves: list[Callable[[], None]] = [
            self.add,
            self.add,
            self.start,
            self.start,
            self.finish,
            self.finish,
        ]
        seldom = [self.add_group, self.park, self.unpark, self.cancel, self.change_lane]
        (self.dice.choice(seldom) if self.dice.random() < 0.2 else self.dice.choice(moves))()
        self.lone += len(self.of(State.READY)) == 1
        if self.asked:
            for entry in self.of(State.READY):
                self.scheduler.why(entry)


@pytest.mark.parametrize("seed", range(6))
def test_the_only_ready_job_is_chosen_and_charged_as_if_it_had_stood_in_its_queue(seed: int) -> None:
    lone = 0
    for number in range(60):
        plain, asked = (Life(60 * seed + number, asked=asked) for asked in (False, True))
        for _ in range(200):
            plain.step()
            asked.step()
            assert plain.chosen == asked.chosen
            assert [lane.service for lane in plain.lanes] == [lane.service for lane in asked.lanes]
        lone += plain.lone
    assert lone > 1000


def test_a_lone_job_keeps_what_its_lane_was_given_back_while_it_waited() -> None:
    scheduler = Scheduler(slots=2)
    a, b = (scheduler.set_lane(name, 1.0, None) for name in "ab")
    dear = [Entry("dear", a, None, 0.0, 10.0) for _ in range(2)]
    for each in dear:
        scheduler.add(each, 0.0)
        assert scheduler.next() is each
    scheduler.add(Entry("a", a, None, 0.0, 1.0), 0.0)
    for each in dear:
        scheduler.finish(each, 0.0)
        scheduler.end(each, "succeeded", 0.0)
    for number in range(3):
        scheduler.add(Entry(f"b{number}", b, None, 0.0, 1.0), 0.0)
        scheduler.add(Entry(f"a{number}", a, None, 0.0, 1.0), 0.0)
    chosen: list[str] = []
    while (job := scheduler.next()) is not None:
        chosen.append(job.label)
        scheduler.finish(job, 1.0)
        scheduler.end(job, "succeeded", 0.0)
    assert chosen[:4] == ["a", "a0", "a1", "a2"]
