"""The groups of a file, run by an engine: fed in lane by lane, and their results taken as they come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from paceline import (
    Closed,
    Engine,
    EngineNotOpen,
    Group,
    GroupPolicy,
    Handle,
    JobResult,
    RunReport,
    RunTally,
    Savings,
    SavingsTally,
    Snapshot,
)

from ._errors import CommandError
from .budgets import BudgetMeter
from .groups_file import GroupLine, GroupsFile
from .holds import HoldMeter, out_of_budget
from .results import ResultsWriter
from .shares import ShareMeter

__all__ = ["GroupsRun"]

_JOBS_AT_HAND = 10_000
"""Jobs of all lanes together that may be in memory, if that takes no more than to keep the slots busy."""
_FIRST_LOOK, _LAST_LOOK, _SLOWER = 0.01, 0.25, 1.3
"""Seconds between looks at the engine, and how fast they become rarer: short runs are to be measured too."""
_ENDS = ("succeeded", "failed", "cancelled", "skipped")


@dataclass(slots=True)
class _Room:
    """How much of a lane is in memory."""

    most_lines: int
    most_jobs: int
    lines: int = 0
    jobs: int = 0
    freed: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, jobs: int) -> None:
        # Enough groups for every slot to have a primer of its own, and enough jobs for those in backoff not
        # to hold up the others.
        while self.lines >= self.most_lines and self.jobs >= self.most_jobs:
            self.freed.clear()
            await self.freed.wait()
        self.lines += 1
        self.jobs += jobs

    def give_back(self, jobs: int = 0, lines: int = 0) -> None:
        self.jobs -= jobs
        self.lines -= lines
        self.freed.set()


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
        self.budgets = BudgetMeter(()) if budgets is None else budgets
        self.holds = HoldMeter()
        self.snapshot: Snapshot | None = None

    @property
    def jobs(self) -> int:
        """How many jobs there are in all."""
        return self._groups.jobs

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
            CommandError: if results cannot be written, or groups no longer read.
        """
        self._begun = time.monotonic()
        async with self._engine as engine:
            self._slots = engine.snapshot().slots
            async with self._watching():
                try:
                    async with asyncio.TaskGroup() as tasks:
                        for lane in self._groups.lanes:
                            tasks.create_task(self._feed(lane, tasks))
                except* CommandError as errors:
                    first: BaseException = errors
                    while isinstance(first, BaseExceptionGroup):
                        first = first.exceptions[0]
                    raise first from None
        return True

    @asynccontextmanager
    async def _watching(self) -> AsyncGenerator[None]:
        watcher = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watcher.cancel()
            self._look()

    async def _watch(self) -> None:
        pause = _FIRST_LOOK
        while True:
            self._look()
            await asyncio.sleep(pause)
            pause = min(pause * _SLOWER, _LAST_LOOK)

    def _look(self) -> None:
        self._seconds = time.monotonic() - self._begun
        self.snapshot = self._engine.snapshot()
        self._shares.look(self.snapshot)
        self.holds.look(self.snapshot)
        if self.budgets.any:
            self.budgets.look(self._engine)
            self._cancel_paused(self.snapshot)

    def _cancel_paused(self, snapshot: Snapshot) -> None:
        """Nobody raises a budget here: jobs that would wait for that for ever make room for others."""
        paused = out_of_budget(snapshot)
        for group in tuple(self._open.values()) if paused else ():
            for handle in _members(group):
                if handle.id in paused:
                    handle.cancel(str(paused[handle.id]))

    async def _feed(self, lane: str, tasks: asyncio.TaskGroup) -> None:
        room = _Room(2 * self._slots, _JOBS_AT_HAND // len(self._groups.lanes))
        for first_job, line in self._groups.lines(lane):
            await room.take(line.jobs)
            try:
                group = await self._submit(line)
            except (Closed, EngineNotOpen):  # a budget is spent that ends the run
                return
            tasks.create_task(self._collect(group, first_job, room))

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

    async def _collect(self, group: Group, first_job: int, room: _Room) -> None:
        written: set[str] = set()

        def take(result: JobResult) -> None:
            written.add(result.id)
            self._results.add(first_job + _place(group, result), result)
            self.tally.add(result)
            self._savings.add(result)
            room.give_back(jobs=1)

        try:
            async for result in group.as_completed():
                take(result)
                if result.role == "primer" and result.status == "suspended":
                    _cancel_held(group)
        except asyncio.CancelledError:
            # Interrupted: what has ended and was not heard of yet is a result too.
            for handle in _members(group):
                if handle.id not in written and handle.status in _ENDS:
                    take(await handle.wait())
            raise
        finally:
            self._savings.settle(group.name)
            del self._open[group.name]
            room.give_back(lines=1)


def _members(group: Group) -> list[Handle]:
    return [*([] if group.primer is None else [group.primer]), *group.followers]


def _place(group: Group, result: JobResult) -> int:
    """Where a job stands in its line: the primer first."""
    if result.role == "primer":
        return 0
    return int(str(result.key).rpartition("/")[2]) + (group.primer is not None)


def _cancel_held(group: Group) -> None:
    """Nobody answers the primer's question here: what waits for its release would wait for ever."""
    for follower in group.followers:
        if follower.waiting is not None and follower.waiting.kind == "release":
            follower.cancel("the primer of its group waits for an answer")
