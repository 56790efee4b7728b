"""Whatever tracing does, jobs go on; and nothing is said over and over."""

import asyncio
import gc
from typing import Any

import pytest
from opentelemetry import context as contexts, propagate, trace
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import NoOpTracerProvider, Tracer, TracerProvider

from paceline import CallNext, Engine, Job, JobContext, RetryPolicy, Suspend, current_job
from paceline.testing import VirtualClock
from paceline_integrations.otel import OpenTelemetryMiddleware

from .graphs import report
from .traces import Traces


async def work(payload: Any) -> Any:
    job = current_job()
    assert job is not None
    if payload == "fails" and job.attempt == 1:
        raise ValueError
    if payload == "asks" and job.job.reply is None:
        return Suspend("?")
    await asyncio.sleep(1)
    return payload


async def life(engine: Engine) -> None:
    """A bit of everything."""
    group = await engine.submit_group("g", primer="p", followers=["fails", "x"])
    asks = await engine.submit("asks")
    await engine.submit("x", after=group)
    await engine.submit({"place": "x"}, executor=report)
    (await engine.submit("x")).cancel()
    await asks.wait()
    await engine.reply(asks.id, "yes")
    assert await asks == "asks"
    assert [result.status for result in await group.results()] == ["succeeded"] * 3


class Breaking(SpanProcessor):
    """Raises at all that happens to a span."""

    def __init__(self, *, at_start: bool) -> None:
        self.at_start: bool = at_start

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        if self.at_start:
            raise RuntimeError("broken at start")

    def on_end(self, span: ReadableSpan) -> None:
        if not self.at_start:
            raise RuntimeError("broken at end")


@pytest.mark.parametrize("at_start", [True, False])
def test_a_provider_that_raises_stops_no_job_and_is_told_of_once(
    at_start: bool, caplog: pytest.LogCaptureFixture
) -> None:
    traces = Traces()
    traces.provider.add_span_processor(Breaking(at_start=at_start))

    async def main() -> None:
        async with traces.engine(work, retry=RetryPolicy(2)) as engine:
            await life(engine)
        assert not contexts.get_current()

    VirtualClock().run(main)
    assert traces.kept() == 0
    assert [record.message for record in caplog.records] == [
        "tracing failed; the jobs go on, and further failures are logged at debug level only"
    ]


class Flaky(SpanProcessor):
    """Raises at every third start or end of a span, beginning with the one of that number."""

    def __init__(self, first: int, *, at_start: bool) -> None:
        self.number: int = first
        self.at_start: bool = at_start

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        if self.at_start:
            self.count()

    def on_end(self, span: ReadableSpan) -> None:
        if not self.at_start:
            self.count()

    def count(self) -> None:
        self.number += 1
        if self.number % 3 == 0:
            raise RuntimeError("now and then")


@pytest.mark.parametrize("at_start", [True, False])
@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_span_that_could_not_begin_or_end_is_the_only_one_that_is_missing(
    first: int, at_start: bool, caplog: pytest.LogCaptureFixture
) -> None:
    traces = Traces()
    traces.provider.add_span_processor(Flaky(first, at_start=at_start))

    async def main() -> None:
        with trace.use_span(trace.INVALID_SPAN):
            async with traces.engine(work, retry=RetryPolicy(2)) as engine:
                before = contexts.get_current()
                await life(engine)
                assert contexts.get_current() is before
        assert not trace.get_current_span().get_span_context().is_valid

    VirtualClock().run(main)
    assert traces.kept() == 0
    assert len(caplog.records) == 1
    for span in traces.spans:
        traces.above(span)
        traces.links(span)


def test_a_provider_that_is_shut_down_while_the_engine_is_open_stops_no_job(
    caplog: pytest.LogCaptureFixture,
) -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(work, retry=RetryPolicy(2)) as engine:
            await (await engine.submit("x"))
            traces.provider.shutdown()
            await life(engine)

    traces.run(main)
    assert [span.name for span in traces.spans] == ["job work"]
    assert not [record for record in caplog.records if record.name.startswith("paceline")]


class BreakingSampler(Sampler):
    def should_sample(self, *args: Any, **options: Any) -> Any:
        raise RuntimeError("cannot decide")

    def get_description(self) -> str:
        return "broken"


def test_a_sampler_that_raises_stops_no_job(caplog: pytest.LogCaptureFixture) -> None:
    traces = Traces(sampler=BreakingSampler())

    async def main() -> None:
        async with traces.engine(work, retry=RetryPolicy(2)) as engine:
            await life(engine)

    VirtualClock().run(main)
    assert traces.kept() == 0
    assert len(caplog.records) == 1


class BreakingExporter(SpanExporter):
    def export(self, spans: Any) -> Any:
        raise RuntimeError("no way out")


def test_an_exporter_that_raises_stops_no_job() -> None:
    traces = Traces()
    traces.provider.add_span_processor(SimpleSpanProcessor(BreakingExporter()))

    async def main() -> None:
        async with traces.engine(work, retry=RetryPolicy(2)) as engine:
            await life(engine)

    traces.run(main)


def test_a_meter_provider_that_raises_costs_the_metrics_only(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("no metrics")

    traces = Traces(meter_provider=Broken())

    async def main() -> None:
        async with traces.engine(work, retry=RetryPolicy(2)) as engine:
            await life(engine)

    VirtualClock().run(main)
    assert traces.named("primer work")


class BreakingPropagator(TextMapPropagator):
    def extract(self, *args: Any, **options: Any) -> Any:
        raise RuntimeError("cannot read")

    def inject(self, *args: Any, **options: Any) -> None:
        raise RuntimeError("cannot write")

    @property
    def fields(self) -> set[str]:
        return set()


@pytest.mark.parametrize("traced", [True, False])
def test_a_propagator_that_raises_stops_no_job(traced: bool, caplog: pytest.LogCaptureFixture) -> None:
    class Headed:
        def on_submit(self, job: Job) -> None:
            job.headers["tenant"] = "acme"

    middleware = Traces().middleware if traced else OpenTelemetryMiddleware(NoOpTracerProvider())
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(BreakingPropagator())

    async def main() -> None:
        async with Engine(work, retry=RetryPolicy(2), middleware=[Headed(), middleware]) as engine:
            await life(engine)

    try:
        VirtualClock().run(main)
    finally:
        propagate.set_global_textmap(before)
    assert len(caplog.records) == 1


def test_a_provider_that_nobody_can_watch_is_used_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    traces = Traces()

    class Closed(TracerProvider):
        __slots__ = ()

        def get_tracer(self, *args: Any, **options: Any) -> Tracer:
            return traces.provider.get_tracer("closed")

        def add_span_processor(self, processor: Any) -> None:
            raise RuntimeError("no more")

    async def main() -> None:
        async with Engine(work, middleware=[OpenTelemetryMiddleware(Closed())]) as engine:
            await engine.submit("x")

    VirtualClock().run(main)
    assert len(traces.named("job work")) == 1
    assert len(caplog.records) == 1


def test_span_limits_take_attributes_and_no_jobs() -> None:
    traces = Traces(limits=SpanLimits(max_attributes=2, max_links=0, max_events=0))

    async def main() -> None:
        async with traces.engine(work, retry=RetryPolicy(2)) as engine:
            await life(engine)

    traces.run(main)
    assert all(len(span.attributes or {}) <= 2 for span in traces.spans)


def test_an_attempt_that_is_thrown_away_says_nothing_of_contexts(caplog: pytest.LogCaptureFixture) -> None:
    """Its coroutine is closed by the collector, in whatever context that runs."""
    traces = Traces()

    async def hangs(payload: Any) -> Any:
        while True:
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                if not payload:
                    raise

    async def main() -> None:
        async with traces.engine(hangs, grace=0.1) as engine:
            handle = await engine.submit("x")
            await asyncio.sleep(1)
            handle.cancel()

    traces.run(main)
    gc.collect()
    assert not [record for record in caplog.records if "context" in record.getMessage()]
    assert len(traces.named("job hangs")) == 1


def test_what_a_job_leaves_current_does_not_spoil_what_comes_after(caplog: pytest.LogCaptureFixture) -> None:
    """As instrumentations do that attach without ever detaching."""
    traces = Traces()

    async def leaving(payload: Any) -> Any:
        contexts.attach(contexts.set_value("left", payload))

    async def main() -> None:
        async with traces.engine(leaving, slots=1) as engine:
            for number in range(3):
                await engine.submit(number)
        assert contexts.get_value("left") is None

    traces.run(main)
    assert [traces.path(span) for span in traces.named("job leaving")] == [
        ["invoke_workflow run", "job leaving"]
    ] * 3


def test_the_same_middleware_twice_and_two_of_one_provider_stop_no_job() -> None:
    traces = Traces()
    second = OpenTelemetryMiddleware(traces.provider)

    async def main() -> None:
        async with Engine(
            work, retry=RetryPolicy(2), middleware=[traces.middleware, traces.middleware, second]
        ) as engine:
            await life(engine)

    traces.run(main)
    for span in traces.spans:
        traces.above(span)


def test_a_middleware_that_runs_an_attempt_twice_has_both_in_its_span() -> None:
    class Twice:
        async def around(self, job: Job, ctx: JobContext, call_next: CallNext) -> object:
            await call_next()
            return await call_next()

    traces = Traces()

    async def inside(payload: Any) -> None:
        with traces.tracer.start_as_current_span("call"):
            pass

    async def main() -> None:
        async with Engine(inside, middleware=[Twice(), traces.middleware]) as engine:
            await engine.submit("x")

    traces.run(main)
    job = traces.one("job inside")
    assert [traces.above(span) for span in traces.named("call")] == [job, job]


def test_around_an_attempt_what_was_current_is_current_again() -> None:
    seen: list[tuple[bool, bool]] = []

    class Outer:
        async def around(self, job: Job, ctx: JobContext, call_next: CallNext) -> object:
            before = contexts.get_current()
            output = await call_next()
            seen.append((contexts.get_current() is before, bool(before)))
            return output

    traces = Traces()

    async def main() -> None:
        async with Engine(work, middleware=[Outer(), traces.middleware]) as engine:
            await engine.submit("x")

    traces.run(main)
    assert seen == [(True, True)]


def test_a_run_that_is_left_where_something_else_is_current_leaves_that_alone() -> None:
    traces = Traces()

    async def main() -> None:
        engine = await traces.engine(work).__aenter__()

        async def elsewhere() -> None:
            with traces.tracer.start_as_current_span("mine") as mine:
                await engine.__aexit__(None, None, None)
                assert trace.get_current_span() is mine

        await asyncio.create_task(elsewhere())

    traces.run(main)
    assert traces.one("mine").parent is not None


def test_what_comes_back_too_late_is_told_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    traces = Traces(capture_content=True)

    async def late(payload: Any) -> Any:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
        return "late"

    async def main() -> None:
        async with traces.engine(late, grace=10.0) as engine:
            handle = await engine.submit("x")
            await asyncio.sleep(1)
            handle.cancel()

    traces.run(main)
    assert "output.value" not in (traces.one("job late").attributes or {})
    assert not caplog.records, "a span that has ended takes no attributes, and the SDK says so"


def test_what_was_refused_after_it_was_shown_is_kept_no_longer_than_its_run() -> None:
    class Refusing:
        def on_submit(self, job: Any) -> None:
            if job.payload == "refused":
                raise PermissionError

    traces = Traces()

    async def main() -> None:
        async with Engine(work, middleware=[traces.middleware, Refusing()]) as engine:
            first = await engine.submit("x")
            with pytest.raises(PermissionError):
                await engine.submit("refused", after=first)
            with pytest.raises(PermissionError):
                await engine.submit_group("g", primer="refused")

    traces.run(main)
