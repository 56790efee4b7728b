"""Chains as tasks of graphs and flows: payloads, streams, errors, configuration, usage, a hundred at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig, RunnableLambda
from pydantic import BaseModel

from paceline import (
    Dag,
    Engine,
    From,
    GroupPolicy,
    JobFailed,
    Lane,
    RetryPolicy,
    RunReport,
    Suspend,
    current_job,
    dag,
    flow,
    gather,
    task,
)
from paceline.testing import VirtualClock

Model = Callable[..., Any]
PROMPT = ChatPromptTemplate.from_template("{question} {notes}")


class Page(BaseModel):
    number: int
    text: str


@task
async def load(count: int) -> list[Page]:
    return [Page(number=number, text=f"page {number}") for number in range(count)]


@task
async def join(texts: list[str]) -> str:
    return " ".join(texts)


def test_a_chain_is_called_with_a_payload_or_with_names_that_make_one(slow_model: Model) -> None:
    seen: list[Any] = []

    def look(given: Any) -> Any:
        seen.append(given)
        return given

    ask = task(
        RunnableLambda(look) | PROMPT | slow_model(answer="fine thanks") | StrOutputParser(), name="ask"
    )

    @dag
    async def twice(question: str) -> list[str]:
        return [
            await ask({"question": question, "notes": "one"}),
            await ask(question=question, notes=["a", question]),
        ]

    report = VirtualClock().run(lambda: twice.run(question="how"))
    assert report.output == ["fine thanks", "fine thanks"]
    assert list(report.outputs) == ["ask", "ask#2"]
    assert sorted(seen, key=str) == [
        {"question": "how", "notes": "one"},
        {"question": "how", "notes": ["a", "how"]},
    ]


def test_what_a_chain_puts_out_is_taken_apart_and_typed_data_goes_in(slow_model: Model) -> None:
    model = slow_model(answer='{"risks": ["fire", "flood"], "title": "On water"}')
    review = ChatPromptTemplate.from_template("{pages}") | model | JsonOutputParser()
    book = Dag("book")
    book.task(load)
    book.task(review, name="review", bind={"pages": From(load)})

    @book.task
    def count(risks: Annotated[list[str], From("review", "risks")]) -> int:
        return len(risks)

    report = VirtualClock().run(lambda: book.run(count=3))
    assert report.outputs["count"] == 2
    assert [(edge.source, edge.target, edge.key) for edge in book.edges] == [
        ("load", "review", None),
        ("review", "count", "risks"),
    ]


def test_a_function_may_say_what_a_chain_of_the_engine_takes_and_gives(slow_model: Model) -> None:
    @task(executor="writer")
    async def write(question: str, notes: list[str]) -> str: ...  # type: ignore[empty-body]  # the chain does it

    @dag
    async def one(question: str) -> str:
        return await write(question, [question])

    async def main() -> RunReport:
        async with Engine({"writer": PROMPT | slow_model(answer="so be it") | StrOutputParser()}) as engine:
            return await one.run(engine, question="why")

    assert VirtualClock().run(main).output == "so be it"


def test_a_hundred_go_through_a_map_in_order_and_never_more_than_its_cap(slow_model: Model) -> None:
    running, most = 0, 0

    async def echo(given: Page, config: RunnableConfig) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(1.0)
        running -= 1
        return given.text

    read = task(RunnableLambda(echo), name="read", max_running=10)

    @dag
    async def book(count: int) -> str:
        return await join(await read.map(await load(count)))

    async def main() -> tuple[RunReport, float]:
        async with Engine(slots=64) as engine:
            return await book.run(engine, count=100), asyncio.get_running_loop().time()

    report, seconds = VirtualClock().run(main)
    assert report.output == " ".join(f"page {number}" for number in range(100))
    assert (most, report.width, seconds) == (10, 10, 10.0)
    assert report.totals.succeeded == 102


def test_a_node_that_is_listened_to_streams_and_one_that_is_not_does_not(slow_model: Model) -> None:
    loud, quiet = slow_model(answer="to be or", calls=[]), slow_model(answer="not to", calls=[])
    first = task(PROMPT | loud | StrOutputParser(), name="first", stream=True)
    second = task(PROMPT | quiet | StrOutputParser(), name="second")

    @dag
    async def both(question: str) -> list[str]:
        return [await first(question=question, notes=""), await second(question=question, notes="")]

    async def main() -> tuple[list[Any], list[str]]:
        async with Engine() as engine:
            run = await both.start(engine, question="what")
            await asyncio.sleep(0.5)
            chunks = [chunk async for chunk in run.tasks["first"].stream() if chunk]
            return chunks, await run

    chunks, output = VirtualClock().run(main)
    assert chunks == ["to", " be", " or"]
    assert output == ["to be or", "not to"]
    assert (loud.calls, quiet.calls) == (["stream", "closed"], ["whole"])


def test_a_chain_that_fails_takes_along_what_needs_it_and_nothing_else(slow_model: Model) -> None:
    bad = task(PROMPT | slow_model(answer="no json") | JsonOutputParser(), name="bad")
    good = task(PROMPT | slow_model(answer="[1]", first=9.0) | JsonOutputParser(), name="good")
    last = task(PROMPT | slow_model() | StrOutputParser(), name="last")

    @dag
    async def mixed(question: str) -> Any:
        return await last(question=await bad(question=question, notes=""), notes=[]), await good(
            question=question, notes=""
        )

    async def main() -> RunReport:
        async with Engine(retry=RetryPolicy(attempts=2, base=0.0)) as engine:
            run = await mixed.start(engine, question="what")
            results = {result.name: result async for result in run.as_completed()}
            assert isinstance(results["bad"].error.exception, OutputParserException)  # type: ignore[union-attr]
            assert results["last"].error.exception is results["bad"].error.exception  # type: ignore[union-attr]
            with pytest.raises(JobFailed) as caught:
                await run
            failed = caught.value.__cause__  # the node's own failure
            assert failed is not None
            assert isinstance(failed.__cause__, OutputParserException)
            return await run.report()

    report = VirtualClock().run(main)
    assert {name: node.status for name, node in report.tasks.items()} == {
        "bad": "failed",
        "last": "skipped",
        "good": "succeeded",
    }
    assert (report.state, len(report.tasks["bad"].attempts)) == ("failed", 2)


def test_a_flow_catches_what_a_chain_raises_and_asks_again(slow_model: Model) -> None:
    def plainly(given: dict[str, str]) -> str:
        return f"{given['question']}: {given['notes']}"

    strict = task(PROMPT | slow_model(answer="no json") | JsonOutputParser(), name="strict")
    plain = task(RunnableLambda(plainly), name="plain")

    @flow
    async def patient(question: str) -> Any:
        try:
            return await strict(question=question, notes="")
        except JobFailed as error:
            return await plain(question=question, notes=type(error.__cause__).__name__)

    report = VirtualClock().run(lambda: patient.run(question="what"))
    assert (report.state, report.output) == ("succeeded", "what: OutputParserException")
    assert report.totals.failed == 1


def test_usage_of_chains_is_summed_for_the_run_and_for_its_critical_path(slow_model: Model) -> None:
    def spends(tokens: int, seconds: float) -> Any:
        usage = {"input_tokens": tokens, "output_tokens": 1, "total_tokens": tokens + 1}
        return PROMPT | slow_model(usage=usage, first=seconds, pace=0.0) | StrOutputParser()

    short, long = task(spends(10, 1.0), name="short"), task(spends(100, 5.0), name="long")
    last = task(spends(1000, 1.0), name="last")

    @dag
    async def three(question: str) -> str:
        notes = [await short(question=question, notes=""), await long(question=question, notes="")]
        text: str = await last(question=question, notes=notes)
        return text

    report = VirtualClock().run(lambda: three.run(question="what"))
    assert (report.totals.input_tokens, report.totals.requests) == (1110, 3)
    path = report.critical_path
    assert path is not None
    assert path.usage is not None
    assert (path.tasks, path.seconds, path.usage.input_tokens) == (("long", "last"), 6.0, 1100)


def test_config_of_the_task_reaches_its_runs_and_each_run_tells_its_node(
    trace: Any, slow_model: Model
) -> None:
    chain = (PROMPT | slow_model() | StrOutputParser()).with_config(run_name="chain")
    ask = task(chain, name="ask", config={"callbacks": [trace], "tags": ["graph"], "metadata": {"a": 1}})

    @dag
    async def one(question: str) -> list[str]:
        return await ask.map([{"question": question, "notes": "x"}, {"question": question, "notes": "y"}])

    VirtualClock().run(lambda: one.run(question="what"))
    runs = [run for run in trace.runs if run["name"] == "chain"]
    assert [run["metadata"]["paceline.job.name"] for run in runs] == ["ask[0]", "ask[1]"]
    assert [(run["tags"], run["metadata"]["a"]) for run in runs] == [(["graph"], 1)] * 2


def test_a_graph_started_inside_a_run_is_traced_below_it(trace: Any, slow_model: Model) -> None:
    ask = task((PROMPT | slow_model() | StrOutputParser()).with_config(run_name="inner"), name="ask")

    @dag
    async def one(question: str) -> str:
        text: str = await ask(question=question, notes="")
        return text

    @flow
    async def outer_flow(question: str) -> str:
        return await one(question)

    async def main() -> None:
        async with Engine() as engine:

            async def body(given: str) -> Any:
                return (await outer_flow.run(engine, question=given)).output

            await RunnableLambda(body).with_config(run_name="outer").ainvoke("why", {"callbacks": [trace]})

    VirtualClock().run(main)
    assert trace.ancestors("inner") == ["outer"]


def test_chains_of_several_runs_share_the_slots_by_lane(slow_model: Model) -> None:
    order: list[str] = []

    async def note(given: Any) -> str:
        job = current_job()
        assert job is not None
        await asyncio.sleep(1.0)
        order.append(job.job.lane)
        return "done"

    ask = task(RunnableLambda(note), name="ask")

    @dag
    async def many(count: int) -> list[str]:
        return await ask.map(await load(count))

    async def main() -> None:
        lanes = [Lane("paying", weight=3.0), Lane("free", weight=1.0)]
        async with Engine(slots=1, lanes=lanes) as engine:
            await asyncio.gather(
                *(many.with_options(lane=lane).run(engine, count=12) for lane in ("paying", "free"))
            )

    VirtualClock().run(main)
    assert Counter(order[:12])["paying"] in {8, 9, 10}
    assert Counter(order) == {"paying": 12, "free": 12}


def test_a_chain_that_asks_rests_its_graph_until_the_reply(slow_model: Model) -> None:
    def sign(given: Any) -> Any:
        job = current_job()
        assert job is not None
        return job.job.reply or Suspend(f"sign {given['text']}?")

    approve = task(RunnableLambda(sign), name="approve")
    draft = task(
        PROMPT | slow_model(answer="a letter", first=0.0, pace=0.0) | StrOutputParser(), name="draft"
    )

    @dag
    async def letter(question: str) -> str:
        signed: str = await approve(text=await draft(question=question, notes=""))
        return signed

    async def main() -> RunReport:
        async with Engine() as engine:
            run = await letter.start(engine, question="why")
            assert (await run.report()).state == "suspended"
            waiting = run.tasks["approve"]
            assert [asked.value for asked in waiting.questions] == ["sign a letter?"]
            await engine.reply(waiting.id, "signed")
            assert await run == "signed"
            return await run.report()

    assert VirtualClock().run(main).state == "succeeded"


def test_cancelling_a_run_closes_the_streams_of_its_chains(slow_model: Model) -> None:
    model = slow_model(calls=[])
    talk = task(PROMPT | model | StrOutputParser(), name="talk", stream=True)

    @flow
    async def chat(question: str) -> Any:
        return await gather(talk(question=question, notes=""), talk(question=question, notes=""))

    async def main() -> None:
        async with Engine() as engine:
            run = await chat.start(engine, question="what")
            await asyncio.sleep(2.5)
            assert run.cancel("enough")
            assert (await run.report()).state == "cancelled"
            await asyncio.sleep(0.01)
            assert Counter(model.calls) == {"stream": 2, "closed": 2}
            assert engine.snapshot().abandoned == ()

    VirtualClock().run(main)


def test_a_graph_of_chains_is_the_executor_of_a_group(slow_model: Model) -> None:
    ask = task(PROMPT | slow_model(answer="yes") | StrOutputParser(), name="ask")

    @dag
    async def answer(question: str, notes: str) -> str:
        text: str = await ask(question=question, notes=notes)
        return text

    async def main() -> list[Any]:
        async with Engine(answer) as engine:
            group = await engine.submit_group(
                "contract",
                primer={"question": "ok?", "notes": "long"},
                followers=[{"question": each, "notes": "long"} for each in ("risks", "title")],
                policy=GroupPolicy(release="complete"),
            )
            return [(result.name, result.status, result.output) for result in await group.results()]

    assert VirtualClock().run(main) == [
        ("contract/primer", "succeeded", "yes"),
        ("contract/follower/0", "succeeded", "yes"),
        ("contract/follower/1", "succeeded", "yes"),
    ]
