"""Several engines with one middleware, and blocks that are entered and left wherever it pleases somebody."""

import asyncio
import contextlib
import contextvars
from typing import Any

import pytest
from opentelemetry import baggage, context as contexts, trace
from opentelemetry.context import Context

from paceline import Engine, flow

from .graphs import word
from .traces import Traces, here


async def ask(payload: Any) -> Any:
    return payload


def names_with(traces: Traces, name: str) -> list[str]:
    """What is in the same trace as the span of that name."""
    trace_id = here(traces.one(name)).trace_id
    return sorted(span.name for span in traces.spans if here(span).trace_id == trace_id)


async def some(engine: Engine) -> None:
    """A group with a job after it, and a job by itself."""
    group = await engine.submit_group("g", primer="p", followers=["f"])
    await engine.submit("x", after=group, name="after")
    await (await engine.submit("x", name="single")).wait()
    await group.results()


def held(run: str) -> list[str]:
    """What `some` leaves in the trace of a run."""
    return ["after", "follower ask", f"invoke_workflow {run}", "paceline.group g", "primer ask", "single"]


def test_one_middleware_serves_engines_whose_groups_have_the_same_names() -> None:
    traces = Traces()

    async def run(number: int) -> None:
        with traces.tracer.start_as_current_span(f"program {number}"):
            async with traces.engine(ask, run_id=f"r{number}") as engine:
                await asyncio.sleep(1)
                await some(engine)

    async def main() -> None:
        await asyncio.gather(*(run(number) for number in range(4)))

    traces.run(main)
    for number in range(4):
        assert names_with(traces, f"program {number}") == sorted([*held(f"r{number}"), f"program {number}"])


def test_what_is_submitted_from_outside_of_all_blocks_is_in_the_run_of_its_engine() -> None:
    traces = Traces()

    async def main() -> None:
        leave, opened = asyncio.Event(), dict[str, Engine]()

        async def serve(name: str) -> None:
            async with traces.engine(ask, run_id=name) as engine:
                opened[name] = engine
                await leave.wait()

        services = [asyncio.create_task(serve(name)) for name in ("a", "b")]
        await asyncio.sleep(1)
        await asyncio.gather(*(some(opened[name]) for name in ("a", "b")))
        leave.set()
        await asyncio.gather(*services)

    traces.run(main)
    for name in ("a", "b"):
        assert names_with(traces, f"invoke_workflow {name}") == held(name)
    for follower in traces.named("follower ask"):
        (primer,) = [other for kind, other in traces.links(follower) if kind == "primer"]
        assert here(primer).trace_id == here(follower).trace_id
    for last in traces.named("after"):
        assert [(kind, here(other).trace_id) for kind, other in traces.links(last)] == [
            ("dependency", here(last).trace_id)
        ]


def test_of_blocks_that_are_one_in_the_other_each_engine_has_its_own_jobs() -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(ask, run_id="a") as first, traces.engine(ask, run_id="b") as second:
            await first.submit("x", name="of a")
            group = await first.submit_group("g", followers=["x"])
            await group.results()
            with traces.tracer.start_as_current_span("mine"):
                await first.submit("x", name="below mine")
            await second.submit("x", name="of b")

    traces.run(main)
    assert traces.path(traces.one("of a")) == ["invoke_workflow a", "of a"]
    assert traces.path(traces.one("follower ask"))[:2] == ["invoke_workflow a", "paceline.group g"]
    assert traces.path(traces.one("of b")) == ["invoke_workflow a", "invoke_workflow b", "of b"]
    assert traces.path(traces.one("below mine"))[2:] == ["mine", "below mine"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)])
def test_in_whatever_order_blocks_are_left_what_was_current_before_is_again(order: tuple[int, ...]) -> None:
    traces = Traces()

    async def main() -> None:
        with traces.tracer.start_as_current_span("request") as request:
            before = contexts.get_current()
            engines = [await traces.engine(ask).__aenter__() for _ in range(3)]
            for number in order:
                await engines[number].__aexit__(None, None, None)
            assert trace.get_current_span() is request
            assert contexts.get_current() is before

    traces.run(main)


def test_what_is_left_attached_in_a_block_does_not_keep_its_run_current() -> None:
    """As instrumentations do that attach without ever detaching."""
    traces = Traces()

    async def main() -> None:
        with traces.tracer.start_as_current_span("request") as request:
            async with traces.engine(ask):
                contexts.attach(baggage.set_baggage("tenant", "acme"))
            assert trace.get_current_span() is request
            assert baggage.get_baggage("tenant") == "acme"
            async with traces.engine(ask, run_id="next"):
                pass

    traces.run(main)
    assert traces.path(traces.one("invoke_workflow next")) == ["request", "invoke_workflow next"]


def test_a_block_inside_of_a_flow_leaves_the_flow_where_it_was() -> None:
    traces = Traces()

    @flow
    async def opening(place: str) -> str:
        async with traces.engine(ask, run_id="inner"):
            contexts.attach(baggage.set_baggage("tenant", "acme"))
        with traces.tracer.start_as_current_span("thinking"):
            return await word(place)

    async def main() -> None:
        async with traces.engine(ask, run_id="r") as engine:
            await engine.submit({"place": "x"}, executor=opening)

    traces.run(main)
    assert traces.path(traces.one("word"))[1:] == ["invoke_workflow opening", "thinking", "word"]


def test_after_a_block_that_was_left_in_another_task_nothing_is_below_its_run() -> None:
    traces = Traces()

    async def main() -> None:
        engine = await traces.engine(ask, run_id="first").__aenter__()
        await asyncio.create_task(engine.__aexit__(None, None, None))
        async with traces.engine(ask, run_id="second") as other:
            await other.submit("x")
        assert not trace.get_current_span().get_span_context().is_valid

    traces.run(main)
    assert traces.path(traces.one("job ask")) == ["invoke_workflow second", "job ask"]


def test_a_run_that_is_left_in_another_context_leaves_no_trace_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As a test fixture, or a web server's lifespan, may do it."""
    traces = Traces()

    async def main() -> None:
        stack = contextlib.AsyncExitStack()
        engine = traces.engine(ask)
        await asyncio.create_task(stack.enter_async_context(engine))
        await (await engine.submit("x"))
        await asyncio.create_task(stack.aclose(), context=contextvars.Context())
        assert not trace.get_current_span().get_span_context().is_valid

    traces.run(main)
    assert not caplog.records
    assert traces.path(traces.one("job ask"))[0] == "invoke_workflow run"


def test_a_context_that_somebody_cleared_loses_no_job_of_its_run() -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(ask, run_id="r") as engine:
            contexts.attach(Context())
            await some(engine)

    traces.run(main)
    assert names_with(traces, "invoke_workflow r") == held("r")


def test_a_job_submitted_by_a_thread_is_below_what_is_current_there() -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(ask, run_id="r") as engine:

            def submit() -> None:
                engine.submit_threadsafe("x", name="bare")
                with traces.tracer.start_as_current_span("thread"):
                    engine.submit_threadsafe("x", name="below")

            await asyncio.get_running_loop().run_in_executor(None, contextvars.Context().run, submit)

    asyncio.run(main())
    assert traces.path(traces.one("bare")) == ["invoke_workflow r", "bare"]
    assert traces.path(traces.one("below")) == ["thread", "below"]
    assert traces.kept() == 0


@pytest.mark.parametrize("run_span", [True, False])
def test_two_runs_at_once_of_the_same_id_end_all_their_spans(*, run_span: bool) -> None:
    """It is a mistake: which group of a name is whose cannot be told. But nothing is lost by it."""
    traces = Traces(run_span=run_span)

    opened: list[Engine] = []

    async def run(seconds: int) -> None:
        async with traces.engine(ask, run_id="same") as engine:
            opened.append(engine)
            await some(engine)
            await asyncio.sleep(seconds)
            await some(engine)

    async def main() -> None:
        runs = asyncio.gather(run(1), run(3), run(1))
        await asyncio.sleep(2)
        await asyncio.create_task(some(opened[1]))
        await runs

    traces.run(main)
    assert len(traces.named("follower ask")) == 7
    assert len(traces.named("invoke_workflow same")) == (3 if run_span else 0)
    for span in traces.spans:
        above = traces.above(span)
        assert above is None or above.end_time is None or above.end_time >= (span.start_time or 0)
        traces.links(span)
