"""Whatever happens to jobs, their spans are a tree: any life, by seed."""

import asyncio
import contextlib
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from paceline import (
    Engine,
    GroupPolicy,
    Handle,
    Job,
    JobFailed,
    MemorySink,
    ReplyRefused,
    RetryPolicy,
    Suspend,
    current_job,
    events,
)
from paceline_integrations.otel import _tracing

from .graphs import reduced, report, story
from .traces import Traces, here

GRAPHS = (report, reduced, story)


class Life:
    """A run in which things happen by chance."""

    def __init__(self, seed: int) -> None:
        self.random: Random = Random(seed)
        self.traces: Traces = Traces()
        self.sink: MemorySink = MemorySink()
        self.handles: list[Handle] = []

    async def work(self, payload: Any) -> Any:
        job, draw = current_job(), self.random.random()
        assert job is not None
        with self.traces.tracer.start_as_current_span("inside"):
            await asyncio.sleep(self.random.choice([0.0, 0.5, 3.0]))
            if draw < 0.2:
                raise ValueError(payload)
            if draw < 0.3 and job.job.reply is None:
                return Suspend("?")
            if draw < 0.4 and payload != "child":
                await (await job.spawn("child")).wait()
            if draw < 0.5:
                try:
                    await asyncio.sleep(50)
                except asyncio.CancelledError:
                    await asyncio.sleep(5)
        return payload

    async def step(self, engine: Engine, number: int) -> None:
        draw = self.random.random()
        after = self.random.sample(self.handles, min(len(self.handles), self.random.choice([0, 0, 1, 3])))
        retry = RetryPolicy(self.random.choice([1, 3]))
        timeout = self.random.choice([None, 2.0])
        if draw < 0.4:
            options: Any = {"retry": retry, "timeout": timeout, "after": after}
            if self.random.random() < 0.2:
                options["deadline"] = 4.0
            self.handles.append(await engine.submit(number, **options))
        elif draw < 0.6:
            policy = GroupPolicy(on_primer_failure=self.random.choice(["skip_followers", "run_followers"]))
            group = await engine.submit_group(
                f"g{number}",
                primer=self.random.choice([None, "p"]),
                followers=range(self.random.randrange(4)),
                policy=policy,
                retry=retry,
                timeout=timeout,
                after=after,
            )
            self.handles.extend(group.followers)
        elif draw < 0.8:
            graph = self.random.choice(GRAPHS)
            self.handles.append(await engine.submit({"place": "x"}, executor=graph, retry=retry, after=after))
        elif draw < 0.9 and self.handles:
            self.random.choice(self.handles).cancel()
        else:
            await asyncio.sleep(self.random.choice([0.1, 2.0]))
            await self.answer(engine)

    async def answer(self, engine: Engine) -> None:
        for handle in self.handles:
            if handle.status == "suspended" and self.random.random() < 0.7:
                with contextlib.suppress(ReplyRefused):
                    await engine.reply(handle.id, "yes")

    async def main(self) -> None:
        async with self.traces.engine(self.work, slots=3, grace=100.0, sinks=[self.sink]) as engine:
            for number in range(self.random.randrange(2, 14)):
                await self.step(engine, number)
            await asyncio.sleep(self.random.choice([0.0, 100.0]))
            await self.answer(engine)


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000_000))
def test_spans_of_any_life_are_one_tree_and_each_attempt_is_in_it_once(seed: int) -> None:
    life = Life(seed)
    traces = life.traces
    traces.run(life.main, seed=seed)
    assert len({here(span).trace_id for span in traces.spans}) == 1
    by_id = Counter(here(span).span_id for span in traces.spans)
    roots = [span for span in traces.spans if span.parent is None]
    assert [span.name for span in roots] == ["invoke_workflow run"]
    for span in traces.spans:
        assert span.parent is None or by_id[span.parent.span_id] == 1, f"{span.name} is an orphan"
        assert span.name == "inside" or "paceline.outcome" in (span.attributes or {})
        for link in span.links:
            assert by_id[link.context.span_id] == 1, "a link leads nowhere"

    bodies = {
        event.job for event in life.sink.of(events.JobSubmitted) if event.role in {"graph", "flow", "map"}
    }
    began = Counter(
        (event.job, event.attempt) for event in life.sink.of(events.JobStarted) if event.job not in bodies
    )
    told = Counter(
        (attributes["paceline.job.id"], attributes["paceline.attempt"])
        for span in traces.spans
        if (attributes := span.attributes or {}).get("paceline.attempt", 0) != 0
        and attributes["paceline.job.id"] not in bodies
    )
    assert told == began
    ended = {event.job for event in life.sink.of(events.JobEnded)} - bodies
    assert ended <= {str((span.attributes or {}).get("paceline.job.id")) for span in traces.spans}


def test_nothing_is_kept_of_ten_thousand_jobs() -> None:
    traces = Traces(run_span=False)
    most = 0

    async def work(payload: Any) -> Any:
        nonlocal most
        most = max(most, traces.kept())
        job = current_job()
        assert job is not None
        if job.attempt == 1 and payload % 10 == 1:
            raise ValueError
        return payload

    async def main() -> None:
        async with traces.engine(work, retry=RetryPolicy(2), slots=8) as engine:
            for number in range(200):
                first = await engine.submit(number)
                group = await engine.submit_group(f"g{number}", primer=0, followers=range(45), after=first)
                last = [await engine.submit(each, after=group) for each in range(3)]
                last[0].cancel()
                await asyncio.wait([asyncio.create_task(each.wait()) for each in last])
                with pytest.raises(JobFailed):
                    await (await engine.submit(1, retry=RetryPolicy(1)))
                traces.exporter.clear()
                assert traces.kept() == 2, "the run, once in each of two tables"

    traces.run(main)
    assert most < 400


def test_jobs_refused_after_they_were_shown_are_let_go_while_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And what waits in excess of what is kept is found again by its headers."""

    class Refusing:
        def on_submit(self, job: Job) -> None:
            if job.payload == "refused":
                raise PermissionError

    async def work(payload: Any) -> Any:
        return payload

    monkeypatch.setattr(_tracing, "_KEPT", 50)
    traces = Traces()

    async def main() -> None:
        async with Engine(work, middleware=[traces.middleware, Refusing()], slots=1) as engine:
            for _ in range(500):
                with pytest.raises(PermissionError):
                    await engine.submit("refused")
            assert traces.kept() < 60
            with traces.tracer.start_as_current_span("mine"):
                first = await engine.submit("x", name="first")
                last = await engine.submit("x", name="last", after=first)
                group = await engine.submit_group("g", primer="p", followers=range(100))
                many = [await engine.submit(number, name="many") for number in range(100)]
                many[0].cancel()
            assert traces.kept() < 70
            await group.results()
            await last

    traces.run(main)
    top = ["invoke_workflow run", "mine"]
    assert len(traces.named("many")) == len(traces.named("follower work")) == 100
    for span in traces.named("many"):
        assert traces.path(span) == [*top, "many"]
    for span in traces.named("follower work"):
        assert traces.path(span) == [*top, "paceline.group g", "follower work"]
        assert traces.links(span) == [("primer", traces.one("primer work"))]
    assert traces.links(traces.one("last")) == [("dependency", traces.one("first"))]
