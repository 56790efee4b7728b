"""Runs of a graph: given inputs, started, watched, awaited, cancelled, and asked for a report."""

import asyncio
import gc

import pytest

from paceline import (
    Dag,
    Engine,
    GraphRun,
    Handle,
    JobCancelled,
    JobSuspended,
    MemorySink,
    PacelineError,
    RunReport,
    Suspend,
    UnknownName,
    current_job,
    dag,
    events,
    flow,
    gather,
    task,
)
from paceline._record import Record
from paceline.testing import VirtualClock


def now() -> float:
    return asyncio.get_running_loop().time()


@task
async def wait(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@task
async def add(left: float, right: float) -> float:
    return left + right


@dag
async def pipeline(short: float, long: float) -> float:
    return await add(await wait(short), await wait(long))


def test_inputs_come_as_a_mapping_or_by_name_or_both() -> None:
    async def main() -> list[object]:
        return [
            (await pipeline.run(inputs={"short": 1.0, "long": 2.0})).output,
            (await pipeline.run(short=1.0, long=2.0)).output,
            (await pipeline.run(inputs={"short": 1.0}, long=2.0)).output,
        ]

    assert VirtualClock().run(main) == [3.0, 3.0, 3.0]


def test_targets_run_with_what_they_come_after_and_nothing_else() -> None:
    graph = Dag("targets")
    one = graph.task(wait.fn, name="one", bind={"seconds": 1.0})
    graph.task(wait.fn, name="two", after=[one], bind={"seconds": 1.0})
    graph.task(wait.fn, name="three", after=["two"], bind={"seconds": 1.0})
    graph.task(add, bind={"left": 1.0, "right": 1.0})

    def ran(targets: object) -> set[str]:
        return set(VirtualClock().run(lambda: graph.run(targets=targets)).tasks)

    assert ran("two") == {"one", "two"}
    assert ran([one]) == {"one"}
    assert ran(["one", add]) == {"one", "add"}
    assert ran(add.fn) == {"add"}
    assert ran(wait.fn) == {"one", "two", "three"}
    assert ran([]) == set()
    assert ran(None) == {"one", "two", "three", "add"}


def test_a_task_that_is_in_no_graph_is_no_target() -> None:
    @task
    async def other() -> None: ...

    with pytest.raises(UnknownName, match=r"'pipeline'.*'other'"):
        VirtualClock().run(lambda: pipeline.run(targets=other, short=1.0, long=1.0))


def test_a_target_may_be_a_method_of_an_object() -> None:
    class Store:
        async def load(self) -> int:
            return 1

    one, two = Store(), Store()
    graph = Dag("stores")
    graph.task(one.load, name="one")
    graph.task(two.load, name="two")
    assert set(VirtualClock().run(lambda: graph.run(targets=two.load)).tasks) == {"two"}


def test_targets_of_a_drawn_graph_are_all_calls_of_a_task() -> None:
    async def main() -> RunReport:
        return await pipeline.run(targets=[wait], short=1.0, long=2.0)

    report = VirtualClock().run(main)
    assert set(report.tasks) == {"wait", "wait#2"}
    assert (report.state, report.output) == ("succeeded", None)  # what the graph returns was not made
    assert report.outputs == {"wait": 1.0, "wait#2": 2.0}


def test_an_engine_of_its_own_is_named_by_run_id() -> None:
    async def main() -> str | None:
        return (await pipeline.run(run_id="nightly", short=0.0, long=0.0)).run_id

    assert VirtualClock().run(main) == "nightly"


def test_run_id_is_refused_where_the_engine_has_one() -> None:
    async def inside(engine: Engine) -> None:
        await pipeline.run(run_id="x", short=0.0, long=0.0)

    async def main() -> None:
        async with Engine() as engine:
            with pytest.raises(
                PacelineError, match=r"dag 'pipeline': run_id= names the run of an engine of its own"
            ):
                await pipeline.run(engine, run_id="x", short=0.0, long=0.0)
            with pytest.raises(PacelineError, match="run_id= names the run"):
                await (await engine.submit(engine, executor=inside))

    VirtualClock().run(main)


def test_max_running_caps_one_run_and_not_another() -> None:
    graph = Dag("wide")
    for number in range(6):
        graph.task(wait.fn, name=f"w{number}", bind={"seconds": 1.0})

    async def main() -> tuple[RunReport, RunReport, float]:
        async with Engine(slots=20) as engine:
            capped, free = await asyncio.gather(graph.run(engine, max_running=2), graph.run(engine))
            return capped, free, now()

    capped, free, seconds = VirtualClock().run(main)
    assert (capped.width, free.width, seconds) == (2, 6, 3.0)
    assert capped.tasks["w5"].waited_for == "as many jobs of wide run as may"
    with pytest.raises(ValueError, match="max_running"):
        VirtualClock().run(lambda: graph.run(max_running=0))


def test_max_running_said_of_the_graph_holds_for_what_is_within_too() -> None:
    @dag
    async def inner() -> object:
        return await wait.map([1.0] * 3)

    @dag(max_running=2)
    async def outer() -> object:
        return await inner(), await inner(), await wait(1.0)

    async def main() -> RunReport:
        async with Engine(slots=20) as engine:
            return await outer.run(engine)

    report = VirtualClock().run(main)
    assert (report.width, report.totals.seconds) == (2, 4.0)


def test_a_private_engine_has_the_slots_that_a_run_may_use() -> None:
    async def main() -> list[int]:
        @dag
        async def wide() -> object:
            return await wait.map([1.0] * 30)

        capped = wide.with_options(max_running=12)
        return [(await wide.run()).width, (await wide.run(max_running=20)).width, (await capped.run()).width]

    assert VirtualClock().run(main) == [8, 20, 12]


def test_start_comes_back_at_once_and_the_run_is_awaited_watched_and_asked() -> None:
    async def main() -> None:
        async with Engine() as engine:
            run: GraphRun[float] = await pipeline.start(engine, short=1.0, long=4.0)
            assert (now(), run.name, run.key, run.status) == (0.0, "pipeline", "pipeline", "running")
            assert run.tasks == {}
            await asyncio.sleep(2)
            assert run.status == "running"
            assert {name: each.status for name, each in run.tasks.items()} == {
                "wait": "succeeded",
                "wait#2": "running",
                "add": "waiting",
            }
            assert isinstance(run.tasks["add"], Handle)
            reason = run.tasks["add"].waiting
            assert reason is not None
            assert reason.kind == "dependency"
            assert await run == 5.0
            assert now() == 4.0
            assert (await run.report()).output == 5.0
            assert await run == 5.0
            assert run.id == run.handle.id
            assert repr(run) == "<GraphRun 'pipeline' succeeded>"

    VirtualClock().run(main)


def test_as_completed_yields_each_job_once_as_it_ends() -> None:
    @dag
    async def graph(seconds: list[float]) -> object:
        return await pipeline(1.0, 2.0), await wait.map(seconds)

    async def main() -> tuple[list[tuple[str, float]], list[str], list[str]]:
        async with Engine() as engine:
            run = await graph.start(engine, seconds=[3.0, 0.5])
            seen = [(result.name, now()) async for result in run.as_completed()]
            again = [result.name async for result in run.as_completed()]
            late = await graph.start(engine, seconds=[3.0])
            await asyncio.sleep(2.5)
            return seen, again, [result.name async for result in late.as_completed()]

    seen, again, late = VirtualClock().run(main)
    assert sorted(seen) == sorted(
        [
            ("wait[1]", 0.5),
            ("pipeline/wait", 1.0),
            ("pipeline/wait#2", 2.0),
            ("pipeline/add", 2.0),
            ("pipeline", 2.0),
            ("wait[0]", 3.0),
            ("wait", 3.0),
        ]
    )
    assert sorted(again) == sorted(name for name, _ in seen)
    assert sorted(late) == sorted(name for name, _ in seen if name != "wait[1]")


def test_giving_up_the_await_leaves_the_run_and_cancel_ends_it() -> None:
    async def main() -> None:
        async with Engine() as engine:
            run = await pipeline.start(engine, short=1.0, long=100.0)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(run, 2)  # type: ignore[arg-type, unused-ignore]
            assert run.status == "running"
            assert run.cancel("not wanted any more")
            assert not run.cancel()
            assert (run.status, now()) == ("cancelled", 2.0)
            with pytest.raises(JobCancelled, match="not wanted any more"):
                await run
            report = await run.report()
            assert {name: each.status for name, each in report.tasks.items()} == {
                "wait": "succeeded",
                "wait#2": "cancelled",
                "add": "cancelled",
            }
            assert report.state == "cancelled"
            assert engine.snapshot().counts["running"] == 0

    VirtualClock().run(main)


@task
async def approve(text: str) -> object:
    context = current_job()
    assert context is not None
    job = context.job
    if job.reply is None:
        return Suspend(f"publish {text}?")
    return f"{text}: {job.reply}"


def test_a_report_while_it_rests_and_another_after_the_reply() -> None:
    @dag
    async def review(text: str) -> object:
        return await approve(text), await wait(3.0)

    async def main() -> None:
        async with Engine() as engine:
            run = await review.start(engine, text="tea")
            first = await run.report()
            assert (now(), run.status, first.state) == (3.0, "suspended", "suspended")
            assert {name: each.status for name, each in first.tasks.items()} == {
                "approve": "suspended",
                "wait": "succeeded",
            }
            assert first.tasks["approve"].questions[0].value == "publish tea?"
            assert first.totals.suspended == 1
            with pytest.raises(
                JobSuspended, match=r"'review'.* waits for jobs that ask something: 'approve'"
            ):
                await run
            seen = [(result.name, result.status) async for result in run.as_completed()]
            assert sorted(seen) == [("approve", "suspended"), ("wait", "succeeded")]
            await engine.reply(run.tasks["approve"].id, "yes")
            second = await run.report()
            assert (second.state, second.output) == ("succeeded", ("tea: yes", 3.0))
            assert len(second.tasks["approve"].attempts) == 2

    VirtualClock().run(main)


def test_run_comes_back_with_a_report_when_it_rests() -> None:
    async def main() -> tuple[str, str]:
        async with Engine() as engine:
            graph = Dag("ask")
            graph.task(approve, bind={"text": "a"})
            graph.task(wait, after=[approve], bind={"seconds": 1.0})
            report = await graph.run(engine)
            return report.state, report.tasks["wait"].status

    assert VirtualClock().run(main) == ("suspended", "waiting")


def test_what_its_tasks_do_is_never_raised_by_run() -> None:
    @task
    async def fail() -> None:
        raise ValueError("no")

    @dag
    async def graph() -> None:
        await fail()

    report = VirtualClock().run(graph.run)
    assert report.state == "failed"
    assert report.error is not None
    assert "ValueError: no" in report.error.message


def test_a_graph_waits_for_what_its_tasks_have_started() -> None:
    @task
    async def spawns() -> str:
        context = current_job()
        assert context is not None
        await context.spawn(5.0, executor=asyncio.sleep)
        return "done"

    @dag
    async def graph() -> str:
        return await spawns()

    async def main() -> tuple[object, float]:
        async with Engine() as engine:
            return (await graph.run(engine)).output, now()

    assert VirtualClock().run(main) == ("done", 5.0)


def test_nothing_of_a_run_is_kept_once_nobody_holds_it() -> None:
    async def main() -> int:
        async with Engine() as engine:
            for _ in range(3):
                await pipeline.run(engine, short=0.0, long=0.0)
            gc.collect()
            return sum(isinstance(each, Record) for each in gc.get_objects())

    gc.collect()
    before = sum(isinstance(each, Record) for each in gc.get_objects())
    assert VirtualClock().run(main) <= before


def test_a_mistake_in_the_inputs_is_raised_before_anything_runs() -> None:
    sink = MemorySink()

    async def main() -> None:
        async with Engine(sinks=[sink]) as engine:
            with pytest.raises(TypeError, match="needs the input 'long'"):
                await pipeline.start(engine, short=1.0)

    VirtualClock().run(main)
    assert sink.of(events.JobSubmitted) == []


def test_a_run_tells_what_it_waits_to_be_told_and_by_whom_it_is_asked() -> None:
    @task
    async def approve(what: str) -> object:
        ctx = current_job()
        assert ctx is not None
        return ctx.job.reply or Suspend(f"publish {what}?")

    @flow
    async def both() -> list[object]:
        ctx = current_job()
        assert ctx is not None
        answers = await gather(approve("a"), approve("b"))
        return [*answers, await ctx.ask("and now?")]

    async def main() -> object:
        async with Engine() as engine:
            run = await both.start(engine)
            assert (await run.report()).state == "suspended"
            questions = {job: asked.value for job, (asked,) in run.questions.items()}
            assert sorted(questions.values()) == ["publish a?", "publish b?"]
            for job in questions:
                await engine.reply(job, "yes")
            await run.report()
            ((job, (last,)),) = run.questions.items()
            assert (job, last.value) == (run.id, "and now?")
            await engine.reply(job, "stop")
            assert run.questions == {}
            return await run

    assert VirtualClock().run(main) == ["yes", "yes", "stop"]
