"""The trace context in a job's headers, by which a job goes on in another process; and no SDK at all."""

import asyncio
import contextvars
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import baggage, context as contexts, propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, NoOpTracerProvider, SpanContext, SpanKind, TraceFlags
from opentelemetry.util._once import Once

from paceline import Engine, Job, current_job
from paceline.testing import VirtualClock
from paceline_integrations.otel import OpenTelemetryMiddleware

from .traces import Traces, here

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=1", "baggage": "tenant=acme"}


class Wire:
    """Stands for a queue between two processes: writes the headers that a job came with."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers: dict[str, str] = headers

    def on_submit(self, job: Job) -> None:
        job.headers.update(self.headers)


class Noting:
    """Keeps the headers of all jobs."""

    def __init__(self) -> None:
        self.seen: dict[str, dict[str, str]] = {}

    def on_submit(self, job: Job) -> None:
        self.seen[job.name] = dict(job.headers)


async def ask(payload: Any) -> Any:
    return payload


def parent_of(headers: dict[str, str]) -> tuple[int, int]:
    _, trace_id, span_id, _ = headers["traceparent"].split("-")
    return int(trace_id, 16), int(span_id, 16)


def test_a_jobs_headers_hold_its_place_as_w3c_has_it_with_baggage() -> None:
    traces, noting = Traces(), Noting()

    async def main() -> None:
        token = contexts.attach(baggage.set_baggage("tenant", "acme"))
        async with Engine(ask, middleware=[traces.middleware, noting]) as engine:
            await engine.submit("x", name="job")
            await engine.submit_group("g", followers=["x"])
            async with engine.open_group("h") as group:
                inner = contexts.attach(baggage.set_baggage("tenant", "other"))
                await group.add_follower("x")
                contexts.detach(inner)
        contexts.detach(token)

    traces.run(main)
    run = here(traces.one("invoke_workflow run"))
    assert parent_of(noting.seen["job"]) == (run.trace_id, run.span_id)
    assert noting.seen["job"]["baggage"] == "tenant=acme"
    group = here(traces.one("paceline.group g"))
    assert parent_of(noting.seen["g/follower/0"]) == (group.trace_id, group.span_id)
    assert noting.seen["g/follower/0"]["baggage"] == "tenant=acme"
    assert noting.seen["h/follower/0"]["baggage"] == "tenant=other"


def test_another_engine_that_has_only_the_headers_continues_the_trace() -> None:
    first, noting, second = Traces(), Noting(), Traces()
    inside: list[tuple[object, object]] = []

    async def work(payload: Any) -> Any:
        inside.append(
            (baggage.get_baggage("tenant"), trace.get_current_span().get_span_context().trace_state)
        )
        with second.tracer.start_as_current_span("chat"):
            return payload

    async def sender() -> None:
        async with Engine(ask, middleware=[first.middleware, noting]) as engine:
            await engine.submit("x", name="job")

    first.run(sender)
    wire = Wire(noting.seen["job"] | {"baggage": "tenant=acme", "tracestate": "vendor=1"})

    async def worker() -> None:
        async with Engine(work, middleware=[wire, second.middleware]) as engine:
            await engine.submit("x", name="job")
            await engine.submit_group("g", followers=["y"])

    second.run(worker)
    sent = here(first.one("invoke_workflow run"))
    for span in (second.one("job"), second.one("follower work")):
        assert span.parent is not None
        assert (span.parent.trace_id, span.parent.span_id) == (sent.trace_id, sent.span_id)
        assert span.kind is SpanKind.CONSUMER, "an entry, as backends show what begins in a process"
    assert here(second.named("chat")[0]).trace_id == sent.trace_id
    assert [each for each, _ in inside] == ["acme", "acme"]
    assert all(str(state) == "{key=vendor, value=1}" or dict(state) == {"vendor": "1"} for _, state in inside)  # type: ignore[call-overload]


def test_a_job_that_never_runs_in_the_other_process_is_in_its_trace_too() -> None:
    traces = Traces()

    async def slow(payload: Any) -> None:
        await asyncio.sleep(10)

    async def main() -> None:
        async with Engine(slow, slots=1, middleware=[Wire(GIVEN), traces.middleware]) as engine:
            await engine.submit("x", name="first")
            (await engine.submit("x", name="second")).cancel()

    traces.run(main)
    for name in ("first", "second"):
        assert here(traces.one(name)).trace_id == int(TRACE, 16)


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": "00-short-00-01"},
        {"traceparent": "x" * 10_000},
        {"traceparent": f"00-{'0' * 32}-{SPAN}-01"},
        {"tenant": "acme"},
        {"tracestate": "vendor=1"},
    ],
)
def test_headers_that_tell_of_no_trace_are_passed_over(headers: dict[str, str]) -> None:
    traces = Traces()

    async def main() -> None:
        async with Engine(ask, middleware=[Wire(headers), traces.middleware]) as engine:
            await engine.submit("x")
            group = await engine.submit_group("g", followers=["x"])
            await group.results()

    traces.run(main)
    assert traces.path(traces.one("job ask")) == ["invoke_workflow run", "job ask"]
    assert traces.path(traces.one("follower ask"))[1:] == ["paceline.group g", "follower ask"]


class Single(TextMapPropagator):
    """Another format than W3C's, as `OTEL_PROPAGATORS` may name one."""

    def extract(
        self, carrier: Any, context: Context | None = None, getter: Getter[Any] = default_getter
    ) -> Context:
        found = getter.get(carrier, "b3")
        context = Context() if context is None else context
        if not found:
            return context
        trace_id, span_id = found[0].split("-")
        told = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(1))
        return trace.set_span_in_context(NonRecordingSpan(told), context)

    def inject(
        self, carrier: Any, context: Context | None = None, setter: Setter[Any] = default_setter
    ) -> None:
        told = trace.get_current_span(context).get_span_context()
        if told.is_valid:
            setter.set(carrier, "b3", f"{told.trace_id:032x}-{told.span_id:016x}")

    @property
    def fields(self) -> set[str]:
        return {"b3"}


@pytest.fixture
def single() -> Iterator[None]:
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(Single())
    yield
    propagate.set_global_textmap(before)


@pytest.mark.usefixtures("single")
def test_whatever_propagator_is_set_is_used() -> None:
    traces, noting = Traces(), Noting()

    async def main() -> None:
        async with Engine(ask, middleware=[traces.middleware, noting]) as engine:
            with traces.tracer.start_as_current_span("mine"):
                await engine.submit("x")
            await engine.submit("x", name="top")
            await engine.submit_group("g", primer="p", followers=["f"])

    traces.run(main)
    assert {name for headers in noting.seen.values() for name in headers} == {"b3"}
    assert traces.path(traces.one("job ask")) == ["invoke_workflow run", "mine", "job ask"]
    assert traces.path(traces.one("top")) == ["invoke_workflow run", "top"]
    assert traces.path(traces.one("follower ask"))[1:] == ["paceline.group g", "follower ask"]
    assert traces.links(traces.one("follower ask")) == [("primer", traces.one("primer ask"))]
    assert all(span.kind is SpanKind.INTERNAL for span in traces.spans)


class Silent(Single):
    """Writes nothing, as `OTEL_PROPAGATORS=none` says."""

    def inject(self, carrier: Any, context: Context | None = None, setter: Any = None) -> None:
        """Nothing."""


def test_without_any_propagator_jobs_are_below_their_run_all_the_same(single: None) -> None:
    propagate.set_global_textmap(Silent())
    traces = Traces()

    async def main() -> None:
        async with Engine(ask, middleware=[traces.middleware]) as engine:

            async def elsewhere() -> None:
                await (await engine.submit("x"))
                group = await engine.submit_group("g", followers=["x"])
                await group.results()

            await asyncio.create_task(elsewhere(), context=contextvars.Context())

    traces.run(main)
    assert traces.path(traces.one("job ask")) == ["invoke_workflow run", "job ask"]
    assert traces.path(traces.one("follower ask"))[1:] == ["paceline.group g", "follower ask"]


def test_what_is_not_sampled_is_passed_on_as_not_sampled() -> None:
    traces, noting = Traces(sampler=ALWAYS_OFF, capture_content=True), Noting()
    inside: list[bool] = []

    async def work(payload: Any) -> Any:
        inside.append(trace.get_current_span().get_span_context().trace_flags.sampled)
        return payload

    async def main() -> None:
        async with Engine(work, middleware=[traces.middleware, noting]) as engine:
            await engine.submit_group("g", primer="x", followers=["x"])
            await engine.submit("x", name="job")

    traces.run(main)
    assert not traces.spans
    assert inside == [False] * 3
    assert noting.seen["job"]["traceparent"][-2:] in {"00", "02"}


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process where nobody has set a provider."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())


@pytest.mark.usefixtures("unset")
@pytest.mark.parametrize("provider", [None, NoOpTracerProvider()])
def test_without_an_sdk_contexts_are_passed_on(provider: Any) -> None:
    middleware, noting = OpenTelemetryMiddleware(provider), Noting()
    inside: list[str] = []

    async def work(payload: Any) -> Any:
        inside.append(f"{trace.get_current_span().get_span_context().span_id:016x}")
        return payload

    async def main() -> None:
        async with Engine(work, middleware=[middleware, noting]) as engine:
            await engine.submit("x", name="none")
            contexts.attach(propagate.extract(GIVEN))
            await engine.submit("x", name="job")
            await engine.submit_group("g", primer="p", followers=["f"])

    VirtualClock().run(main)
    assert noting.seen["none"] == {}
    assert noting.seen["job"] == noting.seen["g/primer"] == GIVEN
    assert inside == ["0" * 16, SPAN, SPAN, SPAN]
    assert middleware._tracing is None


@pytest.mark.usefixtures("unset")
def test_without_an_sdk_a_job_from_another_process_continues_its_trace() -> None:
    inside: list[str] = []

    async def work(payload: Any) -> Any:
        inside.append(f"{trace.get_current_span().get_span_context().span_id:016x}")

    async def main() -> None:
        async with Engine(work, middleware=[Wire(GIVEN), OpenTelemetryMiddleware()]) as engine:
            await engine.submit("x")
        assert not contexts.get_current()

    VirtualClock().run(main)
    assert inside == [SPAN]


@pytest.mark.usefixtures("unset")
def test_a_provider_that_is_set_before_the_engine_opens_is_used() -> None:
    traces, middleware = Traces(), OpenTelemetryMiddleware()
    trace.set_tracer_provider(traces.provider)

    async def main() -> None:
        async with Engine(ask, middleware=[middleware]) as engine:
            await engine.submit("x")

    traces.run(main)
    assert [span.name for span in traces.spans] == ["job ask", "invoke_workflow run"]


@pytest.mark.usefixtures("unset")
def test_a_provider_that_is_set_while_the_engine_is_open_is_used_from_the_next_scope_on() -> None:
    traces, middleware = Traces(), OpenTelemetryMiddleware()

    async def main() -> None:
        async with Engine(ask, middleware=[middleware]) as engine:
            await (await engine.submit("before"))
            trace.set_tracer_provider(traces.provider)
            group = await engine.submit_group("g", primer="p", followers=["f"])
            await group.results()
            await engine.submit("x")

    traces.run(main)
    assert traces.path(traces.one("follower ask")) == ["paceline.group g", "follower ask"]
    assert traces.path(traces.one("job ask")) == ["job ask"]


@pytest.mark.usefixtures("unset")
def test_a_provider_set_twice_stays_the_first_unless_another_is_given(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, second, given = Traces(), Traces(), Traces()
    trace.set_tracer_provider(first.provider)
    trace.set_tracer_provider(second.provider)
    assert "Overriding of current TracerProvider" in caplog.text

    async def main(middleware: OpenTelemetryMiddleware) -> None:
        async with Engine(ask, middleware=[middleware]) as engine:
            await engine.submit("x")

    first.run(lambda: main(OpenTelemetryMiddleware()))
    given.run(lambda: main(given.middleware))
    assert len(first.spans) == len(given.spans) == 2
    assert not second.spans


def test_the_sdk_may_be_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    traces = Traces()

    async def main() -> None:
        async with traces.engine(ask) as engine:
            await engine.submit("x")

    traces.run(main)
    assert not traces.spans


def test_the_current_job_is_seen_inside() -> None:
    traces = Traces()

    async def work(payload: Any) -> str:
        job = current_job()
        assert job is not None
        return job.job.headers["traceparent"]

    async def main() -> None:
        async with traces.engine(work) as engine:
            told = await (await engine.submit("x"))
            assert told.startswith("00-")

    traces.run(main)
