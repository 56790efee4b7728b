"""Spans that a framework tells of become spans below the attempt, unless somebody else traces them."""

import asyncio
from typing import Any

from paceline import Span, Usage, current_job

from .traces import Traces, here


def told(kind: str, ident: str, parent: str | None = None, **more: Any) -> None:
    job = current_job()
    assert job is not None
    more.setdefault("name", kind)
    job.trace(Span(id=ident, kind=kind, parent=parent, started=100.0, **more))


USAGE = {"input_tokens": 10, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 8}}


async def agent(payload: Any) -> Any:
    """What the agents' SDK tells of a run with a tool."""
    job = current_job()
    assert job is not None
    told("task", "1", name="Agent workflow")
    told("agent", "2", "1", name="Clerk")
    told("turn", "3", "2", name="turn 1")
    told("response", "4", "3")
    told("response", "4", "3", ended=101.0, attributes={"model": "gpt", "usage": USAGE, "response_id": "r"})

    async def tool() -> None:
        told("function", "5", "3", name="look_up")
        await asyncio.sleep(1)
        told("function", "5", "3", name="look_up", ended=102.5, error="it broke")

    await asyncio.gather(tool(), asyncio.create_task(tool_of("6")))
    told("turn", "3", "2", name="turn 1", ended=103.0, attributes={"usage": USAGE})
    told("agent", "2", "1", name="Clerk", ended=104.0)
    told("task", "1", name="Agent workflow", ended=104.0, attributes={"usage": USAGE})
    job.usage(Usage(input_tokens=10, output_tokens=3, cached_tokens=8))
    return payload


async def tool_of(ident: str) -> None:
    told("function", ident, "3", name="other")
    await asyncio.sleep(1)
    told("function", ident, "3", name="other", ended=102.0)


async def run(traces: Traces, work: Any) -> None:
    async with traces.engine(work, run_id="r") as engine:
        await engine.submit("x", name="job")


def test_agents_spans_are_a_tree_with_the_names_of_the_conventions() -> None:
    traces = Traces()
    traces.run(lambda: run(traces, agent))
    top = ["invoke_workflow r", "job", "task Agent workflow", "invoke_agent Clerk", "turn 1"]
    assert traces.path(traces.one("chat gpt")) == [*top, "chat gpt"]
    assert traces.path(traces.one("execute_tool look_up")) == [*top, "execute_tool look_up"]
    assert traces.path(traces.one("execute_tool other")) == [*top, "execute_tool other"]
    clerk = dict(traces.one("invoke_agent Clerk").attributes or {})
    assert clerk["gen_ai.operation.name"] == "invoke_agent"
    assert clerk["gen_ai.agent.name"] == "Clerk"
    assert clerk["openinference.span.kind"] == "AGENT"
    tool = traces.one("execute_tool look_up")
    assert (tool.start_time, tool.end_time) == (100_000_000_000, 102_500_000_000)
    assert dict(tool.attributes or {})["error.type"] == "function_error"
    assert tool.status.description is None


def test_agents_usage_is_told_by_their_calls_only() -> None:
    traces = Traces()
    traces.run(lambda: run(traces, agent))
    telling = [span for span in traces.spans if "gen_ai.usage.input_tokens" in (span.attributes or {})]
    assert telling == [traces.one("chat gpt")]
    chat = dict(traces.one("chat gpt").attributes or {})
    assert chat["gen_ai.usage.cache_read.input_tokens"] == 8
    assert chat["gen_ai.response.id"] == "r"


def test_what_runs_inside_of_a_bridged_span_is_below_it() -> None:
    traces = Traces()

    async def work(payload: Any) -> Any:
        told("agent", "1", name="Clerk")
        with traces.tracer.start_as_current_span("mine"):
            told("function", "2", name="inner")
            with traces.tracer.start_as_current_span("http"):
                pass
            told("function", "2", name="inner", ended=101.0)
        told("agent", "1", name="Clerk", ended=101.0)

    traces.run(lambda: run(traces, work))
    assert traces.path(traces.one("http"))[2:] == [
        "invoke_agent Clerk",
        "mine",
        "execute_tool inner",
        "http",
    ]


def test_what_comes_after_a_bridged_span_is_beside_it() -> None:
    traces = Traces()

    async def work(payload: Any) -> Any:
        told("agent", "1", name="Clerk")
        told("agent", "1", name="Clerk", ended=101.0)
        with traces.tracer.start_as_current_span("after"):
            pass

    traces.run(lambda: run(traces, work))
    assert traces.path(traces.one("after"))[1:] == ["job", "after"]


def test_agents_spans_are_left_to_an_instrumentation_that_is_at_work() -> None:
    traces = Traces()
    other = traces.provider.get_tracer("openinference.instrumentation.openai_agents")

    async def work(payload: Any) -> Any:
        if payload == "instrumented":
            with other.start_as_current_span("Agent workflow"):
                return await agent(payload)
        return await agent(payload)

    async def main() -> None:
        async with traces.engine(work) as engine:
            await engine.submit("instrumented", name="instrumented")
            await (await engine.submit("plain", name="plain"))

    traces.run(main)
    clerk = traces.one("invoke_agent Clerk")
    assert "plain" in traces.path(clerk), "each attempt by itself"


def test_a_span_that_is_never_ended_ends_with_its_attempt_and_leaves_no_orphan() -> None:
    traces = Traces()

    async def work(payload: Any) -> Any:
        told("agent", "1", name="Clerk")
        with traces.tracer.start_as_current_span("late"):
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                await asyncio.sleep(10)

    async def main() -> None:
        async with traces.engine(work, grace=100.0) as engine:
            handle = await engine.submit("x", name="job")
            await asyncio.sleep(1)
            handle.cancel()

    traces.run(main)
    assert traces.path(traces.one("late"))[1:] == ["job", "invoke_agent Clerk", "late"]


def test_a_span_told_after_the_end_of_its_attempt_is_passed_over() -> None:
    traces = Traces()

    async def work(payload: Any) -> Any:
        try:
            await asyncio.sleep(100)
        finally:
            told("agent", "1", name="Clerk")
            told("agent", "1", name="Clerk", ended=101.0)
            told("agent", "never begun", name="Clerk", ended=101.0)

    async def main() -> None:
        async with traces.engine(work) as engine:
            handle = await engine.submit("x", name="job")
            await asyncio.sleep(1)
            handle.cancel()

    traces.run(main)
    assert {here(span).trace_id for span in traces.spans} == {here(traces.one("job")).trace_id}
    assert not traces.named("invoke_agent Clerk")
