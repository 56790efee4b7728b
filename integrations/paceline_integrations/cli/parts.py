"""The groups at work: what is in memory of a file, what is written of it, and what of it rests."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from paceline import Group, Handle, JobResult

__all__ = ["Part", "Rest", "Room", "asking", "members", "place_of"]


@dataclass(slots=True)
class Room:
    """How much of a lane is in memory."""

    most_lines: int
    most_jobs: int
    lines: int = 0
    jobs: int = 0
    freed: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, jobs: int) -> None:
        """Wait until there is room for one more group of so many jobs."""
        # Enough groups for every slot to have a primer of its own, and enough jobs for those in backoff not
        # to hold up the others.
        while self.lines >= self.most_lines and self.jobs >= self.most_jobs:
            self.freed.clear()
            await self.freed.wait()
        self.lines += 1
        self.jobs += jobs

    def give_back(self, jobs: int = 0, lines: int = 0) -> None:
        """Make room again."""
        self.jobs -= jobs
        self.lines -= lines
        self.freed.set()


@dataclass(slots=True)
class Part:
    """A group at work: what is written of it, and the room that it takes until its jobs rest."""

    group: Group
    first_job: int
    room: Room
    written: set[str] = field(default_factory=set[str])
    rested: set[str] = field(default_factory=set[str])
    left: bool = False

    def unwritten(self) -> list[Handle]:
        """Its jobs of which nothing is written."""
        return [handle for handle in members(self.group) if handle.id not in self.written]

    def rests(self, job: str) -> None:
        """Give back the room of a job that has ended or asks; once, though it may go on."""
        if job not in self.rested:
            self.rested.add(job)
            self.room.give_back(jobs=1)

    def leave(self) -> None:
        """Give back the room of the group itself."""
        if not self.left:
            self.left = True
            self.room.give_back(lines=1)


@dataclass(slots=True)
class Rest:
    """A group in which so many jobs ask, and no other goes on; `over` when one of them has gone on."""

    asking: int
    over: asyncio.Event = field(default_factory=asyncio.Event)


def asking(group: Group) -> int:
    """How many of its jobs can go on with an answer only."""
    return sum(handle.status == "suspended" for handle in members(group))


def members(group: Group) -> list[Handle]:
    """Its jobs: the primer first."""
    return [*([] if group.primer is None else [group.primer]), *group.followers]


def place_of(group: Group, result: JobResult) -> int:
    """Where a job stands in its line: the primer first."""
    if result.role == "primer":
        return 0
    return int(str(result.key).rpartition("/")[2]) + (group.primer is not None)
