"""`when`: a task that is not wanted is skipped without a trouble, and what needs it too."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import pytest

from paceline import BuildError, Dag, Ended, Engine, From, JobFailed, RunReport, current_job, dag, flow, task
from paceline.testing import VirtualClock


@task
async def score(text: str) -> dict[str, Any]:
    return {"good": len(text) > 3, "value": len(text)}


@task
async def publish(text: str, least: int = 0) -> str:
    return f"published {text}"


@task
async def note(text: str) -> str:
    return f"noted {text}"


def longer(text: str, least: int) -> bool:
    return len(text) > least


def large(value: int) -> bool:
    return value > 5


def is_three(k: int) -> bool:
    return k == 3


def several(text: list[str]) -> bool:
    return len(text) > 1


def breaks(text: str) -> bool:
    return 1 / len(text) > 0


def late(text: str) -> Any:
    return note.fn(text)


def unknown(other: str) -> bool:
    return bool(other)


def ran(graph: Dag[..., Any], **inputs: Any) -> RunReport:
    return VirtualClock().run(lambda: graph.run(inputs=inputs))


def statuses(report: RunReport) -> dict[str, str]:
    return {name: each.status for name, each in report.tasks.items()}


def test_a_value_of_the_graph_decides() -> None:
    @dag
    async def pipeline(text: str) -> str:
        found = await score(text)
        return await publish.with_options(when=found["good"])(text)

    assert ran(pipeline, text="long enough").output == "published long enough"
    report = ran(pipeline, text="no")
    assert statuses(report) == {"score": "succeeded", "publish": "skipped"}
    assert (report.output, report.state, report.error) == (None, "succeeded", None)
    assert report.totals.skipped == 1
    assert [(edge.key, edge.parameter) for edge in pipeline.edges] == [("good", "when")]


def test_an_input_or_a_constant_decides() -> None:
    @dag
    async def pipeline(text: str, wanted: bool) -> object:
        return [
            await publish.with_options(when=wanted)(text),
            await note.with_options(when=False)(text),
            await note.with_options(when=True)(text),
        ]

    assert ran(pipeline, text="a", wanted=True).output == ["published a", None, "noted a"]
    assert ran(pipeline, text="a", wanted=False).output == [None, None, "noted a"]


def test_a_function_of_the_arguments_decides_defaults_included() -> None:
    @dag
    async def pipeline(text: str) -> str:
        return await publish.with_options(when=longer)(text)

    assert ran(pipeline, text="a").output == "published a"
    assert ran(pipeline, text="").output is None


def test_a_default_of_its_own_holds_for_what_is_no_argument_of_the_task_in_a_graph_as_in_a_flow() -> None:
    def short(text: str, least: int = 99, limit: int = 3) -> bool:
        return least < len(text) < limit  # `least` is an argument of the task, whose default counts

    wanted = publish.with_options(when=short)

    @dag
    async def drawn(text: str) -> object:
        return await wanted(text)

    @flow
    async def flowing(text: str) -> object:
        return await wanted(text)

    runs: list[Callable[..., Awaitable[RunReport]]] = [drawn.run, flowing.run]
    for run in runs:
        for text, status in (("ab", "succeeded"), ("abc", "skipped"), ("", "skipped")):

            async def main(run: Callable[..., Awaitable[RunReport]] = run, text: str = text) -> RunReport:
                return await run(text=text)

            report = VirtualClock().run(main)
            assert report.tasks["publish"].status == status


def test_what_needs_a_skipped_one_is_skipped_and_what_comes_after_its_end_runs() -> None:
    @dag
    async def pipeline(text: str) -> object:
        first = await publish.with_options(when=False)(text)
        needs = await note(first)
        await note.after(first)("ordered")
        await note.after(Ended(first))("after its end")
        return needs

    report = ran(pipeline, text="a")
    assert statuses(report) == {
        "publish": "skipped",
        "note": "skipped",
        "note#2": "skipped",
        "note#3": "succeeded",
    }
    assert all(each.error is None for each in report.tasks.values())
    assert report.state == "succeeded"


def test_in_a_graph_by_hand_it_is_a_from_or_a_function() -> None:
    graph = Dag("review")
    graph.task(score.fn)

    @graph.task(when=From("score", "good"))
    async def first(text: str) -> str:
        return text

    @graph.task(when=large)
    async def second(value: Annotated[int, From("score", "value")]) -> int:
        return value

    assert statuses(ran(graph, text="longer")) == dict.fromkeys(("score", "first", "second"), "succeeded")
    report = ran(graph, text="no")
    assert statuses(report) == {"score": "succeeded", "first": "skipped", "second": "skipped"}
    assert [(edge.target, edge.key, edge.parameter) for edge in graph.edges] == [
        ("first", "good", "when"),
        ("second", "value", "value"),  # once, though the condition looks at it too
    ]
    assert report.output["second"] is None


def test_of_an_executor_it_is_a_function_of_its_payload() -> None:
    class Chain:
        async def execute(self, job: Any, ctx: Any) -> object:
            return job.payload

    graph = Dag("chains")
    graph.task(Chain(), name="whole", bind=3, when=large)
    graph.task(Chain(), name="named", bind={"k": 3}, when=is_three)
    assert statuses(ran(graph)) == {"whole": "skipped", "named": "succeeded"}


def test_of_a_map_it_decides_for_the_whole_of_it() -> None:
    @task
    async def words(text: str) -> list[str]:
        return text.split()

    @dag
    async def pipeline(text: str) -> object:
        parts = await note.map(await words(text))
        wanted = note.with_options(when=several)
        return await wanted.map(parts)

    assert ran(pipeline, text="a b").output == ["noted noted a", "noted noted b"]
    report = ran(pipeline, text="a")
    assert (report.output, report.tasks["note#2"].status) == (None, "skipped")
    assert "note#2[0]" not in report.tasks


def test_a_condition_that_raises_fails_its_task() -> None:
    @dag
    async def pipeline(text: str) -> object:
        found = await score(text)
        return await note.with_options(when=breaks)(text), await note.with_options(when=found["value"])(text)

    report = ran(pipeline, text="")
    error = report.tasks["note"].error
    assert error is not None
    assert error.type == "ZeroDivisionError"
    assert report.tasks["note"].attempts == ()
    assert statuses(report) == {"score": "succeeded", "note": "failed", "note#2": "skipped"}


class Gone(BaseException):
    """Neither an Exception nor one of Python's own."""


@task
async def conditional(text: str) -> str:
    return text


def raises(error: BaseException) -> Callable[[str], bool]:
    def when(text: str) -> bool:
        raise error

    return when


@pytest.mark.parametrize("error", [SystemExit("done"), Gone("away")], ids=["SystemExit", "one of its own"])
def test_a_condition_that_raises_what_is_no_exception_fails_its_job_only(error: BaseException) -> None:
    @dag
    async def pipeline(text: str) -> object:
        await note(text)
        return await conditional.with_options(when=raises(error))(await note(text))

    async def main() -> None:
        async with Engine() as engine:
            other = await pipeline.start(engine, text="other", targets=["note"])
            run = await pipeline.start(engine, text="x")
            report = await run.report()
            assert statuses(report) == {"note": "succeeded", "note#2": "succeeded", "conditional": "failed"}
            told = report.tasks["conditional"].error
            assert told is not None
            assert told.exception is error
            with pytest.raises(JobFailed):
                await run
            assert (await other.report()).ok
            assert await (await engine.submit({"text": "after"}, executor=note)) == "noted after"

    VirtualClock().run(main)


def test_an_interrupt_in_a_condition_cancels_the_engine_and_is_raised_by_it() -> None:
    interrupt = KeyboardInterrupt("enough")
    seen: dict[str, str] = {}

    @task
    async def hold() -> None:
        await asyncio.sleep(100)

    @dag
    async def pipeline(text: str) -> None:
        await hold()
        await conditional.with_options(when=raises(interrupt))(await note(text))

    async def main() -> None:
        async with Engine() as engine:
            run = await pipeline.start(engine, text="x")
            try:
                await run.report()
            finally:
                seen.update({name: handle.status for name, handle in run.tasks.items()})

    clock = VirtualClock()
    with pytest.raises(KeyboardInterrupt) as caught:
        clock.run(main)
    assert caught.value is interrupt
    assert clock.time() < 100
    assert seen["conditional"] == "failed"


def test_a_condition_is_asked_within_the_graph_or_flow_that_it_stands_in_and_no_other_job() -> None:
    asked: list[tuple[str, str | None]] = []

    def when(text: str) -> bool:
        ctx = current_job()
        asked.append((text, None if ctx is None else ctx.job.name))
        return True

    wanted = conditional.with_options(when=when)

    @dag
    async def drawn(text: str) -> object:
        return await wanted(await conditional(text))

    @flow
    async def flowing(text: str) -> object:
        return await wanted.after(conditional(text))(text)

    async def main() -> None:
        async with Engine() as engine:
            await asyncio.gather(drawn.run(engine, text="a"), flowing.run(engine, text="b"))

    VirtualClock().run(main)
    assert sorted(asked, key=str) == [("a", "drawn"), ("b", "flowing")]


def test_a_skipped_task_takes_no_slot() -> None:
    @task
    async def hold() -> str:
        await asyncio.sleep(10)
        return "held"

    @dag
    async def pipeline() -> object:
        return await hold(), await note.with_options(when=False)("x")

    async def main() -> tuple[str, str]:
        async with Engine(slots=1) as engine:
            run = await pipeline.start(engine)
            await asyncio.sleep(1)
            return run.tasks["note"].status, run.tasks["hold"].status

    assert VirtualClock().run(main) == ("skipped", "running")


@pytest.mark.parametrize(
    ("when", "said"),
    [
        (unknown, "asks for 'other', which is no argument of it: 'text', 'least'"),
        (note, "is a task or async function"),
        (note.fn, "is a task or async function"),
        (iter, "does not tell its parameters"),
    ],
    ids=["unknown argument", "task", "async function", "builtin"],
)
def test_what_cannot_decide_is_refused(when: object, said: str) -> None:
    @dag
    async def pipeline() -> object:
        return await publish.with_options(when=when)("x")

    with pytest.raises(BuildError, match=rf"graph 'pipeline': task 'publish': `when` {said}"):
        pipeline.build()


@pytest.mark.parametrize(
    ("when", "said"),
    [
        (unknown, "asks for 'other', which is no argument of it: 'text', 'least'"),
        (note, "is a task or async function"),
        (note.fn, "is a task or async function"),
        (iter, "does not tell its parameters"),
        (late, "answers with something to be awaited"),
    ],
    ids=["unknown argument", "task", "async function", "builtin", "function around an async one"],
)
def test_what_cannot_decide_fails_the_call_in_a_flow(when: object, said: str) -> None:
    @flow
    async def body() -> object:
        return await publish.with_options(when=when)("x")

    report = VirtualClock().run(body.run)
    assert report.error is not None
    assert f"task 'publish': `when` {said}" in report.error.message
    assert report.totals.succeeded == 0


def test_a_value_that_is_not_there_is_refused_before_it_runs() -> None:
    @task
    async def pair() -> tuple[int, int]:
        return (1, 2)

    @dag
    async def pipeline() -> object:
        found: Any = await pair()
        return await note.with_options(when=found[5])("x")

    with pytest.raises(BuildError, match=r"task 'pair', '\[5\]' of it -> `when` of task 'note': .*too short"):
        pipeline.build()
