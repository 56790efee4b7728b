"""One run of the demo: every question on every document, in groups or all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from paceline import Engine, Group, GroupPolicy, RetryPolicy, RunReport, RunTally, Snapshot
from paceline_integrations.simulator import SimulatorStats

from .documents import Document

__all__ = ["QUESTIONS", "SLOTS", "DemoRun", "Measure"]

SLOTS: Final = 8
_LOOK: Final = 0.1

QUESTIONS: Final = {
    "what it is": "Read the document. Say in one sentence what it is.",
    "title": "Give it a title of at most eight words.",
    "summary": "Summarise it in three sentences.",
    "risks": "Which risks or weak spots do you see in it? At most three, a line each.",
    "questions": "Which questions does it leave open? At most three, a line each.",
    "reader": "Who should read it, and why? One sentence.",
}
"""The first one is the primer's."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a run used, by the usage that its jobs were told and, if asked, by the server's own count."""

    report: RunReport
    server: SimulatorStats | None = None


class DemoRun:
    """One run over some documents: `await main()` once, and look at it meanwhile.

    `mark` stands at the beginning of every prompt; `retry` is for requests that fail; `policy` says how
    groups run.
    """

    def __init__(
        self,
        executor: object,
        documents: Sequence[Document],
        *,
        grouped: bool,
        mark: str = "",
        retry: RetryPolicy | None = None,
        policy: GroupPolicy | None = None,
        middleware: Sequence[Any] = (),
    ) -> None:
        self._executor = executor
        self._documents = documents
        self._grouped = grouped
        self._mark = f"[{mark}] " if mark else ""
        self._retry = retry
        self._policy = policy
        self._middleware = middleware
        self.tally = RunTally()
        self.snapshot: Snapshot | None = None

    @property
    def title(self) -> str:
        """What is done, in a few words."""
        how = "in groups" if self._grouped else "all at once"
        return f"{how}: {self.jobs} jobs, {SLOTS} at a time"

    @property
    def jobs(self) -> int:
        """How many jobs there are in all."""
        return len(self._documents) * len(QUESTIONS)

    def report(self) -> RunReport:
        """Report on the results so far."""
        return self.tally.report(self.snapshot)

    async def main(self) -> None:
        """Ask every question on every document."""
        async with Engine(
            {"ask": self._executor},
            slots=SLOTS,
            retry=self._retry,
            middleware=self._middleware,
            run_id="demo-in-groups" if self._grouped else "demo-at-once",
        ) as engine:
            watcher = asyncio.create_task(self._watch(engine))
            try:
                await (self._in_groups(engine) if self._grouped else self._at_once(engine))
            finally:
                watcher.cancel()
                self.snapshot = engine.snapshot()

    async def _in_groups(self, engine: Engine) -> None:
        async with asyncio.TaskGroup() as tasks:
            for document in self._documents:
                primer, *followers = self._payloads(document)
                group = await engine.submit_group(
                    document.name, primer=primer, followers=followers, policy=self._policy
                )
                tasks.create_task(self._collect(group))

    async def _collect(self, group: Group) -> None:
        async for result in group.as_completed():
            self.tally.add(result)

    async def _at_once(self, engine: Engine) -> None:
        payloads = [payload for document in self._documents for payload in self._payloads(document)]
        async for result in engine.map(payloads, window=len(payloads)):
            self.tally.add(result)

    async def _watch(self, engine: Engine) -> None:
        while True:
            self.snapshot = engine.snapshot()
            await asyncio.sleep(_LOOK)

    def _payloads(self, document: Document) -> list[dict[str, Any]]:
        shared = {"mark": self._mark, "name": document.name, "text": document.text}
        return [{**shared, "question": question} for question in QUESTIONS.values()]
