"""The SDK's own tracing inside of attempts: handed to the run's traces, posted nowhere, lost to nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import agents
import pytest
from agents import Agent, RunConfig, Runner, Usage, flush_traces, function_tool
from agents.testing import ScriptedModel, assistant_message, function_call
from agents.tracing import (
    Span as AgentsSpan,
    Trace,
    TracingProcessor,
    custom_span,
    processors,
    provider,
    setup,
)

from paceline import Engine, Job, JobFailed, MemorySink, Span, current_job, events
from paceline.testing import VirtualClock
from paceline_adapters.openai_agents import AgentExecutor
from paceline_integrations.simulator import Simulator


class Watching:
    """Middleware that keeps the spans it is shown, by job."""

    def __init__(self) -> None:
        self.began: list[tuple[str, Span]] = []
        self.ended: list[tuple[str, Span]] = []

    def on_span(self, job: Job, span: Span) -> None:
        (self.began if span.ended is None else self.ended).append((job.name, span))

    def spans(self, job: str | None = None) -> dict[str, Span]:
        """By kind and name."""
        found = [span for name, span in self.ended if job in {None, name}]
        return {f"{span.kind} {span.name}": span for span in found}


class Keeping(TracingProcessor):
    """A user's own processor: whatever comes."""

    def __init__(self) -> None:
        self.traces: list[str] = []
        self.began: list[str] = []
        self.ended: list[AgentsSpan[Any]] = []

    def on_trace_start(self, trace: Trace) -> None:
        self.traces.append(trace.trace_id)

    def on_trace_end(self, trace: Trace) -> None:
        self.traces.remove(trace.trace_id)

    def on_span_start(self, span: AgentsSpan[Any]) -> None:
        self.began.append(span.span_id)

    def on_span_end(self, span: AgentsSpan[Any]) -> None:
        self.ended.append(span)

    def shutdown(self) -> None: ...

    def force_flush(self) -> None: ...


@pytest.fixture(autouse=True)
def _the_sdk_as_it_is_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "GLOBAL_TRACE_PROVIDER", None)
    monkeypatch.setattr(processors, "_global_processor", None)
    monkeypatch.setattr(processors, "_global_exporter", None)


@pytest.fixture
def posted() -> Iterator[list[dict[str, Any]]]:
    """What the SDK's default exporter has posted, to an endpoint of ours."""
    items: list[dict[str, Any]] = []

    class Ingest(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            items.extend(json.loads(body)["data"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

    with ThreadingHTTPServer(("127.0.0.1", 0), Ingest) as server:
        Thread(target=server.serve_forever, args=(0.01,)).start()
        exporter = processors.default_exporter()
        exporter.endpoint = f"http://127.0.0.1:{server.server_port}/ingest"
        exporter.set_api_key("sk-not-a-key")
        try:
            yield items
        finally:
            processors.default_processor().shutdown()
            exporter.close()  # type: ignore[no-untyped-call]
            server.shutdown()


def weather_agent(name: str = "meteorologist", turns: int = 1) -> Agent[Any]:
    """Calls its tool once, and then answers; the tool has a span of its own inside."""

    @function_tool
    async def look(place: str) -> str:
        with custom_span("satellite", {"secret": "cold-place"}):
            await asyncio.sleep(1)
        return f"rain in {place}"

    usage = Usage(requests=1, input_tokens=10, output_tokens=2, total_tokens=12)
    steps: list[Any] = []
    for number in range(turns):
        steps.append([function_call("look", {"place": "secret-place"}, call_id=f"call-{number}")])
        steps.append([assistant_message("secret-answer")])
    model = ScriptedModel(steps, emit_traces=True, default_usage=usage)
    return Agent(name=name, model=model, tools=[look])


def run(agent: Agent[Any], watching: Watching | None = None, *, stream: bool = False, **how: Any) -> object:
    """One job that runs the agent, on the virtual clock."""

    async def main() -> object:
        middleware = [] if watching is None else [watching]
        async with Engine(AgentExecutor(agent, **how), middleware=middleware) as engine:
            return await (await engine.submit("secret-question", name="job", stream=stream))

    return VirtualClock().run(main)


@pytest.mark.parametrize("stream", [False, True])
def test_the_spans_of_a_run_are_handed_to_the_traces_of_its_job(stream: bool) -> None:
    watching = Watching()
    assert run(weather_agent(), watching, stream=stream) == "secret-answer"
    spans = watching.spans()
    assert set(spans) == {
        "task Agent workflow",
        "agent meteorologist",
        "turn turn 1",
        "turn turn 2",
        "generation generation",
        "function look",
        "custom satellite",
    }
    parents = {name: span.parent for name, span in spans.items()}
    assert parents["task Agent workflow"] is None
    assert parents["agent meteorologist"] == spans["task Agent workflow"].id
    assert parents["turn turn 1"] == spans["agent meteorologist"].id
    assert parents["function look"] == spans["turn turn 1"].id
    assert parents["custom satellite"] == spans["function look"].id
    assert spans["turn turn 1"].attributes["agent_name"] == "meteorologist"
    assert spans["agent meteorologist"].attributes["tools"] == ["look"]
    assert spans["turn turn 1"].attributes["usage"]["input_tokens"] == 10
    assert [span.id for _, span in watching.began] == list(
        dict.fromkeys(span.id for _, span in watching.began)
    )
    assert {span.id for _, span in watching.began} == {span.id for _, span in watching.ended}
    assert all(span.ended is not None and span.ended >= span.started > 1e9 for _, span in watching.ended)


def test_prompts_and_outputs_are_handed_on_only_when_asked_for() -> None:
    silent, telling = Watching(), Watching()
    run(weather_agent(), silent)
    run(weather_agent(), telling, trace_content=True)
    assert "secret" not in str([span for _, span in silent.began + silent.ended])
    assert telling.spans()["function look"].attributes["output"] == "rain in secret-place"
    assert telling.spans()["custom satellite"].attributes["data"] == {"secret": "cold-place"}


def test_nothing_of_an_attempt_is_posted(posted: list[dict[str, Any]]) -> None:
    run(weather_agent(), Watching())
    run(weather_agent(), stream=True)
    flush_traces()
    assert posted == []


def test_what_the_user_runs_himself_is_posted_as_before(posted: list[dict[str, Any]]) -> None:
    run(weather_agent())
    asyncio.run(Runner.run(weather_agent("mine"), "?"))
    flush_traces()
    assert "mine" in [item["span_data"].get("name") for item in posted if item["object"] == "trace.span"]
    assert [item["object"] for item in posted].count("trace") == 1
    assert "meteorologist" not in str(posted)


def test_a_job_of_the_users_own_is_posted_as_before(posted: list[dict[str, Any]]) -> None:
    """A function that runs an agent by itself is none of our attempts."""
    agent, watching = weather_agent("mine"), Watching()

    async def own(payload: str) -> object:
        return (await Runner.run(agent, payload)).final_output

    async def main() -> object:
        async with Engine(own, middleware=[watching]) as engine:
            return await (await engine.submit("?"))

    asyncio.run(main())
    flush_traces()
    assert "mine" in str(posted)
    assert not watching.began


def test_on_request_an_attempt_is_posted_too(posted: list[dict[str, Any]]) -> None:
    watching = Watching()
    run(weather_agent(), watching, export_traces=True)
    flush_traces()
    assert [item["object"] for item in posted].count("trace") == 1
    assert {item["id"] for item in posted if item["object"] == "trace.span"} == {
        span.id for _, span in watching.ended
    }


def added_before(keeping: Keeping) -> None:
    agents.add_trace_processor(keeping)
    run(weather_agent())


def added_after(keeping: Keeping) -> None:
    run(weather_agent())
    agents.add_trace_processor(keeping)


def put_in_place_before(keeping: Keeping) -> None:
    agents.set_trace_processors([keeping])
    run(weather_agent())


def put_in_place_after(keeping: Keeping) -> None:
    run(weather_agent())
    agents.set_trace_processors([keeping])


def another_provider(keeping: Keeping) -> None:
    run(weather_agent())
    another = provider.DefaultTraceProvider()
    another.register_processor(keeping)
    agents.set_trace_provider(another)


class Wrapping(provider.DefaultTraceProvider):
    """As observability packages do: another provider in front of the one that there is."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = agents.tracing.get_trace_provider()

    def register_processor(self, processor: TracingProcessor) -> None:
        self.inner.register_processor(processor)

    def set_processors(self, processors: list[TracingProcessor]) -> None:
        self.inner.set_processors(processors)

    def create_trace(self, *args: Any, **kwargs: Any) -> Any:
        return self.inner.create_trace(*args, **kwargs)

    def create_span(self, *args: Any, **kwargs: Any) -> Any:
        return self.inner.create_span(*args, **kwargs)


def wrapped_provider(keeping: Keeping) -> None:
    run(weather_agent())
    agents.set_trace_provider(Wrapping())
    agents.add_trace_processor(keeping)


@pytest.mark.parametrize(
    "arrange",
    [
        added_before,
        added_after,
        put_in_place_before,
        put_in_place_after,
        another_provider,
        wrapped_provider,
    ],
)
def test_processors_of_the_user_see_everything_and_so_do_we(
    arrange: Callable[[Keeping], None], posted: list[dict[str, Any]]
) -> None:
    keeping, watching = Keeping(), Watching()
    arrange(keeping)
    keeping.began.clear()
    keeping.ended.clear()
    run(weather_agent(), watching)
    ids = [span.id for _, span in watching.began]
    assert len(ids) == len(set(ids)) == 8
    assert sorted(keeping.began) == sorted(span.span_id for span in keeping.ended) == sorted(ids)
    assert sorted(span.id for _, span in watching.ended) == sorted(ids)
    assert not keeping.traces
    assert any(getattr(span.span_data, "output", None) == "rain in secret-place" for span in keeping.ended)
    flush_traces()
    assert posted == []


def test_the_provider_is_prepared_once_and_stays_what_it_was() -> None:
    before = agents.tracing.get_trace_provider()
    run(weather_agent())
    prepared = before.set_processors
    run(weather_agent())
    assert agents.tracing.get_trace_provider() is before
    assert type(before) is provider.DefaultTraceProvider
    assert before.set_processors is prepared


def disabled_by_environment(monkeypatch: pytest.MonkeyPatch) -> RunConfig | None:
    monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")
    return None


def disabled_by_call(monkeypatch: pytest.MonkeyPatch) -> RunConfig | None:
    agents.set_tracing_disabled(True)
    return None


def disabled_for_the_run(monkeypatch: pytest.MonkeyPatch) -> RunConfig | None:
    return RunConfig(tracing_disabled=True)


@pytest.mark.parametrize("disable", [disabled_by_environment, disabled_by_call, disabled_for_the_run])
def test_where_tracing_is_disabled_nothing_is_handed_on(
    disable: Callable[[pytest.MonkeyPatch], RunConfig | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    watching, keeping = Watching(), Keeping()
    agents.add_trace_processor(keeping)
    run(weather_agent(), watching, run_config=disable(monkeypatch))
    assert watching.began == watching.ended == []
    assert keeping.began == []


def test_concurrent_attempts_do_not_mix() -> None:
    names = [f"agent-{number}" for number in range(20)]
    executors = {name: AgentExecutor(weather_agent(name)) for name in names}
    watching = Watching()

    async def main() -> None:
        async with Engine(executors, middleware=[watching], slots=20) as engine:
            handles = [await engine.submit("?", executor=name, name=name) for name in names]
            for handle in handles:
                await handle

    VirtualClock().run(main)
    for name in names:
        mine = [span for job, span in watching.ended if job == name]
        assert len(mine) == 8
        assert [span.name for span in mine if span.kind == "agent"] == [name]
        ids = {span.id for span in mine}
        assert all(span.parent is None or span.parent in ids for span in mine)
    assert len(watching.ended) == 8 * len(names)


def test_jobs_below_an_agent_have_their_own_spans_and_are_not_posted(posted: list[dict[str, Any]]) -> None:
    """An agent that starts another one, and a plain function that runs a third by itself."""
    watching = Watching()
    keeping = Keeping()
    agents.add_trace_processor(keeping)
    third = weather_agent("third")

    async def function(payload: str) -> object:
        return (await Runner.run(third, payload)).final_output

    @function_tool
    async def fan_out() -> str:
        ctx = current_job()
        assert ctx is not None
        below = await ctx.spawn("?", executor="second", name="second")
        plain = await ctx.spawn("?", executor="third", name="third")
        return f"{await below} {await plain}"

    model = ScriptedModel([[function_call("fan_out", {}, call_id="c")], [assistant_message("done")]])
    first = Agent(name="first", model=model, tools=[fan_out])
    executors = {
        "first": AgentExecutor(first),
        "second": AgentExecutor(weather_agent("second")),
        "third": function,
    }

    async def main() -> object:
        async with Engine(executors, middleware=[watching], slots=1) as engine:
            return await (await engine.submit("?", executor="first", name="first"))

    assert VirtualClock().run(main) == "done"
    for name in ("first", "second", "third"):
        mine = [span for job, span in watching.ended if job == name]
        assert [span.name for span in mine if span.kind == "agent"] == [name]
        ids = {span.id for span in mine}
        assert all(span.parent is None or span.parent in ids for span in mine)
    # The user's own processor sees them as the one trace that they are.
    assert len({span.trace_id for span in keeping.ended}) == 1
    flush_traces()
    assert posted == []


def test_errors_are_told_without_what_the_data_was() -> None:
    @function_tool(failure_error_function=None)
    async def explode() -> str:
        raise ValueError("secret-cause")

    def failing() -> Agent[Any]:
        return Agent(
            name="failing",
            model=ScriptedModel([[function_call("explode", {}, call_id="c")]]),
            tools=[explode],
        )

    silent, telling = Watching(), Watching()
    for watching, content in ((silent, False), (telling, True)):
        with pytest.raises(JobFailed):
            run(failing(), watching, trace_content=content)
    assert silent.spans()["function explode"].error == "Error running tool"
    assert "secret-cause" in str(telling.spans()["function explode"].error)


def test_a_cancelled_attempt_leaves_no_span_open() -> None:
    watching = Watching()

    async def main() -> None:
        for stream in (False, True):
            async with Engine(AgentExecutor(weather_agent()), middleware=[watching]) as engine:
                handle = await engine.submit("?", stream=stream)
                await asyncio.sleep(0.5)
                handle.cancel()

    VirtualClock().run(main)
    assert len(watching.began) >= 10
    assert sorted(span.id for _, span in watching.began) == sorted(span.id for _, span in watching.ended)


def test_a_span_that_is_never_finished_ends_with_the_attempt() -> None:
    watching = Watching()

    @function_tool
    async def forget() -> str:
        custom_span("forgotten", {}).start()
        return "?"

    model = ScriptedModel([[function_call("forget", {}, call_id="c")], [assistant_message("done")]])
    run(Agent(name="careless", model=model, tools=[forget]), watching)
    assert watching.spans()["custom forgotten"].error == "still open when the attempt ended"


def test_a_span_that_ends_in_another_context_is_not_posted(posted: list[dict[str, Any]]) -> None:
    """A generator that nobody closes is closed by the loop, which knows of no attempt."""
    spans: list[AgentsSpan[Any]] = []

    @function_tool
    async def leave() -> str:
        spans.append(custom_span("left", {}))
        spans[0].start()
        return "?"

    model = ScriptedModel([[function_call("leave", {}, call_id="c")], [assistant_message("done")]])
    watching = Watching()
    run(Agent(name="careless", model=model, tools=[leave]), watching)
    spans[0].finish()
    flush_traces()
    assert posted == []
    assert len([span for _, span in watching.ended if span.name == "left"]) == 1


def test_threads_of_an_attempt_belong_to_it() -> None:
    watching = Watching()

    @function_tool
    def compute() -> str:
        with custom_span("on a thread", {}):
            return "?"

    model = ScriptedModel([[function_call("compute", {}, call_id="c")], [assistant_message("done")]])

    async def main() -> None:
        async with Engine(
            AgentExecutor(Agent(name="a", model=model, tools=[compute])), middleware=[watching]
        ) as engine:
            await (await engine.submit("?"))

    asyncio.run(main())
    assert watching.spans()["custom on a thread"].parent == watching.spans()["function compute"].id


@pytest.mark.parametrize("stream", [False, True])
def test_calls_of_real_models_are_told_with_model_and_usage(
    stream: bool, serve: Callable[..., Simulator], clients: Any, posted: list[dict[str, Any]]
) -> None:
    server, watching = serve(), Watching()

    async def main() -> None:
        agent = Agent(name="a", instructions="secret-instructions", model=clients(server))
        async with Engine(AgentExecutor(agent), middleware=[watching]) as engine:
            await (await engine.submit("secret-question", stream=stream))

    clients.run(main)
    (call,) = [span for _, span in watching.ended if span.kind in {"response", "generation"}]
    assert call.attributes["model"] == "simulator"
    assert call.attributes["usage"]["input_tokens"] > 0
    assert "secret" not in str(watching.ended)
    flush_traces()
    assert posted == []
    assert len(server.requests()) == 1


def test_spans_are_events_too() -> None:
    sink = MemorySink()

    async def main() -> None:
        async with Engine(AgentExecutor(weather_agent()), sinks=[sink]) as engine:
            await (await engine.submit("?"))

    VirtualClock().run(main)
    spans = [event for event in sink.events if isinstance(event, events.SpanEnded)]
    assert [event.name for event in spans if event.kind == "agent"] == ["meteorologist"]
    assert len(spans) == 8
