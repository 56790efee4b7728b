"""A graph runs in an engine, in a job, a flow, another graph; each of its nodes is a job like any."""

import asyncio
from typing import Any

import pytest

from paceline import (
    Dag,
    Engine,
    Job,
    Lane,
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


@task
async def who(value: int) -> tuple[str, str | None]:
    job = this_job()
    return job.lane, job.key


@task
async def sleep(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@dag
async def pipeline(numbers: list[int]) -> object:
    first = await who(1)
    return {"first": first, "mapped": await who.map(numbers), "again": await who(2)}


def keys(sink: MemorySink) -> list[str | None]:
    return [event.key for event in sink.of(events.JobSubmitted)]


def this_job() -> Job:
    context = current_job()
    assert context is not None
    return context.job


def test_every_node_has_a_key_by_its_place() -> None:
    sink = MemorySink()

    @dag
    async def outer(numbers: list[int]) -> object:
        return await pipeline(numbers)

    async def main() -> None:
        async with Engine(sinks=[sink]) as engine:
            await pipeline.run(engine, numbers=[1, 2])
            await pipeline.run(engine, numbers=[])
            await outer.run(engine, numbers=[5])

    VirtualClock().run(main)
    assert keys(sink) == [
        "pipeline",
        "pipeline/who",
        "pipeline/who#2",
        "pipeline/who#3",
        "pipeline/who#2[0]",
        "pipeline/who#2[1]",
        "pipeline#2",
        "pipeline#2/who",
        "pipeline#2/who#2",
        "pipeline#2/who#3",
        "outer",
        "outer/pipeline",
        "outer/pipeline/who",
        "outer/pipeline/who#2",
        "outer/pipeline/who#3",
        "outer/pipeline/who#2[0]",
    ]


def test_events_tell_the_parent_the_role_and_what_was_waited_for() -> None:
    sink = MemorySink()

    @dag
    async def chained() -> object:
        return await sleep.map([await sleep(1.0)])

    async def main() -> None:
        async with Engine(sinks=[sink]) as engine:
            await chained.run(engine)

    VirtualClock().run(main)
    submitted = {event.name: event for event in sink.of(events.JobSubmitted)}
    assert {name: event.role for name, event in submitted.items()} == {
        "chained": "graph",
        "sleep": "job",
        "sleep#2": "map",
        "sleep#2[0]": "job",
    }
    assert submitted["chained"].parent is None
    assert submitted["sleep"].parent == submitted["sleep#2"].parent == submitted["chained"].job
    assert submitted["sleep#2[0]"].parent == submitted["sleep#2"].job
    assert submitted["sleep#2"].after == (submitted["sleep"].job,)
    assert {event.job for event in sink.of(events.JobEnded)} == {event.job for event in submitted.values()}


def test_the_lane_of_a_graph_is_that_of_its_tasks_which_name_none() -> None:
    @task(lane="own")
    async def elsewhere() -> str:
        return this_job().lane

    @dag(lane="team")
    async def outer(numbers: list[int]) -> object:
        return await pipeline(numbers), await elsewhere()

    async def main() -> None:
        async with Engine(lanes=[Lane("team"), Lane("own"), Lane("job")]) as engine:
            report = await outer.run(engine, numbers=[1])
            assert {name: each.lane for name, each in report.tasks.items()} == {
                "pipeline": "team",
                "pipeline/who": "team",
                "pipeline/who#2": "team",
                "pipeline/who#2[0]": "team",
                "pipeline/who#3": "team",
                "elsewhere": "own",
            }
            handle = await engine.submit({"numbers": [1]}, executor=pipeline, lane="job")
            output: Any = await handle
            assert output["first"][0] == output["mapped"][0][0] == "job"

    VirtualClock().run(main)


def test_a_lane_cap_holds_for_nodes_and_is_what_they_waited_for() -> None:
    @dag(lane="narrow")
    async def graph() -> object:
        return await sleep.map([1.0, 1.0, 1.0])

    async def main() -> RunReport:
        async with Engine(slots=8, lanes=[Lane("narrow", max_running=1)]) as engine:
            return await graph.run(engine)

    report = VirtualClock().run(main)
    assert (report.width, report.totals.seconds) == (1, 3.0)
    assert report.tasks["sleep[2]"].waited_for == "lane narrow has as many jobs running as it may"


def test_a_graph_is_submitted_like_a_job_and_may_be_the_executor_of_an_engine() -> None:
    async def main() -> None:
        async with Engine(pipeline) as engine:
            handle = await engine.submit({"numbers": [1]}, name="mine")
            output: Any = await handle
            assert output["mapped"] == [("default", "mine/who#2[0]")]
        async with Engine(executor={"graphs": pipeline}) as engine:
            output = await (await engine.submit({"numbers": []}, executor="graphs", key="k"))
            assert output["first"] == ("default", "k/who")
            result = await (await engine.submit("text", executor="graphs")).wait()
            assert result.error is not None
            assert result.error.message == (
                "graph 'pipeline' takes its inputs as a mapping from names, not as a str"
            )
            result = await (await engine.submit({"wrong": 1}, executor="graphs")).wait()
            assert result.error is not None
            assert "graph 'pipeline' has no input 'wrong'" in result.error.message
            payloads: list[dict[str, list[int]]] = [{"numbers": []}] * 3
            results = [each async for each in engine.map(payloads, executor="graphs")]
            assert [each.status for each in results] == ["succeeded"] * 3

    VirtualClock().run(main)


@pytest.mark.parametrize("slots", [1, 3])
def test_in_a_job_the_engine_of_the_job_is_used_and_one_slot_is_enough(slots: int) -> None:
    lanes: list[str] = []
    run_ids: list[str | None] = []

    async def work(payload: object) -> object:
        lanes.append(this_job().lane)
        called: Any = await pipeline([1])
        report = await pipeline.run(numbers=[1, 2])
        run_ids.append(report.run_id)
        return called["first"][0], report.output["first"][0]

    async def main() -> object:
        async with Engine(work, slots=slots, lanes=[Lane("job")], run_id="outer") as engine:
            return await (await engine.submit(None, lane="job"))

    assert VirtualClock().run(main) == ("job", "job")
    assert (lanes, run_ids) == (["job"], ["outer"])


def test_in_a_flow_and_in_a_graph_it_is_a_call() -> None:
    @flow
    async def reactive(rounds: int) -> list[Any]:
        return [await pipeline([number]) for number in range(rounds)]

    @dag
    async def outer(rounds: int) -> object:
        return await reactive(rounds)

    async def main() -> RunReport:
        async with Engine(slots=1) as engine:
            return await outer.run(engine, rounds=2)

    report = VirtualClock().run(main)
    assert [len(each["mapped"]) for each in report.output] == [1, 1]
    assert report.tasks["reactive"].role == "flow"
    assert report.totals.jobs == 6


def test_a_job_may_watch_a_run_of_its_own_with_one_slot() -> None:
    async def work(payload: object, engine: Engine) -> list[str]:
        run = await pipeline.start(engine, numbers=[1])
        return [result.name async for result in run.as_completed()]

    async def main() -> Any:
        async with Engine(slots=1) as engine:

            async def job(payload: object) -> object:
                return await work(payload, engine)

            return await (await engine.submit(None, executor=job))

    assert sorted(VirtualClock().run(main)) == ["who", "who#2", "who#2[0]", "who#3"]


def test_awaited_outside_of_any_engine_it_gives_its_value_or_raises() -> None:
    @task
    async def fail() -> int:
        raise ValueError("no")

    @dag
    async def broken() -> int:
        return await fail()

    async def main() -> None:
        output: Any = await pipeline([1, 2])
        assert [key for _, key in output["mapped"]] == ["pipeline/who#2[0]", "pipeline/who#2[1]"]
        with pytest.raises(Exception, match="ValueError: no"):
            await broken()

    VirtualClock().run(main)


def test_each_run_opens_and_closes_a_scope_of_kind_graph() -> None:
    class Seen:
        def __init__(self) -> None:
            self.scopes: list[tuple[str, str, str | None, bool]] = []

        def on_begin(self, scope: Any) -> None:
            self.scopes.append(("begin", scope.kind, scope.name, scope.parent is None))

        def on_end(self, scope: Any, error: BaseException | None) -> None:
            self.scopes.append(("end", scope.kind, scope.name, error is None))

    @dag
    async def outer() -> object:
        return await pipeline([1])

    seen = Seen()

    async def main() -> None:
        async with Engine(middleware=[seen]) as engine:
            await outer.run(engine)

    VirtualClock().run(main)
    graphs = [each for each in seen.scopes if each[1] == "graph"]
    assert graphs == [
        ("begin", "graph", "outer", True),
        ("begin", "graph", "pipeline", False),
        ("end", "graph", "pipeline", True),
        ("end", "graph", "outer", True),
    ]


def test_middleware_sees_the_arguments_of_each_node() -> None:
    seen: list[tuple[str, Any]] = []

    class Watch:
        async def around(self, job: Job, ctx: Any, call_next: Any) -> object:
            seen.append((job.name, job.payload))
            return await call_next(job, ctx)

    @dag
    async def graph(seconds: float) -> object:
        return await sleep(await sleep(seconds))

    async def main() -> None:
        async with Engine(middleware=[Watch()]) as engine:
            await graph.run(engine, seconds=1.0)

    VirtualClock().run(main)
    assert ("sleep", {"seconds": 1.0}) in seen
    assert ("sleep#2", {"seconds": 1.0}) in seen


def test_options_of_a_task_are_those_of_its_jobs() -> None:
    tries: list[int] = []

    @task(retry=RetryPolicy(attempts=2, base=0.0), priority=5, metadata={"team": "a"}, config={"c": 1})
    async def odd() -> object:
        job = this_job()
        tries.append(1)
        if len(tries) == 1:
            raise ValueError
        return job.priority, dict(job.metadata), job.config

    graph = Dag("options")
    graph.task(odd)
    graph.task(odd, name="other", priority=9)
    report = VirtualClock().run(graph.run)
    assert report.outputs["odd"] == (5, {"team": "a"}, {"c": 1})
    assert report.outputs["other"] == (9, {"team": "a"}, {"c": 1})
