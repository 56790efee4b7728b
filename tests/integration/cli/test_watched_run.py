"""Jobs of a file that are tried again while somebody watches: what comes of it counts instead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from paceline import (
    Engine,
    GroupPolicy,
    JobResult,
    MemorySink,
    PacelineError,
    RunReport,
    Savings,
    Sink,
    Usage,
    current_job,
)
from paceline_integrations.cli.at_screen import AtScreen
from paceline_integrations.cli.groups_file import GroupsFile
from paceline_integrations.cli.watched_run import WatchedRun
from paceline_integrations.runstate import RunState

from .conftest import Write

pytest.importorskip("textual", reason="the screen needs the extra tui")

Script = Callable[[WatchedRun, "Watcher"], Awaitable[object]]


class Watcher:
    """Stands for the screen: does what a script says, and leaves."""

    def __init__(self, script: Script) -> None:
        self.results: dict[int, list[JobResult]] = {}
        self.broken: set[object] = set()
        self._script: Script = script
        self._done: asyncio.Event = asyncio.Event()

    async def show(self, run: WatchedRun, engine: Engine) -> None:
        await self.all_is_done()
        await self._script(run, self)

    def all_done(self, *, done: bool) -> None:
        (self._done.set if done else self._done.clear)()

    async def all_is_done(self) -> None:
        async with asyncio.timeout(10):
            await self._done.wait()

    def add(self, place: int, result: JobResult) -> None:
        self.results.setdefault(place, []).append(result)

    def finish(self) -> None: ...

    def failed(self, place: int) -> str:
        return self.results[place][-1].id

    async def retries(self, run: WatchedRun, place: int) -> None:
        before = len(self.results[place])
        await run.retry(self.failed(place))
        async with asyncio.timeout(10):
            while len(self.results[place]) == before:  # noqa: ASYNC110 - what comes is only in the results
                await asyncio.sleep(0.01)


def watched(
    path: Path, script: Script, *, broken: Sequence[object] = (), sinks: Sequence[Sink] = ()
) -> tuple[Watcher, RunReport, Savings]:
    watcher = Watcher(script)
    watcher.broken.update(broken)

    async def work(payload: object) -> object:
        job = current_job()
        assert job is not None
        job.usage(Usage(10, 0, output_tokens=1))
        if payload in watcher.broken:
            raise ValueError(payload)
        return payload

    with GroupsFile(path) as groups:
        run = WatchedRun(
            Engine(work, sinks=sinks),
            groups,
            watcher,
            GroupPolicy(),
            keep=True,
            at_screen=cast("AtScreen", watcher),
        )
        assert asyncio.run(run.main())
    return watcher, run.report(), run.savings()


def test_a_success_takes_the_place_of_the_failure(write: Write) -> None:
    async def script(run: WatchedRun, watcher: Watcher) -> None:
        assert run.report().totals.jobs == 2, "what may be tried again counts nowhere yet"
        watcher.broken.clear()
        await watcher.retries(run, 1)

    path = write([{"group": "a", "followers": [1, 2, 3], "metadata": {"who": "me"}}])
    watcher, report, savings = watched(path, script, broken=[2])
    first, second = watcher.results[1]
    assert (first.status, second.status, second.output) == ("failed", "succeeded", 2)
    assert (second.name, second.group, second.key, second.metadata) == (
        first.name,
        "a",
        first.key,
        {"who": "me"},
    )
    assert [(each.number, each.outcome) for each in second.attempts] == [(1, "failed"), (2, "succeeded")]
    assert second.usage == Usage(20, 0, output_tokens=2, requests=2)
    totals = report.totals
    assert (totals.jobs, totals.succeeded, totals.failed, totals.attempts) == (3, 3, 0, 4)
    assert report.ok
    assert savings.totals.prompt_tokens == totals.input_tokens == 40


def test_what_fails_again_may_be_tried_again_and_counts_once(write: Write) -> None:
    async def script(run: WatchedRun, watcher: Watcher) -> None:
        await watcher.retries(run, 0)
        await watcher.retries(run, 0)

    watcher, report, _ = watched(write([{"group": "a", "followers": [1]}]), script, broken=[1])
    assert len(watcher.results[0][-1].attempts) == 3
    assert (report.totals.jobs, report.totals.failed, report.totals.attempts) == (1, 1, 3)


def test_who_reads_the_events_counts_what_was_tried_again_once(write: Write) -> None:
    async def script(run: WatchedRun, watcher: Watcher) -> None:
        await watcher.retries(run, 1)
        watcher.broken.clear()
        await watcher.retries(run, 1)

    sink, state = MemorySink(), RunState()
    path = write([{"group": "a", "followers": [1, 2, 3]}])
    _, report, _ = watched(path, script, broken=[2], sinks=[sink])
    state.apply_all(sink.events)
    assert (state.counts.total, state.counts.succeeded, state.counts.failed) == (3, 3, 0)
    assert report.totals.succeeded == state.counts.succeeded
    assert {group.status for group in state.groups.values()} == {"succeeded"}


def test_what_was_not_tried_again_counts_as_it_was(write: Write) -> None:
    async def script(run: WatchedRun, watcher: Watcher) -> None:
        watcher.broken.clear()
        await watcher.retries(run, 2)

    path = write([{"group": "a", "primer": 1, "followers": [2]}, {"group": "b", "followers": [3, 4]}])
    watcher, report, _ = watched(path, script, broken=[1, 3])
    assert {place: each[-1].status for place, each in watcher.results.items()} == {
        0: "failed",
        1: "skipped",
        2: "succeeded",
        3: "succeeded",
    }
    totals = report.totals
    assert (totals.succeeded, totals.failed, totals.skipped) == (2, 1, 1)
    assert report.state == "failed"


def test_a_primer_and_those_that_were_skipped_for_it_are_tried_again_one_by_one(write: Write) -> None:
    async def script(run: WatchedRun, watcher: Watcher) -> None:
        watcher.broken.clear()
        await watcher.retries(run, 0)
        await watcher.retries(run, 1)

    path = write([{"group": "a", "primer": 1, "followers": [2]}])
    watcher, report, _ = watched(path, script, broken=[1])
    assert [each[-1].role for _, each in sorted(watcher.results.items())] == ["primer", "follower"]
    assert report.ok


def test_what_cannot_be_tried_again_is_refused(write: Write) -> None:
    async def script(run: WatchedRun, watcher: Watcher) -> None:
        failed, good = watcher.failed(0), watcher.failed(1)
        await watcher.retries(run, 0)
        for wrong in (good, failed, "nobody"):
            with pytest.raises(PacelineError, match="only a job of the file that failed"):
                await run.retry(wrong)

    watched(write([{"group": "a", "followers": [1, 2]}]), script, broken=[1])


def test_an_interruption_during_another_try_leaves_the_result_of_before(write: Write) -> None:
    async def script(run: WatchedRun, watcher: Watcher) -> None:
        watcher.broken.clear()
        await run.retry(watcher.failed(0))
        raise asyncio.CancelledError

    path = write([{"group": "a", "followers": [1]}])
    watcher = Watcher(script)
    watcher.broken.add(1)

    async def work(payload: object) -> object:
        if payload in watcher.broken:
            raise ValueError(payload)
        await asyncio.Event().wait()
        return payload

    async def interrupted(run: WatchedRun) -> None:
        main = asyncio.create_task(run.main())
        await watcher.all_is_done()
        while not run.goes_on:  # noqa: ASYNC110 - until it is tried again
            await asyncio.sleep(0)
        main.cancel()
        with pytest.raises(asyncio.CancelledError):
            await main

    with GroupsFile(path) as groups:
        options: dict[str, Any] = {"keep": True, "at_screen": watcher}
        run = WatchedRun(Engine(work, grace=0.1), groups, watcher, GroupPolicy(), **options)
        asyncio.run(interrupted(run))
    assert [each.status for each in watcher.results[0]] == ["failed"]
    totals = run.report().totals
    assert (totals.jobs, totals.failed) == (1, 1)
