"""What a failure stops, when it is known, and what is told of it."""

import asyncio
from typing import Annotated, Any

import pytest

from paceline import (
    Dag,
    Ended,
    Engine,
    From,
    GraphRun,
    JobFailed,
    MemorySink,
    RetryPolicy,
    RunReport,
    current_job,
    dag,
    events,
    flow,
    task,
)
from paceline.testing import VirtualClock


def now() -> float:
    return asyncio.get_running_loop().time()


class Broken(Exception):
    """What the tasks here fail with."""


BROKEN = Broken("no luck")


@task
async def fail(seconds: float) -> int:
    await asyncio.sleep(seconds)
    raise BROKEN


@task
async def wait(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


def diamond() -> Dag[..., Any]:
    """`fails` after a second; `long` is independent of it; the rest hangs on both in all ways."""
    graph = Dag("diamond")
    graph.task(fail.fn, name="fails", bind={"seconds": 1.0})
    graph.task(wait.fn, name="long", bind={"seconds": 5.0})
    graph.task(wait.fn, name="on", bind={"seconds": From("long")})
    graph.task(wait.fn, name="needs", bind={"seconds": From("fails")})
    graph.task(wait.fn, name="below", bind={"seconds": From("needs")})
    graph.task(wait.fn, name="ordered", after=["fails"], bind={"seconds": 1.0})
    graph.task(wait.fn, name="anyway", after=[Ended("fails")], bind={"seconds": 1.0})
    return graph


def statuses(report: RunReport) -> dict[str, str]:
    return {name: each.status for name, each in report.tasks.items()}


def ran(graph: Dag[..., Any], **how: Any) -> RunReport:
    return VirtualClock().run(lambda: graph.run(**how))


def test_a_failure_stops_what_depends_on_it_and_nothing_else() -> None:
    report = ran(diamond())
    assert statuses(report) == {
        "fails": "failed",
        "long": "succeeded",
        "on": "succeeded",
        "needs": "skipped",
        "below": "skipped",
        "ordered": "skipped",
        "anyway": "succeeded",
    }
    assert report.state == "failed"
    assert report.totals.seconds == 10.0


def test_with_continue_what_is_only_ordered_after_it_runs() -> None:
    report = ran(diamond(), on_failure="continue")
    assert statuses(report) == {
        "fails": "failed",
        "long": "succeeded",
        "on": "succeeded",
        "needs": "skipped",
        "below": "skipped",
        "ordered": "succeeded",
        "anyway": "succeeded",
    }
    assert report.state == "failed"
    assert report.tasks["ordered"].started == report.tasks["fails"].ended


def test_with_fail_fast_the_rest_is_cancelled_at_that_moment() -> None:
    report = ran(diamond(), on_failure="fail_fast")
    found = statuses(report)
    assert found["fails"] == "failed"
    assert found["long"] == found["on"] == found["anyway"] == "cancelled"
    assert {found[name] for name in ("needs", "below", "ordered")} == {"skipped"}
    assert (report.state, report.totals.seconds) == ("failed", 1.0)
    cancelled = report.tasks["on"].error
    assert cancelled is not None
    assert cancelled.message == "task 'fails' failed, and its graph stops at the first failure"


def test_what_is_skipped_carries_the_very_exception_that_caused_it() -> None:
    async def main() -> tuple[dict[str, BaseException | None], BaseException | None]:
        async with Engine() as engine:
            run = await diamond().start(engine)
            with pytest.raises(JobFailed, match=r"'fails'.*no luck") as caught:
                await run
            chain = caught.value.__cause__
            while chain is not None and chain is not BROKEN:
                chain = chain.__cause__
            errors: dict[str, BaseException | None] = {}
            for name, handle in run.tasks.items():
                error = (await handle.wait()).error
                errors[name] = None if error is None else error.exception
            return errors, chain

    errors, chain = VirtualClock().run(main)
    assert chain is BROKEN
    for name in ("fails", "needs", "below", "ordered"):
        assert errors[name] is BROKEN


def test_a_failure_is_known_at_once_while_others_run() -> None:
    async def main() -> list[tuple[str, str, float]]:
        seen: list[tuple[str, str, float]] = []
        async with Engine() as engine:
            run = await diamond().start(engine)
            seen.extend([(each.name, each.status, now()) async for each in run.as_completed()])
        return seen

    seen = VirtualClock().run(main)
    assert sorted(seen[:4]) == [(name, status, 1.0) for name, status in (
        ("below", "skipped"), ("fails", "failed"), ("needs", "skipped"), ("ordered", "skipped"),
    )]  # fmt: skip
    assert seen[4:] == [("anyway", "succeeded", 2.0), ("long", "succeeded", 5.0), ("on", "succeeded", 10.0)]


def test_fail_fast_reaches_into_maps_and_graphs_and_heeds_them() -> None:
    """An item that fails fails its map, a node of an inner graph that graph: they are not waited for."""

    @task
    async def item(seconds: float) -> None:
        await asyncio.sleep(seconds)
        if seconds == 1.0:
            raise BROKEN

    @dag
    async def inner() -> list[None]:
        return await item.map([1.0, 100.0])

    @dag
    async def outer() -> object:
        return await inner(), await wait(50.0)

    report = ran(outer, on_failure="fail_fast")
    assert report.totals.seconds == 1.0
    assert statuses(report)["inner/item[0]"] == "failed"
    assert statuses(report)["inner/item[1]"] == statuses(report)["wait"] == "cancelled"
    assert report.state == "failed"


def test_fail_fast_does_not_heed_what_is_tried_again_or_caught() -> None:
    tried: list[float] = []

    @task
    async def second_time() -> int:
        tried.append(now())
        if len(tried) == 1:
            raise BROKEN
        return 1

    @dag
    async def inner() -> int:
        return await second_time()

    @flow
    async def careful() -> str:
        try:
            await fail(1.0)
        except JobFailed:
            return "caught"
        return "not"

    @dag
    async def outer() -> object:
        again = inner.with_options(retry=RetryPolicy(attempts=2, base=1.0))
        return await again(), await careful(), await wait(5.0)

    report = ran(outer, on_failure="fail_fast")
    assert (report.output, len(tried)) == ((1, "caught", 5.0), 2)


def test_fail_fast_holds_for_a_graph_that_is_still_coming_in() -> None:
    """More nodes than are submitted in one go: those that come after the failure are cancelled."""
    graph = Dag("large")
    started: list[int] = []

    @graph.task
    async def first() -> None:
        raise BROKEN

    async def other(number: int) -> None:
        started.append(number)

    for number in range(500):
        graph.task(other, name=f"other{number}", bind={"number": number}, after=[first] if number % 2 else [])

    async def main() -> RunReport:
        async with Engine(slots=1) as engine:
            return await graph.run(engine, on_failure="fail_fast")

    report = VirtualClock().run(main)
    assert len(report.tasks) == 501
    assert started == []
    assert {each.status for each in report.tasks.values()} == {"failed", "skipped", "cancelled"}


def test_nothing_is_started_on_the_way_of_stopping() -> None:
    sink = MemorySink()

    async def main() -> None:
        async with Engine(slots=2, sinks=[sink]) as engine:
            graph = Dag("queue")
            graph.task(fail.fn, name="fails", bind={"seconds": 1.0})
            for number in range(5):
                graph.task(wait.fn, name=f"w{number}", bind={"seconds": 9.0})
            await graph.run(engine, on_failure="fail_fast")

    VirtualClock().run(main)
    assert len(sink.of(events.JobStarted)) == 3  # the graph, the one that fails, the one beside it


def test_retries_come_before_a_task_has_failed() -> None:
    attempts: list[float] = []

    @task(retry=RetryPolicy(attempts=3, base=1.0))
    async def flaky() -> str:
        attempts.append(now())
        if len(attempts) < 3:
            raise BROKEN
        return "done"

    @dag
    async def pipeline() -> str:
        return await flaky()

    report = ran(pipeline, on_failure="fail_fast")
    assert (report.output, len(report.tasks["flaky"].attempts), len(attempts)) == ("done", 3, 3)


def test_the_retries_of_an_engine_are_for_its_tasks_not_for_the_graph() -> None:
    tries: list[int] = []

    @task
    async def always(number: int) -> None:
        tries.append(number)
        raise BROKEN

    @dag
    async def pipeline() -> object:
        return await always.map([1])

    async def main() -> None:
        async with Engine(retry=RetryPolicy(attempts=2, base=0.1)) as engine:
            await pipeline.run(engine)

    VirtualClock().run(main)
    assert tries == [1, 1]


def test_a_deadline_of_the_graph_ends_all_of_it() -> None:
    graph = Dag("late", deadline=3.0)
    graph.task(wait.fn, name="short", bind={"seconds": 1.0})
    graph.task(wait.fn, name="long", bind={"seconds": 10.0})
    report = ran(graph)
    assert statuses(report) == {"short": "succeeded", "long": "cancelled"}
    assert (report.state, report.totals.seconds) == ("failed", 3.0)
    assert report.error is not None
    assert "deadline" in report.error.message


def test_a_time_limit_of_a_task_is_one_failure_among_others() -> None:
    graph = Dag("limits")
    graph.task(wait.fn, name="slow", bind={"seconds": 10.0}, timeout=1.0)
    graph.task(wait.fn, name="late", bind={"seconds": 10.0}, deadline=2.0)

    @graph.task
    async def after(slow: Annotated[float, From("slow")]) -> float:
        return slow

    report = ran(graph)
    assert statuses(report) == {"slow": "failed", "late": "failed", "after": "skipped"}
    error = report.tasks["after"].error
    assert error is not None
    assert error.type == "paceline.AttemptTimeout"


def test_cancelling_one_task_of_a_run_fails_the_run_and_skips_what_needs_it() -> None:
    async def main() -> RunReport:
        async with Engine() as engine:
            graph = Dag("one")
            graph.task(wait.fn, name="first", bind={"seconds": 10.0})
            graph.task(wait.fn, name="second", bind={"seconds": From("first")})
            run: GraphRun[Any] = await graph.start(engine)
            await asyncio.sleep(1)
            run.tasks["first"].cancel("not wanted")
            return await run.report()

    report = VirtualClock().run(main)
    assert statuses(report) == {"first": "cancelled", "second": "skipped"}
    assert report.state == "cancelled"


@pytest.mark.parametrize("on_failure", ["skip_downstream", "fail_fast", "continue"])
def test_a_job_that_a_task_left_behind_fails_by_itself_and_its_graph_goes_on(on_failure: Any) -> None:
    left: list[Any] = []

    @task
    async def leaves(seconds: float) -> float:
        ctx = current_job()
        assert ctx is not None
        left.append(await ctx.spawn({"seconds": 2}, executor=fail))
        return seconds

    @dag
    async def pipeline() -> float:
        return await wait(await leaves(5))

    async def main() -> None:
        report = await pipeline.run(on_failure=on_failure)
        assert (report.state, report.output, now()) == ("succeeded", 5, 5)
        assert statuses(report) == {"leaves": "succeeded", "wait": "succeeded"}
        assert (left[0].status, (await left[0].wait()).error.exception) == ("failed", BROKEN)

    VirtualClock().run(main)
