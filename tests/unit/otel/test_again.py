"""What is tried again, primed again, run again or nested: where it belongs and what it points at."""

import asyncio
from typing import Any

import pytest
from opentelemetry import trace

from paceline import (
    CallNext,
    Engine,
    GroupPolicy,
    Job,
    JobContext,
    RetryPolicy,
    RunAgain,
    Suspend,
    Usage,
    current_job,
    dag,
    flow,
    task,
)
from paceline_integrations.otel import OpenTelemetryMiddleware

from .graphs import load, report, word
from .traces import Traces, here


async def ask(payload: Any) -> Any:
    return payload


def attempt() -> int:
    job = current_job()
    assert job is not None
    return job.attempt


def test_a_follower_points_at_the_job_that_established_its_prefix_again() -> None:
    traces = Traces()

    async def work(payload: str) -> None:
        job = current_job()
        assert job is not None
        await asyncio.sleep(1)
        job.first_token()
        await asyncio.sleep(1)
        job.usage(Usage(input_tokens=10, cached_tokens=0))

    async def main() -> None:
        policy = GroupPolicy(ttl=60)
        async with traces.engine(work) as engine, engine.open_group("g", policy=policy) as group:
            await group.submit_primer("p")
            await (await group.add_follower("warm", name="warm")).wait()
            await asyncio.sleep(100)
            await group.add_follower("leads", name="leads")
            await group.add_follower("again", name="again")
            await asyncio.sleep(100)
            await group.add_follower("alone", name="alone")

    traces.run(main)
    primer = traces.one("primer work")
    leads, again = traces.one("follower leads"), traces.one("follower again")
    assert traces.links(traces.one("follower warm")) == [("primer", primer)]
    assert traces.links(leads) == [("primer", primer)]
    assert traces.links(again) == [("primer", leads)]
    assert again.start_time is not None
    assert traces.links(traces.one("follower alone")) == [("primer", leads)], "it came when that had expired"


@pytest.mark.parametrize("how", ["graph", "flow"])
def test_a_graph_or_flow_that_is_tried_again_holds_what_its_second_attempt_starts(how: str) -> None:
    traces = Traces()
    failures = [ValueError("once")]

    async def last(place: str) -> str:
        if failures:
            raise failures.pop()
        return place

    @flow
    async def again(place: str) -> str:
        docs = await load(place)
        words = await word.map(docs)
        engine = engines[0]
        group = await engine.submit_group(f"g{len(failures)}", followers=["x"], executor="ask")
        await group.results()
        await report(place)
        return await last_task(words[0])

    last_task = task(last)

    @dag
    async def drawn(place: str) -> str:
        words = await word.map(await load(place))
        return await last_task(await first(words))

    @task
    async def first(words: list[str]) -> str:
        return words[0]

    engines: list[Engine] = []

    async def main() -> None:
        async with traces.engine({"ask": ask}, run_id="r") as engine:
            engines.append(engine)
            executor: Any = again if how == "flow" else drawn
            await (await engine.submit({"place": "x"}, executor=executor, retry=RetryPolicy(2), name="body"))

    traces.run(main)
    top = ["invoke_workflow r", "invoke_workflow body"]
    traces.one("invoke_workflow body")
    assert len(traces.named("word")) >= 2
    for span in traces.spans:
        if span.name not in top:
            assert traces.path(span)[:2] == top, traces.path(span)


def test_maps_of_maps_point_at_what_the_outer_one_came_after() -> None:
    traces = Traces()

    @task
    async def total(words: list[list[str]]) -> int:
        return len(words)

    @dag
    async def inner(place: str) -> list[str]:
        return await word.map(await load(place))

    @dag
    async def outer(place: str) -> int:
        return await total(await inner.map(await load(place)))

    async def main() -> None:
        async with traces.engine(ask, run_id="r") as engine:
            assert await (await engine.submit({"place": "x"}, executor=outer)) == 2

    traces.run(main)
    inners = traces.named("invoke_workflow inner")
    first = next(each for each in traces.named("load") if traces.path(each)[-2] == "invoke_workflow outer")
    assert [traces.links(each) for each in inners] == [[("dependency", first)]] * 2
    assert traces.links(traces.one("total")) == [("dependency", each) for each in inners]
    assert len(traces.named("inner/word")) == len(traces.named("inner/load")) * 2 == 4


def test_an_attempt_that_is_sent_back_is_pointed_at_by_the_next() -> None:
    class Picky:
        async def around(self, job: Job, ctx: JobContext, call_next: CallNext) -> object:
            output = await call_next()
            if job.payload == "poor":
                raise RunAgain("better")
            return output

    traces = Traces()

    async def main() -> None:
        async with Engine(ask, middleware=[traces.middleware, Picky()]) as engine:
            assert await (await engine.submit("poor", retry=RetryPolicy(2))) == "better"

    traces.run(main)
    first, second = traces.named("job ask")
    assert traces.links(second) == [("retry", first)]
    assert (first.attributes or {})["paceline.outcome"] == "again"


def test_groups_in_attempts_of_groups_are_nested_and_each_attempt_has_its_own() -> None:
    traces = Traces()

    async def work(payload: str) -> Any:
        if payload == "leaf":
            return payload
        name = f"{payload} {attempt()}"
        group = await engines[0].submit_group(name, primer="leaf", followers=["leaf"])
        await group.results()
        if attempt() == 1:
            raise ValueError
        return payload

    engines: list[Engine] = []

    async def main() -> None:
        async with traces.engine(work, slots=1, retry=RetryPolicy(2), run_id="r") as engine:
            engines.append(engine)
            await (await engine.submit_group("g", primer="a", followers=["b"])).results()

    traces.run(main)
    for payload, role in (("a", "primer"), ("b", "follower")):
        outer = [each for each in traces.named(f"{role} work") if len(traces.path(each)) == 3]
        for number, span in enumerate(outer, 1):
            inner = traces.one(f"paceline.group {payload} {number}")
            assert traces.above(inner) == span
            members = [each for each in traces.spans if each.parent and here(inner) == each.parent]
            assert sorted(each.name for each in members) == ["follower work", "primer work"]


def test_the_same_middleware_twice_makes_each_span_once() -> None:
    traces = Traces()

    async def work(payload: str) -> Any:
        if payload == "fails" and attempt() == 1:
            raise ValueError
        job = current_job()
        assert job is not None
        return Suspend("?") if payload == "asks" and job.job.reply is None else payload

    async def main() -> None:
        async with Engine(work, middleware=[traces.middleware, traces.middleware]) as engine:
            group = await engine.submit_group("g", primer="p", followers=["fails"], retry=RetryPolicy(2))
            await group.results()
            await engine.submit({"place": "x"}, executor=report)
            asks = await engine.submit("asks", name="asks")
            await asks.wait()
            await engine.reply(asks.id, "yes")
            (await engine.submit("x", name="cancelled")).cancel()

    traces.run(main)
    assert sorted(span.name for span in traces.spans) == [
        "asks",
        "asks",
        "cancelled",
        "follower work",
        "follower work",
        "invoke_workflow report",
        "invoke_workflow run",
        "load",
        "paceline.group g",
        "primer work",
        "rank",
    ]


def test_a_header_that_is_changed_after_it_was_written_decides() -> None:
    class Wire:
        def on_submit(self, job: Job) -> None:
            job.headers["tenant"] = "acme"
            if job.payload == "theirs":
                job.headers["traceparent"] = f"00-{'a' * 32}-{'b' * 16}-01"

    traces = Traces()

    async def main() -> None:
        async with Engine(ask, middleware=[traces.middleware, Wire()], run_id="r") as engine:
            for payload in ("ours", "theirs"):
                await engine.submit(payload, name=payload)
            group = await engine.submit_group("g", followers=["ours"])
            await group.results()

    traces.run(main)
    assert traces.path(traces.one("ours")) == ["invoke_workflow r", "ours"]
    assert traces.one("ours").kind is trace.SpanKind.INTERNAL
    assert traces.one("theirs").kind is trace.SpanKind.CONSUMER
    assert f"{here(traces.one('theirs')).trace_id:x}" == "a" * 32
    assert traces.path(traces.one("follower ask"))[1:] == ["paceline.group g", "follower ask"]


def test_an_attempt_that_swallows_cancellation_and_ends_after_its_run_disturbs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    traces = Traces(capture_content=True)
    over = asyncio.Event()

    async def stubborn(payload: Any) -> Any:
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue
        with traces.tracer.start_as_current_span("late"):
            return "late"

    async def main() -> None:
        async with traces.engine(stubborn, grace=1.0) as engine:
            handle = await engine.submit("x")
            await asyncio.sleep(1)
            handle.cancel()
        over.set()
        await asyncio.sleep(1)

    traces.run(main)
    late = traces.one("late")
    assert traces.path(late)[-2:] == ["job stubborn", "late"]
    assert {record.name for record in caplog.records} <= {"paceline"}


def test_a_map_over_payloads_that_is_left_early_leaves_contexts_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(ask, run_id="r") as engine:
            with traces.tracer.start_as_current_span("mine") as mine:
                results = engine.map(range(100), window=4, name="each")
                assert (await anext(results)).status == "succeeded"
                assert trace.get_current_span() is mine
            await asyncio.create_task(results.aclose())

    traces.run(main)
    assert not caplog.records
    assert {tuple(traces.path(span)[:2]) for span in traces.named("job ask")} == {
        ("invoke_workflow r", "mine")
    }


def test_a_middleware_of_one_engine_may_be_used_by_another_that_runs_inside_of_it() -> None:
    traces = Traces()

    async def nested(payload: Any) -> Any:
        async with traces.engine(ask, run_id="inner") as engine:
            group = await engine.submit_group("g", primer="p", followers=["f"])
            return [result.output for result in await group.results()]

    async def main() -> None:
        async with traces.engine(nested, run_id="outer") as engine:
            await (await engine.submit("x"))

    traces.run(main)
    assert traces.path(traces.one("follower ask")) == [
        "invoke_workflow outer",
        "job nested",
        "invoke_workflow inner",
        "paceline.group g",
        "follower ask",
    ]


def test_another_middleware_of_the_same_provider_is_no_mistake() -> None:
    traces = Traces()
    second = OpenTelemetryMiddleware(traces.provider)

    async def main() -> None:
        async with Engine(ask, middleware=[traces.middleware, second]) as engine:
            await engine.submit("x")

    traces.run(main)
    assert len(traces.named("job ask")) == 2
    assert second._tracing is not None
    assert second._tracing.open == 0
