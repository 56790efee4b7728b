"""The groups of a file, run by an engine: fed in lane by lane, and their results taken as they come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from paceline import (
    Closed,
    Engine,
    EngineNotOpen,
    Group,
    GroupPolicy,
    JobResult,
    RunReport,
    RunTally,
    Savings,
    SavingsTally,
    Snapshot,
)

from ._errors import CommandError
from .asked import Asker
from .budgets import BudgetMeter
from .desk import Desk
from .groups_file import GroupLine, GroupsFile
from .holds import HoldMeter, at_rest, held_by_questions, only_asks, out_of_budget
from .parts import Part, Rest, Room, asking, members, place_of
from .results import ResultsWriter
from .shares import ShareMeter

__all__ = ["GroupsRun"]

_JOBS_AT_HAND = 10_000
"""Jobs of all lanes together that may be in memory, if that takes no more than to keep the slots busy."""
_FIRST_LOOK, _LAST_LOOK, _SLOWER = 0.01, 0.25, 1.3
"""Seconds between looks at the engine, and how fast they become rarer: short runs are to be measured too."""
_REST = 3.0
"""Times as long as it took to look, nobody looks again."""
_ENDS = ("succeeded", "failed", "cancelled", "skipped")


class GroupsRun:
    """One run of a file: `await main()` once, and look at it meanwhile.

    Each lane is read on its own, so that lanes share the slots by weight however the file is ordered; and
    only the groups at work are in memory.
    """

    def __init__(
        self,
        engine: Engine,
        groups: GroupsFile,
        results: ResultsWriter,
        policy: GroupPolicy,
        *,
        keep: bool,
        savings: SavingsTally | None = None,
        budgets: BudgetMeter | None = None,
        desk: Desk | None = None,
    ) -> None:
        self._engine = engine
        self._groups = groups
        self._results = results
        self._policy = policy
        self._shares = ShareMeter()
        self._slots = 1
        self._begun = self._seconds = 0.0
        self.tally = RunTally(keep_tasks=keep)
        self._savings = SavingsTally(keep_groups=False) if savings is None else savings
        self._open: dict[str, Group] = {}
        self._desk = Desk() if desk is None else desk
        self._resting: dict[str, Rest] = {}
        """Groups of which no job can go on but those that ask, by name."""
        self._feeding = len(groups.lanes)
        """Lanes that are not read to their end."""
        self._over = False
        """Nothing goes on any more, and nobody answers."""
        self._wake = asyncio.Event()
        self.budgets = BudgetMeter(()) if budgets is None else budgets
        self.holds = HoldMeter()
        self.held = 0
        """How many jobs were cancelled because one that they wait for has no answer."""
        self.snapshot: Snapshot | None = None

    @property
    def jobs(self) -> int:
        """How many jobs there are in all."""
        return self._groups.jobs

    @property
    def open_questions(self) -> int:
        """How many questions have no answer."""
        return self._desk.open

    @property
    def goes_on(self) -> bool:
        """Whether there is something left to do."""
        return bool(self._feeding or self._open)

    def report(self) -> RunReport:
        """Report on the results so far."""
        report = self._shares.add_to(self.tally.report(self.snapshot))
        totals = report.totals.model_copy(update={"seconds": self._seconds})
        return report.model_copy(update={"totals": totals})

    def savings(self) -> Savings:
        """Tell what prefix caches saved so far."""
        return self._savings.savings()

    async def main(self) -> bool:
        """Run every group; true when all is done.

        Raises:
            CommandError: if results or questions cannot be written, or groups no longer read.
        """
        self._begun = time.monotonic()
        async with self._engine as engine:
            self._slots = engine.snapshot().slots
            try:
                with self._desk.at_work(self._wake.set):
                    async with self._attended(), asyncio.TaskGroup() as tasks:
                        self._begin(tasks)
            except* CommandError as errors:
                first: BaseException = errors
                while isinstance(first, BaseExceptionGroup):
                    first = first.exceptions[0]
                raise first from None
        return True

    def _begin(self, tasks: asyncio.TaskGroup) -> None:
        for lane in self._groups.lanes:
            tasks.create_task(self._feed(lane, tasks))

    @asynccontextmanager
    async def _attended(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.TaskGroup() as tasks:
                attendants = [
                    tasks.create_task(self._watch()),
                    tasks.create_task(self._desk.serve(self._engine)),
                ]
                yield
                for each in attendants:
                    each.cancel()
        finally:
            self._desk.leave(self._look(), self._asker)

    async def _watch(self) -> None:
        pause = _FIRST_LOOK
        while True:
            self._wake.clear()
            begun = time.monotonic()
            await self._attend(self._look())
            # However much there is to hear: a look takes time in proportion to the jobs that wait.
            await asyncio.sleep(max(_FIRST_LOOK, _REST * (time.monotonic() - begun)))
            # Not wait_for, which may swallow a cancellation that comes as the event does.
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            pause = min(pause * _SLOWER, _LAST_LOOK)

    def _look(self) -> Snapshot:
        self._seconds = time.monotonic() - self._begun
        self.snapshot = self._engine.snapshot()
        self._shares.look(self.snapshot)
        self.holds.look(self.snapshot)
        if self.budgets.any:
            self.budgets.look(self._engine)
            self._cancel_paused(self.snapshot)
        return self.snapshot

    async def _attend(self, snapshot: Snapshot) -> None:
        """See to what is asked, and to those that wait for an answer that nobody gives."""
        answered = await self._desk.look(self._engine, snapshot, self._asker)
        for name, rest in self._resting.items():
            if asking(self._open[name]) != rest.asking:
                rest.over.set()
        if answered or not at_rest(snapshot) or self._desk.may_answer or self._is_watched:
            return
        held = held_by_questions(snapshot)
        for group in tuple(self._open.values()) if held else ():
            for handle in members(group):
                if handle.id in held:
                    self.held += handle.cancel(held[handle.id])
        if not self._feeding and only_asks(snapshot):
            self._over = True
            for rest in tuple(self._resting.values()):
                rest.over.set()
                await asyncio.sleep(0)  # they all write, and there may be thousands

    @property
    def _is_watched(self) -> bool:
        """Whether somebody may still do something about jobs that do not go on by themselves."""
        return False

    def _asker(self, job_id: str) -> Asker:
        """Name a job that asks by itself, as flows do."""
        for group in self._open.values():
            for handle in members(group):
                if handle.id == job_id:
                    return Asker(job_id, handle.key or job_id, handle.name, group=group.name)
        return Asker(job_id, job_id, job_id)

    def _cancel_paused(self, snapshot: Snapshot) -> None:
        """Nobody raises a budget here: jobs that would wait for that for ever make room for others."""
        paused = out_of_budget(snapshot)
        for group in tuple(self._open.values()) if paused else ():
            for handle in members(group):
                if handle.id in paused:
                    handle.cancel(str(paused[handle.id]))

    async def _feed(self, lane: str, tasks: asyncio.TaskGroup) -> None:
        room = Room(2 * self._slots, _JOBS_AT_HAND // len(self._groups.lanes))
        try:
            for first_job, line in self._groups.lines(lane):
                await room.take(line.jobs)
                try:
                    group = await self._submit(line)
                except (Closed, EngineNotOpen):  # a budget is spent that ends the run
                    return
                tasks.create_task(self._collect(group, first_job, room))
        finally:
            self._feeding -= 1

    async def _submit(self, line: GroupLine) -> Group:
        primer, followers = line.members()
        self.budgets.heard(line.metadata)
        async with self._engine.open_group(
            line.group, lane=line.lane, policy=self._policy, metadata=line.metadata
        ) as group:
            self._open[line.group] = group
            if primer is not None:
                _ = await group.submit_primer(primer.payload, name=primer.name)
            for follower in followers:
                _ = await group.add_follower(follower.payload, name=follower.name)
        return group

    async def _collect(self, group: Group, first_job: int, room: Room) -> None:
        part = Part(group, first_job, room)
        try:
            while len(part.written) < len(members(group)):
                async for result in group.as_completed():
                    if result.status in _ENDS:
                        self._take(part, result)
                    else:  # it asks, or has been answered meanwhile
                        part.rests(result.id)
                        self._wake.set()
                if not await self._goes_on(part):
                    break
            for handle in part.unwritten():  # they ask, and nobody answers
                self._take(part, await handle.wait())
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            # Interrupted: what has ended and was not heard of yet is a result too; so is what asks.
            for handle in part.unwritten():
                if handle.status in (*_ENDS, "suspended"):
                    self._take(part, await handle.wait())
            raise
        finally:
            self._savings.settle(group.name)
            del self._open[group.name]
            part.leave()
            self._group_over(group)

    def _group_over(self, group: Group) -> None:
        """All is taken of a group that there will be."""

    def _take(self, part: Part, result: JobResult) -> None:
        """Take what became of a job, once: when it has ended, or will rest for good."""
        if result.id in part.written:
            return
        part.written.add(result.id)
        part.rests(result.id)
        self._savings.add(result)
        self._count(part.group, part.first_job + place_of(part.group, result), result)

    def _count(self, group: Group, place: int, result: JobResult) -> None:  # noqa: ARG002
        """Write down a result of that group, whose job has that number in the input."""
        self._results.add(place, result)
        self.tally.add(result)

    async def _goes_on(self, part: Part) -> bool:
        """Wait until a job of a group that rests goes on; false if none will."""
        group = part.group
        ask = asking(group)
        if not ask:
            return True
        # Others may be taken from the file: there is no telling how long people think.
        part.leave()
        rest = self._resting[group.name] = Rest(ask)
        self._wake.set()
        try:
            await rest.over.wait()
        finally:
            del self._resting[group.name]
        return not self._over
