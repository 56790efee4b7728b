"""Usage is told once: on the attempt's span, or by a span below it, and never by both."""

import asyncio
from typing import Any

import pytest
from opentelemetry.trace import Tracer, TracerProvider

from paceline import Engine, Usage, current_job, flow
from paceline_integrations.otel import OpenTelemetryMiddleware
from paceline_integrations.otel._watching import Watching

from .traces import Traces

TOLD = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 2}


def use(**more: Any) -> None:
    job = current_job()
    assert job is not None
    job.usage(Usage(input_tokens=10, cached_tokens=8, output_tokens=2, model="gpt", **more))


def tokens(traces: Traces, name: str = "gen_ai.usage.input_tokens") -> int:
    return sum(int(str((span.attributes or {}).get(name, 0))) for span in traces.spans)


def watchers(traces: Traces) -> list[Watching]:
    """The processors that look on."""
    processors: Any = traces.provider._active_span_processor._span_processors
    return [each for each in processors if isinstance(each, Watching)]


async def run(traces: Traces, work: Any, jobs: int = 1) -> None:
    async with traces.engine(work) as engine:
        for number in range(jobs):
            await engine.submit(number)


def test_an_attempt_tells_usage_where_nothing_below_it_does() -> None:
    traces = Traces()

    async def work(payload: Any) -> None:
        use(cache_write_tokens=1, reasoning_tokens=1, money=0.5)
        with traces.tracer.start_as_current_span("http", attributes={"http.request.method": "POST"}):
            pass
        use()

    traces.run(lambda: run(traces, work))
    attributes = dict(traces.one("job work").attributes or {})
    assert attributes["gen_ai.usage.input_tokens"] == 20
    assert attributes["gen_ai.usage.cache_read.input_tokens"] == 16
    assert attributes["gen_ai.usage.cache_creation.input_tokens"] == 1
    assert attributes["gen_ai.usage.output_tokens"] == 4
    assert attributes["gen_ai.usage.reasoning.output_tokens"] == 1
    assert attributes["gen_ai.response.model"] == "gpt"
    assert attributes["openinference.span.kind"] == "LLM"
    assert attributes["paceline.usage.requests"] == 2
    assert attributes["paceline.usage.money"] == 0.5


@pytest.mark.parametrize(
    "name", ["gen_ai.usage.input_tokens", "llm.token_count.prompt", "llm.usage.total_tokens"]
)
def test_an_attempt_is_silent_where_a_span_below_it_tells_usage(name: str) -> None:
    traces = Traces()

    async def work(payload: Any) -> None:
        async def call() -> None:
            with traces.tracer.start_as_current_span("chat") as span:
                await asyncio.sleep(1)
                span.set_attribute(name, 10)

        with traces.tracer.start_as_current_span("chain"):
            await asyncio.create_task(call())
        use()

    traces.run(lambda: run(traces, work, 3))
    for span in traces.named("job work"):
        attributes = dict(span.attributes or {})
        assert not [each for each in attributes if each.startswith("gen_ai.usage")]
        assert "gen_ai.response.model" not in attributes
        assert attributes["openinference.span.kind"] == "CHAIN"
        assert attributes["paceline.usage.input_tokens"] == 10, (
            "what the engine counted is there all the same"
        )
    assert tokens(traces, name) == 30


def test_usage_told_in_a_thread_counts() -> None:
    traces = Traces()

    def work(payload: Any) -> None:
        with traces.tracer.start_as_current_span("chat", attributes=TOLD):
            use()

    traces.run(lambda: run(traces, work))
    assert tokens(traces) == 10


def test_what_a_child_job_tells_is_not_its_parents() -> None:
    traces = Traces()

    async def work(payload: Any) -> None:
        use()
        if payload != "child":
            job = current_job()
            assert job is not None
            await (await job.spawn("child", name="child"))
            return
        with traces.tracer.start_as_current_span("chat", attributes=TOLD):
            pass

    traces.run(lambda: run(traces, work))
    assert tokens(traces) == 20
    assert "gen_ai.usage.input_tokens" in (traces.one("job work").attributes or {})
    assert "gen_ai.usage.input_tokens" not in (traces.one("child").attributes or {})


def test_a_span_that_outlives_its_attempt_is_forgotten() -> None:
    traces = Traces()
    left: list[Any] = []

    async def work(payload: Any) -> None:
        left.append(traces.tracer.start_span("left open"))
        use()

    traces.run(lambda: run(traces, work, 2))
    assert not watchers(traces)[0].open
    for span in left:
        span.end()
    assert tokens(traces) == 20


def test_what_begins_after_the_end_of_its_attempt_is_forgotten_too() -> None:
    traces = Traces()

    async def work(payload: Any) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            left.extend(traces.tracer.start_span("too late") for _ in range(2))

    left: list[Any] = []

    async def main() -> None:
        async with traces.engine(work) as engine:
            handle = await engine.submit("x")
            await asyncio.sleep(1)
            handle.cancel()

    traces.run(main)
    assert len(left) == 2
    assert not watchers(traces)[0].open


def test_what_a_flow_tells_by_itself_is_not_told_for_the_job_that_awaits_it() -> None:
    traces = Traces()

    @flow
    async def thinking(place: str) -> str:
        with traces.tracer.start_as_current_span("chat", attributes=TOLD):
            return place

    async def work(payload: Any) -> None:
        use()
        await engines[0].submit({"place": "x"}, executor=thinking)

    engines: list[Engine] = []

    async def main() -> None:
        async with traces.engine(work) as engine:
            engines.append(engine)
            await (await engine.submit("x"))

    traces.run(main)
    assert traces.path(traces.one("chat"))[1:] == ["job work", "invoke_workflow thinking", "chat"]
    assert "gen_ai.usage.input_tokens" in (traces.one("job work").attributes or {})


def test_a_provider_is_watched_once_however_many_use_it() -> None:
    traces = Traces()

    async def work(payload: Any) -> None:
        use()

    async def main() -> None:
        for _ in range(3):
            async with Engine(work, middleware=[OpenTelemetryMiddleware(traces.provider)]):
                pass

    traces.run(main)
    assert len(watchers(traces)) == 1


def test_a_provider_that_cannot_be_watched_is_used_all_the_same() -> None:
    traces = Traces()

    class Closed(TracerProvider):
        def get_tracer(self, *args: Any, **options: Any) -> Tracer:
            return traces.provider.get_tracer("closed")

    async def work(payload: Any) -> None:
        use()

    async def main() -> None:
        async with Engine(work, middleware=[OpenTelemetryMiddleware(Closed())]) as engine:
            await engine.submit("x")

    traces.run(main)
    assert tokens(traces) == 10
