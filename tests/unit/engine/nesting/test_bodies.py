"""Graphs, flows and maps as jobs: they hold no slot, and what they start are jobs like all others."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest

from paceline import (
    Dag,
    Engine,
    EngineNotOpen,
    GroupPolicy,
    Handle,
    Job,
    JobCancelled,
    JobContext,
    JobFailed,
    JobSkipped,
    Lane,
    MemorySink,
    RetryPolicy,
    RunAgain,
    WaitReason,
    _watchdog,
    current_job,
    dag,
    events,
    flow,
    gather,
    task,
)
from paceline.testing import VirtualClock


def here() -> JobContext:
    context = current_job()
    assert context is not None
    return context


def now() -> float:
    return asyncio.get_running_loop().time()


class Meter:
    """How many of the jobs that it runs are at work at once."""

    def __init__(self) -> None:
        self.running = self.most = self.ended = 0

    async def nap(self, seconds: float) -> float:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(seconds)
            return seconds
        finally:
            self.running -= 1
            self.ended += 1


@task
async def nap(seconds: float = 1.0) -> float:
    await asyncio.sleep(seconds)
    return seconds


@task
async def fail(seconds: float = 1.0) -> None:
    await asyncio.sleep(seconds)
    raise OSError(f"after {seconds:g} s")


def run(main: Callable[[Engine], Awaitable[object]], **options: Any) -> Any:
    async def whole() -> object:
        async with Engine(**options) as engine:
            return await main(engine)

    return VirtualClock().run(whole)


# They hold nothing.


def test_every_nesting_of_bodies_works_with_one_slot() -> None:
    @flow
    async def inner(depth: int) -> int:
        if depth == 0:
            return int(await nap(1))
        return 1 + int(await middle(depth))

    @dag
    async def middle(depth: int) -> int:
        return await less(await task(lambda: 0, name="nothing")(), depth)

    @flow
    async def less(_: int, depth: int) -> int:
        return await inner(depth - 1)

    async def main(engine: Engine) -> None:
        report = await inner.run(engine, depth=5)
        assert report.output == 6
        assert now() == 1

    run(main, slots=1, lanes=[Lane("default", max_running=1)])


def test_a_body_starts_at_once_though_every_slot_and_lane_is_taken() -> None:
    begun: list[float] = []

    @flow
    async def body() -> float:
        begun.append(now())
        return await nap(1)

    async def main(engine: Engine) -> None:
        await engine.submit(5.0, executor=nap.fn)
        started = await body.start(engine)
        assert await started == 1.0
        assert begun == [0.0]
        assert now() == 6

    run(main, slots=1, lanes=[Lane("default", max_running=1)])


def seven(job: Job, usage: object) -> float:
    return 7.0


@pytest.mark.parametrize("cost", ["jobs", "tokens", seven])
def test_a_body_costs_nothing_and_its_lane_is_charged_for_its_jobs_only(cost: Any) -> None:
    sink = MemorySink()

    @flow(lane="bodies")
    async def body() -> None:
        await gather(*(nap.with_options(lane="jobs")(1) for _ in range(4)))

    async def main(engine: Engine) -> None:
        started = await body.start(engine)
        await asyncio.sleep(0.5)
        assert engine.snapshot().lanes["bodies"].served == 0
        await started
        lanes = engine.snapshot().lanes
        assert lanes["bodies"].served == 0
        # No usage is reported: a rough count of each payload stands, which is 3 tokens.
        assert lanes["jobs"].served == {"jobs": 4.0, "tokens": 12.0}.get(cost, 28.0)

    run(main, cost=cost, lanes=[Lane("bodies"), Lane("jobs")], sinks=[sink])
    [ended] = [event for event in sink.of(events.JobEnded) if event.lane == "bodies"]
    assert not ended.cost


def test_bodies_take_nothing_from_the_share_of_their_lane() -> None:
    """A lane of flows that do nothing but start a job gets as much as a lane of such jobs."""
    done: dict[str, int] = {"flows": 0, "jobs": 0}

    async def work(lane: str) -> None:
        await asyncio.sleep(1)
        done[lane] += 1

    step = task(work, name="step")

    @flow(lane="flows")
    async def body() -> None:
        await step("flows")

    async def main() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(50.5), Engine(slots=4, lanes=[Lane("flows"), Lane("jobs")]) as engine:
                for _ in range(150):
                    await body.start(engine)
                    await engine.submit("jobs", executor=work, lane="jobs")
        assert sum(done.values()) == 200
        assert abs(done["flows"] - done["jobs"]) <= 5

    VirtualClock().run(main)


def test_what_a_body_starts_needs_no_room_among_pending_jobs() -> None:
    wide = Dag("wide")
    for number in range(20):
        wide.task(nap.fn, name=f"nap-{number}", bind={"seconds": 1.0})

    @flow
    async def also() -> list[float]:
        return await gather(*(nap(1) for _ in range(20)))

    async def main(engine: Engine) -> None:
        first, second = await wide.start(engine), await also.start(engine)
        await first
        await second
        assert now() == 40

    run(main, slots=1, max_pending=1)


def test_groups_that_are_submitted_in_a_flow_need_no_place_among_the_active_ones() -> None:
    meter = Meter()

    @flow(max_running=3)
    async def families(host: Engine, number: int) -> None:
        async def family(name: str) -> None:
            policy = GroupPolicy(release="complete")
            group = await host.submit_group(
                name, primer=1.0, followers=[1.0] * 3, policy=policy, executor=meter.nap
            )
            await group.results()

        await asyncio.gather(*(family(f"{number}-{each}") for each in range(3)))

    async def main(engine: Engine) -> None:
        first = await families.start(engine, host=engine, number=1)
        second = await families.start(engine, host=engine, number=2)
        await first
        await second
        assert meter.ended == 24
        assert meter.most == 6  # three of each flow: their groups count under the cap of theirs
        assert now() == 4

    run(main, slots=20, max_active_groups=1)


# max_running.


@pytest.mark.parametrize("slots", [2, 50])
def test_max_running_counts_the_jobs_of_all_that_is_nested(slots: int) -> None:
    meter = Meter()
    work = task(meter.nap, name="work")

    @flow
    async def leaf() -> None:
        await gather(*(work(1.0) for _ in range(5)))

    @dag
    async def both() -> Any:
        await leaf()
        return await work(1.0)

    @flow(max_running=3)
    async def outer() -> None:
        await gather(both(), leaf(), *(work(1.0) for _ in range(4)))

    async def main(engine: Engine) -> None:
        await (await outer.start(engine))
        assert meter.ended == 15
        assert meter.most == min(slots, 3)

    run(main, slots=slots)


def test_a_tighter_cap_within_a_wider_one_holds_its_own_only() -> None:
    inner, outer = Meter(), Meter()

    @flow(max_running=2)
    async def tight() -> None:
        async def counted(seconds: float) -> float:
            both = await asyncio.gather(inner.nap(seconds), outer.nap(seconds))
            return both[0]

        await gather(*(task(counted, name="tight")(1.0) for _ in range(6)))

    @flow
    async def wide() -> None:
        await gather(tight(), *(task(outer.nap, name="wide")(1.0) for _ in range(6)))

    async def main(engine: Engine) -> None:
        report = await wide.run(engine, max_running=4)
        assert report.state == "succeeded"
        assert (inner.most, outer.most, outer.ended) == (2, 4, 12)
        assert now() == 4

    run(main, slots=20)


def test_a_parked_job_takes_its_place_under_the_cap_again_before_it_goes_on() -> None:
    """Its child runs in the place that it gave back; another takes it next; only then does it go on."""
    order: list[str] = []
    running = 0

    @contextlib.contextmanager
    def counted(name: str) -> Generator[None]:
        nonlocal running
        running += 1
        assert running == 1
        order.append(name)
        yield
        running -= 1

    async def child(_: object) -> None:
        with counted("child"):
            await asyncio.sleep(1)

    async def parent() -> None:
        nonlocal running
        with counted("parent"):
            handle = await here().spawn(None, executor=child)
            running -= 1
            await handle
            running += 1
            assert running == 1
            order.append("parent again")
            await asyncio.sleep(1)

    async def other() -> None:
        with counted("other"):
            await asyncio.sleep(1)

    @flow(max_running=1)
    async def body() -> None:
        await gather(task(parent)(), task(other)(), task(other)())

    async def main(engine: Engine) -> None:
        await (await body.start(engine))
        assert order[0] == "parent"
        assert sorted(order) == ["child", "other", "other", "parent", "parent again"]
        assert order.index("parent again") == order.index("child") + 1

    run(main, slots=9)


def test_an_attempt_that_was_given_up_counts_under_the_cap_until_it_ends() -> None:
    async def stubborn() -> None:
        if here().attempt > 1:
            return
        begun = now()
        while now() < begun + 10:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(begun + 10 - now())

    @flow(max_running=1)
    async def body() -> None:
        await gather(task(stubborn, timeout=2, retry=RetryPolicy(attempts=2, base=0.1, cap=0.1))(), nap(1))

    async def main(engine: Engine) -> None:
        started = await body.start(engine)
        await asyncio.sleep(5)
        waiting = started.tasks["nap"].waiting
        assert waiting == WaitReason("max_running", "body")
        await started
        assert now() == 11

    run(main, slots=5)


# How they end.


def test_cancelling_a_body_cancels_all_below_it_at_once() -> None:
    @flow
    async def below() -> None:
        await gather(nap(100), nap(200))

    @dag
    async def graph() -> Any:
        await below()
        return await nap(1)

    @flow
    async def body() -> None:
        await graph()

    async def main(engine: Engine) -> None:
        started = await body.start(engine)
        await asyncio.sleep(1)
        tasks = started.tasks
        assert len(tasks) >= 4
        started.cancel("no more")
        with pytest.raises(JobCancelled, match="no more"):
            await started
        assert {each.status for each in tasks.values()} == {"cancelled"}
        await asyncio.sleep(0.01)
        assert engine.snapshot().abandoned == ()
        assert now() == pytest.approx(1.01)

    run(main)


def test_a_body_that_swallows_cancellation_is_abandoned_and_starts_nothing_more() -> None:
    refused: list[Exception] = []

    @flow
    async def stubborn() -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await nap(100)
        try:
            await nap(1)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is refused
            refused.append(error)
        try:
            await here().spawn(None, executor=nap.fn)
        except EngineNotOpen as error:
            refused.append(error)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(5)
        return "late"

    async def main(engine: Engine) -> None:
        started = await stubborn.start(engine)
        await asyncio.sleep(1)
        started.cancel()
        assert started.status == "cancelled"
        await asyncio.sleep(1)
        assert [each.name for each in engine.snapshot().abandoned] == ["stubborn"]
        assert len(refused) == 2
        assert engine.snapshot().counts["running"] == 0
        await asyncio.sleep(5)
        assert engine.snapshot().abandoned == ()
        assert started.status == "cancelled"

    run(main)


def test_a_flow_is_waited_for_when_the_engine_is_left_and_may_still_start_jobs() -> None:
    @flow
    async def slow() -> float:
        await asyncio.sleep(10)
        first = await nap(1)
        await asyncio.sleep(10)
        return first + await nap(1)

    async def main() -> None:
        async with Engine() as engine:
            started = await slow.start(engine)
        assert now() == 22
        assert started.status == "succeeded"
        assert asyncio.all_tasks() == {asyncio.current_task()}

    VirtualClock().run(main)


def test_keyboard_interrupt_in_a_leaf_of_a_graph_ends_everything() -> None:
    async def interrupt() -> None:
        await asyncio.sleep(1)
        raise KeyboardInterrupt

    @dag
    async def graph() -> Any:
        await task(interrupt, name="interrupt")()
        return await nap(100)

    seen: list[Handle] = []

    async def main() -> None:
        async with Engine() as engine:
            started = await graph.start(engine)
            seen.append(started.handle)
            await asyncio.sleep(0.5)
            seen.extend(started.tasks.values())
            await asyncio.sleep(1000)

    with pytest.raises(KeyboardInterrupt):
        VirtualClock().run(main)
    statuses = {each.name: each.status for each in seen}
    assert statuses["interrupt"] == "failed"
    assert set(statuses.values()) <= {"failed", "cancelled", "skipped"}


def test_an_error_in_the_engines_block_cancels_bodies_and_their_jobs() -> None:
    seen: list[Handle] = []

    @flow
    async def body() -> None:
        await nap(100)

    async def fails() -> None:
        async with Engine() as engine:
            started = await body.start(engine)
            await asyncio.sleep(1)
            seen.extend([started.handle, *started.tasks.values()])
            raise ZeroDivisionError

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await fails()
        assert [each.status for each in seen] == ["cancelled", "cancelled"]
        assert now() == 1
        assert asyncio.all_tasks() == {asyncio.current_task()}

    VirtualClock().run(main)


def test_a_timeout_of_a_flow_cancels_what_it_started() -> None:
    @flow(timeout=5)
    async def body() -> None:
        await nap(100)

    async def main(engine: Engine) -> None:
        started = await body.start(engine)
        await asyncio.sleep(1)
        tasks = started.tasks
        with pytest.raises(JobFailed, match="timeout of 5 s"):
            await started
        assert now() == 5
        assert [each.status for each in tasks.values()] == ["cancelled"]

    run(main)


def test_the_engines_retries_are_for_jobs_and_not_for_the_bodies_around_them() -> None:
    tried: list[int] = []

    async def flaky() -> None:
        tried.append(here().attempt)
        raise OSError

    bodies: list[int] = []

    @flow
    async def body() -> None:
        bodies.append(here().attempt)
        await task(flaky)()

    async def main(engine: Engine) -> None:
        with pytest.raises(JobFailed):
            await (await body.start(engine))

    run(main, retry=RetryPolicy(attempts=3))
    assert (tried, bodies) == ([1, 2, 3], [1])


def test_a_body_with_a_retry_of_its_own_begins_anew() -> None:
    began: list[int] = []

    @flow(retry=RetryPolicy(attempts=2, base=1.0, cap=1.0))
    async def body() -> str:
        attempt = here().attempt
        began.append(attempt)
        beside = nap(100)
        if attempt == 1:
            await fail(1)
        assert (await nap(1)) == 1
        beside.handle.cancel()
        return "second"

    async def main(engine: Engine) -> None:
        assert await (await body.start(engine)) == "second"
        assert began == [1, 2]
        assert now() <= 4

    run(main)


# What surrounds their jobs.


def test_middleware_may_send_a_job_of_a_graph_back() -> None:
    class Once:
        async def around(self, job: Job, ctx: JobContext, call_next: Any) -> object:
            output = await call_next()
            if job.name == "draft" and ctx.attempt == 1:
                raise RunAgain({"text": "better"})
            return output

    async def draft(text: str) -> str:
        return text.upper()

    @dag
    async def graph(text: str) -> str:
        return await task(draft, name="draft")(text)

    async def main(engine: Engine) -> None:
        report = await graph.run(engine, text="first")
        assert report.output == "BETTER"
        assert len(report.tasks["draft"].attempts) == 2

    run(main, middleware=[Once()])


def test_every_job_below_a_body_says_what_it_belongs_to_in_the_events() -> None:
    sink = MemorySink()

    @flow
    async def inner() -> float:
        return await nap(1)

    @dag
    async def graph() -> float:
        return await inner()

    async def main(engine: Engine) -> None:
        await (await graph.start(engine))

    run(main, sinks=[sink])
    submitted = {event.job: event for event in sink.of(events.JobSubmitted)}
    chain = [(event.name, event.role) for event in submitted.values()]
    assert chain == [("graph", "graph"), ("inner", "flow"), ("nap", "job")]
    parents = [event.parent and submitted[event.parent].name for event in submitted.values()]
    assert parents == [None, "graph", "inner"]
    for event in sink.events:
        assert events.parse_event(events.dump_event(event)).type == event.type
    ends = [event.job for event in sink.of(events.JobEnded)]
    assert [submitted[job].name for job in ends] == ["nap", "inner", "graph"]


def test_a_condition_that_does_not_hold_takes_no_slot() -> None:
    started: list[float] = []

    async def never() -> None:
        started.append(now())

    @flow
    async def body() -> str:
        try:
            await task(never, when=lambda: False)()
        except JobSkipped:
            return "skipped"
        return "ran"

    @flow
    async def broken() -> None:
        await task(never, when=lambda: 1 / 0)()

    async def main(engine: Engine) -> None:
        await engine.submit(5.0, executor=nap.fn)
        assert await (await body.start(engine)) == "skipped"
        with pytest.raises(JobFailed, match="division by zero"):
            await (await broken.start(engine))
        assert now() == 0
        assert started == []

    run(main, slots=1)


@pytest.mark.blocks_loop
def test_a_flow_whose_body_blocks_the_loop_is_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_watchdog, "LIMIT", 0.1)

    @flow
    async def greedy() -> str:
        time.sleep(0.5)  # noqa: ASYNC251 - the mistake that it is about
        return str(await nap(0.01))

    async def main() -> None:
        async with Engine() as engine:
            started = await greedy.start(engine)
            assert await started == "0.01"
            await asyncio.sleep(0.2)
        said = [record.getMessage() for record in caplog.records]
        assert any(f"job 'greedy' ({started.id}) has blocked the event loop" in text for text in said)

    asyncio.run(main())
    for thread in threading.enumerate():  # those of engines that were left may not have noticed yet
        if thread.name == "paceline-watchdog":
            thread.join(5)
