"""What the spans of jobs point at, and as what."""

import asyncio
import gc
import weakref
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

from paceline import Dag, Ended, Handle, RetryPolicy, Suspend, current_job, dag, task

from .graphs import rank, reduced, word
from .traces import Traces, here


async def ask(payload: Any) -> Any:
    return payload


def once(payload: Any, error: type[Exception] = ValueError) -> Any:
    """Fails at its first attempt."""
    job = current_job()
    assert job is not None
    if job.attempt == 1:
        raise error
    return payload


def test_every_attempt_of_a_follower_points_at_the_primers_attempt_that_was_under_way() -> None:
    traces = Traces()

    async def work(payload: str) -> Any:
        return once(payload) if payload in {"primer", "retried"} else payload

    async def main() -> None:
        async with traces.engine(work, retry=RetryPolicy(2)) as engine:
            await engine.submit_group("g", primer="primer", followers=["retried", "plain"])

    traces.run(main)
    failed, primer = traces.named("primer work")
    assert traces.links(primer) == [("retry", failed)]
    followers = traces.named("follower work")
    assert len(followers) == 3
    for follower in followers:
        assert ("primer", primer) in traces.links(follower)
    retried = next(each for each in followers if (each.attributes or {})["paceline.attempt"] == 2)
    assert [kind for kind, _ in traces.links(retried)] == ["primer", "retry"]


def test_a_node_points_at_the_last_attempt_of_each_node_before_it() -> None:
    traces = Traces()
    report = Dag("report")

    @report.task
    async def left() -> int:
        once(1)
        return 1

    @report.task
    async def right() -> int:
        await asyncio.sleep(100)
        return 2

    @report.task(after=[left, right])
    async def both() -> int:
        once(1)
        return 3

    async def main() -> None:
        async with traces.engine(ask, retry=RetryPolicy(2)) as engine:
            await report.run(engine)

    traces.run(main)
    lefts = traces.named("left")
    for attempt in traces.named("both"):
        wanted = [("dependency", lefts[-1]), ("dependency", traces.one("right"))]
        assert traces.links(attempt)[:2] == wanted
        assert (attempt.attributes or {})["paceline.after.count"] == 2
    assert [kind for kind, _ in traces.links(traces.named("both")[1])][2:] == ["retry"]


def test_a_job_points_at_the_jobs_and_groups_that_it_waited_for() -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(ask) as engine:
            first = await engine.submit("x", name="first")
            group = await engine.submit_group("g", followers=["a"])
            await engine.submit("x", name="last", after=[first, Ended(group)])
            late = await engine.submit_group("late", followers=["b"], after=[first])
            await late.results()

    traces.run(main)
    last = traces.one("last")
    assert traces.links(last) == [
        ("dependency", traces.one("first")),
        ("dependency", traces.one("paceline.group g")),
    ]
    member = next(
        each for each in traces.named("follower ask") if (each.attributes or {})["paceline.group"] == "late"
    )
    assert traces.links(member) == [("dependency", traces.one("first"))]


def test_a_job_points_at_one_that_was_under_way_when_it_came_in() -> None:
    traces = Traces()

    async def slow(payload: Any) -> Any:
        await asyncio.sleep(5)

    async def main() -> None:
        async with traces.engine(slow) as engine:
            first = await engine.submit("x", name="first")
            await asyncio.sleep(1)
            await engine.submit("x", name="last", after=first)

    traces.run(main)
    assert traces.links(traces.one("last")) == [("dependency", traces.one("first"))]


def test_a_graph_inside_of_a_graph_points_and_is_pointed_at() -> None:
    traces = Traces()
    inner, outer = Dag("inner"), Dag("outer")

    @inner.task
    async def deep() -> int:
        return 1

    @outer.task
    async def before() -> int:
        return 1

    nested = outer.task(inner, name="nested", after=[before])

    @outer.task(after=[nested])
    async def after() -> int:
        return 1

    async def main() -> None:
        async with traces.engine(ask) as engine:
            await outer.run(engine)

    traces.run(main)
    graph = traces.one("invoke_workflow nested")
    assert traces.links(graph) == [("dependency", traces.one("before"))]
    assert traces.links(traces.one("after")) == [("dependency", graph)]
    assert traces.path(traces.one("nested/deep"))[-2:] == ["invoke_workflow nested", "nested/deep"]


def test_what_comes_after_a_map_points_at_its_items() -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(ask) as engine:
            await reduced.run(engine, place="x")

    traces.run(main)
    items = traces.named("word")
    assert traces.links(traces.one("rank")) == [("dependency", item) for item in items]


def test_what_comes_after_a_large_map_points_at_its_first_items() -> None:
    traces = Traces()

    @task
    async def many(number: int) -> list[str]:
        return ["x"] * number

    @dag
    async def large(number: int) -> str:
        return await rank(await word.map(await many(number)))

    async def main() -> None:
        async with traces.engine(ask) as engine:
            await large.run(engine, number=130)

    traces.run(main)
    links = traces.links(traces.one("rank"))
    assert len(traces.named("word")) == 130
    assert len(links) == 100
    assert {span.name for _, span in links} == {"word"}


def test_of_a_job_that_others_wait_for_no_more_is_kept_than_where_its_span_is() -> None:
    traces = Traces(capture_content=True)

    async def slow(seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def main() -> None:
        async with traces.engine(slow) as engine:
            first, second = await engine.submit(2.0, name="first"), await engine.submit(9.0)
            await engine.submit(1.0, name="last", after=[first, second])
            await asyncio.sleep(1)
            tracing = traces.middleware._tracing
            assert tracing is not None
            attempt = tracing._jobs[first.id].attempt
            assert attempt is not None
            kept = weakref.ref(attempt)
            del attempt
            await first
            await asyncio.sleep(1)
            gc.collect()
            assert kept() is None

    traces.run(main)
    assert ("dependency", traces.one("first")) in traces.links(traces.one("last"))


def test_a_map_is_kept_no_longer_than_its_graph() -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(ask) as engine:
            empty = traces.kept()
            for _ in range(3):
                await reduced.run(engine, place="x")
            assert traces.kept() == empty

    traces.run(main)


def test_the_attempt_after_a_reply_points_at_the_one_that_asked() -> None:
    traces = Traces()

    async def work(payload: Any) -> Any:
        job = current_job()
        assert job is not None
        return Suspend("sure?") if job.job.reply is None else payload

    async def main() -> None:
        async with traces.engine(work) as engine:
            handle = await engine.submit("x", name="asks")
            await handle.wait()
            await engine.reply(handle.id, "yes")

    traces.run(main)
    asked, went_on = traces.named("asks")
    assert traces.links(went_on) == [("resumed", asked)]
    assert "paceline.wait.seconds" in (asked.attributes or {})
    assert "paceline.wait.seconds" not in (went_on.attributes or {}), "an answer is no wait for the queue"


def test_attempts_at_a_job_without_a_run_around_it_are_in_one_trace() -> None:
    traces = Traces(run_span=False)

    async def work(payload: Any) -> Any:
        return once(payload)

    async def main() -> None:
        async with traces.engine(work, retry=RetryPolicy(2)) as engine:
            await engine.submit("x")

    traces.run(main)
    first, second = traces.named("job work")
    assert here(first).trace_id == here(second).trace_id
    assert traces.links(second) == [("retry", first)]


def test_a_member_submitted_in_another_trace_points_at_its_submitter() -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(ask) as engine, engine.open_group("g") as group:
            with traces.tracer.start_as_current_span("request", context=Context()):
                await group.add_follower("x")
            await group.add_follower("y")

    traces.run(main)
    other, own = traces.named("follower ask")
    assert traces.links(other) == [("submitter", traces.one("request"))]
    assert traces.links(own) == []
    assert traces.path(other)[1:] == ["paceline.group g", "follower ask"]


def test_of_too_many_links_those_that_say_most_stay() -> None:
    traces = Traces(limits=SpanLimits(max_links=4))

    async def work(payload: Any) -> Any:
        return once(payload) if payload == "last" else payload

    async def main() -> None:
        async with traces.engine(work, retry=RetryPolicy(2)) as engine:
            before: list[Handle] = [await engine.submit(number) for number in range(9)]
            await engine.submit("last", name="last", after=before)

    traces.run(main)
    _, second = traces.named("last")
    assert [kind for kind, _ in traces.links(second)] == ["dependency"] * 3 + ["retry"]
    assert (second.attributes or {})["paceline.after.count"] == 9
    assert second.dropped_links == 6


class DroppingFirst(Sampler):
    """Samples all spans but those that are called "first"."""

    def should_sample(self, parent_context: Any, trace_id: int, name: str, *args: Any, **more: Any) -> Any:
        return SamplingResult(Decision.DROP if name == "first" else Decision.RECORD_AND_SAMPLE)

    def get_description(self) -> str:
        return "dropping"


def test_nothing_points_at_a_span_that_was_not_sampled() -> None:
    traces = Traces(sampler=DroppingFirst())

    async def main() -> None:
        async with traces.engine(ask) as engine:
            first = await engine.submit("x", name="first")
            second = await engine.submit("x", name="second")
            await engine.submit("x", name="last", after=[first, second])

    traces.run(main)
    assert traces.links(traces.one("last")) == [("dependency", traces.one("second"))]


@pytest.mark.parametrize("outcome", ["cancelled", "skipped"])
def test_a_job_that_never_ran_is_linked_like_others(outcome: str) -> None:
    traces = Traces()

    async def work(payload: Any) -> Any:
        await asyncio.sleep(5)
        if payload == "fails":
            raise ValueError(payload)

    async def main() -> None:
        async with traces.engine(work) as engine:
            first = await engine.submit("fails", name="first")
            last = await engine.submit("x", name="last", after=first)
            if outcome == "cancelled":
                await asyncio.sleep(1)
                last.cancel()

    traces.run(main)
    last = traces.one("last")
    assert traces.links(last) == [("dependency", traces.one("first"))]
    assert (last.attributes or {})["paceline.outcome"] == outcome
