"""Middleware is told how each attempt ended for the engine, and of jobs that ended without one."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

from paceline import (
    AttemptTimeout,
    Dag,
    Engine,
    Handle,
    Job,
    JobContext,
    MemorySink,
    RetryPolicy,
    RunAgain,
    Scope,
    Settled,
    Suspend,
    UnknownName,
    Usage,
    events,
    flow,
    task,
)
from paceline.testing import VirtualClock


class Ends:
    """Notes what it is told, by the names of jobs."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Settled]] = []

    def on_settled(self, job: Job, settled: Settled) -> None:
        self.told.append((job.name, settled))

    def of(self, name: str) -> list[tuple[int, str, bool]]:
        return [(each.attempt, each.outcome, each.last) for job, each in self.told if job == name]


class Acts:
    """Does what its payload says: a function of the job and its context."""

    async def execute(self, job: Job, ctx: JobContext) -> object:
        return await job.payload(job, ctx)


def told_of(*acts: Callable[[Job, JobContext], Awaitable[object]], **options: Any) -> Ends:
    """Run each as a job named by its number, one after the other."""
    ends = Ends()

    async def main() -> None:
        async with Engine(Acts(), middleware=[ends]) as engine:
            for number, act in enumerate(acts):
                handle = await engine.submit(act, name=str(number), **options)
                await handle.wait()
                if handle.status == "suspended":
                    await engine.reply(handle.id, "yes")
                    await handle.wait()

    VirtualClock().run(main)
    return ends


async def succeeds(job: Job, ctx: JobContext) -> object:
    ctx.usage(Usage(input_tokens=7))
    return "done"


async def fails_once(job: Job, ctx: JobContext) -> object:
    ctx.usage(Usage(input_tokens=ctx.attempt))
    if ctx.attempt == 1:
        raise OSError("gone")
    return "done"


async def asks(job: Job, ctx: JobContext) -> object:
    return job.reply or Suspend("sure?")


async def is_sent_back(job: Job, ctx: JobContext) -> object:
    if ctx.attempt == 1:
        raise RunAgain(job.payload)
    return "done"


async def takes_long(job: Job, ctx: JobContext) -> None:
    await asyncio.sleep(60)


async def would_not_stop(job: Job, ctx: JobContext) -> None:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(60)


def test_each_attempt_is_told_once_with_what_it_used_itself() -> None:
    ends = told_of(succeeds, fails_once, asks, is_sent_back, retry=RetryPolicy(attempts=2))
    assert ends.of("0") == [(1, "succeeded", True)]
    assert ends.of("1") == [(1, "failed", False), (2, "succeeded", True)]
    assert ends.of("2") == [(1, "suspended", False), (2, "succeeded", True)]
    assert ends.of("3") == [(1, "again", False), (2, "succeeded", True)]
    first, second = [settled for name, settled in ends.told if name == "1"]
    assert (first.usage, second.usage) == (
        Usage(input_tokens=1, requests=1),
        Usage(input_tokens=2, requests=1),
    )
    assert isinstance(first.error, OSError)
    assert first.retry_in is not None
    assert first.retry_in >= 0.0
    assert (second.error, second.retry_in) == (None, None)


def test_an_attempt_that_is_out_of_time_is_told_when_it_is_given_up_not_when_its_code_ends() -> None:
    ends = told_of(would_not_stop, timeout=1.0)
    assert ends.of("0") == [(1, "failed", True)]
    assert isinstance(ends.told[0][1].error, AttemptTimeout)


def test_it_is_told_after_around_has_returned() -> None:
    order: list[str] = []

    class Both:
        async def around(
            self, job: Job, ctx: JobContext, call_next: Callable[[], Awaitable[object]]
        ) -> object:
            try:
                return await call_next()
            finally:
                order.append("around")

        def on_settled(self, job: Job, settled: Settled) -> None:
            order.append("settled")

    async def main() -> None:
        async with Engine(Acts(), middleware=[Both()]) as engine:
            await (await engine.submit(succeeds))

    VirtualClock().run(main)
    assert order == ["around", "settled"]


def test_a_job_that_never_started_is_told_with_attempt_0() -> None:
    ends = Ends()

    async def main() -> None:
        async with Engine(Acts(), slots=1, middleware=[ends]) as engine:
            first = await engine.submit(takes_long, name="first")
            queued = await engine.submit(succeeds, name="queued")
            after = await engine.submit(succeeds, name="after", after=[first])
            late = await engine.submit(succeeds, name="late", deadline=1.0)
            assert queued.cancel("not wanted")
            await late.wait()
            first.cancel("enough")
            await after.wait()

    VirtualClock().run(main)
    assert ends.of("queued") == [(0, "cancelled", True)]
    assert ends.of("late") == [(0, "failed", True)]
    assert ends.of("first") == [(1, "cancelled", True)]
    assert ends.of("after") == [(0, "skipped", True)]


def test_a_job_that_ends_at_rest_is_told_once_more_without_its_usage() -> None:
    ends = Ends()

    async def asks_dearly(job: Job, ctx: JobContext) -> object:
        ctx.usage(Usage(input_tokens=3))
        return Suspend("sure?")

    async def main() -> None:
        async with Engine(Acts(), middleware=[ends]) as engine:
            handle = await engine.submit(asks_dearly, name="asks")
            await handle.wait()
            handle.cancel("nobody answers")
            again = await engine.submit(fails_once, name="again", retry=RetryPolicy(attempts=2, base=50.0))
            await asyncio.sleep(0.1)
            if again.status == "waiting":  # the jitter may be nothing
                again.cancel("no more")

    VirtualClock(seed=3).run(main)
    assert ends.of("asks") == [(1, "suspended", False), (1, "cancelled", True)]
    assert [settled.usage for name, settled in ends.told if name == "asks"][1] is None
    assert ends.of("again") == [(1, "failed", False), (1, "cancelled", True)]


def test_graphs_and_flows_are_scopes_and_their_jobs_are_told() -> None:
    ends = Ends()
    scopes: list[Scope] = []

    class Both(Ends):
        def on_begin(self, scope: Scope) -> None:
            scopes.append(scope)

        def on_submit(self, job: Job) -> None:
            job.headers["tenant"] = "seven"

    ends = Both()
    graph = Dag("report")

    @graph.task
    def load() -> int:
        return 1

    @graph.task(after=[load])
    def rank() -> int:
        return 2

    @task
    def double(number: int) -> int:
        return 2 * number

    @flow
    async def doubles() -> list[int]:
        return [await double(number) for number in (1, 2)]

    async def main() -> None:
        async with Engine(middleware=[ends]) as engine:
            await (await engine.submit(None, executor=graph, name="graph"))
            await (await engine.submit(None, executor=doubles, name="flow"))

    VirtualClock().run(main)
    assert Counter(name for name, _ in ends.told) == {"load": 1, "rank": 1, "double": 2}
    assert [(scope.kind, scope.job and scope.job.headers) for scope in scopes[1:]] == [
        ("graph", {"tenant": "seven"}),
        ("flow", {"tenant": "seven"}),
    ]


def test_what_it_raises_is_logged_and_nothing_else_happens(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Ends):
        def on_settled(self, job: Job, settled: Settled) -> None:
            raise LookupError("broken")

    async def main() -> None:
        async with Engine(Acts(), middleware=[Broken()]) as engine:
            assert await (await engine.submit(succeeds, name="fine")) == "done"

    with caplog.at_level(logging.ERROR, "paceline"):
        VirtualClock().run(main)
    assert "failed at the end of job 'fine'" in caplog.text


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_each_attempt_and_each_job_is_told(seed: int) -> None:
    ends, sink, random = Ends(), MemorySink(), Random(seed)
    acts = [succeeds, fails_once, asks, is_sent_back, takes_long, would_not_stop]

    async def main() -> None:
        async with Engine(Acts(), slots=3, middleware=[ends], sinks=[sink]) as engine:
            handles: list[Handle] = []
            for _ in range(40):
                handles.append(
                    await engine.submit(
                        random.choice(acts),
                        after=random.sample(handles, min(len(handles), random.choice([0, 0, 1]))),
                        timeout=random.choice([None, 5.0, 90.0]),
                        deadline=random.choice([None, None, 40.0]),
                        retry=random.choice([None, RetryPolicy(attempts=2)]),
                    )
                )
                await asyncio.sleep(random.random())
                if not random.randrange(4):
                    random.choice(handles).cancel("at random")
            await asyncio.sleep(100)
            for handle in handles:
                if handle.status == "suspended":
                    await engine.reply(handle.id, "yes")

    VirtualClock(seed=seed).run(main)
    began = Counter((event.job, event.attempt) for event in sink.of(events.JobStarted))
    told = ends.told  # a job without a name is called by its id
    # An attempt that was told, and whose job then ended at rest or in backoff, is told by that end once more.
    attempts = Counter((job, each.attempt) for job, each in told if each.attempt)
    assert set(attempts) == set(began)
    for job, attempt in attempts:
        of_it = [each for told_job, each in told if (told_job, each.attempt) == (job, attempt)]
        assert [each.last for each in of_it] in ([True], [False], [False, True])
    assert Counter(job for job, each in told if each.last) == Counter(
        event.job for event in sink.of(events.JobEnded)
    )


def test_a_sink_that_middleware_brings_gets_the_events() -> None:
    class Brings:
        sink = MemorySink()

        def on_submit(self, job: Job) -> None: ...

    async def main() -> None:
        async with Engine(Acts(), middleware=[Brings()]) as engine:
            await (await engine.submit(succeeds))

    VirtualClock().run(main)
    assert [event.type for event in Brings.sink.events][-2:] == ["job.ended", "run.ended"]


def test_the_context_tells_what_the_job_came_after_and_how_long_it_waited() -> None:
    seen: list[tuple[tuple[str, ...], float]] = []

    async def notes(job: Job, ctx: JobContext) -> object:
        await asyncio.sleep(2)
        seen.append((job.after, ctx.waited))
        return None

    async def main() -> None:
        async with Engine(Acts()) as engine:
            first = await engine.submit(notes)
            group = await engine.submit_group("g", followers=[notes])
            last = await engine.submit(notes, after=[first, group])
            await last
            assert seen == [((), 0.0), ((), 0.0), ((first.id, "g"), 2.0)]

    VirtualClock().run(main)


def test_an_unfinished_job_is_found_by_its_id() -> None:
    async def main() -> None:
        async with Engine(Acts()) as engine:
            handle = await engine.submit(takes_long)
            assert engine.handle(handle.id).cancel("found")
            assert (await handle.wait()).status == "cancelled"
            with pytest.raises(UnknownName, match="it has ended, or its id is wrong"):
                engine.handle(handle.id)

    VirtualClock().run(main)
