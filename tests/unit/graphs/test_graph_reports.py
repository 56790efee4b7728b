"""What a run of a graph or flow tells of itself."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from paceline import (
    Dag,
    Engine,
    From,
    JobContext,
    JobFailed,
    RetryPolicy,
    RunReport,
    Suspend,
    Usage,
    current_job,
    dag,
    flow,
    gather,
    task,
)
from paceline.testing import VirtualClock


def context() -> JobContext:
    found = current_job()
    assert found is not None
    return found


@task
async def use(seconds: float, tokens: int = 0) -> float:
    await asyncio.sleep(seconds)
    if tokens:
        context().usage(Usage(input_tokens=tokens, output_tokens=1))
    return seconds


def graph() -> Dag[..., Any]:
    """`a` (2 s) and `b` (1 s), then `c` on both, `d` on `b` only."""
    made = Dag("report")
    made.task(use, name="a", bind={"seconds": 2.0, "tokens": 10})
    made.task(use, name="b", bind={"seconds": 1.0, "tokens": 20})

    async def pair(left: float, right: float) -> dict[str, float]:
        return {"sum": await use.fn(left + right)}

    made.task(pair, name="c", bind={"left": From("a"), "right": From("b")})
    made.task(use, name="d", after=["b"], bind={"seconds": 1.5})
    made.task(use, name="e", bind={"seconds": From("c", "sum"), "tokens": 40})
    return made


def ran(made: Dag[..., Any], slots: int = 8, **how: Any) -> RunReport:
    async def main() -> RunReport:
        async with Engine(slots=slots) as engine:
            return await made.run(engine, **how)

    return VirtualClock().run(main)


def test_times_are_told_from_readiness_to_end() -> None:
    report = ran(graph())
    begin = report.started
    assert begin is not None

    def times(name: str) -> tuple[float | None, ...]:
        found = report.tasks[name]
        at = [found.accepted, found.ready, found.started, found.ended]
        return tuple(None if each is None else round(each - begin, 3) for each in at)

    assert times("a") == (0.0, 0.0, 0.0, 2.0)
    assert times("c") == (0.0, 2.0, 2.0, 5.0)
    assert times("d") == (0.0, 1.0, 1.0, 2.5)
    assert times("e") == (0.0, 5.0, 5.0, 8.0)
    assert (report.totals.seconds, report.ended) == (8.0, begin + 8.0)
    assert {name: each.after for name, each in report.tasks.items()} == {
        "a": (),
        "b": (),
        "c": ("a", "b"),
        "d": ("b",),
        "e": ("c",),
    }


def test_edges_carry_their_keys_and_width_and_critical_path_are_told() -> None:
    report = ran(graph())
    assert [(each.source, each.target, each.key, each.data) for each in report.edges] == [
        ("a", "c", None, True),
        ("b", "c", None, True),
        ("b", "d", None, False),
        ("c", "e", "sum", True),
    ]
    assert report.width == 2
    assert report.critical_path is not None
    assert report.critical_path.tasks == ("a", "c", "e")
    assert report.critical_path.seconds == pytest.approx(8.0)
    assert report.critical_path.usage == Usage(input_tokens=50, output_tokens=2, requests=2)
    assert report.totals.input_tokens == 70
    assert report.name == "report"


def test_waits_are_told_with_what_held_them() -> None:
    report = ran(graph(), slots=1)
    assert report.width == 1
    assert report.tasks["b"].waited == pytest.approx(2.0)
    assert report.tasks["b"].waited_for == "waits for a free slot"
    assert report.tasks["a"].waited_for is None
    assert report.longest_wait is not None
    assert report.longest_wait.why == "waits for a free slot"
    capped = ran(graph(), max_running=1)
    assert capped.tasks["b"].waited_for == "as many jobs of report run as may"


def test_statuses_of_all_kinds_stand_side_by_side() -> None:
    @task
    async def fails() -> float:
        raise ValueError("no")

    @task
    async def asks() -> object:
        return Suspend("well?")

    @dag
    async def mixed() -> object:
        failed = await fails()
        return [
            await use(1.0),
            failed,
            await use(failed),
            await asks(),
            await use.with_options(when=False)(1.0),
            await use(9.0),
        ]

    async def main() -> tuple[RunReport, RunReport]:
        async with Engine() as engine:
            run = await mixed.start(engine)
            await asyncio.sleep(2)
            run.tasks["use#4"].cancel("enough")
            rests = await run.report()
            run.cancel("over")
            return rests, await run.report()

    rests, ended = VirtualClock().run(main)
    assert {name: each.status for name, each in rests.tasks.items()} == {
        "fails": "failed",
        "use": "succeeded",
        "use#2": "skipped",
        "asks": "suspended",
        "use#3": "skipped",
        "use#4": "cancelled",
    }
    totals = rests.totals
    assert (totals.succeeded, totals.failed, totals.skipped, totals.suspended, totals.cancelled) == (
        1,
        1,
        2,
        1,
        1,
    )
    assert rests.tasks["use#2"].error is not None
    assert rests.tasks["use#3"].error is None
    assert ended.tasks["asks"].status == "cancelled"


def test_it_is_written_as_json_and_read_back() -> None:
    class Model(BaseModel):
        k: int

    @task
    async def model() -> Model:
        return Model(k=1)

    @dag
    async def pipeline() -> object:
        return {"model": await model(), "mapped": await use.map([1.0, 2.0]), "again": await graph()()}

    report = ran(pipeline)
    again = RunReport.model_validate_json(report.model_dump_json())
    assert again.model_dump_json() == report.model_dump_json()
    assert again.output["model"] == {"k": 1}
    assert again.tasks["report/c"].output == {"sum": 3.0}
    assert again.critical_path == report.critical_path
    assert str(again).splitlines()[0] == str(report).splitlines()[0]


def test_it_is_readable_and_drawn_after_the_run_as_before() -> None:
    made = graph()
    before = made.to_mermaid()
    report = ran(made)
    assert str(report).startswith("report succeeded: 5 of 5 jobs succeeded, in 8.00 s, at most 2 at once")
    assert "critical path: a → c → e, 8.00 s" in str(report)
    for drawn in (before, report.to_mermaid(), made.to_dot(), report.to_dot()):
        assert "sum" in drawn
        assert all(name in drawn for name in "abcde")


def test_edges_within_a_graph_within_have_its_name_in_front() -> None:
    @dag
    async def inner(seconds: float) -> float:
        return await use(await use(seconds))

    @dag
    async def outer() -> object:
        return await inner.map([await use(await inner(1.0))])

    report = ran(outer)
    assert [(each.source, each.target) for each in report.edges] == [
        ("inner", "use"),
        ("use", "inner#2"),
        ("inner/use", "inner/use#2"),
        ("inner#2[0]/use", "inner#2[0]/use#2"),
    ]
    assert all(name in report.tasks for each in report.edges for name in (each.source, each.target))
    assert report.tasks["inner#2[0]/use#2"].after == ("inner#2[0]/use",)
    assert {name: each.body for name, each in report.tasks.items()} == {
        "inner": None,
        "inner/use": "inner",
        "inner/use#2": "inner",
        "use": None,
        "inner#2": None,
        "inner#2[0]": "inner#2",
        "inner#2[0]/use": "inner#2[0]",
        "inner#2[0]/use#2": "inner#2[0]",
    }


def test_names_that_look_like_those_of_parts_are_told_and_drawn_as_what_they_are() -> None:
    inner = Dag("inner")
    inner.task(use, name="users", bind={"seconds": 1.0})
    made = Dag("made")
    made.task(inner, name="load")
    made.task(use, name="load/users", after=["load"], bind={"seconds": 2.0})
    made.task(use, name="load[0]", after=["load/users"], bind={"seconds": 3.0})
    report = ran(made)
    own = next(name for name, each in report.tasks.items() if each.output == 2.0)
    assert (report.tasks["load/users"].output, report.tasks["load/users"].body) == (1.0, "load")
    assert (report.tasks[own].body, report.tasks[own].after) == (None, ("load",))
    assert [(each.source, each.target) for each in report.edges] == [("load", own), (own, "load[0]")]
    assert report.critical_path is not None
    assert report.critical_path.tasks == ("load/users", own, "load[0]")
    drawn = report.to_mermaid()
    assert drawn.count("subgraph") == 1
    assert drawn.count("-.->") == 2
    assert made.to_mermaid().count("-.->") == 2


def test_what_a_flow_called_after_what_is_drawn_beside_the_edges_of_graphs_in_it() -> None:
    @dag
    async def inner(seconds: float) -> float:
        return await use(await use(seconds))

    @flow
    async def agent() -> list[float]:
        first = await use(1.0)
        await inner(first)
        return await use.map([first, first])

    drawn = [line.strip() for line in ran(agent).to_mermaid().splitlines()]  # type: ignore[arg-type]  # as a graph
    assert [line for line in drawn if ">" in line and "-" in line] == [
        "n_inner_use --> n_inner_use_2",
        "n_use -.-> n_inner",
        "n_inner -.-> n_use_2",
    ]


def test_bodies_are_listed_but_not_counted() -> None:
    @flow
    async def reactive(count: int) -> list[float]:
        return await gather(*(use(1.0) for _ in range(count)))

    @dag
    async def inner() -> object:
        return await use.map([1.0])

    @dag
    async def outer() -> object:
        return await inner(), await reactive(2)

    report = ran(outer)
    roles = {name: each.role for name, each in report.tasks.items()}
    assert (roles["inner"], roles["inner/use"], roles["inner/use[0]"], roles["reactive"]) == (
        "graph", "map", "job", "flow",
    )  # fmt: skip
    assert (report.totals.jobs, report.totals.attempts, report.width) == (3, 3, 3)


def test_the_report_of_a_flow_tells_its_calls_and_what_it_returned() -> None:
    @task
    async def fails() -> None:
        raise ValueError("no")

    @flow
    async def agent(seconds: float) -> str:
        first = await use(seconds, tokens=5)
        try:
            await fails()
        except JobFailed:
            return f"{first + await use(1.0)}"
        raise AssertionError

    async def main() -> RunReport:
        async with Engine(retry=RetryPolicy(attempts=2, base=0.001)) as engine:
            return await agent.run(engine, seconds=2.0)

    report = VirtualClock().run(main)
    assert (report.name, report.output, report.state) == ("agent", "3.0", "succeeded")
    assert [(each.name, each.status, len(each.attempts)) for each in report.tasks.values()] == [
        ("use", "succeeded", 1),
        ("fails", "failed", 2),
        ("use#2", "succeeded", 1),
    ]
    assert [each.after for each in report.tasks.values()] == [(), ("use",), ("fails",)]
    assert report.totals.failed == 1
    assert report.totals.input_tokens == 5


def test_attempts_are_told_each_with_its_times() -> None:
    @task(retry=RetryPolicy(attempts=2, base=0.5))
    async def flaky() -> str:
        await asyncio.sleep(1)
        if context().attempt == 1:
            raise ConnectionError("gone")
        return "done"

    @dag
    async def pipeline() -> str:
        return await flaky()

    report = ran(pipeline)
    first, second = report.tasks["flaky"].attempts
    assert first.error is not None
    assert first.error.message == "gone"
    assert (first.outcome, second.outcome) == ("failed", "succeeded")
    assert first.ended is not None
    assert first.started + 1.0 == pytest.approx(first.ended)
    assert second.started >= first.ended
    assert report.tasks["flaky"].started == first.started
    assert report.tasks["flaky"].waited == 0.0
