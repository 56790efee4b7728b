"""Which span is below which."""

import asyncio
from typing import Any

from opentelemetry import context as contexts, trace

from paceline import Engine, current_job, flow
from paceline_integrations.otel import OpenTelemetryMiddleware

from .graphs import report, story, word, words
from .traces import Traces, here


async def ask(payload: Any) -> Any:
    return payload


def test_a_group_is_below_its_run_and_each_attempt_below_its_group() -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(ask, run_id="nightly") as engine:
            await engine.submit_group("cases", primer="p", followers=["a", "b"])

    traces.run(main)
    top = "invoke_workflow nightly"
    assert traces.path(traces.one("primer ask")) == [top, "paceline.group cases", "primer ask"]
    for follower in traces.named("follower ask"):
        assert traces.path(follower) == [top, "paceline.group cases", "follower ask"]
    assert len(traces.spans) == 5


def test_what_the_framework_traces_is_below_its_attempt() -> None:
    traces = Traces()

    async def chat(payload: Any) -> Any:
        with traces.tracer.start_as_current_span("chat"):
            await asyncio.sleep(1)

            async def call() -> None:
                with traces.tracer.start_as_current_span("http"):
                    await asyncio.sleep(1)

            await asyncio.create_task(call())
        return payload

    def sync(payload: Any) -> Any:
        with traces.tracer.start_as_current_span("in a thread"):
            return payload

    async def main() -> None:
        async with traces.engine({"chat": chat, "sync": sync}) as engine:
            for name in ("chat", "chat", "sync"):
                await engine.submit(name, executor=name)

    traces.run(main)
    for span in traces.named("http"):
        assert traces.path(span)[1:] == ["job chat", "chat", "http"]
    assert traces.path(traces.one("in a thread"))[1:] == ["job sync", "in a thread"]


def test_the_nodes_of_a_graph_are_below_it() -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(ask, run_id="r") as engine:
            await engine.submit({"place": "x"}, executor=report)

    traces.run(main)
    assert traces.path(traces.one("rank")) == ["invoke_workflow r", "invoke_workflow report", "rank"]
    assert traces.path(traces.one("load")) == ["invoke_workflow r", "invoke_workflow report", "load"]
    graph = traces.one("invoke_workflow report")
    assert graph.attributes is not None
    assert graph.attributes["gen_ai.operation.name"] == "invoke_workflow"
    assert graph.attributes["gen_ai.workflow.name"] == "report"


def test_the_items_of_a_map_are_below_their_graph_by_the_name_of_their_task() -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(ask, run_id="r") as engine:
            await engine.submit({"place": "x"}, executor=words)

    traces.run(main)
    items = traces.named("word")
    assert len(items) == 2
    for item in items:
        assert traces.path(item) == ["invoke_workflow r", "invoke_workflow words", "word"]
        assert traces.links(item) == [("dependency", traces.one("load"))]


def test_the_calls_of_a_flow_are_below_it() -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(ask, run_id="r") as engine:
            await engine.submit({"place": "x"}, executor=story)

    traces.run(main)
    assert traces.path(traces.one("rank")) == ["invoke_workflow r", "invoke_workflow story", "rank"]


def test_what_a_flow_traces_by_itself_is_between_it_and_what_it_calls_inside() -> None:
    traces = Traces()

    @flow
    async def traced(place: str) -> str:
        with traces.tracer.start_as_current_span("thinking"):
            return await word(place)

    async def main() -> None:
        async with traces.engine(ask, run_id="r") as engine:
            await engine.submit({"place": "x"}, executor=traced)

    traces.run(main)
    assert traces.path(traces.one("word"))[1:] == ["invoke_workflow traced", "thinking", "word"]


def test_each_run_of_a_graph_in_an_engine_is_a_span_by_its_name() -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(ask) as engine:
            await report.run(engine, place="x")
            await report.run(engine, place="y")

    traces.run(main)
    assert [span.name for span in traces.spans] == [
        *["load", "rank", "invoke_workflow report"] * 2,
        "invoke_workflow run",
    ]


def test_a_graph_may_be_a_follower_of_a_group() -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(report, run_id="r") as engine:
            group = await engine.submit_group("g", primer={"place": "p"}, followers=[{"place": "f"}])
            await group.results()

    traces.run(main)
    primer, follower = traces.named("invoke_workflow report")
    assert traces.path(follower)[1:] == ["paceline.group g", "invoke_workflow report"]
    assert traces.links(follower) == [("primer", primer)]


def test_a_job_submitted_inside_of_another_is_below_the_span_that_was_current_there() -> None:
    traces = Traces()

    async def parent(payload: str) -> Any:
        job = current_job()
        assert job is not None
        if payload == "child":
            return payload
        with traces.tracer.start_as_current_span("node"):
            return await (await job.spawn("child", name="the child"))

    async def main() -> None:
        async with traces.engine(parent, slots=1) as engine:
            await (await engine.submit("parent", name="the parent"))

    traces.run(main)
    assert traces.path(traces.one("the child"))[1:] == ["the parent", "node", "the child"]


def test_a_group_opened_inside_of_a_job_is_below_that_job() -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine({"ask": ask}) as engine:

            async def opener(payload: str) -> Any:
                return await (await engine.submit_group("inner", followers=["x"], executor="ask")).results()

            await (await engine.submit("outer", executor=opener, name="outer"))

    traces.run(main)
    assert traces.path(traces.one("follower ask"))[1:] == ["outer", "paceline.group inner", "follower ask"]


def test_a_run_joins_the_trace_that_is_current_where_it_is_opened_and_leaves_it_current() -> None:
    traces = Traces()

    async def main() -> None:
        with traces.tracer.start_as_current_span("request") as request:
            async with traces.engine(ask, run_id="r") as engine:
                with traces.tracer.start_as_current_span("my own"):
                    await (await engine.submit("x"))
            assert trace.get_current_span() is request

    traces.run(main)
    assert traces.path(traces.one("job ask")) == ["request", "invoke_workflow r", "my own", "job ask"]


def test_requests_of_a_service_have_their_jobs_in_their_own_traces() -> None:
    traces = Traces(run_span=False)

    async def main() -> None:
        opened, leave = asyncio.Event(), asyncio.Event()
        engines: list[Engine] = []

        async def serve() -> None:
            async with traces.engine(ask) as engine:
                engines.append(engine)
                opened.set()
                await leave.wait()

        async def request(number: int) -> None:
            with traces.tracer.start_as_current_span(f"request {number}"):
                await (await engines[0].submit("x", name=f"job of {number}"))
                group = await engines[0].submit_group(f"group of {number}", followers=["a"])
                await group.results()

        service = asyncio.create_task(serve())
        await opened.wait()
        await asyncio.gather(request(1), request(2))
        await (await engines[0].submit("x", name="alone"))
        leave.set()
        await service

    traces.run(main)
    for number in (1, 2):
        assert traces.path(traces.one(f"job of {number}")) == [f"request {number}", f"job of {number}"]
        assert traces.path(traces.one(f"paceline.group group of {number}"))[0] == f"request {number}"
    assert traces.path(traces.one("alone")) == ["alone"]
    assert len({here(span).trace_id for span in traces.spans}) == 3


def test_without_a_run_span_each_group_graph_and_job_is_a_trace_of_its_own() -> None:
    traces = Traces(run_span=False)

    async def main() -> None:
        async with traces.engine(ask) as engine:
            await engine.submit_group("g", primer="p", followers=["f"])
            await engine.submit({"place": "x"}, executor=report)
            await engine.submit("x")

    traces.run(main)
    assert traces.path(traces.one("follower ask")) == ["paceline.group g", "follower ask"]
    assert traces.path(traces.one("rank")) == ["invoke_workflow report", "rank"]
    assert traces.path(traces.one("job ask")) == ["job ask"]
    assert len({here(span).trace_id for span in traces.spans}) == 3


def test_two_providers_may_be_in_use_at_once() -> None:
    outer, inner = Traces(), Traces()

    async def main() -> None:
        async with inner.engine(ask, run_id="inner") as engine:

            async def nested(payload: str) -> Any:
                return await (await engine.submit(payload))

            async with outer.engine(nested, run_id="outer") as other:
                await (await other.submit("x"))

    outer.run(main)
    assert inner.kept() == 0
    assert [span.name for span in inner.spans] == ["job ask", "invoke_workflow inner"]
    assert [span.name for span in outer.spans] == ["job nested", "invoke_workflow outer"]
    assert len({here(span).trace_id for span in (*inner.spans, *outer.spans)}) == 1


def test_a_lane_an_executor_and_the_wait_are_told() -> None:
    traces = Traces()

    async def slow(payload: Any) -> Any:
        await asyncio.sleep(2)

    async def main() -> None:
        async with traces.engine(slow, slots=1, run_id="r") as engine:
            engine.lane("eu", weight=2.0)
            await engine.submit("x", lane="eu", name="first")
            await engine.submit("x", lane="eu", name="second", key="k-2")

    traces.run(main)
    attributes = dict(traces.one("second").attributes or {})
    assert attributes["paceline.lane"] == "eu"
    assert attributes["paceline.executor"] == "slow"
    assert attributes["paceline.role"] == "job"
    assert attributes["paceline.wait.seconds"] == 2.0
    assert attributes["paceline.attempt"] == 1
    assert attributes["paceline.job.name"] == "second"
    assert attributes["paceline.job.key"] == "k-2"
    assert attributes["paceline.run.id"] == "r"
    assert attributes["paceline.outcome"] == "succeeded"
    assert attributes["openinference.span.kind"] == "CHAIN"


def test_sessions_users_and_tags_are_told_as_backends_read_them() -> None:
    traces = Traces()

    async def inside(payload: Any) -> None:
        for name in ("session.id", "user.id", "tag.tags"):  # as OpenInference's instrumentations ask for them
            known[name] = contexts.get_value(name)

    known: dict[str, object] = {}

    async def main() -> None:
        async with traces.engine(ask) as engine:
            metadata = {"session_id": 7, "user_id": "ann", "tags": ["a", "b"], "other": "kept"}
            await engine.submit("x", metadata=metadata, executor=inside)
            await engine.submit_group("g", followers=["x"], metadata={"tags": "one"})

    traces.run(main)
    assert known == {"session.id": "7", "user.id": "ann", "tag.tags": ("a", "b")}
    attributes = dict(traces.one("job inside").attributes or {})
    assert attributes["session.id"] == attributes["gen_ai.conversation.id"] == "7"
    assert attributes["user.id"] == "ann"
    assert attributes["tag.tags"] == attributes["langfuse.trace.tags"] == ("a", "b")
    assert "kept" not in traces.said()
    for name in ("paceline.group g", "follower ask"):
        assert (traces.one(name).attributes or {})["tag.tags"] == ("one",)


def test_names_that_no_exporter_can_encode_are_mended() -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(ask) as engine:
            await engine.submit("x", name="bad \ud800", metadata={"session_id": "\udfff"})

    traces.run(main)
    assert traces.spans[0].name == "bad ?"
    traces.said().encode()


def test_a_middleware_says_what_it_is() -> None:
    assert repr(OpenTelemetryMiddleware()) == "<OpenTelemetryMiddleware passing contexts on>"
