"""`paceline run --tui`: the run of a file that somebody watches, who may try again what did not succeed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paceline import Group, JobResult, Snapshot
from paceline_integrations.runstate import RETRY_OF

from .groups_file import GroupLine
from .parts import Room, place_of
from .retries import Again, Retries
from .runner import GroupsRun

if TYPE_CHECKING:
    from .at_screen import AtScreen

__all__ = ["WatchedRun"]


@dataclass(slots=True)
class _Work:
    """The payloads of a group's jobs."""

    payloads: list[Any]
    again: Again | None = None
    """What is tried again by it, until there is a result of that."""


class WatchedRun(GroupsRun):
    """A run that is shown on a screen, and not over before that is left.

    What does not succeed counts in no sum until then: it may be tried again, and is replaced by what comes of
    that. In the results it is written at once.
    """

    def __init__(self, *args: Any, at_screen: AtScreen, **options: Any) -> None:
        super().__init__(*args, **options)
        self._at_screen: AtScreen = at_screen
        self._retries: Retries = Retries(self.tally.add)
        self._work: dict[str, _Work] = {}
        self._tries: int = 0
        self._tasks: asyncio.TaskGroup | None = None

    async def retry(self, job_id: str) -> None:
        """Try a job again that did not succeed: what comes of it takes the place of its result.

        It runs in a group of its own, without a primer.

        Raises:
            PacelineError: if it cannot be tried again, or the engine takes no more jobs.
        """
        assert self._tasks is not None
        again = self._retries.find(job_id)
        result = again.result
        self._tries += 1
        name = f"{result.group} (tried again {self._tries})"
        metadata = {**result.metadata, RETRY_OF: job_id}
        async with self._engine.open_group(
            name, lane=result.lane, policy=self._policy, metadata=metadata
        ) as group:
            self._open[name] = group
            self._work[name] = _Work([again.payload], again)
            _ = await group.add_follower(again.payload, name=result.name)
        self._retries.take(job_id)
        self._tasks.create_task(self._collect(group, again.place, Room(1, 1)))

    def _begin(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        tasks.create_task(self._show())
        super()._begin(tasks)

    async def _show(self) -> None:
        """Show the screen; as long as it is there, the run is not over."""
        try:
            await self._at_screen.show(self, self._engine)
        finally:
            self._retries.close()
            self._wake.set()

    def _look(self) -> Snapshot:
        seconds = self._seconds
        snapshot = super()._look()
        if not self.goes_on:  # how long a person looks at what is over is not told
            self._seconds = seconds
        self._at_screen.all_done(done=not self.goes_on)
        return snapshot

    @property
    def _is_watched(self) -> bool:
        return self._retries.open

    async def _submit(self, line: GroupLine) -> Group:
        primer, followers = line.members()
        jobs = [*([] if primer is None else [primer]), *followers]
        self._work[line.group] = _Work([each.payload for each in jobs])
        return await super()._submit(line)

    def _count(self, group: Group, place: int, result: JobResult) -> None:
        work = self._work[group.name]
        payload = work.payloads[place_of(group, result)]
        if work.again is not None:
            result = work.again.merged(result)
            work.again = None
        self._results.add(place, result)
        if result.status in ("failed", "cancelled", "skipped"):
            self._retries.hold(Again(place, result, payload))
        else:
            self.tally.add(result)

    def _group_over(self, group: Group) -> None:
        work = self._work.pop(group.name)
        if work.again is not None:  # interrupted before it had ended: it stays as it was
            self.tally.add(work.again.result)
        self._seconds = time.monotonic() - self._begun
        self._wake.set()
